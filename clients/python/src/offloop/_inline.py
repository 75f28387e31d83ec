"""Jobs in this process, by the same codec, where liboffloop is installed.

ctypes gives up Python's lock while the library works, so that on a thread it does not hold
up the loop. $OFFLOOP_LIBRARY names the library where it is not among the system's.
"""
from __future__ import annotations

import ctypes
import functools
import os
from typing import Callable, Optional, Tuple

from ._wire import Bytes

_LIBRARY = "liboffloop.so.0"

# (op, flags, separator, options, payload) -> (status, fault, result)
Run = Callable[[int, int, int, bytes, Tuple[Bytes, ...]], Tuple[int, int, bytes]]


def _declare(library: ctypes.CDLL) -> None:
    size, unsigned, pointer = ctypes.c_size_t, ctypes.c_uint, ctypes.POINTER
    library.offloop_run.argtypes = [
        unsigned, unsigned, unsigned, ctypes.c_char_p, size, ctypes.c_char_p, size,
        pointer(ctypes.c_void_p), pointer(size), pointer(unsigned), pointer(ctypes.c_uint64)]
    library.offloop_run.restype = ctypes.c_int
    library.offloop_free.argtypes = [ctypes.c_void_p]
    library.offloop_free.restype = None


def _run(library: ctypes.CDLL, op: int, flags: int, separator: int, options: bytes,
         payload: Tuple[Bytes, ...]) -> Tuple[int, int, bytes]:
    whole = payload[0] if len(payload) == 1 else b"".join(payload)
    if not isinstance(whole, bytes):
        whole = bytes(whole)
    result, length = ctypes.c_void_p(), ctypes.c_size_t()
    status, fault = ctypes.c_uint(), ctypes.c_uint64()
    if library.offloop_run(op, flags, separator, options or None, len(options), whole, len(whole),
                           ctypes.byref(result), ctypes.byref(length), ctypes.byref(status),
                           ctypes.byref(fault)) != 0:
        return 14, 0, b""  # it does not know what another version of this package asks for
    if status.value:
        return status.value, fault.value, b""
    try:
        return 0, 0, ctypes.string_at(result, length.value)
    finally:
        library.offloop_free(result)


@functools.lru_cache(maxsize=None)
def find() -> Optional[Run]:
    """How to run a job here, on any thread; None where the library is not there."""
    try:
        library = ctypes.CDLL(os.environ.get("OFFLOOP_LIBRARY") or _LIBRARY)
        _declare(library)
    except (OSError, AttributeError):
        return None
    return functools.partial(_run, library)
