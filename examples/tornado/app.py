#!/usr/bin/env python3
"""An API of instruments on Tornado, in four ways: the same replies, other places for the JSON.

    app.py inline | threads | processes | offloop [--port N] [--jobs SOCKET] [--profile FILE]

    GET /v1/instrument_details?limit=250     the first contracts, about 200 KB
    GET /v1/instrument_details/NAME          one contract, about 800 bytes
    GET /light                               what must be quick whatever the others ask for

The store holds JSON text, as Redis or a file would give it. Each reply is that document and
the account of who asks: decoded, changed and encoded again.
"""
import argparse
import asyncio
import concurrent.futures
import cProfile
import itertools
import json
import pathlib
import signal
import subprocess
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients/python/src"))
import offloop  # noqa: E402

ACCOUNT = {"name": "demo", "currency": "EUR", "margin_rate": 0.15}


class Store:
    """JSON texts, from scripts/sample-data: of each contract, and of the first ones together."""

    def __init__(self):
        lines = subprocess.run([ROOT / "scripts/sample-data", "instruments"], capture_output=True,
                               check=True).stdout.splitlines()
        self.texts = {one["id"]: json.dumps(one["document"]).encode() for one in map(json.loads, lines)}
        self.collections = {}  # limit: text; a store has it in one piece

    def get(self, name):
        return self.texts.get(name)

    def collection(self, limit):
        if limit not in self.collections:
            rows = itertools.islice(itertools.cycle(self.texts.values()), limit)
            self.collections[limit] = b'{"instruments":[' + b",".join(rows) + b"]}"
        return self.collections[limit]


# ---- decode, change, encode: in four places

def make_reply(stored, account):
    """The work that a loop should not do."""
    document = json.loads(stored)
    document["account"] = account
    return json.dumps(document)


class Inline:
    async def reply(self, stored):
        return make_reply(stored, ACCOUNT)

    async def close(self):
        pass


class Pool(Inline):
    def __init__(self, executor):
        self.executor = executor

    async def reply(self, stored):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, make_reply, stored, ACCOUNT)

    async def close(self):
        self.executor.shutdown()


class Offloop(Inline):
    def __init__(self, jobs):
        self.jobs = jobs
        self.patch = json.dumps({"account": ACCOUNT}).encode()

    async def reply(self, stored):
        return await self.jobs.patch(stored, self.patch)

    async def close(self):
        await self.jobs.close()


async def make_place(options):
    if options.mode == "threads":
        return Pool(concurrent.futures.ThreadPoolExecutor(2))
    if options.mode == "processes":
        return Pool(concurrent.futures.ProcessPoolExecutor(2))
    if options.mode == "offloop":
        return Offloop(await offloop.connect(options.jobs, name="tornado"))
    return Inline()


# ---- the API

class Handler(tornado.web.RequestHandler):
    """Sends JSON; without an ETag, for which Tornado would hash each reply on the loop."""

    def compute_etag(self):
        return None

    async def send(self, stored):
        body = await self.settings["place"].reply(stored)
        self.set_header("Content-Type", "application/json")
        self.finish(body)


class Collection(Handler):
    async def get(self):
        await self.send(self.settings["store"].collection(int(self.get_query_argument("limit", "250"))))


class Instrument(Handler):
    async def get(self, name):
        stored = self.settings["store"].get(name)
        if stored is None:
            raise tornado.web.HTTPError(404)
        await self.send(stored)


class Light(Handler):
    async def get(self):
        self.set_header("Content-Type", "application/json")
        self.finish(b'{"light":true}')


async def serve(options, store):
    place = await make_place(options)
    application = tornado.web.Application([
        (r"/v1/instrument_details", Collection), (r"/v1/instrument_details/([^/]+)", Instrument),
        (r"/light", Light)], store=store, place=place, log_function=lambda handler: None)
    server = tornado.httpserver.HTTPServer(application)
    sockets = tornado.netutil.bind_sockets(options.port, "127.0.0.1")
    server.add_sockets(sockets)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.stop()
    await server.close_all_connections()
    await place.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["inline", "threads", "processes", "offloop"])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--jobs", help="the job socket ($OFFLOOP_JOBS, else /run/offloop/jobs.sock)")
    parser.add_argument("--profile", metavar="FILE", help="write a cProfile of the loop's thread")
    options = parser.parse_args()
    store = Store()
    if not options.profile:
        asyncio.run(serve(options, store))
        return
    profile = cProfile.Profile()
    try:
        profile.runcall(asyncio.run, serve(options, store))
    finally:
        profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
