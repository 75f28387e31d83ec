"""Replies of Starlette and FastAPI routes, made by workers.

    async def instrument(request):
        stored = await store.get(request.path_params["name"])
        return await offload(request, jobs, stored, jq=".margin = 2 * .lot_size")
"""
from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ._client import Document, Jobs
from ._errors import OffloopError
from ._http import make_reply, status_of


async def offload(request: Request, jobs: Jobs, document: Document, **options: Any) -> Response:
    """A response with the document as JSON.

    options are jq, args, fields, pretty, gzip, timeout and content_type. An error of the job
    becomes a starlette.exceptions.HTTPException.
    """
    try:
        headers, body = await make_reply(
            jobs, document, request.headers.get("accept-encoding"), **options)
    except OffloopError as problem:
        status = status_of(problem)
        retry = {"Retry-After": "1"} if status == 503 else None
        raise HTTPException(status, str(problem), headers=retry) from problem
    return Response(body, headers=headers)
