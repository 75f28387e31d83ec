"""Replies of Tornado handlers, made by workers.

    class Instrument(tornado.web.RequestHandler):
        async def get(self, name):
            stored = await self.settings["store"].get(name)
            await offload(self, self.settings["jobs"], stored, jq=".margin = 2 * .lot_size")
"""
from __future__ import annotations

from typing import Any, Optional

import tornado.web

from ._client import Document, Jobs
from ._errors import OffloopError
from ._http import make_reply, status_of


async def offload(handler: tornado.web.RequestHandler, jobs: Jobs, document: Document, *,
                  etag: Optional[str] = None, **options: Any) -> None:
    """Finishes the handler with the document as JSON.

    options are jq, args, fields, pretty, gzip, timeout and content_type. Tornado would hash
    the body on the loop for an ETag; that is switched off: give the etag ('"7"') where you
    know one. An error of the job becomes a tornado.web.HTTPError.
    """
    try:
        headers, body = await make_reply(
            jobs, document, handler.request.headers.get("Accept-Encoding"), **options)
    except OffloopError as problem:
        status = status_of(problem)
        if status == 503:
            handler.set_header("Retry-After", "1")
        raise tornado.web.HTTPError(status, str(problem).replace("%", "%%")) from problem
    for name, value in headers.items():
        handler.set_header(name, value)
    handler.compute_etag = lambda: etag  # type: ignore[method-assign]
    handler.finish(body)
