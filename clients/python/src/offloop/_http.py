"""What replies made by jobs have in common, whatever the framework."""
from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

from ._client import Document, Jobs
from ._errors import JobError, JobLost, JobTimeout, NoWorker, OffloopError, Overloaded

_TAKES_GZIP = re.compile(r"(?:^|[\s,])(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)",
                         re.IGNORECASE)


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


# Of programs; a stored document that is malformed is the application's own fault.
_PROGRAM_STATUSES = {"program": 400, "argument": 400, "failed": 422, "steps": 422, "several": 422,
                     "none": 422}


def status_of(problem: OffloopError) -> int:
    """The HTTP status that an error of a job means."""
    if isinstance(problem, (Overloaded, NoWorker, JobLost)):
        return 503
    if isinstance(problem, JobTimeout):
        return 504
    if isinstance(problem, JobError):
        return _PROGRAM_STATUSES.get(problem.status, 500)
    return 500
