"""A collection from a worker that steers the sizes of its results."""
import array
import contextlib
import fcntl
import json
import socket
import termios
import time

from harness import JSON, Daemon, case, equal, eventually

QUEUE_HIGH = 256 * 1024  # http_handler.c: a streamed reply waits from here on
# What the head of a reply takes; the date has always the same length.
HEAD = (b"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\nVary: Accept, Accept-Encoding\r\n\r\n")
TEXT = json.dumps("x" * 300_000).encode()  # more than a run: each document is one


def start_sized(pair, size):
    pair.worker.kill_all() if "fake" in pair.worker.name else pair.worker.stop()
    eventually(lambda: pair.metric("offloop_worker_connections") == 0, "it has left")
    pair.worker = Daemon("tests/fake-worker", [f"ipc://{pair.runtime}/rpc.sock", "sized",
                                               str(size)], pair.runtime, pair.folder)
    pair.daemons.append(pair.worker)
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has its seat")


def begin(pair):
    """A client that asks and does not read."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(60)
    client.connect(str(pair.folder / "clients.sock"))
    client.sendall(b"GET /v1/sizes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return client


def waiting_bytes(client):
    """What the front's socket has taken, once it takes no more."""
    count, before = array.array("i", [0]), -1
    while count[0] == 0 or count[0] != before:
        before = count[0]
        time.sleep(0.1)
        fcntl.ioctl(client, termios.FIONREAD, count)
    return count[0]


def read_all(client):
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1 << 20):
            got += piece
    return got


def cut_off(got):
    """A chunked reply without its last chunk."""
    return got.startswith(b"HTTP/1.1 200") and not got.endswith(b"\r\n0\r\n\r\n")


@case(own=True, server=("--arena", "off"))
def an_empty_result_when_the_queue_has_just_filled(pair):
    """The comma that stands before it fills the queue: no run is asked for twice. Results
    without bytes are no documents, so the reply is cut."""
    for number in range(100):
        equal(pair.ask("PUT", f"/v1/sizes/{number:03}", TEXT, JSON).status, 201)
    pair.server.stop()
    pair.server_arguments += ["--listen", f"unix:{pair.folder}/clients.sock"]
    pair.start_server()
    pair.wait_ready()
    fronts = pair.server.fronts()
    start_sized(pair, 250_000)
    with begin(pair) as client:
        taken = waiting_bytes(client)
        assert cut_off(read_all(client))
    around = len(HEAD) + len("1\r\n[") + len("\r\n1\r\n,") + 2 * len("\r\n3d090\r\n")
    for spare in (2, 4, 6):  # bytes until the queue is full: no more than the comma takes
        start_sized(pair, (QUEUE_HIGH + taken - around - spare) // 2)
        jobs = pair.metric("offloop_jobs_total")
        with begin(pair) as client:
            eventually(lambda: pair.metric("offloop_jobs_total") > jobs + 2, "three results")
            assert cut_off(read_all(client))
        equal(pair.server.fronts(), fronts)
    pair.worker.kill_all()
    pair.start_worker()
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has its seat")
    equal(len(pair.ask("GET", "/v1/sizes").json()), 100)
