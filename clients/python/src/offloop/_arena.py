"""Memory that a connection shares with the daemon: PROTOCOL.md, APP_ARENA.

Large payloads are copied into it instead of through the socket. A job's part of it is the
daemon's until its answer has come, whether or not anybody still waits for that. What memory it
has come to stays with it.
"""
from __future__ import annotations

import fcntl
import mmap
import os
from typing import Dict, List, Optional, Tuple

from . import _wire

BYTES = 32 << 20        # all of it
_MIN_BYTES = 32 << 10   # below it the socket is as cheap
_MAX_BYTES = 4 << 20    # of a payload
_PAGE_BYTES = 4096


def suits(length: int) -> bool:
    """Whether a payload of that length may lie in an arena."""
    return _MIN_BYTES <= length <= _MAX_BYTES


class Arena:
    """OSError or AttributeError where it cannot be made."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("offloop-client", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, BYTES)
            self._map = mmap.mmap(self.fd, BYTES)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS,
                        fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        except BaseException:
            os.close(self.fd)
            raise
        self._taken: List[Tuple[int, int]] = []        # (begin, end), in order
        self._parts: Dict[int, Tuple[int, int]] = {}   # job: (begin, end)

    def close_fd(self) -> None:
        """The daemon has the descriptor; the memory stays mapped."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        self.close_fd()
        self._map.close()

    def _take(self, length: int) -> Optional[Tuple[int, int]]:
        """The first gap that is large enough."""
        at = 0
        for index, (begin, end) in enumerate(self._taken):
            if begin - at >= length:
                break
            at = end
        else:
            index = len(self._taken)
            if BYTES - at < length:
                return None
        self._taken.insert(index, (at, at + length))
        return at, at + length

    def put(self, job: int, pieces: Tuple[_wire.Bytes, ...], length: int) -> Optional[int]:
        """Copies a payload in: its offset, or None where there is no room now."""
        part = None if job in self._parts else self._take(length + -length % _PAGE_BYTES)
        if part is None:
            return None
        self._parts[job] = part
        at = part[0]
        for piece in pieces:
            self._map[at:at + len(piece)] = piece
            at += len(piece)
        return part[0]

    def end(self, job: int) -> None:
        """The job is answered: its part, if it has one, is free."""
        part = self._parts.pop(job, None)
        if part is not None:
            self._taken.remove(part)
