"""One connection to a daemon's job socket: bytes out, messages in.

What a turn of the loop submits leaves with one system call, and what has come is read with
one. No threads. An owner is told what happens: see Owner.
"""
from __future__ import annotations

import array
import asyncio
import socket
from typing import List, Optional, Protocol, Tuple

from . import _arena, _wire
from ._errors import OffloopError, ProtocolError

_READ_BYTES = 256 << 10
_CONNECT_SECONDS = 2.0
_MAX_PIECES = 512  # of one sendmsg(); the kernel takes 1024


class Owner(Protocol):
    """Whom a link tells."""

    def on_welcome(self, link: "Link") -> None:
        """The daemon takes jobs; link.welcome has its limits."""

    def on_result(self, result: _wire.Result) -> None:
        """A job has ended."""

    def on_bye(self, link: "Link") -> None:
        """The daemon drains: it answers what it has, and reads nothing more."""

    def on_writable(self, link: "Link") -> None:
        """All that was to be sent has left."""

    def on_lost(self, link: "Link", problem: Exception) -> None:
        """The connection has ended; the link is closed already."""


class Link:
    """One connection. Made by open()."""

    def __init__(self, owner: Owner, connected: socket.socket) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._socket: Optional[socket.socket] = connected
        self._buffer = bytearray(_READ_BYTES)
        self._have = 0
        self._greeted = False
        self._out: List[_wire.Bytes] = []  # what has not left yet
        self._arena: Optional[_arena.Arena] = None
        self.may_share = True    # nothing has spoken against it yet
        self.in_doubt = False    # an arena was passed, and no result has come since
        self.welcome: Optional[_wire.Welcome] = None
        self.draining = False

    @classmethod
    async def open(cls, owner: Owner, path: str) -> "Link":
        """Connects; raises OSError or asyncio.TimeoutError. start() is to follow."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(made, path), _CONNECT_SECONDS)
        except BaseException:
            made.close()
            raise
        return cls(owner, made)

    def start(self, name: str) -> None:
        """Says hello; from now on the owner is told things."""
        assert self._socket is not None
        self._loop.add_reader(self._socket.fileno(), self._on_readable)
        self.send([_wire.GREETING, _wire.app_hello(name)])

    def close(self) -> None:
        """Ends it; tells nobody."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._arena is not None:
            self._arena.close()
            self._arena = None

    @property
    def is_full(self) -> bool:
        """Whether something waits until the daemon reads; more should wait with its owner."""
        return bool(self._out)

    # ---- sending

    def send(self, pieces: List[_wire.Bytes]) -> None:
        """Sends pieces of bytes, and keeps (uncopied) what the socket does not take."""
        if self._socket is None:
            return
        self._out += pieces
        try:
            self._drop(self._socket.sendmsg(self._out[:_MAX_PIECES]))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as problem:
            self._lose(problem)
            return
        if self._out:
            self._loop.add_writer(self._socket.fileno(), self._on_writable)

    def place(self, job: int, payload: Tuple[_wire.Bytes, ...]) -> Optional[int]:
        """Copies a large payload to where the daemon reads it: its offset; None where it must
        be sent."""
        length = sum(map(len, payload))
        if not _arena.suits(length) or self.welcome is None or \
                not self.welcome.capabilities & _wire.TAKES_ARENA:
            return None
        if self._arena is None:
            self._share()
        return self._arena.put(job, payload, length) if self._arena is not None else None

    def _share(self) -> None:
        """Makes the arena and passes its descriptor, which goes with the message's first byte."""
        if not self.may_share or self._out or self._socket is None:
            return
        try:
            arena = _arena.Arena()
        except (OSError, AttributeError):
            self.may_share = False
            return
        text = _wire.app_arena(_arena.BYTES)
        try:
            sent = self._socket.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                  array.array("i", [arena.fd]))])
        except OSError as problem:  # nothing has left; who is next notices a broken connection
            self.may_share = isinstance(problem, BlockingIOError)
            arena.close()
            return
        arena.close_fd()
        self._arena = arena
        self.in_doubt = True
        if sent < len(text):
            self.send([text[sent:]])

    def _drop(self, sent: int) -> None:
        """Forgets what has left."""
        whole = 0
        while whole < len(self._out) and sent >= len(self._out[whole]):
            sent -= len(self._out[whole])
            whole += 1
        del self._out[:whole]
        if sent:
            self._out[0] = memoryview(self._out[0])[sent:]

    def _on_writable(self) -> None:
        self.send([])
        if self._socket is not None and not self._out:
            self._loop.remove_writer(self._socket.fileno())
            self._owner.on_writable(self)

    # ---- receiving

    def _lose(self, problem: Exception) -> None:
        self.close()
        self._owner.on_lost(self, problem)

    def _on_readable(self) -> None:
        assert self._socket is not None
        try:
            count = self._socket.recv_into(memoryview(self._buffer)[self._have:])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._lose(problem)
            return
        if count == 0:
            self._lose(ConnectionResetError("the daemon has closed the connection"))
            return
        self._have += count
        try:
            self._read_messages()
        except OffloopError as problem:
            self._lose(problem)

    def _read_greeting(self) -> int:
        """The bytes of it, once all of them are there."""
        if self._greeted:
            return 0
        if self._have < len(_wire.GREETING):
            return 0
        if self._buffer[:len(_wire.GREETING)] != _wire.GREETING:
            raise ProtocolError("this is no job socket")
        self._greeted = True
        return len(_wire.GREETING)

    def _read_messages(self) -> None:
        at, buffer = self._read_greeting(), self._buffer
        while self._greeted and self._have - at >= _wire.FRAME_HEAD_BYTES:
            begin = at + _wire.FRAME_HEAD_BYTES
            end = begin + _wire.frame_length(buffer, at)
            if end > self._have:
                if end - at > len(buffer):
                    buffer.extend(bytes(end - at - len(buffer)))
                break
            with memoryview(buffer)[begin:end] as raw:
                self._take(raw)
            at = end
            if self._socket is None:
                return
        if at:
            left = self._have - at
            buffer[:left] = buffer[at:self._have]
            self._have = left
            if left < _READ_BYTES < len(buffer):
                del buffer[_READ_BYTES:]

    def _take(self, raw: memoryview) -> None:
        kind = _wire.kind_of(raw)
        if kind == _wire.RESULTS:
            self.in_doubt = False
            for result in _wire.read_results(raw):
                if self._socket is None:
                    return  # closed by whom the one before was told to
                if self._arena is not None:
                    self._arena.end(result.id)
                self._owner.on_result(result)
        elif kind == _wire.APP_WELCOME:
            self.welcome = _wire.read_welcome(raw)
            self._owner.on_welcome(self)
        elif kind == _wire.BYE:
            self.draining = True
            self._owner.on_bye(self)
        elif kind == _wire.REFUSED:
            raise OffloopError(f"the daemon refuses us: {_wire.read_refused(raw)[1]}")
        elif kind != _wire.ALIVE:
            raise ProtocolError(f"message type {kind:#x}")
