"""Runs one test program with limits, and ends everything that it started."""
import ctypes
import dataclasses
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MEMORY_BYTES = 3 << 30
FILE_BYTES = 1 << 30
FAILED = b"[  FAILED  ]"
SANITIZED = {"UBSAN_OPTIONS": "print_stacktrace=0", "ASAN_OPTIONS": "hard_rss_limit_mb=3000"}


@dataclasses.dataclass
class Ending:
    what: str        # passed, failed, hangs (no end), spins (no end to its processor time)
    seconds: float
    cpu_seconds: float


def become_reaper():
    """The orphans of tests become this process's children, so that it can end them; it ends with
    its own parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _children(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(one) for one in path.read_text().split()]
        except OSError:
            pass
    return found


def end_children():
    """Ends every process below this one. Only for a process that runs one test at a time."""
    for _ in range(50):
        pids = _children(os.getpid())
        if not pids:
            return
        todo = list(pids)
        while todo:
            pid = todo.pop()
            todo += _children(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in pids:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass


def _limit(cpu_seconds, sanitized):
    def set_limits():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        if not sanitized: # its shadow counts
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    return set_limits


def run(program, arguments, environment, folder, cpu_seconds, wall_seconds, sanitized):
    """Runs until the end, the first test that fails, or a limit. folder is the test's own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # A path of a socket is short: the folder of the tests' files is, too.
    given = {**os.environ, "TMPDIR": str(folder), **environment}
    if sanitized:
        given = {**given, **SANITIZED}
    begun, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen([str(program), *arguments], cwd=ROOT, env=given, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                             preexec_fn=_limit(cpu_seconds, sanitized))
    what = _watch(child, begun + wall_seconds)
    end_children() # the test's process and what it left
    child.returncode = child.returncode if child.returncode is not None else 0
    child.stdout.close()
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder, ignore_errors=True)
    return Ending(what, time.monotonic() - begun,
                  now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)


def _watch(child, until):
    tail, fd, open_ = b"", child.stdout.fileno(), True
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return "hangs"
        if open_ and select.select([fd], [], [], min(left, 0.2))[0]:
            data = os.read(fd, 65536)
            open_ = bool(data)
            tail = tail[-64:] + data
            if FAILED in tail:
                return "failed"
        elif not open_:
            time.sleep(0.002)
        status = child.poll() # also where children hold the pipe open
        if status is not None:
            if status in (-signal.SIGXCPU, -signal.SIGKILL):
                return "spins"
            return "passed" if status == 0 else "failed"
