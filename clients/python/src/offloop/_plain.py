"""Jobs in pure Python, for times without a daemon and without liboffloop. The same results as
the workers', but for the places of some faults, and documents nested more than about 300 deep,
which are refused; no jq, and no zstd."""
from __future__ import annotations

import gzip
from typing import Any, Dict, Tuple
from urllib.parse import unquote_plus

from . import _msgpack, _wire
from ._plain_values import (NO_OFFSET, STATUS, Members, Refused, read_json, read_msgpack,
                            write_json)

_OPS = (_wire.DECODE, _wire.ENCODE, _wire.VALIDATE, _wire.COMPACT, _wire.PATCH)
_PLAIN_BYTES = 1024  # a smaller result is not compressed


def can(op: int, options: bytes) -> bool:
    """Whether run() knows the job."""
    return op in _OPS and not _wire.read_options(options)[0] & (_wire.TRANSFORM | _wire.ZSTD)


def run(op: int, flags: int, separator: int, options: bytes,
        payload: Tuple[_wire.Bytes, ...]) -> Tuple[int, int, bytes]:
    """(status, fault, result), as _inline's."""
    option_flags, _, fields = _wire.read_options(options)
    try:
        whole = _run(op, bool(flags & _wire.INDENT), bool(option_flags & _wire.INPUT_JSON),
                     fields.decode(), [bytes(one) for one in payload])
    except Refused as problem:
        return problem.status, problem.offset, b""
    except RecursionError:  # nested more than about 300 deep
        return STATUS["depth"], NO_OFFSET, b""
    if option_flags & _wire.GZIP and len(whole) > _PLAIN_BYTES:
        whole = gzip.compress(whole, 6)
    return 0, 0, whole


def _run(op: int, pretty: bool, is_json: bool, fields: str, payload: list) -> bytes:
    document = payload[0]
    if op == _wire.DECODE:
        return write_msgpack(read_json(document))
    if op == _wire.VALIDATE:
        read_msgpack(document)
        return document
    if op == _wire.COMPACT:
        return write_json(read_json(document, True))
    value = read_json(document, True) if is_json else read_msgpack(document)
    if op == _wire.PATCH:
        patch = read_json(payload[1], is_json)
        value = merge(value, patch)
        return write_json(value) if is_json else write_msgpack(value)
    return write_json(project(value, parse_fields(fields)) if fields else value, pretty)


def write_msgpack(value: Any) -> bytes:
    out = bytearray()
    try:
        _msgpack.pack_value(value, out)
    except UnicodeEncodeError:
        raise Refused("surrogate") from None
    return bytes(out)


# ---- merge patch (RFC 7396)

def merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Members):
        return patch
    wanted = dict(patch)
    if len(wanted) != len(patch):
        raise Refused("duplicate")
    members = target if isinstance(target, Members) else Members()
    last = {name: at for at, (name, _) in enumerate(members)}
    made = Members()
    for at, (name, value) in enumerate(members):
        if name not in wanted:
            made.append((name, value))
        elif last[name] == at and wanted[name] is not None:
            made.append((name, merge(value, wanted[name])))
    made.extend((name, merge(None, value)) for name, value in patch
                if name not in last and value is not None)
    return made


# ---- fields

Tree = Dict[str, Any]  # a name to the names below it; None: all of it


def parse_fields(text: str) -> Tree:
    tree: Tree = {}
    for path in text.split(","):
        names = ["" if one == "%" else unquote_plus(one) for one in path.split(".")]
        if "" in path.split("."):
            raise Refused("fields")
        at = tree
        for name in names[:-1]:
            at = at.setdefault(name, {}) if at is not None else None
        if at is not None:
            at[names[-1]] = None
    return tree


def project(value: Any, tree: Tree) -> Any:
    if not isinstance(value, list):
        return value
    is_map = isinstance(value, Members)
    made: list = Members() if is_map else []
    for name, one in value if is_map else ((str(at), item) for at, item in enumerate(value)):
        if name not in tree:
            continue
        below = tree[name]
        if below is not None:
            if not isinstance(one, list):
                continue
            one = project(one, below)
        made.append((name, one) if is_map else one)
    return made
