"""What can go wrong with a job. Everything here is an OffloopError."""
from typing import Optional

# The codec's statuses by their numbers in the protocol: their names in common/codec/codec.h, in
# lower case, and what they mean.
STATUSES = (
    ("ok", "ok"),
    ("syntax", "not valid JSON"),
    ("truncated", "ends too early"),
    ("trailing", "bytes follow the value"),
    ("utf8", "ill-formed UTF-8"),
    ("surrogate", "lone surrogate in an escape"),
    ("control", "unescaped control character in a string"),
    ("number", "malformed number"),
    ("depth", "nested more than 512 deep"),
    ("msgpack", "not valid MessagePack"),
    ("type", "MessagePack type that JSON does not have"),
    ("key", "map key is not a string"),
    ("too_large", "result is larger than allowed"),
    ("memory", "needs more memory than one job may use"),
    ("unsupported", "operation is not supported"),
    ("duplicate", "a merge patch names a member twice"),
    ("fields", "fields are not names divided by , and ."),
    ("gzip", "not valid gzip data"),
    ("line", "not one line of a bulk load"),
    ("name", "the id is not allowed"),
    ("stopped", "stopped before its end"),
    ("program", "the program does not compile"),
    ("failed", "the program fails"),
    ("steps", "the program takes too many steps"),
    ("several", "the program gives several results where one is needed"),
    ("none", "the program gives no result where one is needed"),
    ("argument", "an argument of the program is malformed"),
)


def error_of_status(status: int, fault: int, text: str) -> "JobError":
    """What a job that ended with this status raises."""
    name, meaning = STATUSES[status] if status < len(STATUSES) else (f"status_{status}", "refused")
    if fault == NO_OFFSET:
        return JobError(name, None, text or meaning)
    return JobError(name, fault, text or f"{meaning} at byte {fault}")


NO_OFFSET = (1 << 64) - 1  # of a fault that has no place


class OffloopError(Exception):
    """The base of all errors of this package."""


class JobError(OffloopError):
    """The job ran, and its document or program was refused.

    status is a word ("syntax", "utf8", ...), offset the byte that is wrong: in the document,
    or in the program for the statuses from "program" on; None where it is no one byte.
    """

    def __init__(self, status: str, offset: Optional[int], text: str = "") -> None:
        super().__init__(text or status)
        self.status = status
        self.offset = offset


class Overloaded(OffloopError):
    """Too many jobs of this application wait for an answer. Nothing ran: try later."""


class NoWorker(OffloopError):
    """No daemon, or no worker, was there in time."""


class JobLost(OffloopError):
    """The workers that had the job died, or its document has crashed workers before."""


class JobTimeout(OffloopError, TimeoutError):
    """The job's deadline has passed."""


class ProtocolError(OffloopError):
    """The daemon said something that it must not say; the connection is closed."""
