"""Jobs on the fast path beside nng: taken where the worker is on this host, left where it
is switched off, the same bytes either way, and nothing burned while nobody asks."""
import os
import pathlib
import signal
import time

from harness import JSON, case, equal, eventually

TEXT = b'{"a":[1,2,{"b":"text"}],"c":1.5}'
CHOSEN = [("Offloop-Mode", "rpc")]
REQUESTS = 50


def ask(pair, requests=REQUESTS):
    with pair.client() as client:
        assert client.ask("PUT", "/v1/fast/1", TEXT, JSON + CHOSEN).status in (200, 201)
        for _ in range(requests):
            equal(client.ask("GET", "/v1/fast/1", headers=CHOSEN).body, TEXT)


def sent(pair):
    return (pair.metric("offloop_jobs_sent_fastpath_total"),
            pair.metric("offloop_jobs_sent_seat_total"))


@case(server=["--mode-header=on"], workers=2)
def jobs_travel_beside_nng(pair):
    eventually(lambda: pair.metric("offloop_worker_fastpaths") == 2, "fast paths")
    before = sent(pair)
    ask(pair)
    after = sent(pair)
    equal(after[1], before[1])
    assert after[0] - before[0] == REQUESTS + 1, (before, after)


@case(server=["--mode-header=on", "--arena=off"])
def without_an_arena_too(pair):
    eventually(lambda: pair.metric("offloop_worker_fastpaths") == 1, "a fast path")
    ask(pair)


@case(server=["--mode-header=on", "--fastpath=off"])
def switched_off(pair):
    ask(pair)
    equal(pair.metric("offloop_worker_fastpaths"), 0)
    equal(sent(pair), (0, REQUESTS + 1))


@case(server=["--mode-header=on", "--processes=2"], workers=2)
def each_front_has_its_own(pair):
    eventually(lambda: pair.metric("offloop_worker_fastpaths") == 4, "fast paths")
    ask(pair)


@case(server=["--mode-header=on"])
def killed_workers_and_their_successors(pair):
    for killed in range(3):
        eventually(lambda: pair.metric("offloop_worker_fastpaths") == 1, "a fast path")
        ask(pair, 5)
        os.kill(pair.worker.of_role("worker")[0], signal.SIGKILL)
        # A successor may be there before anybody sees that the path had ended.
        eventually(lambda: pair.metric("offloop_workers_lost_total") == killed + 1, "its end")
    eventually(lambda: pair.metric("offloop_worker_fastpaths") == 1, "a fast path")


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@case(server=["--mode-header=on"])
def nobody_asks(pair):
    """Signs of life and hellos are all that goes on: a tenth of a busy loop's time would
    be hundreds of ticks."""
    eventually(lambda: pair.metric("offloop_worker_fastpaths") == 1, "a fast path")
    ask(pair, 5)
    pids = pair.server.fronts() + pair.worker.of_role("worker")
    before = sum(map(cpu_ticks, pids))
    time.sleep(3)
    assert sum(map(cpu_ticks, pids)) - before < 15
