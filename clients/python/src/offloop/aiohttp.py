"""Replies of aiohttp handlers, made by workers.

    async def instrument(request):
        stored = await store.get(request.match_info["name"])
        return await offload(request, request.app["jobs"], stored, fields="name,lot_size")
"""
from __future__ import annotations

from typing import Any

from aiohttp import web

from ._client import Document, Jobs
from ._errors import OffloopError
from ._http import make_reply, status_of


async def offload(request: web.Request, jobs: Jobs, document: Document,
                  **options: Any) -> web.Response:
    """A response with the document as JSON; an error of the job gives 422, 500, 503 or 504.

    options are jq, args, fields, pretty, gzip, timeout and content_type.
    """
    try:
        headers, body = await make_reply(
            jobs, document, request.headers.get("Accept-Encoding"), **options)
    except OffloopError as problem:
        status = status_of(problem)
        retry = {"Retry-After": "1"} if status == 503 else {}
        return web.Response(status=status, text=str(problem), headers=retry)
    return web.Response(body=body, headers=headers)
