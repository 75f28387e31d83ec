#!/usr/bin/env python3
"""A small server of each Python framework, with the helpers of the client.

    frameworks.py tornado|aiohttp SOCKET     serves; says where on stdout
    frameworks.py starlette SOCKET           asks itself; prints what came as JSON

Routes: /whole, /part, /packed (MessagePack is stored), /broken (what is stored is no JSON).
"""
import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))
import offloop  # noqa: E402

WHOLE = b'{"name": "one", "rows": [' + b'{"n": 1, "t": "text"}, ' * 500 + b"null]}"
ROUTES = {"whole": (WHOLE, {}), "part": (WHOLE, {"fields": "name"}), "packed": (b"\x81\xa1a\x01", {}),
          "broken": (b"[1, 2" + b" " * 5000, {})}


async def serve_tornado(socket):
    import tornado.httpserver
    import tornado.netutil
    import tornado.web
    from offloop.tornado import offload

    class Document(tornado.web.RequestHandler):
        async def get(self, name):
            stored, options = ROUTES[name]
            await offload(self, jobs, stored, etag='"7"', timeout=2, **options)

    async with offloop.connect(socket, inline=False) as jobs:
        server = tornado.httpserver.HTTPServer(tornado.web.Application(
            [(r"/(\w+)", Document)], log_function=lambda handler: None))
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        print(sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


async def serve_aiohttp(socket):
    from aiohttp import web
    from offloop.aiohttp import offload

    async def document(request):
        stored, options = ROUTES[request.match_info["name"]]
        return await offload(request, jobs, stored, timeout=2, **options)

    async with offloop.connect(socket, inline=False) as jobs:
        application = web.Application()
        application.router.add_get("/{name}", document)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


def ask_starlette(socket):
    import contextlib

    from offloop.starlette import offload
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette.testclient import TestClient

    @contextlib.asynccontextmanager
    async def lifespan(application):
        async with offloop.connect(socket, inline=False) as application.state.jobs:
            yield

    async def document(request):
        stored, options = ROUTES[request.path_params["name"]]
        return await offload(request, request.app.state.jobs, stored, timeout=2, **options)

    found = {}
    with TestClient(Starlette(routes=[Route("/{name}", document)], lifespan=lifespan)) as client:
        for name in ROUTES:
            reply = client.get(f"/{name}", headers={"Accept-Encoding": "gzip" if name == "whole" else "identity"})
            found[name] = [reply.status_code, dict(reply.headers), reply.text]
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "starlette":
        ask_starlette(sys.argv[2])
    else:
        asyncio.run({"tornado": serve_tornado, "aiohttp": serve_aiohttp}[sys.argv[1]](sys.argv[2]))
