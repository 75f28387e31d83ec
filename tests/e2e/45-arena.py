"""Large documents in memory that fronts share with workers: every byte right with it and
without it, whoever dies, and nothing left behind."""
import hashlib
import json
import os
import pathlib
import signal
import socket

from harness import JSON, SANITIZED, case, equal, eventually, request

NAME = "memfd:offloop-arena"
POOL = "memfd:offloop-pool"
SIZES = (3_000, 60_000, 400_000, 3_000_000) if SANITIZED else \
    (3_000, 60_000, 400_000, 3_000_000, 16_000_000)


def document(size):
    rows, length = [], 2
    while length < size:
        row = {"n": len(rows), "text": hashlib.sha256(str(len(rows)).encode()).hexdigest()}
        rows.append(row)
        length += len(json.dumps(row, separators=(",", ":"))) + 1
    return json.dumps(rows, separators=(",", ":")).encode()


def arenas(pid, name=NAME):
    """How many the process has mapped."""
    return len(mappings(pid, name))


def mappings(pid, name):
    return [line for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
            if name in line]


def there_and_back(pair):
    chosen = [("Offloop-Mode", "rpc")]
    with pair.client() as client:
        for size in SIZES:
            body = document(size)
            reply = client.ask("PUT", f"/v1/arena/{size}", body, JSON + chosen)
            assert reply.status in (200, 201), reply
            equal(client.ask("GET", f"/v1/arena/{size}", headers=chosen).body, body)


@case(server=["--mode-header=on"])
def large_documents_share_memory(pair):
    eventually(lambda: arenas(pair.server.fronts()[0]) == 1, "an arena in the front")
    eventually(lambda: arenas(pair.worker.of_role("worker")[0]) == 1, "and in the worker")
    there_and_back(pair)


def touched(pid, name):
    """KiB of it that the process has been at."""
    lines = iter(pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines())
    assert any(name in line for line in lines)
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


@case(server=["--mode-header=on"], workers=2)
def documents_are_read_in_place(pair):
    """Into memory that all workers read and none can write to, whoever gets the job."""
    front, workers = pair.server.fronts()[0], pair.worker.of_role("worker")
    eventually(lambda: all(arenas(pid, POOL) == 1 for pid in workers), "a pool in workers")
    equal(arenas(front, POOL), 1)
    for pid in workers:
        equal(mappings(pid, POOL)[0].split()[1], "r--s")
    there_and_back(pair)
    assert touched(front, POOL) >= SIZES[-1] * 9 // 10 // 1024, touched(front, POOL)
    used = touched(front, POOL)
    for _ in range(3): # the same pages again
        there_and_back(pair)
    equal(touched(front, POOL), used)
    with pair.client() as client: # what is sent as it is takes none of it
        client.ask("PUT", "/v1/arena/large", document(30_000_000), JSON)
        client.ask("GET", "/v1/arena/large", headers=[("Accept", "application/msgpack")])
    equal(touched(front, POOL), used)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: (new := pair.worker.of_role("worker")) and len(new) == 2 and
               not set(new) & set(workers) and
               all(arenas(pid, POOL) == 1 for pid in new), "the next ones have it too")
    there_and_back(pair)
    equal(arenas(front, POOL), 1)


@case(server=["--mode-header=on", "--arena=off"])
def off_means_messages(pair):
    there_and_back(pair)
    equal(arenas(pair.server.fronts()[0]), 0)
    equal(arenas(pair.server.fronts()[0], POOL), 0)
    equal(arenas(pair.worker.of_role("worker")[0]), 0)


@case(server=["--mode-header=on", "--arena=1MiB"])
def what_does_not_fit_travels_in_messages(pair):
    eventually(lambda: arenas(pair.server.fronts()[0]) == 1, "an arena in the front")
    there_and_back(pair)


@case(server=["--mode-header=on"], workers=2)
def killed_workers_leave_none_behind(pair):
    front = pair.server.fronts()[0]
    for _ in range(3):
        eventually(lambda: arenas(front) == 2, "an arena for each worker")
        os.kill(pair.worker.of_role("worker")[0], signal.SIGKILL)
        there_and_back(pair)
    eventually(lambda: arenas(front) == 2, "none of the dead")


@case(server=["--mode-header=on"], workers=2)
def killed_fronts_leave_none_behind(pair):
    workers = pair.worker.of_role("worker")
    for _ in range(2):
        front = pair.server.fronts()[0]
        eventually(lambda: all(arenas(pid, POOL) == 1 for pid in workers), "a pool in workers")
        os.kill(front, signal.SIGKILL)
        eventually(lambda: pair.server.fronts() and pair.server.fronts()[0] != front,
                   "the next front")
        eventually(lambda: arenas(pair.server.fronts()[0], POOL) == 1, "with a pool")
        there_and_back(pair)
    eventually(lambda: all(arenas(pid, POOL) == arenas(pid) == 1 for pid in workers),
               "none of the dead fronts'")
    equal(pair.worker.of_role("worker"), workers)


@case(server=["--mode-header=on"])
def a_reply_under_way_outlives_its_worker(pair):
    """What a slow client has not read yet lies in the arena of the worker that made it."""
    front = pair.server.fronts()[0]
    body, chosen = document(SIZES[-1]), [("Offloop-Mode", "rpc")]
    with pair.client() as slow:
        assert slow.ask("PUT", "/v1/arena/slow", body, JSON + chosen).status in (200, 201)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        slow.send(request("GET", "/v1/arena/slow", headers=chosen))
        equal(slow.head()[0], 200)
        os.kill(pair.worker.of_role("worker")[0], signal.SIGKILL)
        eventually(lambda: arenas(front) == 2, "the dead worker's arena and the next one's")
        there_and_back(pair)
        equal(arenas(front), 2)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        assert slow._exactly(len(body)) == body
    eventually(lambda: arenas(front) == 1, "the dead worker's is gone")
