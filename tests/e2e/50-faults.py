"""What dies, hangs or is missing, and what the other side makes of it."""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import harness
from harness import (BUILD, JSON, SANITIZED, Client, Daemon, Skip, case, check_problem, equal,
                     eventually, lmdb_only, request)

DOCUMENT = json.dumps([{"n": n, "text": "x" * 50} for n in range(300)],
                      separators=(",", ":")).encode()


class Load:
    """Clients that read one document until told to stop; collects what they saw."""

    def __init__(self, pair, threads=4, connection_each=False):
        self.pair = pair
        self.connection_each = connection_each
        self.statuses = {}
        self.wrong = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def note(self, status):
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def total(self):
        return sum(self.statuses.values())

    def one(self, client):
        """One request; true where the connection serves another."""
        reply = client.ask("GET", "/v1/faults/doc")
        if reply.status == 200 and reply.body != DOCUMENT:
            self.wrong.append(reply.body[:100])
        self.note(reply.status)
        return reply.header("connection") != "close"

    def run(self):
        client = None
        while not self.stopping.is_set():
            try:
                client = client or Client(self.pair.port)
                if not self.one(client) or self.connection_each:
                    client.close()
                    client = None
            except ConnectionRefusedError:
                self.note("refused")
                return
            except (OSError, AssertionError) as problem:
                if client and client.replies and not client.buffer:
                    # Closed while idle, as any server may: no byte of a reply came. A
                    # client asks again, on a connection of its own.
                    self.note("closed while idle")
                    client = None
                    continue
                self.note("lost")
                self.wrong.append(repr(problem))
                return
        if client:
            client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a request hangs"


def put_document(pair):
    assert pair.ask("PUT", "/v1/faults/doc", DOCUMENT, JSON).status in (200, 201)


@case(workers=0, server=["--job-timeout", "1s"])
def no_worker_is_503_with_retry_after(pair):
    with pair.client() as client:
        reply = client.ask("PUT", "/v1/faults/doc", DOCUMENT, JSON)
        check_problem(reply, 503)
        assert int(reply.header("retry-after")) >= 1
        equal(client.ask("PUT", "/v1/faults/doc", DOCUMENT,
                         [*JSON, ("Offloop-Mode", "inline")]).status, 201)
        # what needs no codec is served
        equal(client.ask("GET", "/v1/faults/doc",
                         headers=[("Accept", "application/msgpack")]).status, 200)
        check_problem(client.ask("GET", "/v1/faults/doc"), 503)
    equal(pair.admin("/readyz").status, 503)


@case(start="worker")
def the_worker_may_start_first(pair):
    put_document(pair)
    equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(workers=0)
def a_request_waits_for_a_worker_that_comes(pair):
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(
        pair.ask("PUT", "/v1/faults/doc", DOCUMENT, JSON)))
    waiting.start()
    eventually(lambda: pair.metric("offloop_queue_depth") == 1, "the job waits")
    pair.worker_arguments[1] = "1"
    pair.start_worker()
    waiting.join(60)
    equal(replies[0].status, 201)


@case(own=True)
def a_worker_daemon_that_stops_and_comes_back(pair):
    put_document(pair)
    for _ in range(3):
        pair.worker.stop()
        eventually(lambda: pair.admin("/readyz").status == 503, "/readyz says so")
        pair.start_worker()
        pair.wait_ready()
        equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(own=True)
def a_server_that_restarts_under_its_worker(pair):
    put_document(pair)
    for _ in range(3):
        pair.server.stop()
        pair.start_server()
        pair.wait_ready()
        equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(own=True)
def a_server_killed_and_restarted_under_its_worker(pair):
    put_document(pair)
    for _ in range(3):
        pair.server.kill_all()
        pair.start_server()
        pair.wait_ready()
        equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(workers=2)
def workers_killed_under_load_lose_no_request(pair):
    put_document(pair)
    kills = 5 if SANITIZED else 15
    with Load(pair) as load:
        for _ in range(kills):
            seen = load.total()
            victim = eventually(lambda: pair.worker.of_role("worker"), "a worker lives")[0]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: victim not in pair.worker.of_role("worker"), "it is gone")
            eventually(lambda: load.total() > seen + 20, "the load goes on")
    assert set(load.statuses) == {200}, (load.statuses, load.wrong)
    assert not load.wrong, load.wrong
    eventually(lambda: len(pair.worker.of_role("worker")) == 2, "both are there again")


@case(own=True)
def the_only_worker_killed_midway(pair):
    put_document(pair)
    for _ in range(5):
        os.kill(pair.worker.of_role("worker")[0], signal.SIGKILL)
        reply = pair.ask("GET", "/v1/faults/doc")
        equal((reply.status, reply.body), (200, DOCUMENT))


@case(own=True)
def the_writer_killed_is_replaced(pair):
    lmdb_only("Redis needs no writer")
    put_document(pair)
    for _ in range(3):
        victim = pair.server.of_role("writer")[0]
        os.kill(victim, signal.SIGKILL)
        equal(pair.ask("GET", "/v1/faults/doc").status, 200)
        eventually(lambda: pair.ask("PUT", "/v1/faults/other", b"1", JSON).status in (200, 201),
                   "writes go on")


@case(own=True)
def the_gate_killed_is_replaced(pair):
    put_document(pair)
    os.kill(pair.server.of_role("gate")[0], signal.SIGKILL)
    equal(pair.ask("GET", "/v1/faults/doc").status, 200)
    eventually(lambda: pair.server.of_role("gate"), "a new gate")
    pair.worker.kill_all()
    pair.start_worker()
    eventually(pair.ready, "a new worker finds the new gate")
    equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(server=["--processes", "2"])
def a_front_killed_is_replaced(pair):
    put_document(pair)
    before = pair.server.fronts()
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(pair.server.fronts()) == 2 and before[0] not in pair.server.fronts(),
               "a new front")
    pair.wait_ready()
    for _ in range(20):
        equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)
    eventually(lambda: not list(pair.runtime.glob(f"*-{before[0]}-*")),
               "its sockets' files are swept away")


@case(own=True)
def masters_killed_take_their_children_along(pair):
    put_document(pair)
    for daemon in (pair.server, pair.worker):
        family = eventually(lambda: daemon.of_role("front") + daemon.of_role("gate") +
                            daemon.of_role("writer") + daemon.of_role("worker"), "children")
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()

        def ended():
            for pid in family:
                with contextlib.suppress(OSError):
                    os.kill(pid, 0)
                    return False
            return True
        eventually(ended, f"the children of {daemon.name} end")


@case(own=True)
def term_drains_requests_in_flight(pair):
    put_document(pair)
    with Load(pair, connection_each=True) as load:
        eventually(lambda: load.total() > 50, "load")
        pair.server.stop()
        eventually(lambda: not any(thread.is_alive() for thread in load.threads),
                   "the clients notice")
    assert set(load.statuses) <= {200, "refused"}, (load.statuses, load.wrong)
    assert not load.wrong, load.wrong
    pair.worker.stop()


@case(own=True)
def term_answers_kept_alive_connections_first(pair):
    put_document(pair)
    with Load(pair) as load:
        eventually(lambda: load.total() > 50, "load")
        pair.server.stop()
    assert set(load.statuses) <= {200, "refused", "closed while idle"}, \
        (load.statuses, load.wrong)
    assert load.statuses.get("closed while idle", 0) <= 4, load.statuses
    pair.worker.stop()


@case(own=True)
def term_with_an_idle_and_a_slow_client(pair):
    put_document(pair)
    with pair.client() as idle, pair.client() as slow:
        idle.ask("GET", "/v1")
        slow.send(b"PUT /v1/faults/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 3\r\n\r\n[")
        eventually(lambda: pair.metric("offloop_connections") == 2, "both are connected")
        pair.server.send_signal(signal.SIGTERM)
        assert idle.ended(), "an idle connection is closed at once"
        slow.send(b"1]")
        equal(slow.reply().status, 201)
    equal(pair.server.wait(), 0)


@case(server=["--drain-timeout", "1s"])
def term_does_not_wait_for_ever(pair):
    with pair.client() as slow:
        slow.send(b"PUT /v1/faults/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 3\r\n\r\n[")
        eventually(lambda: pair.metric("offloop_connections") == 1, "it is connected")
        pair.server.send_signal(signal.SIGTERM)
        equal(pair.server.wait(), 0)


@case(own=True)
def int_is_as_term(pair):
    for daemon in (pair.server, pair.worker):
        daemon.send_signal(signal.SIGINT)
        equal(daemon.wait(), 0)


@case(own=True)
def a_port_that_is_taken_is_said_clearly(pair):
    taken = f"127.0.0.1:{pair.port}"
    other = Daemon("offloop-server", ["--listen", taken, "--admin", "off", "--store",
                                              f"lmdb:{pair.folder}/other"],
                           pair.folder / "run2", pair.folder)
    pair.daemons.append(other)
    status = other.wait()
    assert status not in (0, None), status
    assert any(taken in line for line in other.log), other.log


def lonely(pair, *arguments):
    """A server that cannot start: its exit status and log."""
    other = Daemon("offloop-server", ["--listen", "127.0.0.1:0", "--admin", "off", "--store",
                                      f"lmdb:{pair.folder}/other", *arguments],
                   pair.folder / "run2", pair.folder)
    pair.daemons.append(other)
    return other.wait(), other.log


@case
def what_keeps_a_server_from_starting_is_said_with_the_way_out(pair):
    foreign = pair.folder / "foreign"
    foreign.mkdir()
    (foreign / "data.mdb").write_text("no store of ours")
    for flag, arguments in (
            ("--store", ["--store", f"lmdb:{pair.folder}/no/such"]),
            ("--store", ["--store", f"lmdb:{foreign}"]),
            ("--rpc", ["--rpc", "ipc:///proc/no/such"]),
            ("--listen", ["--listen", f"127.0.0.1:{pair.port}"])):
        status, log = lonely(pair, *arguments)
        equal(status, 1)
        assert any(flag in line for line in log), (flag, log)


@case
def a_full_disk_at_the_start_is_said(pair):
    lmdb_only("Redis' disk is Redis' own")
    disk = pair.folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", disk]).returncode != 0:
        raise Skip("only root may mount a small disk")
    try:
        status, log = lonely(pair, "--store", f"lmdb:{disk}/data")
    finally:
        subprocess.run(["umount", disk], check=True)
    equal(status, 1)
    assert any("the disk is full" in line for line in log), log


def hung_writes(pair, path):
    """PUT, PATCH, DELETE and a bulk load, each by its own client, to a writer that hangs."""
    merge = [("Content-Type", "application/merge-patch+json")]
    lines = [("Content-Type", "application/x-ndjson")]
    asked = [("PUT", path, b"2", JSON), ("PATCH", path, b'{"a":1}', merge),
             ("DELETE", path, None, ()),
             ("POST", "/v1/hung", b'{"id":"line","document":1}\n', lines)]
    replies = [None] * len(asked)

    def ask(n):
        replies[n] = pair.ask(*asked[n])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asked))]
    for thread in threads:
        thread.start()
    return threads, replies


@case(own=True, server=["--job-timeout", "5s"])
def a_writer_that_hangs_is_told_and_replaced(pair):
    lmdb_only("Redis needs no writer")
    path = "/v1/hung/doc"
    pair.put(path, 1)
    writer = pair.server.of_role("writer")[0]
    harness.freeze(writer)
    threads, replies = hung_writes(pair, path)
    eventually(lambda: pair.admin("/readyz").status == 503, "/readyz says so")
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a write hangs"
    for reply in replies[:3]:
        check_problem(reply, 503)
        assert int(reply.header("retry-after")) >= 1
        assert "may or may not have happened" in reply.json()["detail"], reply
    equal(replies[3].json()["stored"], 0)
    eventually(lambda: pair.server.of_role("writer") not in ([], [writer]), "another writer")
    assert any("gives no sign of life and is killed" in line for line in pair.server.log)
    pair.wait_ready()
    equal(pair.ask("PUT", path, b"3", JSON).status in (200, 201), True)
    equal(pair.ask("GET", path).body, b"3")


@case(own=True)
def a_gate_that_hangs_is_replaced(pair):
    put_document(pair)
    gate = pair.server.of_role("gate")[0]
    harness.freeze(gate)
    eventually(lambda: pair.server.of_role("gate") not in ([], [gate]), "another gate")
    pair.worker.stop()
    pair.start_worker()
    pair.wait_ready()
    equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case
def a_store_that_is_not_there_is_said_clearly(pair):
    done = subprocess.run([BUILD / "offloop-server", "--check-store", "--store",
                           f"lmdb:{pair.folder}/absent"], capture_output=True, text=True)
    equal(done.returncode, 1)
    assert "nothing could be read" in done.stdout and "No such file" in done.stderr, done


@case
def a_misspelt_variable_is_warned_of(pair):
    for program, name in (("server", "OFFLOOP_SERVER_LISTN"), ("worker", "OFFLOOP_WORKER_PROCESS")):
        done = subprocess.run([BUILD / f"offloop-{program}", "--check-config"],
                              capture_output=True, text=True, env={**os.environ, name: "1"})
        equal(done.returncode, 0)
        assert f"{name} names no option" in done.stdout, done


@case(own=True)
def a_worker_stopped_by_a_signal_delays_no_more_than_the_deadline(pair):
    put_document(pair)
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    started = time.monotonic()
    try:
        reply = pair.ask("GET", "/v1/faults/doc")
    finally:
        with contextlib.suppress(ProcessLookupError):  # its master may have killed it
            os.kill(victim, signal.SIGCONT)
    # 503 or 504 by the deadline; never a hang, never a wrong answer
    assert reply.status in (200, 503, 504), reply
    assert time.monotonic() - started < 60
    eventually(lambda: pair.ask("GET", "/v1/faults/doc").status == 200, "it is used again")


@case
def equal_reads_in_flight_share_a_job(pair):
    put_document(pair)
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    clients = [pair.client() for _ in range(20)]
    try:
        for client in clients:
            client.send(request("GET", "/v1/faults/doc"))
        clients.pop(0).close()  # the first one leaves: the others still get theirs
        eventually(lambda: (pair.metric("offloop_jobs_shared_total") or 0) >= 15,
                   "the later ones follow the first")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGCONT)
    for client in clients:
        reply = client.reply()
        assert reply.status in (200, 503), reply  # a slow machine's master may kill the worker
        if reply.status == 200:
            equal(reply.body, DOCUMENT)
        client.close()
    equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)


@case(server=["--mode", "auto"], workers=1)
def what_a_lost_worker_had_goes_to_threads(pair):
    """auto runs without workers: also what was with the last one, killed with its master."""
    rows = json.dumps([{"number": n} for n in range(20000)], separators=(",", ":")).encode()
    equal(pair.ask("PUT", "/v1/faults/rows", rows, JSON).status, 201)
    harness.freeze(pair.worker.of_role("worker")[0])
    with pair.client() as client:
        client.send(request("GET", "/v1/faults/rows"))
        eventually(lambda: pair.metric("offloop_jobs_in_flight") == 1, "the worker has the job")
        pair.worker.kill_all()
        reply = client.reply()
    equal((reply.status, reply.body == rows), (200, True))
    equal(pair.metric("offloop_jobs_total", mode="threads", operation="encode"), 1)


@case
def a_chosen_mode_has_its_job_to_itself(pair):
    """What ab measures by Offloop-Mode is one document; were its jobs shared, the codec would
    look faster by as many times as ab has connections."""
    put_document(pair)
    shared = pair.metric("offloop_jobs_shared_total") or 0
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    clients = [pair.client() for _ in range(10)]
    try:
        for client in clients:
            client.send(request("GET", "/v1/faults/doc", headers=[("Offloop-Mode", "rpc")]))
        # The loop has read them all when it has answered what came later.
        equal(pair.ask("GET", "/v1/faults/none").status, 404)
    finally:
        os.kill(victim, signal.SIGCONT)
    for client in clients:
        reply = client.reply()
        assert reply.status in (200, 503), reply
        client.close()
    equal(pair.metric("offloop_jobs_shared_total") or 0, shared)


@case(server=["--queue", "4"])
def a_full_queue_is_503_at_once(pair):
    put_document(pair)
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    clients = [pair.client() for _ in range(100)]
    try:
        for i, client in enumerate(clients):  # each its own job: equal ones share one
            client.send(request("GET", f"/v1/faults/doc?fields=f{i}"))
        eventually(lambda: (pair.metric("offloop_jobs_total", result="queue_full") or 0) > 0,
                   "some are refused while the worker stands still")
    finally:
        with contextlib.suppress(ProcessLookupError):  # its master may have killed it
            os.kill(victim, signal.SIGCONT)
    statuses = set()
    for client in clients:
        reply = client.reply()
        statuses.add(reply.status)
        if reply.status == 503:
            assert int(reply.header("retry-after")) >= 1
        client.close()
    assert 503 in statuses and statuses <= {200, 503, 504}, statuses
    eventually(lambda: pair.ask("GET", "/v1/faults/doc").status == 200, "it serves again")


@case(server=["--max-reply", "10KiB"])
def a_reply_that_would_be_too_large_is_413(pair):
    controls = b'"' + b"\\u0001" * 3000 + b'"'  # 3 KB as stored, 18 KB as JSON
    equal(pair.ask("PUT", "/v1/faults/doc", controls, JSON).status, 201)
    for mode in ("inline", "rpc"):
        check_problem(pair.ask("GET", "/v1/faults/doc", headers=[("Offloop-Mode", mode)]), 413)
    pair.put("/v1/faults/small", [1])
    equal(pair.ask("GET", "/v1/faults/small").body, b"[1]")


@case(worker=["--memory", "1MiB"])
def a_job_that_needs_too_much_memory_is_413_and_the_worker_lives_on(pair):
    before = pair.worker.of_role("worker")
    body = b"[" + b"1234567," * 1_000_000 + b"1]"
    check_problem(pair.ask("PUT", "/v1/faults/huge", body, JSON), 413)
    put_document(pair)
    equal(pair.ask("GET", "/v1/faults/doc").body, DOCUMENT)
    equal(pair.worker.of_role("worker"), before)


@case(worker=["--max-jobs", "50"], workers=2)
def workers_that_retire_lose_no_request(pair):
    put_document(pair)
    first = set(pair.worker.of_role("worker"))
    with Load(pair) as load:
        eventually(lambda: load.total() > 500 and not first & set(pair.worker.of_role("worker")),
                   "all have retired")
    assert set(load.statuses) == {200}, (load.statuses, load.wrong)
    assert not load.wrong, load.wrong


@case(own=True)
def hup_under_load_loses_no_request(pair):
    put_document(pair)
    with Load(pair, connection_each=True) as load:
        for daemon in (pair.server, pair.worker, pair.server):
            seen = load.total()
            daemon.send_signal(signal.SIGHUP)
            eventually(lambda: load.total() > seen + 100, "the load goes on")
    assert set(load.statuses) == {200}, (load.statuses, load.wrong)
    assert not load.wrong, load.wrong


@case(server=["--lmdb-max", "8MiB"])
def a_full_store_is_507_and_deletes_go_on(pair):
    if pair.redis:
        equal(pair.redis.ask("CONFIG", "SET", "maxmemory", "8mb"), "OK")
    body = json.dumps("x" * 200_000).encode()
    stored = 0
    with pair.client() as client:
        while True:
            reply = client.ask("PUT", f"/v1/full/{stored}", body, JSON)
            if reply.status == 507:
                break
            equal(reply.status, 201)
            stored += 1
            assert stored < 100, "never full"
        assert stored >= 10, stored
        check_problem(client.ask("PUT", "/v1/full/more", body, JSON), 507)
        equal(len(client.ask("GET", "/v1/full").json()), stored)
        for number in range(stored):
            equal(client.ask("DELETE", f"/v1/full/{number}").status, 204)
        equal(client.ask("PUT", "/v1/full/again", body, JSON).status, 201)
