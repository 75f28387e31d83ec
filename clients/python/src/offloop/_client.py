"""The asyncio client of the job socket.

One connection, one descriptor, no threads: what a turn of the loop submits leaves with one
system call, and what has come is read with one. A lost connection is made anew; jobs that
were under way are sent once more, since they are pure functions of their bytes.
"""
from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Awaitable, Dict, Generator, List, Optional, Union

from . import _inline, _msgpack, _wire
from ._errors import (STATUSES, JobError, JobLost, JobTimeout, NoWorker, OffloopError, Overloaded,
                      ProtocolError)

DEFAULT_PATH = "/run/offloop/jobs.sock"
DEFAULT_TIMEOUT = 10.0
_GRACE = 2.0            # how much later than the daemon this side gives a job up
_RETRY_FIRST, _RETRY_LAST = 0.05, 2.0
_READ_BYTES = 256 << 10
_MAX_PIECES = 512       # of one sendmsg(); the kernel takes 1024
_TRIES = 2              # a job is sent at most so often

Document = Union[bytes, bytearray, memoryview]


class _Pending:
    """A job that waits for its answer."""

    __slots__ = ("id", "op", "flags", "separator", "options", "payload", "future", "ends", "half",
                 "tries", "local")

    def __init__(self, op, flags, separator, options, payload, future, ends, half):
        self.id = 0
        self.op, self.flags, self.separator = op, flags, separator
        self.options, self.payload = options, payload
        self.future, self.ends, self.half = future, ends, half  # half: no daemon until then
        self.tries = 0
        self.local = False  # is being run in this process


class Jobs:
    """Jobs for the workers of this host. Made by connect(); of one event loop.

    All methods take bytes-like documents and give bytes. They raise JobError for a document
    or program that is refused, Overloaded, NoWorker, JobLost or JobTimeout.
    """

    def __init__(self, path: Optional[str], name: str, timeout: float, inline: bool) -> None:
        self.path = path or os.environ.get("OFFLOOP_JOBS") or DEFAULT_PATH
        self.timeout = timeout
        self._name = name[:64]
        self._inline = _inline.find() if inline else None
        self._loop = asyncio.get_running_loop()
        self._socket: Optional[socket.socket] = None
        self._connecting: Optional[asyncio.Task] = None
        self._welcome: Optional[_wire.Welcome] = None
        self._live: Dict[int, _Pending] = {}
        self._queue: List[_Pending] = []    # not sent on this connection yet
        self._cancelled: List[int] = []
        self._flushing = False
        self._out = bytearray()             # what the socket did not take
        self._buffer = bytearray(_READ_BYTES)
        self._have = 0
        self._greeted = False
        self._next_id = 0
        self._pause = _RETRY_FIRST
        self._retry: Optional[asyncio.TimerHandle] = None
        self._sweep: Optional[asyncio.TimerHandle] = None
        self._absent = False                # the last attempt to connect failed
        self._closed = False

    # ---- what applications call

    async def encode(self, document: Any, *, fields: str = "", pretty: bool = False,
                     gzip: bool = False, zstd: bool = False,
                     timeout: Optional[float] = None) -> bytes:
        """MessagePack to JSON.

        A Python object is taken too, and packed here first, on the loop: json.dumps() of the
        object takes about as long as that, so it pays only where other steps follow.
        """
        if not isinstance(document, (bytes, bytearray, memoryview)):
            document = _msgpack.pack(document)
        return await self._submit(_wire.ENCODE, document, flags=_coding(gzip, zstd),
                                  fields=fields, indent=pretty, timeout=timeout)

    async def decode(self, json: Document, *, timeout: Optional[float] = None) -> bytes:
        """JSON to MessagePack."""
        return await self._submit(_wire.DECODE, json, timeout=timeout)

    async def validate(self, document: Document, *, timeout: Optional[float] = None) -> None:
        """Raises JobError unless the document is MessagePack that JSON can hold, or JSON."""
        op = _wire.DECODE if _wire.is_json(document) else _wire.VALIDATE
        await self._submit(op, document, timeout=timeout)

    async def compact(self, json: Document, *, gzip: bool = False, zstd: bool = False,
                      timeout: Optional[float] = None) -> bytes:
        """JSON to JSON without white space."""
        return await self._submit(_wire.COMPACT, json, flags=_coding(gzip, zstd), timeout=timeout)

    async def project(self, document: Document, fields: str, *, gzip: bool = False,
                      zstd: bool = False, timeout: Optional[float] = None) -> bytes:
        """Some members of a document ("a,b.c,items.0"), as JSON."""
        return await self._submit(_wire.ENCODE, document, flags=_coding(gzip, zstd),
                                  fields=fields, stored=True, timeout=timeout)

    async def patch(self, document: Document, patch: Document, *,
                    timeout: Optional[float] = None) -> bytes:
        """A document after a JSON merge patch (RFC 7396), in the form that the document had."""
        return await self._submit(_wire.PATCH, document, argument=bytes(patch), stored=True,
                                  timeout=timeout)

    async def jq(self, document: Document, program: str, args: Optional[Dict[str, Any]] = None, *,
                 pretty: bool = False, gzip: bool = False, zstd: bool = False,
                 timeout: Optional[float] = None) -> bytes:
        """What a jq program makes of a document, as JSON; several results are lines.

        args are the values of $names in the program.
        """
        return await self._submit(_wire.ENCODE, document,
                                  flags=_coding(gzip, zstd) | _wire.TRANSFORM,
                                  argument=_wire.pack_transform(program, args, _msgpack.pack),
                                  stored=True, indent=pretty, separator=10, timeout=timeout)

    async def close(self) -> None:
        """Ends: jobs without an answer are given up."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        if self._sweep is not None:
            self._sweep.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._drop()
        for job in list(self._live.values()):
            self._fail(job, NoWorker("the client was closed"))

    async def __aenter__(self) -> "Jobs":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether a daemon has welcomed us."""
        return self._welcome is not None

    # ---- jobs

    def _submit(self, op: int, document: Document, *, flags: int = 0, argument: bytes = b"",
                fields: str = "", stored: bool = False, indent: bool = False, separator: int = 0,
                timeout: Optional[float] = None) -> "asyncio.Future[bytes]":
        if self._closed:
            raise NoWorker("the client is closed")
        if isinstance(document, memoryview) and (document.itemsize != 1 or
                                                 not document.contiguous):
            document = document.tobytes()
        if stored and _wire.is_json(document):
            flags |= _wire.INPUT_JSON
        limits = self._welcome
        if limits is not None and len(self._live) >= limits.max_jobs:
            raise Overloaded(f"{len(self._live)} jobs wait for an answer")
        seconds = self.timeout if timeout is None else timeout
        payload = (document, argument) if argument else (document,)
        job = _Pending(op, _wire.INDENT if indent else 0, separator,
                       _wire.options(flags, len(argument), fields.encode()), payload,
                       self._loop.create_future(), self._loop.time() + seconds,
                       self._loop.time() + seconds / 2)
        job.future.add_done_callback(lambda future, job=job: self._on_done(job))
        self._add(job)
        return job.future

    def _add(self, job: _Pending) -> None:
        while True:
            self._next_id = self._next_id % 0xFFFFFFFF + 1
            if self._next_id not in self._live:
                break
        job.id = self._next_id
        self._live[job.id] = job
        if self._sweep is None:
            self._sweep = self._loop.call_later(0.5, self._on_sweep)
        if self._absent and self._run_here(job):
            return
        self._queue.append(job)
        self._ask_flush()
        if self._socket is None:
            self._ask_connect()

    def _on_done(self, job: _Pending) -> None:
        """The future has a result, or its waiter has left."""
        if job.future.cancelled() and self._live.get(job.id) is job:
            if job.tries and not job.local and self._socket is not None:
                self._cancelled.append(job.id)  # it stays in _live until it is answered
                self._ask_flush()
            else:
                del self._live[job.id]

    def _fail(self, job: _Pending, problem: Exception) -> None:
        self._live.pop(job.id, None)
        if not job.future.done():
            job.future.set_exception(problem)

    def _run_here(self, job: _Pending) -> bool:
        """Runs the job in this process, on a thread, where the codec is here."""
        if self._inline is None or job.local or job.future.done():
            return False
        job.local = True

        def finished(done: "asyncio.Future") -> None:
            if self._live.pop(job.id, None) is None or job.future.done():
                return
            if done.exception() is not None:
                job.future.set_exception(done.exception())
            else:
                self._give(job, *done.result())

        self._loop.run_in_executor(None, self._inline, job.op, job.flags, job.separator,
                                   job.options, job.payload).add_done_callback(finished)
        return True

    def _give(self, job: _Pending, status: int, fault: int, payload: bytes) -> None:
        if status == 0:
            job.future.set_result(payload)
            return
        word = STATUSES[status] if status < len(STATUSES) else f"status {status}"
        job.future.set_exception(JobError(word, fault, payload.decode("utf-8", "replace")))

    def _on_sweep(self) -> None:
        """Gives up what is overdue: an answer that never comes must not be waited for."""
        self._sweep = None
        now = self._loop.time()
        for job in list(self._live.values()):
            if job.local:
                continue
            if now > job.ends + _GRACE:
                self._fail(job, JobTimeout("no answer came in time"))
            elif self._welcome is None and now > job.half:
                self._fail(job, NoWorker(f"no daemon answers at {self.path}"))
        if self._live:
            self._sweep = self._loop.call_later(0.25, self._on_sweep)

    # ---- the connection

    def _ask_connect(self) -> None:
        if self._connecting is None and self._retry is None and not self._closed:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.setblocking(False)
        try:
            await asyncio.wait_for(self._loop.sock_connect(link, self.path), 2.0)
        except (OSError, asyncio.TimeoutError):
            link.close()
            self._connecting = None
            self._on_absent()
            return
        except BaseException:
            link.close()
            raise
        self._connecting = None
        self._socket = link
        self._have, self._greeted, self._out = 0, False, bytearray()
        self._out += _wire.GREETING + _wire.app_hello(self._name)
        self._loop.add_reader(link.fileno(), self._on_readable)
        self._ask_flush()

    def _on_absent(self) -> None:
        self._absent = True
        for job in self._queue:
            self._run_here(job)
        self._queue = [job for job in self._queue if not job.local]
        self._retry = self._loop.call_later(self._pause, self._on_retry)
        self._pause = min(self._pause * 2, _RETRY_LAST)

    def _on_retry(self) -> None:
        self._retry = None
        self._ask_connect()

    def _drop(self) -> None:
        """Closes the connection; says nothing to the jobs."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._welcome = None
        self._cancelled.clear()

    def _on_lost(self, problem: Exception) -> None:
        """The connection has ended: what was under way is sent once more."""
        self._drop()
        queued = {job.id for job in self._queue}
        for job in list(self._live.values()):
            if job.local or job.id in queued:
                continue
            if job.future.done():
                del self._live[job.id]
            elif job.tries >= _TRIES:
                self._fail(job, JobLost(f"the connection was lost twice: {problem}"))
            else:
                self._queue.append(job)
        if self._retry is None and not self._closed:
            self._retry = self._loop.call_later(self._pause, self._on_retry)
            self._pause = min(self._pause * 2, _RETRY_LAST)

    # ---- sending

    def _ask_flush(self) -> None:
        if not self._flushing and self._socket is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._socket is None:
            return
        if self._cancelled:
            for at in range(0, len(self._cancelled), _wire.MAX_JOBS_IN_MESSAGE):
                self._out += _wire.cancel(self._cancelled[at:at + _wire.MAX_JOBS_IN_MESSAGE])
            self._cancelled.clear()
        pieces: List[_wire.Bytes] = []
        while self._queue and len(pieces) < _MAX_PIECES:
            pieces += self._take_batch()
        try:
            self._send(pieces)
        except OSError as problem:
            self._on_lost(problem)
            return
        if self._queue and not self._out:
            self._ask_flush()

    def _take_batch(self) -> List[_wire.Bytes]:
        batch, taken = [], 0
        now = self._loop.time()
        for job in self._queue:
            taken += 1
            if job.future.done():
                self._live.pop(job.id, None)
                continue
            job.tries += 1
            left_ms = max(1, int((job.ends - now) * 1000))
            batch.append(_wire.Job(job.id, job.op, job.flags, job.separator, left_ms,
                                   job.options, job.payload))
            if len(batch) == _wire.MAX_JOBS_IN_MESSAGE:
                break
        del self._queue[:taken]
        return _wire.jobs(batch) if batch else []

    def _send(self, pieces: List[_wire.Bytes]) -> None:
        if self._out:  # what waits goes first
            sent = self._try(lambda: self._socket.send(self._out))
            del self._out[:sent]
        if pieces and not self._out:
            total = sum(map(len, pieces))
            sent = self._try(lambda: self._socket.sendmsg(pieces))
            if sent < total:
                self._keep(pieces, sent)
        elif pieces:
            self._keep(pieces, 0)
        if self._out:
            self._loop.add_writer(self._socket.fileno(), self._on_writable)

    @staticmethod
    def _try(call) -> int:
        try:
            return call()
        except (BlockingIOError, InterruptedError):
            return 0

    def _keep(self, pieces: List[_wire.Bytes], sent: int) -> None:
        for piece in pieces:
            if sent >= len(piece):
                sent -= len(piece)
            else:
                self._out += memoryview(piece)[sent:]
                sent = 0

    def _on_writable(self) -> None:
        try:
            self._send([])
        except OSError as problem:
            self._on_lost(problem)
            return
        if not self._out:
            self._loop.remove_writer(self._socket.fileno())
            if self._queue:
                self._ask_flush()

    # ---- receiving

    def _on_readable(self) -> None:
        try:
            count = self._socket.recv_into(memoryview(self._buffer)[self._have:])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._on_lost(problem)
            return
        if count == 0:
            self._on_lost(ConnectionResetError("the daemon has closed the connection"))
            return
        self._have += count
        try:
            self._read_messages()
        except OffloopError as problem:
            self._on_lost(problem)

    def _read_messages(self) -> None:
        at, buffer = 0, self._buffer
        if not self._greeted:
            if self._have < len(_wire.GREETING):
                return
            if buffer[:len(_wire.GREETING)] != _wire.GREETING:
                raise ProtocolError("this is no job socket")
            at, self._greeted = len(_wire.GREETING), True
        while self._have - at >= 9:
            length = _wire.frame_length(buffer, at)
            end = at + 9 + length
            if end > self._have:
                if 9 + length > len(buffer):
                    buffer.extend(bytes(9 + length - len(buffer)))
                break
            with memoryview(buffer)[at + 9:end] as raw:
                self._take(raw)
            at = end
            if self._socket is None:
                return
        if at:
            left = self._have - at
            buffer[:left] = buffer[at:self._have]
            self._have = left
            if left < _READ_BYTES < len(buffer):
                del buffer[max(_READ_BYTES, left):]

    def _take(self, raw: memoryview) -> None:
        kind = _wire.kind_of(raw)
        if kind == _wire.RESULTS:
            for result in _wire.read_results(raw):
                self._take_result(result)
        elif kind == _wire.APP_WELCOME:
            self._welcome = _wire.read_welcome(raw)
            self._absent = False
            self._pause = _RETRY_FIRST
        elif kind == _wire.REFUSED:
            raise OffloopError(f"the daemon refuses us: {_wire.read_refused(raw)[1]}")
        elif kind not in (_wire.ALIVE, _wire.BYE):
            raise ProtocolError(f"message type {kind:#x}")

    def _take_result(self, result: _wire.Result) -> None:
        job = self._live.pop(result.id, None)
        if job is None or job.future.done():
            return
        if result.verdict == _wire.RAN:
            self._give(job, result.status, result.fault, result.payload)
        elif result.verdict == _wire.EXPIRED:
            job.future.set_exception(JobTimeout("the job took too long"))
        elif result.verdict == _wire.OVERLOADED:
            job.future.set_exception(Overloaded("too many jobs wait for workers"))
        elif result.verdict == _wire.NO_WORKER:
            if not self._run_again_here(job):
                job.future.set_exception(NoWorker("no worker is connected to the daemon"))
        elif result.verdict == _wire.POISON:
            job.future.set_exception(JobLost("the document has crashed workers and is refused "
                                             "for now"))
        else:
            job.future.set_exception(JobLost("the workers that had the job were lost"))

    def _run_again_here(self, job: _Pending) -> bool:
        self._live[job.id] = job
        if self._run_here(job):
            return True
        del self._live[job.id]
        return False


def _coding(gzip: bool, zstd: bool) -> int:
    if gzip and zstd:
        raise ValueError("gzip or zstd, not both")
    return _wire.GZIP if gzip else _wire.ZSTD if zstd else 0


class _Connecting:
    """What connect() gives: `await` it, or use it in `async with`."""

    def __init__(self, *arguments) -> None:
        self._arguments = arguments
        self._jobs: Optional[Jobs] = None

    async def _open(self) -> Jobs:
        self._jobs = Jobs(*self._arguments)
        self._jobs._ask_connect()
        # Connected or known to be absent: the first job then knows where to go.
        if self._jobs._connecting is not None:
            await asyncio.wait([self._jobs._connecting])
        return self._jobs

    def __await__(self) -> Generator[Any, None, Jobs]:
        return self._open().__await__()

    async def __aenter__(self) -> Jobs:
        return await self._open()

    async def __aexit__(self, *exc: object) -> None:
        if self._jobs is not None:
            await self._jobs.close()


def connect(path: Optional[str] = None, *, name: str = "", timeout: float = DEFAULT_TIMEOUT,
            inline: bool = True) -> _Connecting:
    """A connection to the workers of this host.

        async with offloop.connect() as jobs:
            body = await jobs.jq(stored, "map(.margin = 2 * .lot_size)")

    path is the job socket ($OFFLOOP_JOBS, else /run/offloop/jobs.sock). The daemon need not be
    there: with inline=True jobs run in this process on a thread meanwhile, by the same codec,
    where liboffloop is installed; else they wait for the daemon, half of their timeout.
    timeout (seconds) is that of jobs that have none of their own.
    """
    return _Connecting(path, name, timeout, inline)
