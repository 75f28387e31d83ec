"""A client of the job socket that hides nothing: messages as bytes, one connection."""
import array
import collections
import fcntl
import mmap
import os
import select
import socket
import struct
import time

GREETING = b"\x00SP\x00\x00\x10\x00\x00"
DECODE, ENCODE, SEQUENCE, VALIDATE, COMPACT, PROJECT, PATCH, BULK = range(8)
RAN, EXPIRED, CANCELLED, OVERLOADED, NO_WORKER, LOST, POISON = range(7)
REFUSED, JOBS, CANCEL, PING, RESULTS, ALIVE, BYE, HELLO, WELCOME = (
    0x03, 0x12, 0x13, 0x14, 0x20, 0x22, 0x23, 0x30, 0x31)
ARENA = 0x32
GZIP, INPUT_JSON = 1, 4  # option flags
TAKES_ARENA = 4  # a capability
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

Result = collections.namedtuple("Result", "id verdict status fault payload")


def uint(value):
    if value < 0x80:
        return bytes([value])
    if value < 1 << 32:
        return b"\xce" + struct.pack(">I", value)
    return b"\xcf" + struct.pack(">Q", value)


def text(value):
    raw = value.encode()
    return bytes([0xd9, len(raw)]) + raw


def frame(message):
    return b"\x01" + struct.pack(">Q", len(message)) + message


def message(kind, body):
    return frame(bytes([0x4f, 1, kind]) + body)


def hello(name="", version=1):
    return message(HELLO, b"\x93" + uint(version) + text(name) + b"\x00")


def options(flags=0, argument=0, fields=b""):
    return (b"\x94" + uint(flags) + uint(argument) + uint(0) +
            b"\xc5" + struct.pack(">H", len(fields)) + fields)


def job(number, op, payload, *, separator=0, deadline_ms=0, more=b"", flags=0, reply=b"\xc0",
        offset=b"\xc0", length=None):
    """(envelope, payload)"""
    length = len(payload) if length is None else length  # of what lies in the arena
    packed = b"\xc5" + struct.pack(">H", len(more)) + more if more else b"\xc0"
    return (b"\x9a" + uint(number) + uint(op) + uint(flags) + uint(separator) +
            uint(deadline_ms) + uint(0) + reply + packed + uint(length) + offset, payload)


def jobs(batch):
    """The JOBS messages of any number of jobs."""
    out = []
    for at in range(0, len(batch), 64):
        part = batch[at:at + 64]
        out.append(message(JOBS, b"\xdc" + struct.pack(">H", len(part)) +
                           b"".join(one[0] for one in part) + b"".join(one[1] for one in part)))
    return b"".join(out)


def cancel(numbers):
    """The CANCEL messages of any number of jobs."""
    return b"".join(
        message(CANCEL, b"\xdc" + struct.pack(">H", len(numbers[at:at + 64])) +
                b"".join(uint(one) for one in numbers[at:at + 64]))
        for at in range(0, len(numbers), 64))


class _Reader:
    """MessagePack as the daemon writes it."""

    def __init__(self, raw, at):
        self.raw, self.at = raw, at

    def take(self, count):
        self.at += count
        assert self.at <= len(self.raw), "a message is cut short"
        return self.raw[self.at - count:self.at]

    def value(self):
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first == 0xc0:
            return None
        if first & 0xf0 == 0x90:
            return first & 15
        if first & 0xe0 == 0xa0:
            return self.take(first & 31).decode()
        width = {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xdc: 2, 0xd9: 1}[first]
        number = int.from_bytes(self.take(width), "big")
        return self.take(number).decode() if first == 0xd9 else number


def parse(raw):
    """(type, values): of RESULTS a list of Result."""
    assert raw[:2] == b"\x4f\x01", raw[:2]
    reader = _Reader(raw, 3)
    count = reader.value()
    if raw[2] != RESULTS:
        values = [reader.value() for _ in range(count)]
        assert reader.at == len(raw), "bytes are left over"
        return raw[2], values
    heads = []
    for _ in range(count):
        assert reader.value() == 8
        heads.append([reader.value() for _ in range(8)])
    assert all(one[7] is None for one in heads), "a result that is not in the message"
    results = [Result(*one[:4], bytes(reader.take(one[6]))) for one in heads]
    assert reader.at == len(raw), "bytes are left over"
    return RESULTS, results


class Application:
    """One connection. answers has each job's Result; a second one for a job fails."""

    def __init__(self, path, name="test", seconds=30, greet=True):
        self.path, self.seconds = path, seconds
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(str(path))
        self.buffer = bytearray()
        self.greeted = False
        self.welcome = None
        self.refused = None
        self.said_bye = False
        self.ended = False
        self.answers = {}
        self.order = []
        self.alive = []
        if greet:
            self.socket.sendall(GREETING + hello(name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Sends, and reads what comes meanwhile: nobody waits for the other."""
        view = memoryview(data)
        end = time.monotonic() + self.seconds
        while len(view):
            readable, writable, _ = select.select([self.socket], [self.socket], [],
                                                  max(0, end - time.monotonic()))
            assert readable or writable, "the daemon takes nothing"
            if readable and not self.read_some():
                return
            if writable:
                view = view[self.socket.send(view, socket.MSG_DONTWAIT):]

    def submit(self, batch):
        self.send(jobs(batch))

    def share(self, length=1 << 20, seals=SEALS, fd=None, told=None, pass_it=True):
        """Passes an arena; gives its memory. `fd`: another descriptor, of which nothing is known."""
        self.read_until(lambda: self.welcome)
        memory = None
        if fd is None:
            fd = os.memfd_create("arena", os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, length)
            memory = mmap.mmap(fd, length)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        self.send_with(message(ARENA, b"\x91" + uint(told or length)), [fd] if pass_it else [])
        self.arena_fd = fd
        return memory

    def send_with(self, data, fds):
        """Sends a few bytes, and descriptors with the first one."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.socket.sendmsg([data], rights)
        assert sent == len(data), "the daemon takes nothing"

    def read_some(self):
        """Reads once; False at the end of the connection."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        self._take()
        return True

    def _take(self):
        if not self.greeted:
            if len(self.buffer) < 8:
                return
            assert self.buffer[:8] == GREETING, self.buffer[:8]
            del self.buffer[:8]
            self.greeted = True
        at = 0
        while len(self.buffer) - at >= 9:
            assert self.buffer[at] == 1
            length = int.from_bytes(self.buffer[at + 1:at + 9], "big")
            if len(self.buffer) - at < 9 + length:
                break
            self._take_message(bytes(self.buffer[at + 9:at + 9 + length]))
            at += 9 + length
        del self.buffer[:at]

    def _take_message(self, raw):
        kind, values = parse(raw)
        if kind == RESULTS:
            for result in values:
                assert result.id not in self.answers, f"job {result.id} is answered twice"
                self.answers[result.id] = result
                self.order.append(result.id)
        elif kind == WELCOME:
            self.welcome = values
        elif kind == REFUSED:
            self.refused = values
        elif kind == ALIVE:
            self.alive.append(values)
        else:
            assert kind == BYE, kind
            self.said_bye = True

    def read_until(self, true):
        while not true():
            assert self.read_some(), "the connection ended"

    def wait(self, numbers):
        """The answers of these jobs, by id."""
        numbers = list(numbers)
        self.read_until(lambda: all(one in self.answers for one in numbers))
        return {one: self.answers[one] for one in numbers}

    def run(self, op, payload, number=1, **more):
        """The answer of one job, whose number is free again then."""
        self.submit([job(number, op, payload, **more)])
        self.wait([number])
        return self.answers.pop(number)

    def wait_end(self):
        while self.read_some():
            pass


class Client:
    """What a good client does: connects anew when the daemon has left, and sends what is not
    answered again, once for each connection that was lost."""

    def __init__(self, path, name="client", seconds=30):
        self.path, self.name, self.seconds = path, name, seconds
        self.link = None
        self.unanswered = {}  # number: (envelope, payload)
        self.results = {}
        self.connections = 0

    def _connect(self):
        end = time.monotonic() + self.seconds
        while True:
            try:
                self.link = Application(self.path, self.name, self.seconds)
                break
            except (ConnectionRefusedError, FileNotFoundError, BrokenPipeError):
                assert time.monotonic() < end, "no daemon comes"
                time.sleep(0.01)
        self.connections += 1
        self._send(list(self.unanswered.values()))

    def _send(self, batch):
        try:
            if batch:
                self.link.submit(batch)
        except (BrokenPipeError, ConnectionResetError):
            self.link.ended = True

    def submit(self, batch):
        """batch: [(number, (envelope, payload))]"""
        self.unanswered.update(batch)
        if self.link is None:
            self._connect()
        else:
            self._send([one for _, one in batch])

    def read_some(self):
        """Reads once, connecting anew where the connection has ended."""
        if self.link is None:
            self._connect()
        if not self.link.ended:
            self.link.read_some()
        for number, result in self.link.answers.items():
            assert number in self.unanswered, f"job {number} is answered twice"
            del self.unanswered[number]
            self.results[number] = result
        self.link.answers.clear()
        if self.link.ended:
            self.link.close()
            self.link = None
            if self.unanswered:
                self._connect()

    def run_all(self, batch, in_flight=64):
        """Runs jobs, so many at a time; gives their results by number."""
        left = collections.deque(batch)
        while left or self.unanswered:
            room = in_flight - len(self.unanswered)
            if left and room > 0:
                self.submit([left.popleft() for _ in range(min(room, len(left)))])
            self.read_some()
        return self.results

    def close(self):
        if self.link is not None:
            self.link.close()
