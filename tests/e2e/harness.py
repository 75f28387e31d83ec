"""What the end-to-end cases stand on: a server and worker pair of their own, an
HTTP client that hides nothing, and the check that a pair leaves nothing behind.

Nothing here sleeps and hopes: a pair is up when the server named its listeners
and /readyz says 200, ports are free ones (port 0), and every wait has an end.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("OFFLOOP_BUILD", ROOT / "build")).resolve()
# Sanitizers make everything several times slower: cases with a load take a smaller one.
SANITIZED = os.environ.get("OFFLOOP_SANITIZED") == "1"
WAIT = 60 if SANITIZED else 20  # seconds that a thing may take which should be at once
# What keeps the documents: lmdb, or a Redis for each pair: redis, redis-tls, redis-sentinel,
# redis-cluster (redis_stores.py).
STORE = os.environ.get("OFFLOOP_E2E_STORE", "lmdb")

CASES = []


class Skip(Exception):
    """What a case needs is not on this machine; the runner counts it."""


def lmdb_only(why):
    """For cases about what only LMDB has: a writer, a map, a directory."""
    if STORE != "lmdb":
        raise Skip(why)


def case(function=None, *, own=False, **pair_options):
    """Registers a case. It gets the file's shared pair, or one of its own with those
    options of Pair."""
    def register(one):
        CASES.append((one, own or bool(pair_options), pair_options))
        return one
    return register(function) if function else register


def eventually(true, what, seconds=WAIT, pause=0.02):
    """Waits until true() is; fails naming what was awaited."""
    end = time.monotonic() + seconds
    while True:
        last = true()
        if last:
            return last
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(pause)


# ---- processes, as /proc shows them

def children(pid):
    with contextlib.suppress(OSError):
        return [int(one) for one in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def environment_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def role_of(pid):
    """front, gate, writer or worker, from what the master told its child."""
    for entry in environment_of(pid):
        if entry.startswith(b"OFFLOOP_CHILD="):
            return entry.split()[1].decode()
    return "master"


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def freeze(pid):
    """SIGSTOP, and waits until all its threads stand still: kill() returns earlier."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: all(one.read_text().rsplit(")", 1)[1].split()[0] == "T"
                           for one in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")),
               f"{pid} stands still")


def open_fds(pid):
    found = []
    for one in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{one}"))
    return sorted(found)


def memory_bytes(pid):
    """RssAnon + RssShmem: what the process itself holds; LMDB's map is RssFile."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return sum(int(kib) * 1024 for kib in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", text))


class Daemon:
    """One of the two programs as a child process, its output kept."""

    def __init__(self, name, arguments, runtime, cwd, programs=None):
        self.name = name
        self.lines = []
        self.log = []
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("OFFLOOP_", "XDG_"))}
        environment["RUNTIME_DIRECTORY"] = str(runtime)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        self.process = subprocess.Popen(
            [(programs or BUILD) / name, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, cwd=cwd, text=True, errors="replace")
        self.pid = self.process.pid
        self.readers = [threading.Thread(target=self._read, args=part, daemon=True)
                        for part in ((self.process.stdout, self.lines),
                                     (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def wait_line(self, pattern):
        """The first match of a line on stdout."""
        def look():
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            assert self.process.poll() is None, \
                f"{self.name} ended with {self.process.returncode}: {self.log}"
            return None
        return eventually(look, f"{self.name}: a line like {pattern!r} on stdout")

    def fronts(self):
        return [pid for pid in children(self.pid) if role_of(pid) == "front"]

    def of_role(self, role):
        return [pid for pid in children(self.pid) if role_of(pid) == role]

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=WAIT + 30):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None
        for reader in self.readers:
            reader.join(5)
        return status

    def stop(self):
        """TERM: it drains, exits 0, and takes all its children along."""
        family = descendants(self.pid)
        self.send_signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"{self.name} exited {status} after TERM"
        left = [pid for pid in family if alive(pid)]
        assert not left, f"{self.name} left children: {left}"

    def kill_all(self, number=signal.SIGKILL):
        """kill -9 for the master and all below it."""
        family = [self.pid, *descendants(self.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        self.wait()
        eventually(lambda: not any(alive(pid) for pid in family), "killed processes end")


def select_readable(sockets):
    """Those that have bytes now."""
    return select.select(sockets, [], [], 0)[0]


def free_port():
    """One that nobody has just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def redis_kinds():
    """What OFFLOOP_E2E_STORE may say beside lmdb; a class for each."""
    import redis_stores  # which is made of what is here
    return redis_stores.KINDS


class Redis:
    """A redis-server of a pair's own, at a socket in its folder. What it answered is on
    its disk, as the default of LMDB has it."""
    flags = ()             # of redis-server, beside the usual ones
    server_arguments = ()  # what offloop-server needs for it, beside --store

    def __init__(self, folder):
        self.folder = folder / "redis"
        self.folder.mkdir(parents=True)
        self.socket = folder / "redis.sock"
        self.url = f"redis+unix://{self.socket}"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket,
             "--unixsocketperm", "777", "--dir", self.folder,
             "--save", "", "--appendonly", "yes", "--appendfsync", "always", *self.flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        eventually(lambda: self.ask("PING") == "PONG", "redis-server answers")

    def ask(self, *command):
        """redis-cli's answer, as text."""
        return subprocess.run(["redis-cli", "-s", self.socket, *command], text=True,
                              capture_output=True, timeout=WAIT).stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Pair:
    """A server and a worker daemon on free ports, with a store and a runtime directory of
    their own below one temporary folder."""

    def __init__(self, server=(), worker=(), workers=1, start="server", programs=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-e2e-"))
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o750)
        self.store = self.folder / "data"
        self.redis = redis_kinds()[STORE](self.folder) if STORE != "lmdb" else None
        self.store_url = self.redis.url if self.redis else f"lmdb:{self.store}"
        self.server_arguments = list(server)
        self.worker_arguments = ["--processes", str(workers), *worker]
        self.server = self.worker = None
        self.daemons = []
        self.idle_fds = None
        self.programs = programs  # the folder of the daemons, where it is not the build tree
        try:
            self._start(workers, start)
        except Exception as problem:
            self.destroy()
            raise AssertionError("\n".join([f"no pair: {problem}", *self.logs()])) from problem

    def _start(self, workers, first):
        if first == "worker":
            self.start_worker()
        self.start_server()
        if workers and self.worker is None:
            self.start_worker()
        self.wait_ready() if workers else self.wait_store()

    def start_server(self, listen="127.0.0.1:0", admin="127.0.0.1:0"):
        self.server = Daemon("offloop-server", [
            "--listen", listen, "--admin", admin, "--store", self.store_url,
            *(self.redis.server_arguments if self.redis else ()),
            # rpc: every case knows where its codec runs; those about auto say --mode auto
            # and every request has its own job; those about the cache of replies say so
            "--mode-header", "--mode", "rpc", "--reply-cache", "off", *self.server_arguments],
            self.runtime, self.folder, self.programs)
        self.daemons.append(self.server)
        named = self.server.wait_line(r"listening on http://127\.0\.0\.1:(\d+)")
        self.port = int(named.group(1))
        named = self.server.wait_line(r"operations on http://127\.0\.0\.1:(\d+)")
        self.admin_port = int(named.group(1))

    def store_process(self):
        """The process that makes writes durable."""
        return self.redis.process.pid if self.redis else self.server.of_role("writer")[0]

    def start_worker(self):
        self.worker = Daemon("offloop-worker", self.worker_arguments, self.runtime, self.folder,
                             self.programs)
        self.daemons.append(self.worker)

    def ready(self):
        return self.admin("/readyz").status == 200

    def wait_ready(self):
        """Until /readyz says so and every worker has its seat at every front."""
        eventually(self.ready, "/readyz says 200")
        seats = len(self.server.fronts()) * int(self.worker_arguments[1])
        if self.worker is not None and self.worker.process.poll() is None:
            eventually(lambda: self.metric("offloop_worker_connections") == seats,
                       f"{seats} seats are taken")

    def wait_store(self):
        """For a pair without workers: all that /readyz may miss is one."""
        eventually(lambda: self.ready() or b"store" not in self.admin("/readyz").body,
                   "the store is there")

    def client(self, **options):
        return Client(self.port, **options)

    def ask(self, method, target, body=None, headers=(), **options):
        """One request on a connection of its own."""
        with self.client() as client:
            return client.ask(method, target, body, headers, **options)

    def admin(self, target):
        with Client(self.admin_port) as client:
            return client.ask("GET", target)

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels; None where none does."""
        values = [value for key, value in self.metrics(name)
                  if all(key.get(one) == label for one, label in labels.items())]
        return sum(values) if values else None

    def metrics(self, name):
        """(labels, value) of each sample of that metric."""
        for line in self.admin("/metrics").body.decode().splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found:
                yield dict(re.findall(r'(\w+)="([^"]*)"', found.group(1) or "")), \
                    float(found.group(2))

    def put(self, path, document, **options):
        reply = self.ask("PUT", path, json.dumps(document).encode(),
                         [("Content-Type", "application/json")], **options)
        assert reply.status in (200, 201), reply
        return reply

    def note_fds(self):
        """What the fronts have open when no client is there; check_fds() compares."""
        self.idle_fds = {pid: len(open_fds(pid)) for pid in self.server.fronts()}

    def check_fds(self):
        for pid, before in (self.idle_fds or {}).items():
            if alive(pid):
                eventually(lambda: len(open_fds(pid)) <= before,
                           f"front {pid} has its {before} descriptors again: {open_fds(pid)}")

    def stop(self):
        """Ends the pair the way an operator does and checks what it leaves."""
        self.check_fds()
        for daemon in (self.server, self.worker):
            if daemon is not None and daemon.process.poll() is None:
                daemon.stop()
        left = [one for one in self.runtime.rglob("*") if not one.is_dir()]
        assert not left, f"left in the runtime directory: {left}"
        for daemon in self.daemons:
            found = [line for line in daemon.log
                     if re.search(r"Sanitizer|runtime error|panic", line)]
            assert not found, f"{daemon.name}: {found[0]}"

    def destroy(self):
        """Whatever happened, nothing of the pair is left."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill_all()
        if self.redis is not None:
            self.redis.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        for daemon in self.daemons:
            yield f"---- {daemon.name} ({daemon.pid}, exit {daemon.process.poll()})"
            yield from daemon.lines[-20:]
            yield from daemon.log[-60:]


# ---- a client

class Reply:
    def __init__(self, status, reason, version, headers, body, framing):
        self.status, self.reason, self.version = status, reason, version
        self.headers = headers  # [(lower-case name, value)]
        self.body = body
        self.framing = framing  # "length", "chunked", "close" or "none"

    def header(self, name):
        """Its value; None where there is none; a header that comes twice is a mistake."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) < 2, f"{name} comes {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {self.body[:300]!r}>"


class Client:
    """One connection. Reads replies strictly by RFC 9112: what is not exact fails."""

    def __init__(self, port, host="127.0.0.1", timeout=WAIT * 2):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.replies = 0  # read whole so far

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, target, body=None, headers=(), version="1.1"):
        self.send(request(method, target, body, headers, version))
        return self.reply(method)

    def _more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            assert self._more(), f"the connection ended in the middle: {self.buffer[-200:]!r}"
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def _exactly(self, count):
        parts, have = [self.buffer], len(self.buffer)
        while have < count:
            data = self.socket.recv(min(1 << 20, count - have))
            assert data, f"the connection ended {count - have} bytes too early"
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[count:]
        return whole[:count]

    def _chunks(self):
        parts = []
        while True:
            line = self._until(b"\r\n")
            assert re.fullmatch(rb"[0-9a-fA-F]{1,16}", line), f"chunk size {line!r}"
            size = int(line, 16)
            data = self._exactly(size + 2)
            assert data.endswith(b"\r\n"), "chunk does not end in CRLF"
            if not size:
                return b"".join(parts)
            parts.append(data[:-2])

    def read_to_end(self):
        """Whatever comes until the server closes. A reset counts as the end."""
        with contextlib.suppress(ConnectionResetError):
            while self._more():
                pass
        data, self.buffer = self.buffer, b""
        return data

    def ended(self):
        """True when the server closed and nothing more came."""
        return self.read_to_end() == b""

    def head(self):
        """Status line and headers of the next reply, an interim one too."""
        lines = self._until(b"\r\n\r\n").split(b"\r\n")
        found = re.fullmatch(rb"(HTTP/1\.[01]) ([1-5]\d\d) ([ -~]*)", lines[0])
        assert found, f"status line {lines[0]!r}"
        headers = []
        for line in lines[1:]:
            named = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([ -~]*)", line)
            assert named, f"header line {line!r}"
            headers.append((named.group(1).decode().lower(), named.group(2).decode()))
        return int(found.group(2)), found.group(3).decode(), found.group(1).decode(), headers

    def reply(self, method="GET", interim=False):
        """The next reply. An interim one is skipped, or returned where asked for."""
        status, reason, version, headers = self.head()
        if status < 200 and not interim:
            return self.reply(method)
        reply = Reply(status, reason, version, headers, b"", "none")
        length, coding = reply.header("content-length"), reply.header("transfer-encoding")
        assert not (length and coding), "both Content-Length and Transfer-Encoding"
        if status < 200 or status in (204, 304) or method == "HEAD":
            if status == 204 or status < 200:
                assert not length and not coding, f"framing on {status}"
            return reply
        assert reply.header("date") or status >= 500, "no Date"
        if coding:
            assert coding == "chunked", coding
            reply.framing, reply.body = "chunked", self._chunks()
        elif length is not None:
            reply.framing, reply.body = "length", self._exactly(int(length))
        else:
            reply.framing, reply.body = "close", self.read_to_end()
        self.replies += 1
        return reply


def request(method, target, body=None, headers=(), version="1.1"):
    """A request's bytes."""
    lines = [f"{method} {target} HTTP/{version}"]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        lines.append("Host: test")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


JSON = [("Content-Type", "application/json")]
MSGPACK = [("Content-Type", "application/msgpack")]


def equal(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def check_problem(reply, status, text=None):
    """The reply is problem+json of that status (RFC 9457); returns it."""
    equal(reply.status, status)
    equal(reply.header("content-type"), "application/problem+json")
    problem = reply.json()
    equal(problem["status"], status)
    equal(problem["type"], "about:blank")
    assert problem["title"], problem
    if text:
        assert text in problem["detail"], problem
    return problem


def run_ab(url, requests, concurrency, keep_alive, headers=()):
    """ab's own figures: {"complete", "failed", "non_2xx", "per_second", "p50_ms", "p99_ms"}"""
    command = ["ab", "-q", "-n", str(requests), "-c", str(concurrency), "-s", str(WAIT * 3)]
    command += ["-k"] if keep_alive else []
    for header in headers:
        command += ["-H", header]
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{command}: {done.stderr}"

    def figure(pattern, default=None):
        found = re.search(pattern, done.stdout, re.M)
        if found is None and default is None:
            raise AssertionError(f"ab printed no {pattern}: {done.stdout}")
        return float(found.group(1)) if found else default

    return {
        "complete": figure(r"^Complete requests:\s+(\d+)"),
        "failed": figure(r"^Failed requests:\s+(\d+)"),
        "non_2xx": figure(r"^Non-2xx responses:\s+(\d+)", 0.0),
        "kept_alive": figure(r"^Keep-Alive requests:\s+(\d+)", 0.0),
        "per_second": figure(r"^Requests per second:\s+([\d.]+)"),
        "bytes": figure(r"^Document Length:\s+(\d+)"),
        "p50_ms": figure(r"^\s+50%\s+(\d+)"),
        "p99_ms": figure(r"^\s+99%\s+(\d+)"),
    }


def require_programs():
    kinds = redis_kinds()
    if STORE != "lmdb" and STORE not in kinds:
        sys.exit(f"e2e: OFFLOOP_E2E_STORE is lmdb or one of {', '.join(kinds)}, not {STORE}")
    if STORE != "lmdb" and shutil.which("redis-server") is None:
        sys.exit(f"e2e: OFFLOOP_E2E_STORE={STORE} needs redis-server")
    for name in ("offloop-server", "offloop-worker"):
        if not os.access(BUILD / name, os.X_OK):
            sys.exit(f"e2e: {BUILD / name} is not built (OFFLOOP_BUILD names the build tree)")
