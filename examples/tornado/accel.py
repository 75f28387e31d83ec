#!/usr/bin/env python3
"""A Tornado application that decides who may have which document, and does not touch any: nginx
fetches it from offloop (examples/nginx-accel.conf).

    accel.py [--port 8000]
"""
import argparse
import asyncio
import urllib.parse

import tornado.httpserver
import tornado.netutil
import tornado.web

# Who may see what: in real life a session and a database.
FIELDS = {"trader": "", "guest": "name,exchange,lot_size"}


class Instrument(tornado.web.RequestHandler):
    async def get(self, name):
        role = self.request.headers.get("X-Role")
        if role not in FIELDS:
            raise tornado.web.HTTPError(403)
        query = urllib.parse.urlencode({"fields": FIELDS[role]} if FIELDS[role] else {})
        self.clear_header("Content-Type")
        self.set_header("X-Accel-Redirect", f"/offloop/v1/{urllib.parse.quote(name)}?{query}")

    head = get


class Light(tornado.web.RequestHandler):
    async def get(self):
        self.finish(b"{}")


async def serve(port):
    application = tornado.web.Application([
        (r"/documents/([^/]+/[^/]+)", Instrument), (r"/light", Light)],
        log_function=lambda handler: None)
    server = tornado.httpserver.HTTPServer(application)
    sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    asyncio.run(serve(parser.parse_args().port))
