"""The light route while something heavy runs, and for how long the loop was away meanwhile."""
import pathlib
import statistics
import subprocess
import time

from bench import COLLECTION, LIGHT_PATH
from documents import script
from load import Refused, whole

RATE = 100
CONNECTIONS = 64
BULK_LINES = 150_000


def loop(pair):
    return pair.admin("/debug/loop").json()["total"]


def away(before, after):
    """The turns between two looks: [(bound in us of CPU, count)]."""
    was = dict(before["away_cpu_us"]["buckets"])
    found = [(bound, n - was.get(bound, 0)) for bound, n in after["away_cpu_us"]["buckets"]]
    return [(bound, n) for bound, n in found if n > 0]


def quantile(turns, q):
    total, seen = sum(n for _, n in turns), 0
    for bound, n in sorted(turns):
        seen += n
        if seen >= q * total:
            return bound
    return 0


def probe(bench, pair, mode, seconds):
    return bench.generator.start(pair.port, [LIGHT_PATH], connections=CONNECTIONS, rate=RATE,
                                 seconds=seconds, mode=mode)


def beside(bench, mode, heavy, connections, seconds):
    """(p99 of the light route, away from poll) beside that load, or without one."""
    pair, load, light = bench.pair(), None, None
    try:
        if heavy:
            load = bench.generator.start(pair.port, heavy, connections=connections,
                                         seconds=seconds + 1.5, mode=mode, grace=30)
            time.sleep(0.7)  # until it runs at its speed
        before = loop(pair)
        light = probe(bench, pair, mode, seconds)
        done = whole(f"light route, {mode}", light.finish())
        turns = away(before, loop(pair))
        if load:
            whole(f"heavy load, {mode}", load.finish())
    finally:
        for one in (load, light):
            if one:
                one.stop()
    return done["ok"], turns


def note_away(bench, name, text, parts):
    turns = [turn for _, one in parts for turn in one]
    us = quantile(turns, 0.999)
    bench.note(name, f"{text}: loop away, CPU, p99.9 (max), us", "<= 1000",
               f"{us:.0f} ({quantile(turns, 1.0):.0f})", us <= 1000, turns=sum(n for _, n in turns))


def light(bench):
    heavy = bench.targets("2MB", 4)
    modes = ["idle", "inline", "auto", "rpc", "threads"]
    seconds = 2 if bench.quick else 5
    found = bench.in_turns(modes, lambda mode: beside(
        bench, "auto" if mode == "idle" else mode, None if mode == "idle" else heavy, 4, seconds))
    p99 = {mode: statistics.median(done["p99_us"] / 1e3 for done, _ in parts)
           for mode, parts in found.items()}
    for mode in modes:
        times = {key: statistics.median(done[key] / 1e3 for done, _ in found[mode])
                 for key in ("p50_us", "p99_us", "max_us")}
        bench.note(f"light-{mode}", f"light route beside 4 readers of 2 MB, {mode}: p99, ms" if mode != "idle"
                   else "light route alone: p99, ms", "", f"{p99[mode]:.2f}", None,
                   ms={key[:-3]: value for key, value in times.items()})
    for name, mode, base, bound, text in (
            ("light-auto-inline", "auto", "inline", 1 / 6, "<= 1/6"),
            ("light-auto-idle", "auto", "idle", 3, "<= 3"),
            ("light-rpc-inline", "rpc", "inline", 1 / 3, "<= 1/3")):
        ratio = p99[mode] / p99[base]
        bench.note(name, f"light route's p99, {mode} to {base}", text, f"{ratio:.3f}", ratio <= bound)
    note_away(bench, "away-2MB", "rpc, 4 readers of 2 MB", found["rpc"])


def away_16mb(bench):
    heavy = bench.targets("16MB", 2)
    seconds = 2 if bench.quick else 5
    parts = [beside(bench, "rpc", heavy, 2, seconds) for _ in range(min(bench.rounds, 3))]
    note_away(bench, "away-16MB", "rpc, 2 readers of 16 MB", parts)


def bulk(bench):
    """The light route during a bulk load, which curl sends from a file."""
    source = script("bench-bulk")
    lines = BULK_LINES // 5 if bench.quick else BULK_LINES
    file = pathlib.Path(bench.folder.name) / "bulk"
    if not file.exists():
        with open(file, "wb") as out:
            for n in range(lines):
                out.write(b'{"id":"%b","document":%b}\n' % (source.ident(n), source.document(n)))
    pair = bench.pair()

    def one(how):
        sender = None
        if how == "load":
            sender = subprocess.Popen(
                ["curl", "-sS", "--fail", "--max-time", "120", "-X", "POST", "-H", "Expect:", "-H",
                 "Content-Type: application/x-ndjson", "-T", file,
                 f"http://127.0.0.1:{pair.port}{COLLECTION}-bulk"], stdout=subprocess.PIPE, text=True)
        times = []
        try:
            for _ in range(2 if bench.quick else 5):
                times.append(whole("light route, bulk", probe(bench, pair, "auto", 0.8).finish())["ok"]["p99_us"] / 1e3)
                if sender and sender.poll() is not None:
                    times = times[:-1] or times  # the load ended within this part
                    break
            said = sender.communicate(timeout=120)[0] if sender else ""
        finally:
            if sender and sender.poll() is None:
                sender.kill()
                sender.communicate()
        if sender and (sender.returncode or f'"stored":{lines},' not in said.replace(" ", "")):
            raise Refused(f"bulk: curl said {sender.returncode} {said[:200]}")
        return statistics.median(times)

    found = bench.in_turns(["idle", "load"], one, min(bench.rounds, 3))
    p99 = {how: statistics.median(times) for how, times in found.items()}
    ratio = p99["load"] / p99["idle"]
    bench.note("bulk-light", "light route's p99 during a bulk load to idle", "<= 3", f"{ratio:.2f}",
               ratio <= 3, ms=p99)


FIGURES = {"light": light, "away-16MB": away_16mb, "bulk": bulk}
