"""64 client processes at one job socket: how long small jobs of good ones take, alone and
beside one that floods, one that sends a document that crashes workers, and one that is stopped."""
import contextlib
import json
import os
import signal
import time

import harness
import job_daemon
from job_socket import COMPACT, RAN, Application, job

CLIENTS, EVERY_S = 64, 0.1
SMALL = json.dumps([{"n": n, "text": "x" * 20} for n in range(50)]).encode()     # 2 KB
LARGE = json.dumps([{"n": n, "text": "x" * 20} for n in range(5000)]).encode()   # 200 KB
POISON = b'["crash the worker"]'


class PoisonDaemon(job_daemon.JobDaemon):
    """Its workers abort on a document that says so."""

    def start(self):
        self.daemon = harness.Daemon("poison-worker", self.arguments, self.folder, self.folder,
                                     harness.BUILD / "tests")
        self.daemon.wait_line(r"applications on unix:")
        harness.eventually(lambda: len(self.worker_pids()) == self.workers, "the workers are there")


def good(path, number, seconds):
    """A small job every EVERY_S, at fixed times: how long each took, in microseconds."""
    took = []
    with Application(path, f"good-{number}", seconds=60) as app:
        due = time.monotonic() + 0.5 + EVERY_S * number / CLIENTS
        for at in range(int(seconds / EVERY_S)):
            time.sleep(max(0, due - time.monotonic()))
            result = app.run(COMPACT, SMALL, number=at + 1)
            assert result.verdict == RAN and result.status == 0, result
            took.append((time.monotonic() - due) * 1e6)
            due += EVERY_S
    return took


def flood(path, number, seconds):
    """As much as it may have unanswered, all the time."""
    end = time.monotonic() + seconds
    with Application(path, "flood", seconds=60) as app:
        first = 1
        while time.monotonic() < end:
            app.submit([job(n, COMPACT, LARGE) for n in range(first, first + 64)])
            first += 64
            app.read_until(lambda: first - 1 - len(app.order) < 512)
            app.answers.clear()
    return []


def poison(path, number, seconds):
    end = time.monotonic() + seconds
    with Application(path, "poison", seconds=60) as app:
        number = 0
        while time.monotonic() < end:
            number += 1
            app.run(COMPACT, POISON, number=number)
            time.sleep(0.02)
    return []


def stopped(path, number, seconds):
    """Asks for much, and stands still while it is answered."""
    with Application(path, "stopped", seconds=60) as app:
        app.submit([job(n, COMPACT, LARGE) for n in range(1, 65)])
        os.kill(os.getpid(), signal.SIGSTOP)
    return []


def start(role, path, number, seconds):
    """(pid, end of a pipe that says what came of it): a fork, since a new Python takes long."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.close(reading)
            took = role(path, number, seconds)
            with os.fdopen(writing, "w") as out:
                json.dump(took, out)
            status = 0
        os._exit(status)
    os.close(writing)
    return pid, reading


def run(roles, seconds):
    """The times of all good ones, sorted."""
    with PoisonDaemon(2) as daemon:
        children = [(role, *start(role, daemon.path, number, seconds)) for number, role in enumerate(roles)]
        took = []
        for role, pid, reading in children:
            if role is stopped:
                time.sleep(0.1)
                os.kill(pid, signal.SIGKILL)
            with os.fdopen(reading) as pipe:
                said = pipe.read()
            status = os.waitpid(pid, 0)[1]
            if role is good:
                if status != 0:
                    raise RuntimeError("a good client failed")
                took += json.loads(said)
    return sorted(took)


def measure(seconds):
    """p50 and p99 of the good ones, alone and beside the bad ones."""
    found = {}
    for name, bad in (("alone", [good] * 3), ("beside", [flood, poison, stopped])):
        took = run([good] * (CLIENTS - 3) + bad, seconds)
        found[name] = {"p50_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100], "count": len(took)}
    return found
