#!/usr/bin/env python3
"""Drives the Python client for the end-to-end cases; driver.js does the same for node.

    driver.py SOCKET calls              JSON lines in: {"method", "arguments", "options"};
                                        bytes are {"hex": ...}; a JSON line out for each
    driver.py SOCKET load COUNT WIDTH   checked jobs, WIDTH at a time: {"lost", "wrong", "errors"}
    driver.py SOCKET cancel             takes a long job back, then runs a short one

With OFFLOOP_TEST_UVLOOP=1 on uvloop's event loop.
"""
import asyncio
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))
import offloop  # noqa: E402


def to_bytes(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) and "hex" in value else value


async def call(jobs, wanted):
    options = wanted.get("options", {})
    try:
        made = await getattr(jobs, wanted["method"])(*map(to_bytes, wanted["arguments"]), **options)
    except offloop.JobError as problem:
        return {"error": "JobError", "status": problem.status, "offset": problem.offset}
    except offloop.OffloopError as problem:
        return {"error": type(problem).__name__}
    return {"hex": made.hex()} if made is not None else {}


async def calls(jobs):
    for line in sys.stdin:
        print(json.dumps(await call(jobs, json.loads(line))), flush=True)


def document(number):
    """(method, input, expected): every document is another one, some are large."""
    if number % 3 == 0:
        return "encode", b"\x81\xa1i\xce" + number.to_bytes(4, "big"), b'{"i":%d}' % number
    count = 20000 if number % 50 == 1 else 200
    rows = b",".join(b"%d" % (number + at) for at in range(count))
    return "compact", b"[ " + rows.replace(b",", b" ,") + b" ]", b"[" + rows + b"]"


async def load(jobs, count, width):
    numbers, found = iter(range(count)), {"lost": 0, "wrong": 0, "errors": []}

    async def one():
        for number in numbers:
            method, given, expected = document(number)
            try:
                if await getattr(jobs, method)(given) != expected:
                    found["wrong"] += 1
            except offloop.OffloopError as problem:
                found["lost"] += 1
                found["errors"].append(f"{type(problem).__name__}: {problem}")
            if number % 1000 == 0:
                print(json.dumps({"at": number}), flush=True)

    await asyncio.gather(*(one() for _ in range(width)))
    found["errors"] = found["errors"][:5]
    print(json.dumps(found), flush=True)


async def cancel(jobs):
    long = asyncio.ensure_future(jobs.compact(b"[" + b"1 ," * 20_000_000 + b"1]"))
    await asyncio.sleep(0.05)
    long.cancel()
    try:
        await long
        ended = "result"
    except asyncio.CancelledError:
        ended = "cancelled"
    short = await jobs.compact(b"[ 1 ]")
    print(json.dumps({"long": ended, "short": short.decode()}), flush=True)


async def main(path, what, *arguments):
    async with offloop.connect(path, name="driver") as jobs:
        await {"calls": calls, "load": load, "cancel": cancel}[what](jobs, *map(int, arguments))


if __name__ == "__main__":
    if os.environ.get("OFFLOOP_TEST_UVLOOP") == "1":
        import uvloop
        uvloop.install()
    asyncio.run(main(*sys.argv[1:]))
