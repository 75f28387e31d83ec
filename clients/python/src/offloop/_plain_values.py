"""JSON text and MessagePack in pure Python, exactly as the workers have them (docs/CODEC.md).

Only for times without a daemon and without liboffloop: some hundred times slower. Values are
None, bool, int, float, str, list, Digits (a number's own text) and Members (the members of an
object in their order, duplicates too).
"""
from __future__ import annotations

import json
import math
import re
import struct
from typing import Any, Callable, List, Tuple

MAX_DEPTH = 512
STATUS = {name: number for number, name in enumerate(
    ("ok", "syntax", "truncated", "trailing", "utf8", "surrogate", "control", "number", "depth", "msgpack",
     "type", "key", "too_large", "memory", "unsupported", "duplicate", "fields", "gzip"))}
NO_OFFSET = (1 << 64) - 1
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Refused(Exception):
    """status is a word of STATUS, offset a byte."""

    def __init__(self, status: str, offset: int = NO_OFFSET) -> None:
        super().__init__(status)
        self.status, self.offset = STATUS[status], offset


class Digits(str):
    """A number that keeps its text."""


class Members(list):
    """[(name, value)]."""


# ---- JSON text

def _integer(text: str) -> Any:
    if text == "-0":
        return -0.0
    if len(text) < 21 and -(1 << 63) <= int(text) < 1 << 64:
        return int(text)
    return Digits(text)


def _fraction(text: str) -> Any:
    value = float(text)
    is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
    return value if math.isfinite(value) and (value != 0 or is_zero) else Digits(text)


def _constant(name: str) -> Any:
    raise Refused("syntax", 0)


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        level = [one for outer in level if isinstance(outer, list)
                 for one in ((member for _, member in outer) if isinstance(outer, Members) else outer)]
        depth += 1
        if depth >= MAX_DEPTH and any(isinstance(one, list) for one in level):
            raise Refused("depth")


def read_json(raw: bytes, keep_text: bool = False) -> Any:
    """The value of JSON text. keep_text: every number is Digits."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refused("utf8", problem.start) from None
    try:
        value = json.loads(text, object_pairs_hook=Members, parse_constant=_constant,
                           parse_int=Digits if keep_text else _integer,
                           parse_float=Digits if keep_text else _fraction)
    except json.JSONDecodeError as problem:
        at = len(text[:problem.pos].encode())
        if problem.msg.startswith("Extra data"):
            raise Refused("trailing", at) from None
        if problem.msg.startswith("Invalid control"):
            raise Refused("control", at) from None
        raise Refused("truncated" if at >= len(raw) or problem.msg.startswith("Unterminated")
                      else "syntax", min(at, len(raw))) from None
    except RecursionError:
        raise Refused("depth") from None
    _check_depth(value)
    return value


_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def _quote(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def _float_text(value: float) -> str:
    """The shortest text of the same double, laid out as JavaScript does, with .0 on integers."""
    sign, digits, exponent = "-" if math.copysign(1, value) < 0 else "", *_shortest(abs(value))
    point = len(digits) + exponent  # digits before the point
    if value == 0:
        return sign + "0.0"
    if len(digits) <= point <= 21:
        return sign + digits + "0" * exponent + ".0"
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{point - 1:+d}"


def _shortest(value: float) -> Tuple[str, int]:
    """(digits without zeros around them, exponent of the last one)."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    kept = digits.rstrip("0")
    return kept or "0", int(exponent or 0) - len(part) + len(digits) - len(kept)


def write_json(value: Any, pretty: bool = False) -> bytes:
    out: List[str] = []
    _write(value, out, "\n" if pretty else "")
    text = "".join(out)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("surrogate") from None


def _write(value: Any, out: List[str], line: str) -> None:
    """line: what begins a line at this depth; empty for compact text."""
    if value is None or value is True or value is False:
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, Digits):
        out.append(value)
    elif isinstance(value, str):
        out.append(_quote(value))
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(_float_text(value))
    else:
        _write_container(value, out, line)


def _write_container(value: Any, out: List[str], line: str) -> None:
    begin, end = "{}" if isinstance(value, Members) else "[]"
    deeper = line + "  " if line else ""
    out.append(begin)
    for at, one in enumerate(value):
        out.append(("," if at else "") + deeper)
        if begin == "{":
            out.append(_quote(one[0]) + (": " if line else ":"))
            one = one[1]
        _write(one, out, deeper)
    out.append((line if len(value) else "") + end)


# ---- MessagePack

class Reader:
    """Reads one value."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise Refused("truncated", len(self.raw))
        self.at += count
        return self.raw[self.at - count:self.at]

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def value(self, depth: int = 0) -> Any:
        begin = self.at
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if first < 0xA0:
            return self._container(first & 15, first < 0x90, depth, begin)
        if first < 0xC0:
            return self._text(first & 31)
        if first in _WHOLE:
            return _WHOLE[first](self, depth, begin)
        if first == 0xC1:
            raise Refused("msgpack", begin)
        return self._ext(first, begin)

    def _container(self, count: int, is_map: bool, depth: int, begin: int) -> Any:
        if depth >= MAX_DEPTH:
            raise Refused("depth", begin)
        if not is_map:
            return [self.value(depth + 1) for _ in range(count)]
        return Members((self._name(), self.value(depth + 1)) for _ in range(count))

    def _name(self) -> str:
        begin, name = self.at, self.value()
        if not isinstance(name, str) or isinstance(name, Digits):
            raise Refused("key", begin)
        return name

    def _text(self, length: int) -> str:
        begin = self.at
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as problem:
            raise Refused("utf8", begin + problem.start) from None

    def _float(self, form: str, begin: int) -> float:
        value, = struct.unpack(form, self.take(struct.calcsize(form)))
        if not math.isfinite(value):
            raise Refused("type", begin)
        return value

    def _ext(self, first: int, begin: int) -> Digits:
        if first in (0xC7, 0xC8, 0xC9):
            length = self.uint(1 << (first - 0xC7))
        elif 0xD4 <= first <= 0xD8:
            length = 1 << (first - 0xD4)
        else:
            raise Refused("type", begin)  # bin
        kind, text = self.take(1), self.take(length)
        if kind != b"\x01" or not _NUMBER.fullmatch(text):
            raise Refused("type", begin)
        return Digits(text.decode())


def _signed(width: int) -> Callable:
    return lambda reader, depth, begin: int.from_bytes(reader.take(width), "big", signed=True)


_WHOLE = {
    0xC0: lambda reader, depth, begin: None, 0xC2: lambda reader, depth, begin: False,
    0xC3: lambda reader, depth, begin: True,
    0xCA: lambda reader, depth, begin: reader._float(">f", begin),
    0xCB: lambda reader, depth, begin: reader._float(">d", begin),
    **{0xCC + n: lambda reader, depth, begin, n=n: reader.uint(1 << n) for n in range(4)},
    **{0xD0 + n: _signed(1 << n) for n in range(4)},
    **{0xD9 + n: lambda reader, depth, begin, n=n: reader._text(reader.uint(1 << n)) for n in range(3)},
    **{0xDC + n: lambda reader, depth, begin, n=n: reader._container(
        reader.uint(2 << n), False, depth, begin) for n in range(2)},
    **{0xDE + n: lambda reader, depth, begin, n=n: reader._container(
        reader.uint(2 << n), True, depth, begin) for n in range(2)},
}


def read_msgpack(raw: bytes) -> Any:
    reader = Reader(raw)
    value = reader.value()
    if reader.at != len(raw):
        raise Refused("trailing", reader.at)
    return value
