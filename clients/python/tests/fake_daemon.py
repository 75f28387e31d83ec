"""A daemon for tests: speaks the job socket's protocol, with results that a test decides."""
import asyncio
import struct

GREETING = b"\x00SP\x00\x00\x10\x00\x00"


def uint(value):
    return bytes((value,)) if value < 0x80 else struct.pack(">BQ", 0xCF, value)


def frame(body):
    return struct.pack(">BQ", 1, len(body)) + body


def array(count):
    return bytes((0x90 | count,)) if count < 16 else struct.pack(">BH", 0xDC, count)


def results(*items):
    """(id, verdict, status, fault, payload) each."""
    head = b"".join(b"\x98" + b"".join(map(uint, (*item[:4], 5, 7, len(item[4])))) + b"\xc0"
                    for item in items)
    return frame(b"O\x01\x20" + array(len(items)) + head + b"".join(item[4] for item in items))


def results_there(number, offset, length):
    """A result that lies in the arena."""
    return frame(b"O\x01\x20\x91\x98" + b"".join(map(uint, (number, 0, 0, 0, 5, 7, length, offset))))


def welcome(max_jobs=1000, capabilities=3):
    return frame(b"O\x01\x31\x95\x01" + uint(max_jobs) + uint(1 << 28) + uint(capabilities) + b"\xa4yajl")


def bye():
    return frame(b"O\x01\x23\x91\x01")


class Reader:
    """Reads the MessagePack of a message from an application."""

    def __init__(self, raw):
        self.raw, self.at = raw, 3

    def value(self):
        first = self.raw[self.at]
        self.at += 1
        if first < 0x80:
            return first
        if first == 0xC0:
            return None
        if first & 0xF0 == 0x90:
            return [self.value() for _ in range(first & 15)]
        if first & 0xE0 == 0xA0:
            return self._take(first & 31).decode()
        if first in (0xCC, 0xCD, 0xCE, 0xCF):
            return int.from_bytes(self._take(1 << (first - 0xCC)), "big")
        if first == 0xC4:
            return self._take(self._take(1)[0])
        if first == 0xDC:
            return [self.value() for _ in range(int.from_bytes(self._take(2), "big"))]
        raise AssertionError(hex(first))

    def _take(self, count):
        self.at += count
        assert self.at <= len(self.raw)
        return self.raw[self.at - count:self.at]


class Daemon:
    """answer(job) is called with each job, a dict, and may return bytes to send (or None).

    Streams drop descriptors; read_arena(offset, length) gives the bytes that lie there.
    """

    def __init__(self, path, answer, greeting=GREETING, hello=welcome()):
        self.path, self.answer, self.greeting, self.hello = path, answer, greeting, hello
        self.jobs, self.cancelled, self.writers, self.names, self.arenas = [], [], [], [], []
        self.read_arena = lambda offset, length: None

    async def __aenter__(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.hang_up()
        await self.server.wait_closed()

    def hang_up(self):
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        try:
            writer.write(self.greeting)
            assert await reader.readexactly(8) == GREETING
            writer.write(self.hello)
            while True:
                kind, length = struct.unpack(">BQ", await reader.readexactly(9))
                assert kind == 1
                self._take(await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, raw, writer):
        assert raw[:2] == b"O\x01"
        body = Reader(raw)
        items = body.value()
        if raw[2] == 0x30:
            self.names.append(items[1])
        elif raw[2] == 0x13:
            self.cancelled += items
            writer.write(results(*((one, 2, 0, 0, b"") for one in items)))
        elif raw[2] == 0x32:
            self.arenas += items
        else:
            assert raw[2] == 0x12, raw[2]
            for item in items:
                names = ("id", "op", "flags", "separator", "deadline", "max_output", "reply",
                         "options", "length", "offset")
                job = dict(zip(names, item))
                assert job["reply"] is None
                if job["offset"] is None:
                    job["payload"] = body._take(job["length"])
                else:
                    job["payload"] = self.read_arena(job["offset"], job["length"])
                self.jobs.append(job)
                said = self.answer(job)
                if said:
                    writer.write(said)
            assert body.at == len(raw)
