"""The messages of the job socket as bytes: PROTOCOL.md, section "The job socket".

No sockets and no clock here. Readers check every length before they believe it.
"""
from __future__ import annotations

import struct
from typing import Iterable, List, NamedTuple, Optional, Tuple, Union

from ._errors import ProtocolError

Bytes = Union[bytes, bytearray, memoryview]

GREETING = b"\x00SP\x00\x00\x10\x00\x00"  # both sides say it first
MAX_MESSAGE = (512 << 20) + (1 << 20)
MAX_JOBS_IN_MESSAGE = 64
VERSION = 1

# Operations.
DECODE, ENCODE, SEQUENCE, VALIDATE, COMPACT, PROJECT, PATCH, BULK = range(8)
# Option flags.
GZIP, INPUT_GZIP, INPUT_JSON, ZSTD, PART, KEEP_NUMBERS, IDS, TRANSFORM = 1, 2, 4, 8, 16, 32, 64, 128
INDENT = 1  # job flag
# Verdicts.
RAN, EXPIRED, CANCELLED, OVERLOADED, NO_WORKER, LOST, POISON = range(7)

_HEAD = struct.Struct(">BQ")
FRAME_HEAD_BYTES = _HEAD.size
_JOB = struct.Struct(">BBIBBBBIBI")
_TYPES = {"JOBS": 0x12, "CANCEL": 0x13, "PING": 0x14, "APP_HELLO": 0x30, "APP_ARENA": 0x32}
TAKES_ARENA = 4  # a capability of the daemon
RESULTS, ALIVE, BYE, REFUSED, APP_WELCOME = 0x20, 0x22, 0x23, 0x03, 0x31


class Job(NamedTuple):
    """One job as it is sent. payload is one or several pieces of bytes; where place is not
    None, they lie in the arena, at that offset."""

    id: int
    op: int
    flags: int
    separator: int
    deadline_ms: int
    options: bytes
    payload: Tuple[Bytes, ...]
    place: Optional[int] = None


class Result(NamedTuple):
    id: int
    verdict: int
    status: int
    fault: int
    payload: bytes


class Welcome(NamedTuple):
    version: int
    max_jobs: int
    max_bytes: int
    capabilities: int
    engine: str


def pack_uint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value < 1 << 32:
        return struct.pack(">BI", 0xCE, value)
    return struct.pack(">BQ", 0xCF, value)


def pack_text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 32:
        return bytes((0xA0 | len(raw),)) + raw
    if len(raw) < 256:
        return bytes((0xD9, len(raw))) + raw
    if len(raw) < 1 << 16:
        return struct.pack(">BH", 0xDA, len(raw)) + raw
    return struct.pack(">BI", 0xDB, len(raw)) + raw


def pack_bin(raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes((0xC4, len(raw))) + raw
    return struct.pack(">BH", 0xC5, len(raw)) + raw


def pack_array(count: int) -> bytes:
    return bytes((0x90 | count,)) if count < 16 else struct.pack(">BH", 0xDC, count)


def frame_head(length: int) -> bytes:
    return _HEAD.pack(1, length)


def message(kind: str, body: bytes) -> bytes:
    """A whole message without payloads, in its frame."""
    text = bytes((0x4F, VERSION, _TYPES[kind])) + body
    return frame_head(len(text)) + text


def app_hello(name: str) -> bytes:
    return message("APP_HELLO", b"\x93" + pack_uint(VERSION) + pack_text(name) + b"\x00")


def cancel(ids: Iterable[int]) -> bytes:
    ids = list(ids)
    return message("CANCEL", pack_array(len(ids)) + b"".join(map(pack_uint, ids)))


def app_arena(length: int) -> bytes:
    """The descriptor goes with its first byte."""
    return message("APP_ARENA", b"\x91" + pack_uint(length))


def ping(token: int) -> bytes:
    return message("PING", b"\x91" + pack_uint(token))


def options(flags: int = 0, argument: int = 0, fields: bytes = b"",
            max_expanded: int = 0) -> bytes:
    """The options of a job; empty where all are the defaults."""
    if not (flags or argument or fields or max_expanded):
        return b""
    return (b"\x94" + pack_uint(flags) + pack_uint(argument) + pack_uint(max_expanded) +
            pack_bin(fields))


def read_options(raw: bytes) -> Tuple[int, int, bytes]:
    """(flags, bytes of the argument, fields) of what options() made."""
    if not raw:
        return 0, 0, b""
    flags, at = _uint(raw, 1)
    argument, at = _uint(raw, at)
    _, at = _uint(raw, at)
    return flags, argument, raw[at + (2 if raw[at] == 0xC4 else 3):]


def jobs(batch: List[Job]) -> List[Bytes]:
    """One JOBS message in its frame, as pieces for sendmsg()."""
    head = bytearray(b"\x4f\x01\x12")
    head += pack_array(len(batch))
    pieces: List[Bytes] = []
    total = 0
    for job in batch:
        length = 0
        for piece in job.payload:
            length += len(piece)
        head += _JOB.pack(0x9A, 0xCE, job.id, job.op, job.flags, job.separator, 0xCE,
                          job.deadline_ms, 0xCE, 0)
        head += b"\xc0"  # no room for the result in an arena
        head += pack_bin(job.options) if job.options else b"\xc0"
        head += b"\xce%s" % length.to_bytes(4, "big")
        if job.place is not None:
            head += b"\xce%s" % job.place.to_bytes(4, "big")
        else:
            head += b"\xc0"
            total += length
            pieces.extend(job.payload)
    return [frame_head(len(head) + total), bytes(head), *pieces]


def frame_length(buffer: bytearray, at: int) -> int:
    """The length of the message whose frame begins there; 9 bytes must be there."""
    kind, length = _HEAD.unpack_from(buffer, at)
    if kind != 1 or length > MAX_MESSAGE or length < 4:
        raise ProtocolError("not a frame")
    return length


_WIDTH = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


def _uint(raw: Bytes, at: int) -> Tuple[int, int]:
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    width = _WIDTH.get(first)
    if width is None or at + 1 + width > len(raw):
        raise ProtocolError("a number is expected")
    return int.from_bytes(raw[at + 1:at + 1 + width], "big"), at + 1 + width


def _array(raw: Bytes, at: int) -> Tuple[int, int]:
    first = raw[at]
    if first & 0xF0 == 0x90:
        return first & 15, at + 1
    if first == 0xDC:
        return int.from_bytes(raw[at + 1:at + 3], "big"), at + 3
    raise ProtocolError("an array is expected")


def _text(raw: Bytes, at: int) -> Tuple[str, int]:
    first = raw[at]
    if first & 0xE0 == 0xA0:
        length, at = first & 31, at + 1
    elif first == 0xD9:
        length, at = raw[at + 1], at + 2
    elif first == 0xDA:
        length, at = int.from_bytes(raw[at + 1:at + 3], "big"), at + 3
    else:
        raise ProtocolError("a text is expected")
    if at + length > len(raw):
        raise ProtocolError("a text is cut short")
    return bytes(raw[at:at + length]).decode("utf-8", "replace"), at + length


def kind_of(raw: Bytes) -> int:
    """The type of a message."""
    if len(raw) < 4 or raw[0] != 0x4F or raw[1] != VERSION:
        raise ProtocolError("not a message of version 1")
    return raw[2]


def _whole(raw: Bytes, at: int) -> None:
    if at != len(raw):
        raise ProtocolError("bytes are left over")


def read_welcome(raw: Bytes) -> Welcome:
    try:
        count, at = _array(raw, 3)
        if count != 5:
            raise ProtocolError("not a welcome")
        version, at = _uint(raw, at)
        max_jobs, at = _uint(raw, at)
        max_bytes, at = _uint(raw, at)
        capabilities, at = _uint(raw, at)
        engine, at = _text(raw, at)
    except IndexError:
        raise ProtocolError("a welcome is cut short") from None
    _whole(raw, at)
    return Welcome(version, max_jobs, max_bytes, capabilities, engine)


def read_refused(raw: Bytes) -> Tuple[int, str]:
    try:
        _, at = _array(raw, 3)
        reason, at = _uint(raw, at)
        text, at = _text(raw, at)
    except IndexError:
        raise ProtocolError("a refusal is cut short") from None
    return reason, text


def read_results(raw: memoryview) -> List[Result]:
    """The results of a message; their payloads are copied out of it."""
    heads = []
    try:
        count, at = _array(raw, 3)
        for _ in range(count):
            if raw[at] != 0x98:
                raise ProtocolError("not a result")
            at += 1
            values = []
            for _ in range(7):
                value = raw[at]
                if value < 0x80:
                    at += 1
                else:
                    value, at = _uint(raw, at)
                values.append(value)
            if raw[at] != 0xC0:
                raise ProtocolError("a result that is not in the message")
            at += 1
            heads.append(values)
    except IndexError:
        raise ProtocolError("results are cut short") from None
    results = []
    for job, verdict, status, fault, _queue_us, _codec_us, length in heads:
        if at + length > len(raw):
            raise ProtocolError("results are cut short")
        results.append(Result(job, verdict, status, fault, bytes(raw[at:at + length])))
        at += length
    _whole(raw, at)
    return results


def is_json(document: Bytes) -> bool:
    """Whether bytes are JSON text and not MessagePack.

    JSON begins with an ASCII byte. A MessagePack value that does is one byte long.
    """
    if len(document) == 0:
        return True  # neither; the codec says what is wrong
    first = document[0]
    if first >= 0x80:
        return False
    return len(document) > 1 or 0x30 <= first <= 0x39


def pack_transform(program: str, args: Optional[dict], pack_value) -> bytes:
    """The argument of a job with a jq program: [program, {name: value}]."""
    args = args or {}
    head = bytes((0x80 | len(args),)) if len(args) < 16 else struct.pack(">BH", 0xDE, len(args))
    return b"".join([b"\x92", pack_text(program), head,
                     *(pack_text(name) + pack_value(value) for name, value in args.items())])
