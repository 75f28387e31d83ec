"""--memory: what clients make a front hold stays within it, whatever they do, and what is
small is served all the while."""
import contextlib
import json
import socket
import threading
import time

from harness import JSON, Client, case, check_problem, equal, eventually, memory_bytes, request

ALONE = True
UNSANITIZED = True  # what it is about is memory
MIB = 1 << 20
SMALL_PAIR = ["--memory", "64MiB", "--arena", "off"]


def put(client, path, text):
    assert client.ask("PUT", path, text, JSON).status in (200, 201)


def text_of(size, byte=b"x"):
    return b'"' + byte * size + b'"'


def bomb(values):
    """Short, and a thousand bytes a value with ?pretty."""
    return b"[" * 500 + b",".join([b"1"] * values) + b"]" * 500


class Reader:
    """A client that asks, and takes no more than the head."""

    def __init__(self, pair, target):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", pair.port))
        self.socket.sendall(request("GET", target))
        self.status = int(self.socket.recv(100)[9:12])

    def close(self):
        self.socket.close()


@case(own=True, server=["--memory", "256MiB", "--arena", "off"])
def those_who_do_not_read_make_room(pair):
    with pair.client() as client:
        for number in range(5):
            put(client, f"/v1/large/{number}", text_of(30 * MIB))
        readers = [Reader(pair, f"/v1/large/{number}") for number in range(4)]
        equal([reader.status for reader in readers], [200] * 4)

        def served():
            reply = client.ask("GET", "/v1/large/4")
            if reply.status == 200:
                return True
            check_problem(reply, 503, "memory")
            equal(reply.header("retry-after"), "1")
            return False

        eventually(served, "one who does not read is cut off for one who does")
        assert pair.metric("offloop_memory_cuts_total") > 0
        assert pair.metric("offloop_memory_refusals_total") > 0
        equal(pair.metric("offloop_memory_limit_bytes"), 256 * MIB)
        for reader in readers:
            reader.close()
        eventually(lambda: pair.metric("offloop_memory_bytes") < MIB, "all is let go again")


@case(own=True, server=SMALL_PAIR)
def what_does_not_fit_is_503(pair):
    with pair.client() as client:
        put(client, "/v1/bombs/a", bomb(150000))
        equal(client.ask("GET", "/v1/bombs/a").status, 200)
        reply = client.ask("GET", "/v1/bombs/a?pretty")  # 150 MB
        check_problem(reply, 503, "memory")
        equal(reply.header("retry-after"), "1")
        # what grows to many times its input, and fits, is made
        put(client, "/v1/bombs/b", bomb(20000))
        reply = client.ask("GET", "/v1/bombs/b?pretty")
        equal((reply.status, reply.json()), (200, json.loads(bomb(20000))))
    with pair.client() as client:
        client.send(request("PUT", "/v1/bodies/a", headers=[
            *JSON, ("Content-Length", str(60 * MIB)), ("Expect", "100-continue")]))
        reply = client.reply(interim=True)
        check_problem(reply, 503, "memory")
        equal(reply.header("retry-after"), "1")
    with pair.client() as client:  # nobody knows before how long it is
        client.send(request("PUT", "/v1/bodies/b", headers=[
            *JSON, ("Transfer-Encoding", "chunked")]))
        with contextlib.suppress(OSError):
            for _ in range(60):
                client.send(b"100000\r\n" + b" " * MIB + b"\r\n")
        check_problem(client.reply(), 503, "memory")
    with pair.client() as client:  # a line, too
        client.send(request("POST", "/v1/bodies", headers=[
            ("Content-Type", "application/x-ndjson"), ("Transfer-Encoding", "chunked")]))
        with contextlib.suppress(OSError):
            for _ in range(60):
                client.send(b"100000\r\n" + b" " * MIB + b"\r\n")
        check_problem(client.reply(), 503, "memory")
    eventually(lambda: pair.metric("offloop_memory_bytes") < MIB, "all is let go again")


@case(own=True, server=["--memory", "256MiB", "--arena", "off"])
def uploads_that_trickle_make_room(pair):
    """The bytes that have come count, and a slow sender is cut off before a quick one."""
    slow = []
    for _ in range(4):
        client = pair.client()
        client.send(request("PUT", "/v1/up/slow", headers=[
            *JSON, ("Content-Length", str(60 * MIB))]) + b" " * (45 * MIB))
        slow.append(client)

    def trickle():
        for client in slow:
            with contextlib.suppress(OSError):
                client.send(b" " * 500)

    def stored():
        trickle()
        with pair.client() as quick:
            reply = quick.ask("PUT", "/v1/up/quick", text_of(20 * MIB), JSON)
        assert reply.status in (201, 503), reply
        return reply.status == 201

    eventually(stored, "the upload that comes quickly is stored", 60)
    assert pair.metric("offloop_memory_cuts_total") > 0
    for client in slow:
        client.close()


class Storm:
    """200 clients that take as much as they get."""

    def __init__(self, pair):
        self.pair = pair
        self.over = False
        self.statuses = {}
        works = [(self.upload, ()), (self.read, ("/v1/large/{}?_={}",)),
                 (self.read, ("/v1/bombs/{}?pretty&_={}",)), (self.read, ("/v1/many?pretty&_={}-{}",))]
        self.threads = [threading.Thread(target=self.work, args=(*works[number % 4], number))
                        for number in range(200)]
        for thread in self.threads:
            thread.start()

    def work(self, what, arguments, number):
        while not self.over:
            with contextlib.suppress(OSError, ValueError):
                status = what(number, *arguments)
                name = f"{what.__name__} {arguments[0].split('/')[2] if arguments else ''} {status}"
                self.statuses[name] = self.statuses.get(name, 0) + 1
            self.wait(0.5)

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while not self.over and time.monotonic() < end:
            time.sleep(0.1)

    def read(self, number, target):
        reader = Reader(self.pair, target.format(number // 4 % 6, number))
        if reader.status == 200:
            self.wait(10)
        reader.close()
        return reader.status

    def upload(self, number):
        with Client(self.pair.port) as client:
            client.send(request("PUT", f"/v1/up/{number}", headers=[
                *JSON, ("Content-Length", "60000000")]))
            with contextlib.suppress(OSError):
                for _ in range(40):
                    client.send(b" " * 1000000)
                for _ in range(20):
                    self.wait(0.5)
                    client.send(b" " * 2000)
            return client.head()[0]

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def ask_light(pair, seconds):
    """Asks for a small document as one client does; returns the times, sorted."""
    times = []
    with pair.client() as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.perf_counter()
            equal(client.ask("GET", "/v1/light/a").status, 200)
            times.append(time.perf_counter() - begin)
            time.sleep(0.002)
    return sorted(times)


def figures(times):
    return "p50 %.2f ms, p99 %.2f ms" % tuple(
        times[len(times) * part // 100] * 1e3 for part in (50, 99))


@case(own=True, server=["--memory", "256MiB", "--mode", "auto"], workers=2)
def a_front_under_hostile_clients_stays_within_its_memory(pair):
    with pair.client() as client:
        for number in range(6):
            put(client, f"/v1/bombs/{number}", bomb(40000 if number % 2 else 459000))
            put(client, f"/v1/large/{number}", text_of(16 * MIB))
        for number in range(400):
            put(client, f"/v1/many/{number:04}", text_of(100000))
        put(client, "/v1/light/a", b'{"a":1}')
    front, = pair.server.fronts()
    idle = ask_light(pair, 3)
    most, over = 0, False

    def watch():
        nonlocal most
        while not over:
            most = max(most, memory_bytes(front))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    storm = Storm(pair)
    try:
        times = ask_light(pair, 20)
    finally:
        storm.end()
        over = True
        watcher.join()
    print(f"     a front of 256 MiB held {most / MIB:.0f} MiB under 200 hostile clients; "
          f"a light route: idle {figures(idle)}, then {figures(times)}; "
          f"{pair.metric('offloop_memory_refusals_total'):.0f} refused, "
          f"{pair.metric('offloop_memory_cuts_total'):.0f} cut off; "
          f"{dict(sorted(storm.statuses.items()))}")
    assert most <= 256 * MIB * 1.2, f"a front held {most / MIB:.0f} MiB"
    equal(pair.server.fronts(), [front])
