"""An application on the job socket: jobs of every kind through the Python client, at a rate,
each result compared. A process of its own, so that the client's memory is sampled too.

    application.py SOCKET RATE SEED     ends when its input ends; then prints a line of JSON:
                                        {"jobs", "wrong", "wrong_first"}
"""
import asyncio
import gzip
import json
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "clients/python/src"), str(ROOT / "scripts/lib/targets")]
import offloop  # noqa: E402
from documents import Documents  # noqa: E402

SIZES, WEIGHTS = (500, 2_000, 20_000, 200_000, 1_000_000), (40, 40, 14, 5, 1)
CONNECTION_S = 47  # then the application connects anew


async def encode(jobs, text, _):
    packed = await jobs.decode(text)
    return await jobs.encode(packed) == text


async def compact(jobs, text, _):
    return await jobs.compact(text.replace(b",", b", ", 50)) == text


async def patch(jobs, text, number):
    return await jobs.patch(text, b'{"soaked":%d}' % number) == text[:-1] + b',"soaked":%d}' % number


async def project(jobs, text, number):
    return json.loads(await jobs.project(text, "n")) == {"n": number}


async def program(jobs, text, number):
    return await jobs.jq(text, f".n + {number % 3000}") == b"%d" % (number + number % 3000)


async def compressed(jobs, text, _):
    made = await jobs.compact(text, gzip=True)
    return (gzip.decompress(made) if made[:2] == b"\x1f\x8b" else made) == text


async def validate(jobs, text, _):
    return await jobs.validate(text) is None


async def broken(jobs, text, _):
    try:
        await jobs.decode(text[:-1])
    except offloop.JobError as problem:
        return problem.status == "truncated" and problem.offset == len(text) - 1
    return False


async def cancelled(jobs, text, _):
    job = asyncio.ensure_future(jobs.compact(text))
    await asyncio.sleep(0.001)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    return True


KINDS = [encode, encode, compact, patch, project, program, compressed, validate, broken, cancelled]


class Application:
    def __init__(self, rate, seed):
        self.rate, self.random, self.documents = rate, random.Random(seed), Documents()
        self.jobs_done, self.wrong, self.wrong_first = 0, 0, []

    async def one(self, jobs, number):
        text = self.documents.text(self.random.choices(SIZES, WEIGHTS)[0], number)
        kind = self.random.choice(KINDS)
        try:
            right = await kind(jobs, text, number)
        except offloop.OffloopError as problem:
            right, problem = False, f"{type(problem).__name__}: {problem}"
        else:
            problem = "another result"
        self.jobs_done += 1
        if not right:
            self.wrong += 1
            self.wrong_first += [f"{kind.__name__}: {problem}"[:200]] if len(self.wrong_first) < 20 else []

    async def run(self, path, ended):
        number, loop = 0, asyncio.get_running_loop()
        while not ended.is_set():
            async with offloop.connect(path, name="soak", inline=False) as jobs:
                until, running = loop.time() + CONNECTION_S, set()
                while not ended.is_set() and loop.time() < until:
                    number += 1
                    running.add(asyncio.ensure_future(self.one(jobs, number)))
                    running = {one for one in running if not one.done()}
                    await asyncio.sleep(self.random.expovariate(self.rate))
                await asyncio.gather(*running)


async def main(path, rate, seed):
    ended, application = asyncio.Event(), Application(rate, seed)
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await application.run(path, ended)
    print(json.dumps({"jobs": application.jobs_done, "wrong": application.wrong,
                      "wrong_first": application.wrong_first}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
