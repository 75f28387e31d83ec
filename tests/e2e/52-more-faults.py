"""The faults of the offload as counts: a worker stopped beside one that works, a document
that kills workers, more load than there is room for."""
import contextlib
import os
import shutil
import signal
import subprocess
import threading

import harness
from harness import (JSON, SANITIZED, Client, Daemon, Pair, Skip, case, check_problem, equal,
                     eventually, request)

ROWS = b"[" + b",".join(b'{"n":%d,"text":"%b"}' % (n, b"x" * 50) for n in range(300)) + b"]"


def in_flight(pair, pid):
    workers = pair.admin("/debug/stats").json()["workers"]
    return sum(one["in_flight"] for one in workers if one["pid"] == pid)


@case(workers=2, server=["--job-timeout", "8s"])
def of_a_stopped_worker_no_more_than_its_window_fails(pair):
    # A window is some milliseconds of work by estimate, and the estimate is the machine's:
    # documents so large that it holds far less than half of them on a fast one too.
    documents = [b"[%d,%b]" % (n, b",".join([ROWS] * 20)) for n in range(100)]
    for n, document in enumerate(documents):  # all different: equal reads would share a job
        equal(pair.ask("PUT", f"/v1/window/{n}", document, JSON).status, 201)
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    clients = [pair.client() for _ in range(100)]
    try:
        for n, client in enumerate(clients):
            client.send(request("GET", f"/v1/window/{n}"))
        # The other one does all that the stopped one has not got; what that has is its window.
        eventually(lambda: pair.metric("offloop_queue_depth") == 0
                   and pair.metric("offloop_jobs_in_flight") == in_flight(pair, victim),
                   "nothing is left but the window")
        window = in_flight(pair, victim)
        assert 0 < window < 50, window
        failed = 0
        for n, client in enumerate(clients):
            reply = client.reply()
            if reply.status == 200:
                equal(reply.body, documents[n])
            else:
                assert reply.status in (503, 504), reply
                failed += 1
            client.close()
        assert failed <= window, (failed, window)
    finally:
        with contextlib.suppress(ProcessLookupError):  # its master may have killed it
            os.kill(victim, signal.SIGCONT)


@case(workers=0)
def a_poison_document_costs_two_workers_and_no_more(pair):
    """The workers of this daemon abort on a document that says so."""
    pair.worker = Daemon("tests/poison-worker", ["--processes", "2"], pair.runtime, pair.folder)
    pair.daemons.append(pair.worker)
    eventually(lambda: pair.metric("offloop_worker_connections") == 2, "both have their seats")
    poison = b'{"text":"crash the worker"}'
    for _ in range(10):
        check_problem(pair.ask("PUT", "/v1/poison/one", poison, JSON), 422)
    lost = pair.metric("offloop_workers_lost_total")
    assert 1 <= lost <= 2, lost
    # Refused in every mode: what kills a worker would kill a front.
    check_problem(pair.ask("PUT", "/v1/poison/one", poison, [*JSON, ("Offloop-Mode", "inline")]), 422)
    eventually(pair.ready, "a worker is there again")
    equal(pair.ask("PUT", "/v1/poison/two", b'{"text":"crash the worker!"}', JSON).status, 201)
    equal(pair.ask("GET", "/v1/poison/two").body, b'{"text":"crash the worker!"}')


class Reader(threading.Thread):
    """Asks for its documents one after another, and counts."""

    def __init__(self, port, number, requests):
        super().__init__(daemon=True)
        self.port, self.number, self.requests = port, number, requests
        self.served = self.refused = 0
        self.problem = None

    def run(self):
        try:
            with Client(self.port) as client:
                for n in range(self.requests):
                    reply = client.ask("GET", f"/v1/load/{(self.number + 7 * n) % 60}")
                    if reply.status == 503:
                        check_problem(reply, 503, "too many jobs")
                        assert int(reply.header("retry-after")) >= 1
                        self.refused += 1
                    else:
                        equal((reply.status, len(reply.body)), (200, len(ROWS)))
                        self.served += 1
        except (OSError, AssertionError) as problem:
            self.problem = repr(problem)


@case(server=["--queue", "4", "--arena", "off"])
def more_than_there_is_room_for_is_served_or_refused(pair):
    for n in range(60):
        equal(pair.ask("PUT", f"/v1/load/{n}", ROWS, JSON).status, 201)
    readers = [Reader(pair.port, n, 20 if SANITIZED else 60) for n in range(60)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(120)
        assert not reader.is_alive(), "a request hangs"
        equal(reader.problem, None)
        equal(reader.served + reader.refused, reader.requests)
    refused = sum(reader.refused for reader in readers)
    equal(pair.metric("offloop_jobs_total", result="queue_full") or 0, refused)
    assert sum(reader.served for reader in readers) > 0
    equal(pair.metric("offloop_queue_depth"), 0)
    equal(pair.ask("GET", "/v1/load/1").body, ROWS)


@case(workers=0)
def a_front_that_cannot_close_connections_is_replaced(pair):
    """nng_close() has been seen to hang (nng 1543, 1813); here one that always does."""
    if SANITIZED or shutil.which("cc") is None:
        raise Skip("needs a compiler, and a build that takes a library in front")
    source, library = pair.folder / "hang.c", pair.folder / "hang.so"
    source.write_text("#include <unistd.h>\nint nng_close(int socket);\n"
                      "int nng_close(int socket) { (void)socket; for (;;) pause(); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    try:
        stuck = Pair(workers=0)
    finally:
        del os.environ["LD_PRELOAD"]
    try:
        fronts = stuck.server.fronts()
        stuck.worker_arguments = ["--processes", "1"]
        stuck.start_worker()
        eventually(lambda: stuck.metric("offloop_worker_connections") == 1, "a worker")
        equal(stuck.ask("PUT", "/v1/hang/one", b"[1]", JSON).status, 201)
        os.kill(stuck.worker.of_role("worker")[0], signal.SIGKILL)
        eventually(lambda: any("hangs" in line for line in list(stuck.server.log)), "it is said",
                   30)
        eventually(lambda: stuck.server.fronts() and stuck.server.fronts() != fronts,
                   "another front", 30)
        eventually(lambda: stuck.ask("GET", "/v1/hang/one").status == 200, "it serves", 30)
        said = [line for line in list(stuck.server.log) if "hangs" in line and
                "connection to a worker" in line]
        equal(len(said), 1)
    finally:
        stuck.destroy()
