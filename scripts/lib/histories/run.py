"""One run of scripts/histories: a pair, its clients, and its faults."""
import contextlib
import heapq
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

import harness
from harness import Pair, eventually

from histories import faults

PROGRAM = "tests/history_load"
FINAL_S = 120  # the clients' own limit is a minute
DOWN_AFTER_MS = 3000  # of Sentinel; longer than anything is stopped here
HEAL_S = 120   # until all serves again; a machine that has other work is slow
FAULTS_MAX = 60
QUICK_FAULTS = 14
PROGRESS_BYTES = 40_000  # of history between two faults, mostly: some hundred operations
PROGRESS_S = 2           # but no longer than that


class Disk:
    """A small file system of its own; a folder where that cannot be."""

    def __init__(self, size):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="offloop-histories-"))
        self.is_small = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path],
            capture_output=True, check=False).returncode == 0

    def destroy(self):
        if self.is_small:
            subprocess.run(["umount", self.path], check=True)
        shutil.rmtree(self.path, ignore_errors=True)


class Run:
    """One run: what its seed chooses, and what faults.py needs."""

    def __init__(self, seed, quick, programs=None):
        self.seed, self.quick = seed, quick
        self.random = random.Random(f"histories {seed}")
        self.programs = programs
        self.may_cut = faults.may_cut()
        self.disk_folder = self.disk = self.pair = self.clients = None
        self.is_full = False
        self.done = []       # (time in ns, what)
        self.failovers = []  # (from, to) in ns
        self.timers = []
        self.not_judged = None  # why there is no check of the documents
        self.chosen = self.choose()

    # ---- what the seed chooses

    def choose(self):
        pick = self.random.choice
        server = ["--processes", str(pick([1, 2, 2, 3])),
                  "--mode", pick(["auto", "auto", "rpc", "inline", "threads"]),
                  "--representation", pick(["msgpack", "msgpack", "json"]),
                  "--codec", pick(["yajl", "direct"]),
                  "--reply-cache", pick(["32MiB", "32MiB", "1MiB", "off"]),
                  "--fastpath", pick(["on", "on", "off"]),
                  "--arena", pick(["64MiB", "64MiB", "1MiB", "off"]),
                  "--drain-timeout", "1s", "--job-timeout", "5s"]
        self.workers = pick([1, 2])
        self.on_small_disk = harness.STORE == "lmdb" and pick([True, True, False])
        if harness.STORE == "lmdb":
            server += ["--lmdb-sync", pick(["on", "on", "off"])]
        self.client_options = ["-c", str(pick([8, 16, 24])), "-k", str(pick([3, 6])),
                               "-i", str(pick([20, 50]))]
        return server

    # ---- for faults

    def masters(self):
        return [one.pid for one in (self.pair.server, self.pair.worker)
                if one is not None and one.process.poll() is None]

    def later(self, seconds, undo):
        heapq.heappush(self.timers, (time.monotonic() + seconds, len(self.done), undo))

    def undo(self, everything=False):
        while self.timers and (everything or self.timers[0][0] <= time.monotonic()):
            heapq.heappop(self.timers)[2]()

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self.undo()
            due = min([end, *(one[0] for one in self.timers[:1])])
            time.sleep(max(0.001, min(due - now, 0.02)))

    def wait_progress(self):
        """Until the clients have done something, or cannot."""
        size, end = self.history.stat().st_size, time.monotonic() + PROGRESS_S
        while self.history.stat().st_size < size + PROGRESS_BYTES and time.monotonic() < end:
            self.wait(0.02)

    def worker_again(self):
        """Until it can be told something: before, HUP would end it."""
        self.pair.start_worker()
        self.pair.worker.wait_line("connects? to")

    def server_again(self):
        """Starts a server on the same port, once the dead one's children have left it."""
        end = time.monotonic() + HEAL_S
        while True:
            try:
                self.pair.start_server(listen=f"127.0.0.1:{self.pair.port}")
                return
            except AssertionError:
                assert time.monotonic() < end, "no server starts again"
                time.sleep(0.05)

    def restart_server(self):
        self.undo(True)  # a stopped child would keep the port
        self.pair.server.process.kill()
        self.pair.server.wait()
        self.server_again()

    def restart_worker(self):
        self.undo(True)
        self.pair.worker.process.kill()
        self.pair.worker.wait()
        self.worker_again()

    def restart_all(self):
        self.undo(True)
        self.pair.server.kill_all()
        self.pair.worker.kill_all()
        self.server_again()
        self.worker_again()

    def failovers_of_its_own(self):
        """How many failovers Sentinel has made that were not ours: on a machine that is too
        busy it takes a living master for dead. Then two masters write for a while, which the
        check cannot judge."""
        if harness.STORE != "redis-sentinel":
            return 0
        return self.pair.redis.sentinels[0].epoch() - len(self.failovers)

    def fail_over(self):
        """Kills the master. Its replica takes over, and it comes back as that one's
        replica."""
        redis = self.pair.redis
        self.undo(True)
        redis.wait_whole()
        old = next(one for one in redis.servers if one.ask("ROLE").startswith("master"))
        new = next(one for one in redis.servers if one is not old)
        begun = time.monotonic_ns()
        old.kill()
        self.failovers.append((begun, time.monotonic_ns()))
        eventually(lambda: new.ask("ROLE").startswith("master"), "the replica takes over", HEAL_S)
        eventually(lambda: self.pair.ready(), "the server follows", HEAL_S)
        old.flags = ["--port", str(old.port), "--replicaof", f"127.0.0.1 {new.port}"]
        old.start()
        return "kill -9 of Redis' master, and a failover"

    # ---- the run

    def start(self):
        server = list(self.chosen)
        if self.on_small_disk:
            self.disk_folder = Disk("48m")
            self.disk = self.disk_folder.path if self.disk_folder.is_small else None
            server += ["--store", f"lmdb:{self.disk_folder.path}/data"]
        self.pair = Pair(server=server, worker=["--drain-timeout", "1s"], workers=self.workers,
                         programs=self.programs)
        self.store_url = f"lmdb:{self.disk_folder.path}/data" if self.on_small_disk \
            else self.pair.store_url
        if harness.STORE == "redis-sentinel":
            self.pair.redis.wait_whole()
            for one in self.pair.redis.sentinels:
                one.set_down_after(DOWN_AFTER_MS)
        self.history = self.pair.folder / "history"
        self.history.touch()  # wait_progress() looks at its size
        self.clients = subprocess.Popen(
            [harness.BUILD / PROGRAM, str(self.pair.port), self.history, "-s", str(self.seed),
             *self.client_options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def harm(self):
        """The faults, one after another, some at the same time."""
        functions, weights = zip(*faults.choices(harness.STORE))
        count = QUICK_FAULTS if self.quick else FAULTS_MAX
        tries = 0
        while len(self.done) < count and tries < 4 * count:
            tries += 1
            self.wait(self.random.uniform(0.02, 0.15))
            if self.random.random() < 0.7:  # the others come while the last one hurts
                self.wait_progress()
            assert self.clients.poll() is None, f"the clients ended: {self.clients.returncode}"
            at = time.monotonic_ns()
            what = self.random.choices(functions, weights)[0](self)
            if what is not None:
                self.done.append((at, what))
        self.wait(0.2)
        self.undo(True)

    def settle(self):
        """Everything heals; the clients read all once more; the pair ends in order."""
        eventually(self.pair.ready, "/readyz says 200 after the faults", HEAL_S)
        self.clients.stdin.write("final\n")
        self.clients.stdin.flush()
        try:
            status = self.clients.wait(FINAL_S)
        except subprocess.TimeoutExpired:
            status = "no end"
        assert status == 0, f"not everything was answered after the faults: {status}"
        for daemon in (self.pair.server, self.pair.worker):
            daemon.stop()
        self.check_logs()
        if harness.STORE == "lmdb":
            self.check_store()

    def check_logs(self):
        found = [line for daemon in self.pair.daemons for line in daemon.log
                 if re.search(r"Sanitizer|runtime error|panic|Assertion|signal (4|6|7|8|11)\\b",
                              line)]
        assert not found, found[0]

    def check_store(self):
        done = subprocess.run([(self.programs or harness.BUILD) / "offloop-server",
                               "--check-store", "--store", self.store_url],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"--check-store: {done.stdout} {done.stderr}"

    def destroy(self):
        with contextlib.suppress(Exception):
            self.undo(True)
        if self.clients is not None and self.clients.poll() is None:
            self.clients.kill()
            self.clients.wait()
        if self.pair is not None:
            self.pair.destroy()
        if self.disk_folder is not None:
            self.disk_folder.destroy()

    def do(self):
        """Returns (the history's lines, a failure's text or None)."""
        problem, lines = None, []
        try:
            self.start()
            try:
                self.harm()
                self.settle()
            except Exception as failure:
                problem = f"{type(failure).__name__}: {failure}\n" + "\n".join(self.pair.logs())
                self.end_clients()
            self.undo(True)
            if self.failovers_of_its_own():
                self.not_judged = "Sentinel made a failover of its own"
            lines = self.history.read_text().split("\n")
            lines = [line for line in lines[:-1] if line]
        except Exception as failure:
            problem = problem or f"{type(failure).__name__}: {failure}"
        finally:
            self.destroy()
        return lines, problem

    def end_clients(self):
        """Of a run that failed; what they have written down is checked all the same."""
        with contextlib.suppress(OSError):
            self.clients.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.clients.wait(5)
