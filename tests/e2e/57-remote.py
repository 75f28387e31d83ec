"""Workers on other hosts: TLS, the shared secret, strangers at every door, several servers
for one worker daemon, and a network with delay, with loss, and cut."""
import atexit
import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import network
from harness import (BUILD, JSON, ROOT, SANITIZED, STORE, Daemon, Pair, Redis, Skip, case,
                     children, equal, eventually)

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="offloop-remote-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
SECRET_TEXT = b"what the two of them know, and nobody else"


def make_files():
    for folder in ("ours", "theirs"):
        subprocess.run([ROOT / "scripts/new-certs", FOLDER / folder, "127.0.0.1",
                        network.SERVER], check=True, capture_output=True)
    for name, text in (("secret", SECRET_TEXT + b"\n"), ("other-secret", b"x" * 32)):
        (FOLDER / name).write_bytes(text)
        (FOLDER / name).chmod(0o600)


make_files()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def tls(role, folder="ours"):
    place = FOLDER / folder
    return ["--tls-cert", place / f"{role}.pem", "--tls-key", place / f"{role}.key",
            "--tls-ca", place / "ca.pem"]


SECRET = ["--worker-secret", FOLDER / "secret"]
PORT = free_port()
URL = f"tls+tcp://127.0.0.1:{PORT}"
PAIR = {"server": ["--rpc", URL, *tls("server"), *SECRET, "--processes", "2"],
        "worker": ["--connect", URL, *tls("worker"), *SECRET], "workers": 2}

SMALL = json.dumps({"text": "x" * 2000, "n": 1}, separators=(",", ":")).encode()
LARGE = json.dumps([f"row {n} " + "y" * 40 for n in range(60000)],
                   separators=(",", ":")).encode()


def use(pair, name, document=SMALL, count=20):
    with pair.client() as client:
        for number in range(count):
            path = f"/v1/{name}/{number}"
            assert client.ask("PUT", path, document, JSON).status in (200, 201)
            equal(client.ask("GET", path).body, document)


def lines_with(daemon, text):
    return [line for line in list(daemon.log) if text in line]


@contextlib.contextmanager
def extra_worker(pair, *arguments):
    daemon = Daemon("offloop-worker", ["--processes", "1", *arguments], pair.runtime,
                    pair.folder)
    try:
        yield daemon
    finally:
        daemon.kill_all()


# ---- TLS and secret, all well

@case
def documents_over_tls(pair):
    use(pair, "tls")
    use(pair, "tls-large", LARGE, 3)


@case
def workers_are_caged(pair):
    if SANITIZED:
        raise Skip("builds with sanitizers run without the cage")
    equal(lines_with(pair.worker, "sandbox"), [])
    for pid in children(pair.worker.pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Seccomp:\s+2$", status, re.M), status


@case
def workers_come_back_from_the_cage(pair):
    """Fronts and gate die: the same processes dial, shake hands and prove again."""
    workers = children(pair.worker.pid)
    for _ in range(2):
        for victim in pair.server.of_role("gate") + pair.server.fronts():
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(pair.server.fronts()) == 2 and
                   pair.metric("offloop_worker_connections") == 4, "four seats again")
        use(pair, "again")
    equal(children(pair.worker.pid), workers)


@case
def nothing_secret_is_shown(pair):
    """Not to whoever asks for the configuration or lists processes."""
    key = (FOLDER / "ours/server.key").read_text().splitlines()[1]
    shown = subprocess.run([BUILD / "offloop-server", *PAIR["server"], "--dump-config"],
                           capture_output=True, check=True).stdout
    for secret in (SECRET_TEXT, SECRET_TEXT.hex().encode(), key.encode()):
        assert secret not in shown
        for pid in [pair.server.pid, *children(pair.server.pid)]:
            for place in ("cmdline", "environ"):
                assert secret not in pathlib.Path(f"/proc/{pid}/{place}").read_bytes()


def core_limits(pair):
    """(soft, hard) of each process of both daemons."""
    return {resource.prlimit(pid, resource.RLIMIT_CORE)
            for daemon in (pair.server, pair.worker)
            for pid in (daemon.pid, *children(daemon.pid))}


@case(workers=0)
def no_core_file_shows_a_secret(_):
    """Where there is one; and prlimit(1) on a master still gets one on purpose."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    hard = before[1]
    if hard == 0 or SANITIZED:  # a sanitizer's runtime allows none itself
        raise Skip("no core files are allowed here")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        secret = {"server": SECRET, "worker": SECRET, "workers": 1}
        for options, soft in ((secret, 0), ({"worker": ["--sandbox", "off"], "workers": 1}, hard)):
            pair = Pair(**options)
            try:
                limits = core_limits(pair)
                equal({one[0] for one in limits}, {soft})
                if soft == 0:
                    resource.prlimit(pair.server.pid, resource.RLIMIT_CORE, (hard, hard))
                    os.kill(pair.server.fronts()[0], signal.SIGKILL)
                    eventually(lambda pair=pair: (hard, hard) in {
                        resource.prlimit(pid, resource.RLIMIT_CORE)
                        for pid in pair.server.fronts()}, "the next front may dump")
            finally:
                pair.destroy()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


# ---- strangers

def say(sent, port=PORT, context=None):
    """What comes back for these bytes until the other side hangs up; b"" for a failed
    handshake."""
    got = b""
    with contextlib.suppress(OSError), \
            socket.create_connection(("127.0.0.1", port), 5) as plain:
        one = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        one.settimeout(1)
        one.sendall(sent)
        while data := one.recv(4096):
            got += data
    return got


REQ_HANDSHAKE = b"\0SP\0\0\x30\0\0"


def client_context(folder=None):
    context = ssl.create_default_context(cafile=FOLDER / "ours/ca.pem")
    context.check_hostname = False
    if folder:
        context.load_cert_chain(FOLDER / folder / "worker.pem", FOLDER / folder / "worker.key")
    return context


@case
def only_holders_of_a_certificate_are_spoken_to(pair):
    pair.wait_ready()  # the case before cuts connections
    connections = pair.metric("offloop_worker_connections")
    question = REQ_HANDSHAKE + b"\0" * 7 + b"\5\x80\0\0\1?"
    assert not say(question).startswith(b"\0SP"), "without TLS"
    equal(say(question, context=client_context()), b"")
    equal(say(question, context=client_context("theirs")), b"")
    answer = say(question, context=client_context("ours"))
    assert b"that is no hello" in answer, answer
    equal(pair.metric("offloop_worker_connections"), connections)
    use(pair, "after-strangers")


def leave_early(context, rounds):
    """Peers that shake hands with TLS and leave in the middle of nng's handshake."""
    for number in range(rounds):
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", PORT), 5) as plain, \
                context.wrap_socket(plain, server_hostname="127.0.0.1") as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.sendall(REQ_HANDSHAKE[:number % 9])


@case
def a_gate_that_lost_its_listener_is_back_while_workers_say_hello(pair):
    """nng 1518: the gate looks at itself, through TLS too, and listens again."""
    context = client_context("ours")
    question = REQ_HANDSHAKE + b"\0" * 7 + b"\5\x80\0\0\1?"
    leave_early(context, 300)
    eventually(lambda: b"that is no hello" in say(question, context=context),
               "it answers, again or still", 60)
    with extra_worker(pair, "--connect", URL, *tls("worker"), *SECRET):
        eventually(lambda: pair.metric("offloop_worker_connections") == 6, "a late worker")
    eventually(lambda: pair.metric("offloop_worker_connections") == 4, "it has left")


def await_no_server(worker):
    """Until the worker has tried for seconds and got no connection."""
    eventually(lambda: lines_with(worker, "no server has answered there"),
               "the worker's log says that it gets no connection")


@case
def a_worker_of_another_ca_stays_out(pair):
    pair.wait_ready()
    connections = pair.metric("offloop_worker_connections")
    with extra_worker(pair, "--connect", URL, *tls("worker", "theirs"), *SECRET) as stranger:
        await_no_server(stranger)
        equal(pair.metric("offloop_worker_connections"), connections)
    use(pair, "after-another-ca")


@case(server=["--rpc", URL.replace("127.0.0.1", "0.0.0.0"), *tls("server")], workers=0)
def a_server_s_certificate_must_have_the_address(pair):
    """A worker does not take another host's certificate for the server's."""
    url = URL.replace("127.0.0.1", "127.0.0.9")
    with extra_worker(pair, "--connect", url, *tls("worker")) as worker:
        await_no_server(worker)
        equal(pair.metric("offloop_worker_connections"), 0)
    with extra_worker(pair, "--connect", URL, *tls("worker")):
        eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it is in")


@case(server=["--rpc", URL, *tls("worker")], workers=0)
def a_worker_s_certificate_is_no_server_s(pair):
    with extra_worker(pair, "--connect", URL, *tls("worker")) as worker:
        await_no_server(worker)
        equal(pair.metric("offloop_worker_connections"), 0)


@case
def another_secret_is_refused(pair):
    pair.wait_ready()
    connections = pair.metric("offloop_worker_connections")
    other = ["--worker-secret", FOLDER / "other-secret"]
    with extra_worker(pair, "--connect", URL, *tls("worker"), *other) as wrong, \
            extra_worker(pair, "--connect", URL, *tls("worker")) as none:
        eventually(lambda: lines_with(wrong, "does not know our worker secret"),
                   "the worker says that the server has another secret")
        eventually(lambda: lines_with(none, "refused us: the worker secret is missing"),
                   "the worker says that it was refused")
        equal(pair.metric("offloop_worker_connections"), connections)
    # Each says hello every second; one line in a minute tells of them all.
    equal(len(lines_with(pair.server, "a stranger was turned away")), 1)


# ---- the protocol, by a second implementation (proto/PROTOCOL.md, section 5)

def pack_bin(data):
    return bytes([0xc4, len(data)]) + data


def prove(label, *parts):
    return hmac.new(SECRET_TEXT, label + b"\0" + b"".join(parts), hashlib.sha256).digest()


class Sp:
    """A connection that speaks nng's framing over plain TCP."""

    def __init__(self, port, protocol):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(5)
        self.socket.sendall(b"\0SP\0\0" + bytes([protocol]) + b"\0\0")
        assert self.exactly(8).startswith(b"\0SP\0")
        self.is_req = protocol == 0x30

    def exactly(self, count):
        got = b""
        while len(got) < count:
            data = self.socket.recv(count - len(got))
            if not data:
                raise EOFError
            got += data
        return got

    def send(self, message):
        message = (b"\x80\0\0\1" if self.is_req else b"") + message
        self.socket.sendall(len(message).to_bytes(8, "big") + message)

    def receive(self):
        message = self.exactly(int.from_bytes(self.exactly(8), "big"))
        return message[4:] if self.is_req else message

    def ask(self, worker):
        """Returns both nonces, after checking that the other side knows the secret."""
        nonce = os.urandom(32)
        self.send(b"O\1\4\x92" + pack_bin(worker) + pack_bin(nonce))
        answer = self.receive()
        equal(answer[:6], b"O\1\5\x92\xc4\x20")
        return nonce, answer[6:38], answer[40:72]


def hello(worker, gate_nonce):
    head = b"O\1\1\x98" + pack_bin(worker) + pack_bin(bytes(16)) + b"\1\0\1\xa1x" + \
        b"\xc4\x40" + gate_nonce
    return head + prove(b"offloop hello", head, b"\x90") + b"\x90"


def take_seat(gate, worker):
    """(port, incarnation) of the one seat in the WELCOME, as an own worker is told them."""
    nonce, theirs, proof = gate.ask(worker)
    equal(proof, prove(b"offloop gate", nonce, theirs, worker))
    for _ in range(20):
        gate.send(hello(worker, theirs))
        welcome = gate.receive()
        equal(welcome[:3], b"O\1\2", )
        found = re.search(rb"tcp://127\.0\.0\.1:(\d+)", welcome)
        if found:
            at = welcome.index(b"\x93\0\xcf") + 3  # [front 0, incarnation (uint 64), url]
            return int(found.group(1)), welcome[at:at + 8]
        time.sleep(0.1)
    raise AssertionError(f"no seat: {welcome!r}")


def seat_hello(worker, incarnation):
    return b"O\1\x10\x92" + pack_bin(worker) + b"\xcf" + incarnation


def hung_up(connection):
    """Nothing came but the end."""
    try:
        raise AssertionError(f"a stranger got {connection.receive()!r}")
    except (EOFError, ConnectionError):
        return True


PLAIN_PORT = free_port()


@case(server=["--rpc", f"tcp://127.0.0.1:{PLAIN_PORT}", *SECRET], workers=0)
def seats_are_for_those_who_prove_themselves(pair):
    worker = os.urandom(16)
    gate = Sp(PLAIN_PORT, 0x30)
    # Who does not know the secret but has heard the rest, and comes first:
    port, incarnation = take_seat(gate, worker)
    stranger = Sp(port, 0x10)
    stranger.send(seat_hello(worker, incarnation))
    assert hung_up(stranger)
    # The worker is told of another seat, and is let in there:
    port, incarnation = take_seat(gate, worker)
    seat = Sp(port, 0x10)
    nonce, theirs, proof = seat.ask(worker)
    equal(proof, prove(b"offloop front", nonce, theirs, worker, incarnation))
    answer = b"O\1\6\x91" + pack_bin(prove(b"offloop worker", nonce, theirs, worker,
                                           incarnation))
    seat.send(answer)
    seat.send(seat_hello(worker, incarnation))
    equal(seat.receive()[:3], b"O\1\x11")
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it is in")
    # What was overheard there opens no other seat:
    seat.socket.close()
    eventually(lambda: pair.metric("offloop_worker_connections") == 0, "it is out")
    port, incarnation = take_seat(gate, worker)
    thief = Sp(port, 0x10)
    thief.send(b"O\1\4\x92" + pack_bin(worker) + pack_bin(nonce))
    thief.receive()
    thief.send(answer)
    thief.send(seat_hello(worker, incarnation))
    assert hung_up(thief)
    equal(pair.metric("offloop_worker_connections"), 0)
    equal(len(lines_with(pair.server, "a stranger was turned away")), 1)


@case(server=["--rpc", f"tcp://127.0.0.1:{PLAIN_PORT}", *SECRET], workers=0)
def what_was_overheard_at_the_gate_is_worth_nothing(pair):
    worker = os.urandom(16)
    gate = Sp(PLAIN_PORT, 0x30)
    _, theirs, _ = gate.ask(worker)
    recorded = hello(worker, theirs)
    gate.send(recorded)
    equal(gate.receive()[:3], b"O\1\2")
    thief = Sp(PLAIN_PORT, 0x30)
    thief.send(recorded)
    equal(thief.receive()[:5], b"O\1\3\x92\2")
    # A proof over other crashes than its worker told (they condemn documents):
    forged = recorded[:-1] + b"\x91\x92" + pack_bin(bytes(16)) + b"\x0b"
    gate.send(forged)
    equal(gate.receive()[:5], b"O\1\3\x92\2")


@case(server=["--rpc", f"tcp://127.0.0.1:{PLAIN_PORT}"], workers=1,
      worker=["--connect", f"tcp://127.0.0.1:{PLAIN_PORT}"])
def a_flood_of_hellos_makes_no_flood_of_seats(pair):
    """Without a secret, from this host: no more seats than may wait at once."""
    fronts = pair.server.fronts()
    gate = Sp(PLAIN_PORT, 0x30)
    for _ in range(600):
        gate.send(b"O\1\1\x98" + pack_bin(os.urandom(16)) + pack_bin(bytes(16)) +
                  b"\1\0\1\xa1x\xc0\x90")
    eventually(lambda: lines_with(pair.server, "say hello and do not come"), "it is said")
    listening = sum("socket:" in one for one in os.listdir(f"/proc/{fronts[0]}/fd")) or \
        len(os.listdir(f"/proc/{fronts[0]}/fd"))
    assert listening < 600, f"{listening} descriptors"
    equal(pair.metric("offloop_worker_connections"), 1)
    use(pair, "flood")
    equal(pair.server.fronts(), fronts)
    gate.socket.close()
    pair.idle_fds = None


# ---- several servers

@case(server=["--rpc", f"tcp://127.0.0.1:{PLAIN_PORT}", *SECRET], workers=0)
def one_worker_daemon_serves_several_servers(pair):
    """Over TLS and over plain tcp; each server comes and goes without the other."""
    port = free_port()
    url = f"tls+tcp://127.0.0.1:{port}"
    other = Pair(server=["--rpc", url, *tls("server"), *SECRET], workers=0)
    try:
        with extra_worker(pair, "--connect", url, *tls("worker"), *SECRET, "--connect",
                          f"tcp://127.0.0.1:{PLAIN_PORT}"):
            for one in (pair, other):
                eventually(lambda one=one: one.metric("offloop_worker_connections") == 1,
                           "the worker is there")
                use(one, "shared")
            other.server.stop()
            use(pair, "alone")
            other.start_server()
            eventually(lambda: other.metric("offloop_worker_connections") == 1,
                       "the worker is back")
            use(other, "back")
            use(pair, "both")
        other.stop()
    finally:
        other.destroy()


@case(workers=0)
def several_servers_share_one_redis_and_workers(pair):
    if shutil.which("redis-server") is None:
        raise Skip("redis-server is missing")
    with contextlib.ExitStack() as stack:
        redis = Redis(FOLDER)
        stack.callback(shutil.rmtree, redis.folder)
        stack.callback(redis.kill)
        urls, servers = [], []
        for _ in range(2):
            urls.append(f"tls+tcp://127.0.0.1:{free_port()}")
            one = Pair(server=["--rpc", urls[-1], "--store", redis.url, *tls("server"),
                               *SECRET], workers=0)
            stack.callback(one.destroy)
            servers.append(one)
        connects = [part for url in urls for part in ("--connect", url)]
        stack.enter_context(extra_worker(pair, *connects, *tls("worker"), *SECRET))
        for one in servers:
            eventually(lambda one=one: one.metric("offloop_worker_connections") == 1,
                       "the worker is there")
        first, second = servers
        for number in range(20):
            body = json.dumps({"n": number}).encode()
            assert first.ask("PUT", f"/v1/shared/{number}", body, JSON).status == 201
            equal(second.ask("GET", f"/v1/shared/{number}").body.replace(b" ", b""),
                  body.replace(b" ", b""))
        etag = first.ask("GET", "/v1/shared/0").header("etag")
        equal(second.ask("PUT", "/v1/shared/0", b"1", [*JSON, ("If-Match", etag)]).status, 200)
        equal(first.ask("PUT", "/v1/shared/0", b"2", [*JSON, ("If-Match", etag)]).status, 412)
        equal(len(second.ask("GET", "/v1/shared").json()), 20)
        for one in servers:
            one.server.stop()


# ---- a network

class Load:
    """Clients that read known documents all the time. Every reply must be the right one."""

    def __init__(self, pair, clients=4):
        self.documents = {f"/v1/net/{n}": json.dumps(
            {"n": n, "text": f"{n}-" * (600 if n % 7 else 60000)}).encode() for n in range(28)}
        for path, body in self.documents.items():
            assert pair.ask("PUT", path, body, JSON).status in (200, 201)
        self.pair, self.stop = pair, threading.Event()
        self.answers = []  # (when, seconds)
        self.pool = concurrent.futures.ThreadPoolExecutor(clients)
        self.ends = [self.pool.submit(self._read, n) for n in range(clients)]

    def _read(self, start):
        enter_server = self.pair.enter
        enter_server()
        paths = list(self.documents)
        with self.pair.client() as client:
            while not self.stop.is_set():
                path = paths[start % len(paths)]
                start += 1
                began = time.monotonic()
                reply = client.ask("GET", path)
                assert reply.status == 200, (path, reply)
                equal(json.loads(reply.body), json.loads(self.documents[path]))
                self.answers.append((time.monotonic(), time.monotonic() - began))

    def answered_since(self, moment):
        return [when for when, _ in list(self.answers) if when > moment]

    def end(self):
        self.stop.set()
        for one in self.ends:
            one.result(60)
        self.pool.shutdown()
        return len(self.answers)


@contextlib.contextmanager
def over_network(url, server=(), worker=(), timeout="30s"):
    """A pair whose worker is on another host, and what is between."""
    why = network.missing()
    if why:
        raise Skip(why)
    with network.Network() as net:
        pair = Pair(server=["--rpc", url, "--job-timeout", timeout, *server, *SECRET], workers=0)
        pair.enter = lambda: network.enter(net.server.fileno())
        try:
            with net.on_worker():
                pair.worker_arguments = ["--processes", "2", "--connect", url, *worker, *SECRET]
                pair.start_worker()
            eventually(lambda: pair.metric("offloop_worker_connections") == 2, "two workers")
            yield pair, net
            pair.stop()
        except Exception:
            for line in pair.logs():
                print(f"     {line}")
            raise
        finally:
            pair.destroy()


TLS_URL = f"tls+tcp://{network.SERVER}:9100"
PLAIN_URL = f"tcp://{network.SERVER}:9100"
KINDS = ((TLS_URL, tls("server"), tls("worker")),
         (PLAIN_URL, ["--allow-plain-tcp"], ["--allow-plain-tcp"]))


@case(workers=0)
def workers_on_another_host(pair):
    for url, server, worker in KINDS:
        with over_network(url, server, worker) as (remote, _):
            use(remote, "remote")
            use(remote, "remote-large", LARGE, 2)


@case(workers=0)
def a_server_at_all_its_addresses(pair):
    """Workers are told the address by which they came."""
    url = "tls+tcp://0.0.0.0:9100"
    why = network.missing()
    if why:
        raise Skip(why)
    with network.Network() as net:
        remote = Pair(server=["--rpc", url, *tls("server"), *SECRET], workers=0)
        try:
            with net.on_worker():
                remote.worker_arguments = ["--processes", "1", "--connect", TLS_URL,
                                           *tls("worker"), *SECRET]
                remote.start_worker()
            eventually(lambda: remote.metric("offloop_worker_connections") == 1, "it came")
            use(remote, "anywhere")
            remote.stop()
        finally:
            remote.destroy()


@case(workers=0)
def delay_and_loss(pair):
    """20 ms each way, and one frame of 30 lost: slower, and nothing else."""
    for url, server, worker in KINDS:
        with over_network(url, server, worker) as (remote, net):
            net.wire("delay 20", "loss 0.03")
            load = Load(remote)
            eventually(lambda: len(load.answers) >= 150, "150 replies", 90)
            load.end()
            net.wire("delay 0", "loss 0")


def cut_for(seconds, url, server, worker):
    with over_network(url, server, worker) as (remote, net):
        load = Load(remote)
        eventually(lambda: len(load.answers) >= 50, "50 replies", 60)
        workers = children(remote.worker.pid)
        net.wire("cut")
        time.sleep(seconds)  # what is tested: nothing can be waited for
        net.wire("heal")
        healed = time.monotonic()
        eventually(lambda: load.answered_since(healed + 0.01), "an answer", 30)
        recovery = min(load.answered_since(healed + 0.01)) - healed
        eventually(lambda: remote.metric("offloop_worker_connections") == 2, "two workers")
        eventually(lambda: len(load.answered_since(healed)) >= 50, "50 replies", 60)
        load.end()
        equal(children(remote.worker.pid), workers)
        return recovery


@case(workers=0)
def a_cut_link(pair):
    """However long it was cut: no request is lost, no reply wrong, and work goes on within
    two seconds of its return (on a machine that has the time)."""
    for seconds, (url, server, worker) in ((1, KINDS[0]), (2.8, KINDS[1]), (3.5, KINDS[0]),
                                           (7, KINDS[1])):
        recovery = cut_for(seconds, url, server, worker)
        print(f"     {url.split(':')[0]}, cut for {seconds} s: back after {recovery:.2f} s")
        assert recovery < (10 if SANITIZED else 5), recovery


@case(workers=0)
def a_cut_link_leaves_other_workers_the_work(pair):
    """While one host is cut off, the workers of another (here: this one) do its jobs."""
    url, server, worker = KINDS[0]
    with over_network(url, server, worker) as (remote, net):
        local = Daemon("offloop-worker", ["--processes", "1", "--connect", url, *worker,
                                          *SECRET], remote.runtime, remote.folder)
        try:
            eventually(lambda: remote.metric("offloop_worker_connections") == 3, "three")
            load = Load(remote)
            eventually(lambda: len(load.answers) >= 50, "50 replies", 60)
            net.wire("cut")
            eventually(lambda: remote.metric("offloop_worker_connections") == 1,
                       "two are left alone")
            left = time.monotonic()
            eventually(lambda: len(load.answered_since(left)) >= 100, "100 replies", 60)
            net.wire("heal")
            eventually(lambda: remote.metric("offloop_worker_connections") == 3, "three again")
            load.end()
            assert lines_with(remote.server, "is cut off"), "the log says so"
            local.stop()
        finally:
            if local.process.poll() is None:
                local.kill_all()


# ---- refusals

@case(workers=0)
def plain_tcp_is_refused_where_others_can_read(pair):
    for name, flag in (("offloop-server", "--rpc"), ("offloop-worker", "--connect")):
        for more in ([], ["--allow-plain-tcp"]):
            ended = subprocess.run([BUILD / name, flag, "tcp://192.0.2.1:9", *more],
                                   capture_output=True, text=True, check=False)
            equal(ended.returncode, 2)
            equal(ended.stderr.count("\n"), 1)
            assert "--worker-secret" in ended.stderr, ended.stderr
        ended = subprocess.run([BUILD / name, flag, "tcp://192.0.2.1:9", "--allow-plain-tcp",
                                *SECRET, "--check-config"], capture_output=True, text=True,
                               check=False)
        equal((ended.returncode, ended.stdout), (0, "configuration is valid\n"))
