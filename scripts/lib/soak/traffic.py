"""The HTTP load of scripts/soak: a mix of all that clients do, at a fixed rate.

A user owns its documents, so it knows what each must be, and compares every body. Users are
threads; due() gives each its next moment, so that the rate stays what was asked for while
the server is well, and a pause of the machine is not made up for.
"""
import contextlib
import gzip
import itertools
import json
import random
import socket
import struct
import threading
import time
import zlib

from documents import Documents
from harness import JSON, MSGPACK, Client, request

from offloop import _msgpack

USERS = 6
DOCUMENTS = 60  # of each user
# Bytes of a document, and how often: mostly small, some through shared memory, a few large.
SIZES, WEIGHTS = (500, 2_000, 5_000, 20_000, 64_000, 200_000, 800_000), (30, 30, 15, 12, 8, 4, 1)
BIG = "/v1/soak-big/2MB"  # what slow and rude clients ask for
BULK = "/v1/soak-bulk"
NDJSON = [("Content-Type", "application/x-ndjson")]
LINES = [("Accept", "application/x-ndjson")]
MODES = ("inline", "threads", "rpc", "auto")
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Wrong(Exception):
    """A reply is not what it must be."""


def expect(true, what):
    if not true:
        raise Wrong(what)


def status(reply, *allowed):
    expect(reply.status in allowed, f"{reply.status} {reply.body[:200]!r} instead of {allowed}")
    return reply


class Document:
    """One of a user's: its bytes are made again from size and number when they are needed."""

    def __init__(self, path):
        self.path, self.size, self.number, self.patched, self.tag = path, 0, None, None, None

    def there(self):
        return self.number is not None

    def text(self, documents):
        text = documents.text(self.size, self.number)
        return text if self.patched is None else text[:-1] + b',"soaked":%d}' % self.patched

    def became(self, reply, size, number, patched=None):
        self.size, self.number, self.patched, self.tag = size, number, patched, reply.header("etag")

    def gone(self):
        self.number = self.patched = self.tag = None


class User(threading.Thread):
    """Does one thing after the other; what goes wrong is noted, and the next thing follows."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number, self.client = load, number, None
        self.random = random.Random(load.seed * 1000 + number)
        self.numbers = itertools.count(number * 1_000_000)
        self.documents = [Document(f"/v1/soak-{number}/d{one:03d}") for one in range(DOCUMENTS)]

    # ---- connections

    def kept(self):
        self.client = self.client or Client(self.load.port, timeout=60)
        return self.client

    def drop(self):
        if self.client:
            self.client.close()
        self.client = None

    def ask(self, method, target, body=None, headers=()):
        reply = self.kept().ask(method, target, body, headers)
        if reply.header("connection") == "close":
            self.drop()
        return reply

    def pick(self, there=True):
        """A document of ours that is there; None where there is none yet."""
        found = [one for one in self.documents if one.there() == there]
        return self.random.choice(found) if found else None

    # ---- things to do: each returns nothing, or raises

    def read(self):
        if not (one := self.pick()):
            return self.put()
        way = self.random.choice(READS)
        return way(self, one)

    def read_plain(self, one):
        headers = [("Offloop-Mode", self.random.choice(MODES))] if self.random.random() < 0.5 else []
        reply = status(self.ask("GET", one.path, headers=headers), 200)
        expect(reply.body == one.text(self.load.documents), f"{one.path}: another body")

    def read_gzip(self, one):
        reply = status(self.ask("GET", one.path, headers=[("Accept-Encoding", "gzip")]), 200)
        body = gzip.decompress(reply.body) if reply.header("content-encoding") == "gzip" else reply.body
        expect(body == one.text(self.load.documents), f"{one.path}: another body after gzip")

    def read_zstd(self, one):
        reply = status(self.ask("GET", one.path, headers=[("Accept-Encoding", "zstd")]), 200)
        if reply.header("content-encoding") == "zstd":
            expect(reply.body[:4] == ZSTD_MAGIC, f"{one.path}: no zstd frame")
        else:
            expect(reply.body == one.text(self.load.documents), f"{one.path}: another body")

    def read_fields(self, one):
        reply = status(self.ask("GET", one.path + "?fields=n"), 200)
        expect(reply.json() == {"n": one.number}, f"{one.path}?fields=n: {reply.body[:100]}")

    def read_pretty(self, one):
        reply = status(self.ask("GET", one.path + "?pretty"), 200)
        expect(reply.json()["n"] == one.number, f"{one.path}?pretty: another document")

    def read_msgpack(self, one):
        reply = status(self.ask("GET", one.path, headers=[("Accept", "application/msgpack")]), 200)
        expect(reply.body[:1] >= b"\x80" and b"\xa1n" in reply.body[:8], f"{one.path}: no MessagePack")

    def read_unchanged(self, one):
        version = one.tag.strip('"').split("-")[0]  # the tag may be of the MessagePack that was stored
        status(self.ask("GET", one.path, headers=[("If-None-Match", f'"{version}-json"')]), 304)

    def read_head(self, one):
        reply = status(self.ask("HEAD", one.path), 200)
        expect(int(reply.header("content-length")) == len(one.text(self.load.documents)), f"HEAD {one.path}")

    def read_jq(self, one):
        """Programs come and go as well: the constant makes it another one each time."""
        more = self.random.randrange(5000)
        reply = status(self.ask("GET", f"{one.path}?jq=.n%2B{more}"), 200)
        expect(reply.body == b"%d" % (one.number + more), f"{one.path}?jq: {reply.body[:100]}")

    def read_short(self):
        """A connection for one request, as HTTP/1.0 or 1.1 ends it."""
        if not (one := self.pick()):
            return
        version = self.random.choice(("1.0", "1.1"))
        with Client(self.load.port, timeout=60) as client:
            reply = status(client.ask("GET", one.path, headers=[("Connection", "close")], version=version), 200)
            expect(reply.body == one.text(self.load.documents), f"{one.path}: another body, HTTP/{version}")
            expect(client.ended(), "the connection stays open")

    def read_pipelined(self):
        found = [one for one in (self.pick() for _ in range(5)) if one and one.size <= 5000]
        client = self.kept()
        client.send(b"".join(request("GET", one.path) for one in found))
        for one in found:
            reply = status(client.reply("GET"), 200)
            expect(reply.body == one.text(self.load.documents), f"{one.path}: another body, pipelined")

    def put(self):
        one = self.random.choice(self.documents)
        size, number = self.random.choices(SIZES, WEIGHTS)[0], next(self.numbers)
        text = self.load.documents.text(size, number)
        form = self.random.random()
        if form < 0.7:
            headers, body = JSON, text
        elif form < 0.85:
            headers, body = [*JSON, ("Content-Encoding", "gzip")], gzip.compress(text, 1)
        else:
            headers, body = MSGPACK, _msgpack.pack(json.loads(text)) if size <= 5000 else None
        if body is None:
            headers, body = JSON, text
        wanted = [("If-Match", one.tag)] if one.there() and self.random.random() < 0.3 else []
        reply = status(self.ask("PUT", one.path, body, [*headers, *wanted]), 200, 201)
        one.became(reply, size, number)

    def patch(self):
        if not (one := self.pick()):
            return
        value = self.random.randrange(1 << 30)
        if self.random.random() < 0.5:
            kind, body = "application/merge-patch+json", b'{"soaked":%d}' % value
        else:
            kind, body = "application/jq", b".soaked = %d" % value
        reply = status(self.ask("PATCH", one.path, body, [("Content-Type", kind)]), 200)
        one.became(reply, one.size, one.number, value)
        expect(reply.body == one.text(self.load.documents), f"PATCH {one.path}: another body")

    def delete(self):
        if not (one := self.pick()):
            return
        status(self.ask("DELETE", one.path), 204)
        one.gone()
        status(self.ask("GET", one.path), 404)

    def post(self):
        number = next(self.numbers)
        made = status(self.ask("POST", f"/v1/soak-made-{self.number}", self.load.documents.text(2000, number), JSON), 201)
        path = made.header("location")
        path = path[path.index("/v1/"):]
        expect(status(self.ask("GET", path + "?fields=n"), 200).json() == {"n": number}, f"{path}: another document")
        status(self.ask("DELETE", path), 204)

    def list_page(self):
        there = sorted(one.path.rsplit("/", 1)[1] for one in self.documents if one.there())
        after = self.random.choice(there) if there else ""
        want = [one for one in there if one > after][:7]
        reply = status(self.ask("GET", f"/v1/soak-{self.number}?ids&fields=n&limit=7&after={after}"), 200)
        expect([one["id"] for one in reply.json()] == want, f"a page after {after}: {reply.body[:200]}")

    def list_all(self):
        """The whole collection as lines, or what a program makes of it."""
        there = [one for one in self.documents if one.there()]
        target = f"/v1/soak-{self.number}"
        if self.random.random() < 0.5:
            numbers = status(self.ask("GET", target + "?jq=.n"), 200).json()
        else:
            lines = status(self.ask("GET", target, headers=LINES), 200).body.splitlines()
            numbers = [json.loads(line[:line.index(b",")] + b"}")["n"] for line in lines]
        expect(numbers == [one.number for one in there], f"{target}: {len(numbers)} of {len(there)} documents")
        status(self.ask("GET", "/v1"), 200)

    def bulk(self):
        count = self.random.choice((20, 100, 300))
        lines = [b'{"id":"b%d-%d","document":%b}' % (self.number, self.random.randrange(400),
                 self.load.documents.text(self.random.choice(SIZES[:4]), next(self.numbers))) for _ in range(count)]
        lines.append(b'{"id":"broken","document":')
        reply = status(self.ask("POST", BULK, b"\n".join(lines), NDJSON), 200).json()
        expect((reply["stored"], reply["failed"]) == (count, 1), f"a bulk load: {str(reply)[:200]}")

    def mistake(self):
        """Requests that are refused."""
        kind = self.random.randrange(5)
        if kind == 0:
            status(self.ask("PUT", self.documents[0].path, b'{"broken":', JSON), 400)
        elif kind == 1:
            status(self.ask("GET", f"/v1/soak-{self.number}/nobody"), 404)
        elif kind == 2:
            status(self.ask("PUT", self.documents[0].path, b"{}"), 415)
        elif kind == 3:
            status(self.ask("PUT", self.documents[0].path, b"{}", [*JSON, ("If-Match", '"1-json"')]), 412)
        else:
            with Client(self.load.port, timeout=60) as client:
                client.send(b"GET /v1 HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n")
                status(client.reply(), 400)

    def abort(self):
        """Leaves in the middle: of a reply, of an upload, of a head; with a reset or an end."""
        kind = self.random.randrange(4)
        with socket.create_connection(("127.0.0.1", self.load.port), 60) as one:
            if self.random.random() < 0.5:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if kind == 0:
                one.sendall(request("GET", BIG, headers=[("Offloop-Mode", self.random.choice(MODES))]))
                one.recv(512)
            elif kind == 1:
                one.sendall(request("GET", BULK))  # leaves before the first byte comes
            elif kind == 2:
                one.sendall(request("PUT", BIG + "-half", b'{"half":"' + b"x" * 20_000,
                                    [*JSON, ("Content-Length", "2000000")]))
            else:
                one.sendall(b"GET /v1/soak-")

    def run(self):
        while self.load.due():
            what = self.random.choices(THINGS, SHARES)[0]
            started = time.monotonic()
            try:
                what(self)
            except (Wrong, AssertionError, OSError, KeyError, ValueError, EOFError, zlib.error) as problem:
                self.drop()
                self.load.note_wrong(f"{what.__name__}: {type(problem).__name__}: {problem}"[:400])
            else:
                self.load.note(what.__name__, time.monotonic() - started)
        self.drop()


READS = ([User.read_plain] * 6 + [User.read_gzip, User.read_zstd, User.read_fields, User.read_pretty,
         User.read_msgpack, User.read_unchanged, User.read_head, User.read_jq])
THINGS, SHARES = zip((User.read, 50), (User.read_short, 8), (User.read_pipelined, 4), (User.put, 15),
                     (User.patch, 6), (User.delete, 4), (User.post, 3), (User.list_page, 4),
                     (User.list_all, 1), (User.bulk, 0.5), (User.mistake, 2.5), (User.abort, 2))


class SlowReader(threading.Thread):
    """Reads two megabytes a few bytes at a time, and gives up half way now and then."""

    def __init__(self, load):
        super().__init__(daemon=True)
        self.load = load

    def run(self):
        for turn in itertools.count():
            if self.load.stopping.wait(0.5):
                return
            with contextlib.suppress(OSError), \
                    socket.create_connection(("127.0.0.1", self.load.port), 60) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                one.sendall(request("GET", BIG, headers=[("Offloop-Mode", MODES[turn % 4]), ("Connection", "close")]))
                left = 60 if turn % 3 else 1 << 30
                while left and not self.load.stopping.wait(0.04) and one.recv(16384):
                    left -= 1


class SlowWriter(threading.Thread):
    """Uploads a document a few bytes at a time."""

    def __init__(self, load):
        super().__init__(daemon=True)
        self.load = load

    def run(self):
        for turn in itertools.count():
            text = self.load.documents.text(20_000, turn)
            try:
                with Client(self.load.port, timeout=60) as client:
                    whole = request("PUT", "/v1/soak-slow/one", text, JSON)
                    for at in range(0, len(whole), 500):
                        if self.load.stopping.wait(0.05):
                            return
                        client.send(whole[at:at + 500])
                    status(client.reply("PUT"), 200, 201)
            except (Wrong, AssertionError, OSError) as problem:
                self.load.note_wrong(f"a slow upload: {problem}"[:400])
                self.load.stopping.wait(1)


class Load:
    """All users together. rate: things to do in a second."""

    def __init__(self, port, rate, seed):
        self.port, self.rate, self.seed = port, rate, seed
        self.documents = Documents()
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.next_due = time.monotonic()
        self.times, self.counts, self.wrong, self.wrong_count = {}, {}, [], 0
        with Client(port, timeout=60) as client:
            status(client.ask("PUT", BIG, self.documents.text(2_000_000, 1), JSON), 200, 201)
        self.threads = [User(self, number) for number in range(USERS)] + [SlowReader(self), SlowWriter(self)]

    def due(self):
        """Waits for the next moment; False when it is over."""
        with self.lock:
            now = time.monotonic()
            self.next_due = max(self.next_due + 1 / self.rate, now - 0.2)
            wait = self.next_due - now
        return not (self.stopping.wait(wait) if wait > 0 else self.stopping.is_set())

    def note(self, what, seconds):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            self.times.setdefault("reads" if what == "read" else "writes" if what in ("put", "patch", "delete")
                                  else "others", []).append(seconds)

    def note_wrong(self, what):
        with self.lock:
            self.wrong_count += 1
            if len(self.wrong) < 50:
                self.wrong.append(what)

    def take_times(self):
        """{kind: seconds of each} since the last call."""
        with self.lock:
            times, self.times = self.times, {}
        return times

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Ends the users; one that is still there after a minute hangs."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(70)
            if thread.is_alive():
                self.note_wrong(f"{type(thread).__name__} hangs")
