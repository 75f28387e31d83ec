"""MessagePack of Python values, for arguments of programs and for encode(object).

Uses the package `msgpack` where it is there, which is much faster.
"""
from __future__ import annotations

import struct
from typing import Any

from ._plain_values import Digits, Members

try:
    import msgpack  # type: ignore[import-untyped]
except ImportError:
    msgpack = None

_DIGITS = 1  # ext type of integers beyond 64 bits: their digits


def pack(value: Any) -> bytes:
    """The bytes of a value that JSON can hold: None, bool, int, float, str, list, tuple, dict."""
    if msgpack is not None:
        return msgpack.packb(value, use_bin_type=True, default=_big_int_for_msgpack)
    out = bytearray()
    _pack(value, out, 0)
    return bytes(out)


def _big_int_for_msgpack(value: Any) -> Any:
    if isinstance(value, int):
        return msgpack.ExtType(_DIGITS, str(value).encode())
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _head(out: bytearray, length: int, fix: int, fix_max: int, codes: tuple) -> None:
    if length <= fix_max:
        out.append(fix | length)
        return
    for code, form, top in codes:
        if length <= top:
            out += struct.pack(">B" + form, code, length)
            return
    raise ValueError("too large for MessagePack")


_STR = ((0xD9, "B", 0xFF), (0xDA, "H", 0xFFFF), (0xDB, "I", 0xFFFFFFFF))
_ARRAY = ((0xDC, "H", 0xFFFF), (0xDD, "I", 0xFFFFFFFF))
_MAP = ((0xDE, "H", 0xFFFF), (0xDF, "I", 0xFFFFFFFF))
_UINT = ((0xCC, "B", 0xFF), (0xCD, "H", 0xFFFF), (0xCE, "I", 0xFFFFFFFF),
         (0xCF, "Q", 0xFFFFFFFFFFFFFFFF))
_INT = ((0xD0, "b", -0x80), (0xD1, "h", -0x8000), (0xD2, "i", -0x80000000),
        (0xD3, "q", -0x8000000000000000))
_FIXEXT = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
_EXT = ((0xC7, "B", 0xFF), (0xC8, "H", 0xFFFF), (0xC9, "I", 0xFFFFFFFF))


def _pack_int(value: int, out: bytearray) -> None:
    if 0 <= value < 0x80 or -0x20 <= value < 0:
        out.append(value & 0xFF)
        return
    for code, form, limit in _UINT if value > 0 else _INT:
        if (value <= limit) if value > 0 else (value >= limit):
            out += struct.pack(">B" + form, code, value)
            return
    _pack_digits(str(value).encode(), out)


def _pack_members(members: Any, out: bytearray, depth: int) -> None:
    _head(out, len(members), 0x80, 15, _MAP)
    for name, one in members:
        if not isinstance(name, str):
            raise TypeError("names of members must be str")
        _pack(name, out, depth + 1)
        _pack(one, out, depth + 1)


def _pack_digits(digits: bytes, out: bytearray) -> None:
    if len(digits) in _FIXEXT:
        out += bytes((_FIXEXT[len(digits)], _DIGITS))
    else:
        _head(out, len(digits), 0, -1, _EXT)
        out.append(_DIGITS)
    out += digits


def _pack(value: Any, out: bytearray, depth: int) -> None:
    if depth > 512:
        raise ValueError("nested too deeply")
    if value is None:
        out.append(0xC0)
    elif value is True or value is False:
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, Digits):
        _pack_digits(value.encode(), out)
    elif isinstance(value, str):
        raw = value.encode()
        _head(out, len(raw), 0xA0, 31, _STR)
        out += raw
    elif isinstance(value, Members):
        _pack_members(value, out, depth)
    elif isinstance(value, (list, tuple)):
        _head(out, len(value), 0x90, 15, _ARRAY)
        for one in value:
            _pack(one, out, depth + 1)
    elif isinstance(value, dict):
        _pack_members(value.items(), out, depth)
    else:
        raise TypeError(f"{type(value).__name__} is no value of JSON")


def pack_value(value: Any, out: bytearray) -> None:
    """Appends a value of _plain_values, which may have Digits and Members."""
    _pack(value, out, 0)
