"""The load of scripts/chaos: clients that read, write and delete documents all the time
and know what every answer must be.

A client owns its documents, so it knows what each may be: what was acknowledged last, or a
write whose answer never came (which may take its effect late, but not for ever). Whatever
else a reply shows is wrong: a broken body, or an acknowledged write that was lost.
"""
import random
import socket
import threading
import time
import zlib

from harness import Client, JSON

MISSING = None  # what a document is before the first write and after a DELETE
LATE_S = 15     # a write without an answer happens by then, or never
PAUSE_S = 0.02  # after a refused connection or a 503

# Mostly small, some that travel through shared memory, now and then a large one.
SIZES = [40] * 60 + [900] * 25 + [9_000] * 12 + [150_000] * 3


def text_of(name, value):
    """The body of a document's nth value: any two differ."""
    size = SIZES[zlib.crc32(b"%b %d" % (name.encode(), value)) % len(SIZES)]
    return b'{"name":"%b","value":%d,"filler":"%b"}' % (name.encode(), value, b"x" * size)


class Document:
    def __init__(self, path, name):
        self.path, self.name = path, name
        self.last = 0  # value given last
        self.is_now = MISSING
        self.pending = {}  # value of a write without an answer: when it was given up

    def next_text(self):
        self.last += 1
        return self.last, text_of(self.name, self.last)

    def acknowledged(self, value):
        self.is_now = value

    def unanswered(self, value):
        self.pending[value] = time.monotonic()

    def may_be(self):
        now = time.monotonic()
        self.pending = {value: since for value, since in self.pending.items()
                        if now - since < LATE_S}
        return [self.is_now, *self.pending]

    def fits(self, status, body):
        """None where that answer is right, else what is wrong with it."""
        for value in self.may_be():
            if (status == 404) if value is MISSING else (body == text_of(self.name, value)):
                self.is_now = value
                return None
        return f"{self.path} is {status} {body[:80]!r}, not one of {self.may_be()}"


class Counts:
    """What a stretch of the load saw."""

    def __init__(self):
        self.replies = 0     # 2xx and expected 404, each looked at
        self.acknowledged = 0
        self.wrong = []      # wrong bodies and lost writes
        self.refusals = {}   # status: how often, of replies that should have been 2xx
        self.refused = 0     # connections
        self.cut = 0         # connections that ended in the middle of an exchange
        self.longest_s = 0.0

    def failed(self):
        """Requests that got no right answer, refused connections aside."""
        return len(self.wrong) + sum(self.refusals.values()) + self.cut

    def __str__(self):
        parts = [f"{self.failed()} of {self.replies} requests failed"]
        parts += [f"{count} x {status}" for status, count in sorted(self.refusals.items())]
        parts += [f"{self.cut} cut"] * bool(self.cut)
        parts += [f"{self.refused} connections refused"] * bool(self.refused)
        return ", ".join(parts)


class Worker(threading.Thread):
    """One client: one request at a time over a kept-alive connection."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.client = load, None
        self.random = random.Random(number)
        self.documents = [Document(f"/v1/chaos/c{number}-{one}", f"c{number}-{one}")
                          for one in range(load.documents)]

    def drop(self):
        if self.client:
            self.client.close()
        self.client = None

    def exchange(self, method, document, body=None):
        """The reply; None where there was none, however often a client may ask again. What
        the server closed while it was idle is asked again: no byte of a reply had come."""
        for _ in range(3):
            fresh = self.client is None
            try:
                self.client = self.client or Client(self.load.port(), timeout=60)
                reply = self.client.ask(method, document.path, body, JSON if body else ())
            except ConnectionRefusedError:
                self.load.note("refused")
                time.sleep(PAUSE_S)
                return None
            except (OSError, AssertionError) as problem:
                nothing_came = self.client is not None and not self.client.buffer
                self.drop()
                if isinstance(problem, socket.timeout):
                    self.load.note_wrong(f"{method} {document.path}: no answer for a minute")
                    return None
                if nothing_came and not fresh and method == "GET":
                    continue
                self.load.note("cut" if fresh or method == "GET" or not nothing_came
                               else "closed")
                return None
            if reply.header("connection") == "close":
                self.drop()
            return reply
        self.load.note("cut")
        return None

    def read(self, document):
        reply = self.exchange("GET", document)
        if reply is None:
            return False
        if reply.status not in (200, 404):
            self.load.note_status(reply.status)
            return False
        why = document.fits(reply.status, reply.body)
        self.load.note_wrong(why) if why else self.load.note("replies")
        return True

    def write(self, document):
        value, text = document.next_text()
        reply = self.exchange("PUT", document, text)
        if reply is not None and reply.status in (200, 201):
            document.acknowledged(value)
            self.load.note("acknowledged")
            self.load.note("replies")
        else:
            document.unanswered(value)
            self.load.note_status(reply.status if reply is not None else None)

    def delete(self, document):
        reply = self.exchange("DELETE", document)
        if reply is not None and reply.status in (204, 404):
            document.acknowledged(MISSING)
            self.load.note("acknowledged")
            self.load.note("replies")
        else:
            document.unanswered(MISSING)
            self.load.note_status(reply.status if reply is not None else None)

    def run(self):
        while not self.load.stopping.is_set():
            document = self.random.choice(self.documents)
            started = time.monotonic()
            pick = self.random.random()
            if pick < self.load.writes:
                self.write(document)
            elif pick < self.load.writes * 1.1:
                self.delete(document)
            else:
                self.read(document)
            self.load.note_time(time.monotonic() - started)
        self.drop()

    def check_all(self):
        """Every document once more, until each has been answered."""
        for document in self.documents:
            end = time.monotonic() + 60
            while not self.read(document):
                assert time.monotonic() < end, f"{document.path} is not answered any more"
                time.sleep(PAUSE_S)
        self.drop()


class Load:
    """Several clients. port() names the server's port for a new connection; writes is the
    share of writes. Use as a context, and stretch() around each fault."""

    def __init__(self, port, clients=6, documents=40, writes=0.5):
        self.port, self.documents, self.writes = port, documents, writes
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.counts = Counts()
        self.workers = [Worker(self, number) for number in range(clients)]

    def note(self, what):
        with self.lock:
            if what != "closed":  # an idle connection's end: the write may or may not count
                setattr(self.counts, what, getattr(self.counts, what) + 1)

    def note_status(self, status):
        """A reply that is no success; None for no reply, which is noted already."""
        if status is None:
            return
        with self.lock:
            self.counts.refusals[status] = self.counts.refusals.get(status, 0) + 1
        if status in (503, 507):
            time.sleep(PAUSE_S)

    def note_wrong(self, what):
        with self.lock:
            self.counts.wrong.append(what)

    def note_time(self, seconds):
        with self.lock:
            self.counts.longest_s = max(self.counts.longest_s, seconds)

    def __enter__(self):
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the clients; what they saw. A request may take a minute."""
        self.stopping.set()
        for worker in self.workers:
            worker.join(200)
            assert not worker.is_alive(), "a client hangs"
        return self.counts

    def check_all(self):
        """After stop(): reads every document there ever was."""
        for worker in self.workers:
            worker.check_all()
        return self.counts
