"""What can go wrong with a job. Everything here is an OffloopError."""

# The codec's statuses, by their numbers in the protocol (PROTOCOL.md, RESULTS).
STATUSES = (
    "ok", "syntax", "truncated", "trailing", "utf8", "surrogate", "control", "number", "depth",
    "msgpack", "type", "key", "too_large", "memory", "unsupported",
)


class OffloopError(Exception):
    """The base of all errors of this package."""


class JobError(OffloopError):
    """The job ran, and its document or program was refused.

    status is a word ("syntax", "utf8", ...), offset the byte that is wrong: in the
    document, or in the program for the statuses that begin with "jq".
    """

    def __init__(self, status: str, offset: int, text: str = "") -> None:
        super().__init__(text or f"{status} at byte {offset}")
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
