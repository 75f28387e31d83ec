"""What replies made by jobs have in common, whatever the framework."""
from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

from ._client import Document, Jobs
from ._errors import JobError, JobLost, JobTimeout, NoWorker, OffloopError, Overloaded

_TAKES_GZIP = re.compile(r"(?:^|[\s,])(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)",
                         re.IGNORECASE)


# A program that compiles and does not get through with this document.
_PROGRAM_FAILED = ("failed", "steps", "several", "none")


def takes_gzip(accept_encoding: Optional[str]) -> bool:
    """Whether an Accept-Encoding field allows gzip."""
    return bool(accept_encoding and _TAKES_GZIP.search(accept_encoding))


async def make_reply(jobs: Jobs, document: Document, accept_encoding: Optional[str], *,
                     jq: Optional[str] = None, args: Optional[Dict[str, Any]] = None,
                     fields: str = "", pretty: bool = False, gzip: Optional[bool] = None,
                     timeout: Optional[float] = None,
                     content_type: str = "application/json") -> Tuple[Dict[str, str], bytes]:
    """(headers, body): the document as JSON, after a jq program or with some fields only.

    gzip: None for what the client takes.
    """
    if gzip is None:
        gzip = takes_gzip(accept_encoding)
    if jq is not None:
        body = await jobs.jq(document, jq, args, pretty=pretty, gzip=gzip, timeout=timeout)
    else:
        body = await jobs.project(document, fields, pretty=pretty, gzip=gzip, timeout=timeout)
    headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
    if body[:2] == b"\x1f\x8b":  # a small result stays plain
        headers["Content-Encoding"] = "gzip"
    return headers, body


def status_of(problem: OffloopError) -> int:
    """The HTTP status that an error of a job means."""
    if isinstance(problem, (Overloaded, NoWorker, JobLost)):
        return 503
    if isinstance(problem, JobTimeout):
        return 504
    if isinstance(problem, JobError) and problem.status in _PROGRAM_FAILED:
        return 422
    return 500
