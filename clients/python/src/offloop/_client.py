"""The asyncio client of the job socket.

A lost connection is made anew; jobs that were under way are sent once more, since they are
pure functions of their bytes. _link.py has the connection itself.
"""
from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Dict, Generator, List, Optional, Set, Union

from . import _inline, _msgpack, _plain, _wire
from ._errors import JobLost, JobTimeout, NoWorker, Overloaded, error_of_status
from ._link import Link

DEFAULT_PATH = "/run/offloop/jobs.sock"
DEFAULT_TIMEOUT = 10.0
_GRACE = 2.0            # how much later than the daemon this side gives a job up
_RETRY_FIRST, _RETRY_LAST = 0.05, 2.0
_MAX_PIECES = 512       # that one turn of the loop hands to the link
_TRIES = 2              # a job is sent at most so often
_INLINE_BYTES = 4096    # a worker gains nothing below: the codec takes some microseconds
_TURN_SECONDS = 0.001   # of small jobs; more of them are sent away
_NEVER_ON_LOOP = _wire.GZIP | _wire.ZSTD | _wire.TRANSFORM  # these take longer

Document = Union[bytes, bytearray, memoryview]


class _Pending:
    """A job that waits for its answer."""

    __slots__ = ("id", "op", "flags", "separator", "options", "payload", "future", "ends", "half",
                 "tries", "local", "link")

    def __init__(self, op, flags, separator, options, payload, future, ends, half):
        self.id = 0
        self.op, self.flags, self.separator = op, flags, separator
        self.options, self.payload = options, payload
        self.future, self.ends, self.half = future, ends, half  # half: no daemon until then
        self.tries = 0
        self.local = False  # is being run in this process
        self.link: Optional[Link] = None  # on which it was sent


class Jobs:
    """Jobs for the workers of this host. Made by connect(); of one event loop.

    All methods take bytes-like documents and give bytes. They raise JobError for a document
    or program that is refused, Overloaded, NoWorker, JobLost or JobTimeout.
    """

    def __init__(self, path: Optional[str], name: str, timeout: float, inline: bool,
                 inline_bytes: int) -> None:
        self.path = path or os.environ.get("OFFLOOP_JOBS") or DEFAULT_PATH
        self.timeout = timeout
        self._name = name[:64]
        self._inline = _inline.find() if inline else None
        self._plain = inline and self._inline is None
        self._inline_bytes = inline_bytes
        self._spent = 0.0                   # seconds of this turn of the loop in small jobs
        self._loop = asyncio.get_running_loop()
        self._link: Optional[Link] = None   # where jobs are sent
        self._links: Set[Link] = set()      # with those of daemons that drain
        self._connecting: Optional[asyncio.Task] = None
        self._live: Dict[int, _Pending] = {}
        self._queue: List[_Pending] = []    # not sent yet
        self._flushing = False
        self._next_id = 0
        self._pause = _RETRY_FIRST
        self._retry: Optional[asyncio.TimerHandle] = None
        self._sweep: Optional[asyncio.TimerHandle] = None
        self._absent = False                # the last attempt to connect failed
        self._may_share = True              # no connection was lost for its arena
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

    async def project(self, document: Document, fields: str, *, pretty: bool = False,
                      gzip: bool = False, zstd: bool = False,
                      timeout: Optional[float] = None) -> bytes:
        """Some members of a document ("a,b.c,items.0"), as JSON."""
        return await self._submit(_wire.ENCODE, document, flags=_coding(gzip, zstd),
                                  fields=fields, stored=True, indent=pretty, timeout=timeout)

    async def patch(self, document: Document, patch: Document, *,
                    timeout: Optional[float] = None) -> bytes:
        """A document after a JSON merge patch (RFC 7396), in the form that the document had."""
        return await self._submit(_wire.PATCH, document, argument=bytes(memoryview(patch)),
                                  stored=True, timeout=timeout)

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
        self._link = None
        for link in self._links:
            link.close()
        self._links.clear()
        for job in list(self._live.values()):
            self._fail(job, NoWorker("the client was closed"))

    async def __aenter__(self) -> "Jobs":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether a daemon has welcomed us."""
        return self._link is not None and self._link.welcome is not None

    # ---- jobs

    def _submit(self, op: int, document: Document, *, flags: int = 0, argument: bytes = b"",
                fields: str = "", stored: bool = False, indent: bool = False, separator: int = 0,
                timeout: Optional[float] = None) -> "asyncio.Future[bytes]":
        if self._closed:
            raise NoWorker("the client is closed")
        if not isinstance(document, (bytes, bytearray)):
            document = memoryview(document)  # a TypeError here, and not where all are sent
            if document.ndim != 1 or document.itemsize != 1 or not document.contiguous:
                document = document.tobytes()
        if stored and _wire.is_json(document):
            flags |= _wire.INPUT_JSON
        payload = (document, argument) if argument else (document,)
        options = _wire.options(flags, len(argument), fields.encode())
        if self._inline is not None and len(document) + len(argument) <= self._inline_bytes and \
                not flags & _NEVER_ON_LOOP and self._spent < _TURN_SECONDS:
            return self._run_now(op, _wire.INDENT if indent else 0, separator, options, payload)
        limits = self._link.welcome if self._link is not None else None
        if limits is not None and len(self._live) >= limits.max_jobs:
            raise Overloaded(f"{len(self._live)} jobs wait for an answer")
        seconds = self.timeout if timeout is None else timeout
        job = _Pending(op, _wire.INDENT if indent else 0, separator, options, payload,
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
        self._ask_connect()

    def _on_done(self, job: _Pending) -> None:
        """The future has a result, or its waiter has left."""
        if job.future.cancelled() and self._live.get(job.id) is job:
            if job.link is not None and not job.local:
                job.link.send([_wire.cancel([job.id])])  # stays in _live until it is answered
            else:
                del self._live[job.id]

    def _fail(self, job: _Pending, problem: Exception) -> None:
        self._live.pop(job.id, None)
        if not job.future.done():
            job.future.set_exception(problem)

    def _run_here(self, job: _Pending) -> bool:
        """Runs the job in this process, on a thread, where that can be."""
        run = self._inline
        if run is None and self._plain and _plain.can(job.op, job.options):
            run = _plain.run
        if run is None or job.local or job.future.done():
            return False
        job.local = True

        def finished(done: "asyncio.Future") -> None:
            if self._live.pop(job.id, None) is None or job.future.done():
                return
            if done.exception() is not None:
                job.future.set_exception(done.exception())
            else:
                _settle(job.future, *done.result())

        self._loop.run_in_executor(None, run, job.op, job.flags, job.separator,
                                   job.options, job.payload).add_done_callback(finished)
        return True

    def _run_now(self, *job) -> "asyncio.Future[bytes]":
        """A small job, on the loop: sending it away would cost more."""
        if self._spent == 0.0:
            self._loop.call_soon(self._on_turn)
        began = time.perf_counter()
        future = self._loop.create_future()
        _settle(future, *self._inline(*job))
        self._spent += time.perf_counter() - began
        return future

    def _on_turn(self) -> None:
        self._spent = 0.0

    def _on_sweep(self) -> None:
        """Gives up what is overdue: an answer that never comes must not be waited for."""
        self._sweep = None
        now = self._loop.time()
        for job in list(self._live.values()):
            if job.local:
                continue
            if now > job.ends + _GRACE:
                self._fail(job, JobTimeout("no answer came in time"))
            elif now > job.half and (job.link is None or job.link.welcome is None):
                self._fail(job, NoWorker(f"no daemon answers at {self.path}"))
        if self._live:
            self._sweep = self._loop.call_later(0.25, self._on_sweep)

    # ---- the connection

    def _ask_connect(self) -> None:
        if self._link is None and self._connecting is None and self._retry is None and \
                not self._closed:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            self._link = await Link.open(self, self.path)
        except (OSError, asyncio.TimeoutError):
            self._connecting = None
            self._on_absent()
            return
        self._connecting = None
        self._link.may_share = self._may_share
        self._links.add(self._link)
        self._link.start(self._name)
        self._ask_flush()

    def _on_absent(self) -> None:
        self._absent = True
        for job in self._queue:
            self._run_here(job)
        self._queue = [job for job in self._queue if not job.local]
        self._ask_retry()

    def _ask_retry(self) -> None:
        if self._retry is None and not self._closed:
            self._retry = self._loop.call_later(self._pause, self._on_retry)
            self._pause = min(self._pause * 2, _RETRY_LAST)

    def _on_retry(self) -> None:
        self._retry = None
        self._ask_connect()

    def on_welcome(self, link: Link) -> None:
        self._absent = False
        self._pause = _RETRY_FIRST

    def on_bye(self, link: Link) -> None:
        """Another daemon may be there already; this one still answers what it has read."""
        if self._link is link:
            self._link = None
            self._ask_connect()

    def on_lost(self, link: Link, problem: Exception) -> None:
        """The connection has ended: what was under way on it is sent once more."""
        self._links.discard(link)
        if link.in_doubt:
            self._may_share = False  # descriptors do not pass here, perhaps
        if link.welcome is None:
            self._absent = True  # refused, or no daemon of ours
        for job in list(self._live.values()):
            if job.link is not link:
                continue
            job.link = None
            job.tries -= link.draining or link.welcome is None  # it was not read
            if job.future.done():
                del self._live[job.id]
            elif job.tries >= _TRIES:
                self._fail(job, JobLost(f"the connection was lost twice: {problem}"))
            elif not (self._absent and self._run_here(job)):
                self._queue.append(job)
        if self._link is link:
            self._link = None
            self._ask_retry()
        else:
            self._ask_flush()

    # ---- sending

    def _ask_flush(self) -> None:
        if not self._flushing and self._link is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def on_writable(self, link: Link) -> None:
        if self._queue and link is self._link:
            self._ask_flush()

    def _flush(self) -> None:
        self._flushing = False
        link = self._link
        if link is None or link.is_full:
            return  # on_writable() or a new link goes on
        pieces: List[_wire.Bytes] = []
        while self._queue and len(pieces) < _MAX_PIECES:
            pieces += self._take_batch(link)
        if pieces:
            link.send(pieces)
        if self._queue:
            self._ask_flush()

    def _take_batch(self, link: Link) -> List[_wire.Bytes]:
        batch, taken = [], 0
        now = self._loop.time()
        for job in self._queue:
            taken += 1
            if job.future.done():
                self._live.pop(job.id, None)
                continue
            job.tries += 1
            job.link = link
            left_ms = max(1, int((job.ends - now) * 1000))
            batch.append(_wire.Job(job.id, job.op, job.flags, job.separator, left_ms,
                                   job.options, job.payload, link.place(job.id, job.payload)))
            if len(batch) == _wire.MAX_JOBS_IN_MESSAGE:
                break
        del self._queue[:taken]
        return _wire.jobs(batch) if batch else []

    # ---- receiving

    def on_result(self, result: _wire.Result) -> None:
        job = self._live.pop(result.id, None)
        if job is None or job.future.done():
            return
        if result.verdict == _wire.RAN:
            _settle(job.future, result.status, result.fault, result.payload)
        elif result.verdict == _wire.NO_WORKER:
            self._live[job.id] = job
            if not self._run_here(job):
                self._fail(job, NoWorker("no worker is connected to the daemon"))
        else:
            kind, text = _VERDICTS.get(result.verdict, _VERDICTS[_wire.LOST])
            job.future.set_exception(kind(text))


_VERDICTS = {
    _wire.EXPIRED: (JobTimeout, "the job took too long"),
    _wire.CANCELLED: (JobLost, "the daemon has taken the job back"),
    _wire.OVERLOADED: (Overloaded, "too many jobs wait for workers"),
    _wire.LOST: (JobLost, "the workers that had the job were lost"),
    _wire.POISON: (JobLost, "the document has crashed workers and is refused for now"),
}


def _settle(future: "asyncio.Future[bytes]", status: int, fault: int, payload: bytes) -> None:
    """A job has run: its result, or what was wrong."""
    if status == 0:
        future.set_result(payload)
    else:
        future.set_exception(error_of_status(status, fault, payload.decode("utf-8", "replace")))


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
            inline: bool = True, inline_bytes: int = _INLINE_BYTES) -> _Connecting:
    """A connection to the workers of this host.

        async with offloop.connect() as jobs:
            body = await jobs.jq(stored, "map(.margin = 2 * .lot_size)")

    path is the job socket ($OFFLOOP_JOBS, else /run/offloop/jobs.sock). name is for the
    daemon's log and metrics. timeout (seconds) is that of jobs that have none of their own.

    The daemon need not be there. With inline=True jobs run in this process while it is not, on
    a thread: by the codec of liboffloop where that is installed, else in Python (slow, and not
    jq). Where liboffloop is installed, jobs of at most inline_bytes run on the loop at once,
    daemon or not. With inline=False every job waits for the daemon, half of its timeout, and
    fails with NoWorker then.
    """
    return _Connecting(path, name, timeout, inline, inline_bytes)
