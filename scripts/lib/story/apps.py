"""The example applications as child processes, and the profiles of their loops."""
import contextlib
import json
import os
import pathlib
import pstats
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODES = ["inline", "threads", "processes", "offloop"]
STARTS_WITHIN = 30  # seconds


class Missing(Exception):
    """A program or package that is not on this machine."""


def ask(url):
    with urllib.request.urlopen(url, timeout=60) as reply:
        return reply.read()


class App:
    """One application, from its line on stdout until TERM."""

    def __init__(self, command, environment=()):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, **dict(environment)})
        said = self.process.stdout.readline()
        found = re.match(r"listening on (http://\S+)", said)
        if not found:
            self.process.kill()
            self.process.wait()
            raise Missing(f"{' '.join(command)}: it did not start: {said}{self.said_last()}")
        self.url = found.group(1)

    def said_last(self):
        """The end of what it wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read()[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def cpu_seconds(self):
        """Of its own process, without its children."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tornado:
    name, file = "Tornado", "examples/tornado/app.py"
    profiler, viewer = "cProfile", "snakeviz"
    json_functions = re.compile(r"json/(encoder|decoder|scanner|__init__)\.py|app\.py:\d+\(make_reply\)")
    wait_functions = re.compile(r"select\.epoll|select\.select")

    def __init__(self):
        self.python = next((one for one in (sys.executable, "/usr/bin/python3") if subprocess.run(
            [one, "-c", "import tornado"], capture_output=True, check=False).returncode == 0), None)
        if self.python is None:
            raise Missing("no Tornado (Debian: python3-tornado)")

    def start(self, mode, socket, profile=None):
        flags = ["--profile", str(profile)] if profile else []
        return App([self.python, str(ROOT / self.file), mode, "--jobs", socket, *flags])

    def profile_path(self, out, mode):
        return out / f"tornado-{mode}.prof"

    def functions(self, path, _began, _ended):
        """[(name, seconds of its own)], the longest first."""
        found = []
        for (file, line, name), (_, _, own, _, _) in pstats.Stats(str(path)).stats.items():
            if file == "~":
                where = re.sub(r"^<(.*)>$", r"{\1}", name)
            else:
                where = f"{'/'.join(pathlib.Path(file).parts[-2:])}:{line}({name})"
            found.append((where, own))
        return sorted(found, key=lambda one: -one[1])


class Express:
    name, file = "Express", "examples/express/app.js"
    profiler, viewer = "node --cpu-prof", "Chrome's DevTools, or speedscope"
    json_functions = re.compile(r"^makeReply ")
    wait_functions = re.compile(r"^\(idle\)")

    def __init__(self):
        self.environment = {"NODE_PATH": os.pathsep.join(filter(None, [
            os.environ.get("NODE_PATH"), "/usr/share/nodejs", "/usr/lib/nodejs"]))}
        if not shutil.which("node"):
            raise Missing("no node (Debian: nodejs)")
        if subprocess.run(["node", "-e", "require('express')"], env={**os.environ, **self.environment},
                          capture_output=True, check=False).returncode != 0:
            raise Missing("no Express (Debian: node-express)")

    def start(self, mode, socket, profile=None):
        flags = ["--cpu-prof", f"--cpu-prof-dir={profile.parent}",
                 f"--cpu-prof-name={profile.name}"] if profile else []
        return App(["node", *flags, str(ROOT / self.file), mode, "--jobs", socket], self.environment)

    def profile_path(self, out, mode):
        return out / f"express-{mode}.cpuprofile"

    def functions(self, path, began, ended):
        """As Tornado's; only what was sampled between the two moments (time.monotonic())."""
        profile = json.loads(path.read_text())
        names = {}
        for node in profile["nodes"]:
            frame = node["callFrame"]
            file = frame["url"].rsplit("/", 1)[-1]
            name = frame["functionName"] or "(anonymous)"
            names[node["id"]] = f"{name} {file}:{frame['lineNumber'] + 1}" if file else name
        at, own = profile["startTime"], {}
        for node, passed in zip(profile["samples"], profile["timeDeltas"]):
            at += passed
            if began <= at / 1e6 <= ended:
                own[names[node]] = own.get(names[node], 0) + passed / 1e6
        return sorted(own.items(), key=lambda one: -one[1])


APPS = {"tornado": Tornado, "express": Express}


@contextlib.contextmanager
def removed_first(path):
    """A profile of an earlier run must not be taken for this one's."""
    path.unlink(missing_ok=True)
    yield path
    end = time.monotonic() + STARTS_WITHIN
    while not path.exists():
        if time.monotonic() > end:
            raise Missing(f"no profile at {path}")
        time.sleep(0.05)
