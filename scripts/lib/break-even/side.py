"""What Python pays. side.py SOCKET MILLISECONDS FILE...; a JSON line for each measurement."""
import asyncio
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))
import offloop  # noqa: E402

try:
    import orjson
except ImportError:
    orjson = None
try:
    import msgpack
except ImportError:
    msgpack = None

IN_FLIGHT = 16
ADDED = {"account": {"name": "demo", "margin_rate": 0.15}}


def in_process(text, packed, value):
    """(work, way, function) of what happens on the loop."""
    def change(loads, dumps):
        def run():
            document = loads(text)
            document.update(ADDED)
            return dumps(document)
        return run
    plain = lambda one: json.dumps(one, separators=(",", ":")).encode()  # noqa: E731
    yield "change", "json", change(json.loads, plain)
    yield "objects", "json", lambda: plain(value)
    if orjson:
        yield "change", "orjson", change(orjson.loads, orjson.dumps)
        yield "objects", "orjson", lambda: orjson.dumps(value)
    if msgpack:
        yield "encode", "msgpack, json", lambda: plain(msgpack.unpackb(packed))
        if orjson:
            yield "encode", "msgpack, orjson", lambda: orjson.dumps(msgpack.unpackb(packed))
    else:  # the text is what such a store would hold instead
        yield "encode", "json of JSON text", lambda: plain(json.loads(text))
        if orjson:
            yield "encode", "orjson of JSON text", lambda: orjson.dumps(orjson.loads(text))


def through_jobs(jobs, text, packed, value):
    patch = json.dumps(ADDED).encode()
    yield "change", lambda: jobs.patch(text, patch)
    yield "encode", lambda: jobs.encode(packed)
    yield "objects", lambda: jobs.encode(value)


def measure(function, seconds):
    function()
    count, began, cpu = 0, time.perf_counter(), time.thread_time()
    while count < 3 or time.perf_counter() - began < seconds:
        function()
        count += 1
    return (time.thread_time() - cpu) / count * 1e6


async def measure_jobs(function, seconds, width):
    counts = [0] * width

    async def one(at, end):
        while counts[at] < 2 or time.perf_counter() < end:
            await function()
            counts[at] += 1
    await function()
    cpu = time.thread_time()
    end = time.perf_counter() + seconds
    await asyncio.gather(*(one(at, end) for at in range(width)))
    return (time.thread_time() - cpu) / sum(counts) * 1e6


async def main(socket, milliseconds, *files):
    seconds = int(milliseconds) / 1000
    async with offloop.connect(socket, name="break-even", inline=False) as jobs:
        for file in map(pathlib.Path, files):
            text, value = file.read_bytes(), json.loads(file.read_bytes())
            packed = await jobs.decode(text)

            def say(work, way, is_job, cpu_us):
                print(json.dumps({"document": file.stem, "bytes": len(text), "work": work, "way": way,
                                  "offloop": is_job, "cpu_us": cpu_us}), flush=True)
            for work, way, function in in_process(text, packed, value):
                say(work, way, False, measure(function, seconds))
            for width, way in ((1, "offloop, one at a time"), (IN_FLIGHT, f"offloop, {IN_FLIGHT} at a time")):
                for work, function in through_jobs(jobs, text, packed, value):
                    say(work, way, True, await measure_jobs(function, seconds, width))


asyncio.run(main(*sys.argv[1:]))
