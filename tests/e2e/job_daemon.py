"""A worker daemon with a job socket, for cases about applications."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from harness import ROOT, WAIT, Daemon, Skip, alive, children, eventually, role_of

DRIVERS = {"python": [sys.executable, str(ROOT / "tests/e2e/clients/driver.py")],
           "node": ["node", str(ROOT / "tests/e2e/clients/driver.js")]}


def require_node():
    if not shutil.which("node"):
        raise Skip("no node (Debian: nodejs)")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(version[1:].split(".")[0]) < 18:
        raise Skip(f"node 18 is needed, this is {version.strip()}")


class JobDaemon:
    """Its socket's path is there from the beginning; start() and stop() as often as wanted."""

    def __init__(self, workers=2, start=True, arguments=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-jobs-"))
        self.path = str(self.folder / "jobs.sock")
        self.arguments = ["--listen", f"unix:{self.path}", "--processes", str(workers), *arguments]
        self.workers = workers
        self.daemon = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.daemon:
            print("\n".join(f"     {line}" for line in self.daemon.log[-40:]))
        if self.daemon and self.daemon.process.poll() is None:
            self.daemon.kill_all() if kind else self.daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        self.daemon = Daemon("offloop-worker", self.arguments, self.folder, self.folder)
        self.daemon.wait_line(r"applications on unix:")
        eventually(lambda: len(self.worker_pids()) == self.workers, "the workers are there")

    def stop(self):
        self.daemon.stop()

    def worker_pids(self):
        return [pid for pid in children(self.daemon.pid) if role_of(pid) == "worker"]

    def kill_a_worker(self):
        """kill -9 of one; True where there was one."""
        for pid in self.worker_pids()[:1]:
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not alive(pid), "a killed worker is gone")
            return True
        return False


class Driver:
    """One client process; see tests/e2e/clients/driver.py."""

    def __init__(self, language, path, *arguments, environment=(), program=None):
        if language == "node":
            require_node()
        command = [program or DRIVERS[language][0], DRIVERS[language][1]]
        self.process = subprocess.Popen([*command, path, *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE, env={**os.environ, **dict(environment)})

    def line(self):
        said = self.process.stdout.readline()
        if not said:
            self.process.kill()
            raise AssertionError(f"the driver ended: {self.process.stderr.read()[-2000:]}")
        return said

    def end(self, seconds=WAIT * 6):
        """The last line that it prints."""
        # Not by communicate(), which does not see what readline() has read ahead.
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.close()
            out, errors = self.process.stdout.read(), self.process.stderr.read()
            self.process.wait()
        finally:
            timer.cancel()
            self.destroy()
        assert self.process.returncode == 0 and out, f"{self.process.returncode}: {errors[-2000:]}"
        return out.splitlines()[-1]

    def destroy(self):
        """Whatever happened, it is gone."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
