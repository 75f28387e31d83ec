"""What a job costs an asyncio program: as tests/bench/client/client_bench.c, in Python.

    side.py SOCKET FILE IN_FLIGHT SECONDS
"""
import asyncio
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))
import offloop  # noqa: E402


async def run(jobs, text, in_flight, seconds):
    took = []
    end = time.perf_counter() + seconds

    async def one():
        while True:
            began = time.perf_counter()
            await jobs.compact(text)
            now = time.perf_counter()
            took.append(now - began)
            if now >= end:
                return
    await asyncio.gather(*(one() for _ in range(in_flight)))
    return took


async def main(socket, file, in_flight, seconds):
    text = pathlib.Path(file).read_bytes()
    async with offloop.connect(socket, name="side.py", inline=False) as jobs:
        await run(jobs, text, int(in_flight), 0.1)
        cpu = time.process_time()
        took = sorted(await run(jobs, text, int(in_flight), float(seconds)))
        cpu = time.process_time() - cpu
    print(json.dumps({"jobs": len(took), "cpu_us": cpu / len(took) * 1e6,
                      "p50_us": took[len(took) // 2] * 1e6, "p99_us": took[len(took) * 99 // 100] * 1e6}))


asyncio.run(main(*sys.argv[1:]))
