"""Requests/s: 200 KB reads, auto at every size; and what an offloaded read costs the front."""
import statistics
import time

from bench import cpu_ns, median_ratio, middle
from load import whole

SIZES = ["500B", "2KB", "5KB", "20KB", "64KB", "200KB", "2MB"]


def turns(bench, what, size, documents, modes, seconds):
    """Different documents are asked for with Offloop-Mode. One document is asked of a server
    in that mode: whoever chooses a mode gets a job of its own, and shares no result."""
    def one(mode):
        kind = mode if documents == 1 else "plain"
        return bench.speed(what, bench.targets(size, documents, kind), mode, 16, seconds, kind)
    return bench.in_turns(modes, one)


def reads(bench, name, documents, text):
    found = turns(bench, name, "200KB", documents, ["inline", "rpc"], 1 if bench.quick else 2)
    note_ratio(bench, name, f"200 KB reads, {text}", found, "rpc", "inline", 1.4)


def note_ratio(bench, name, text, found, above, below, target):
    """The ratio of requests/s is judged; in brackets what it is by CPU time, which other
    work on the machine disturbs less."""
    ratio, by_cpu = (median_ratio(found[above], found[below], key) for key in ("per_second", "by_cpu"))
    bench.note(name, f"{text}: {above} to {below}, requests/s (by CPU)", f">= {target}",
               f"{ratio:.2f} ({by_cpu:.2f})", ratio >= target, ratio=ratio, by_cpu=by_cpu,
               medians={mode: {key: round(middle(runs, key), 1) for key in runs[0]}
                        for mode, runs in found.items()})


def rpc_distinct(bench):
    reads(bench, "rpc-distinct", 64, "64 documents")


def rpc_one(bench):
    reads(bench, "rpc-one", 1, "one document")


def auto(bench, family, documents, text):
    seconds = 0.4 if bench.quick else 0.6
    found = {}
    for size in SIZES:
        found[size] = turns(bench, f"{family}-{size}", size, documents, ["inline", "auto", "rpc"], seconds)
    for size, runs in found.items():
        better = max(("inline", "rpc"), key=lambda mode: middle(runs[mode], "per_second"))
        note_ratio(bench, f"{family}-{size}", f"{size} reads, {text}", runs, "auto", better, 0.95)


def auto_distinct(bench):
    auto(bench, "auto", 32, "32 documents")


def auto_one(bench):
    auto(bench, "auto-one", 1, "one document")


def hot(bench):
    """One document that twenty clients ask for: out of the cache, and as it is stored."""
    seconds = 1 if bench.quick else 2
    found = bench.in_turns(["json", "cache"], lambda kind: bench.speed(
        "hot", bench.targets("20KB", 1, kind), kind, 20, seconds, kind))
    note_ratio(bench, "hot", "20 KB, one document, 20 clients, auto with its cache", found,
               "cache", "json", 0.9)


def front_cpu(bench):
    """As-is sends the same bytes without a codec: what is left is what sending away costs."""
    requests = 400 if bench.quick else 2000

    def one(how):
        kind, mode = how
        pair, targets = bench.pair(kind), bench.targets("200KB", 64, kind)
        front = pair.server.fronts()[0]
        before = cpu_ns(front)
        whole(f"front-cpu, {mode}", bench.generator.run(
            pair.port, targets, connections=16, requests=requests, seconds=60, mode=mode))
        time.sleep(0.05)  # what its threads do after the last reply is counted too
        return (cpu_ns(front) - before) / requests / 1e3

    ways = {"inline": ("plain", "inline"), "rpc": ("plain", "rpc"), "as-is": ("json", "rpc")}
    found = bench.in_turns(list(ways.values()), one)
    beyond = {name: statistics.median(a - b for a, b in zip(found[way], found[ways["as-is"]]))
              for name, way in ways.items()}
    bench.note("front-cpu", "front CPU per offloaded 200 KB read beyond an as-is read, us", "<= 25",
               f"{beyond['rpc']:.1f}", beyond["rpc"] <= 25, inline_us=beyond["inline"],
               per_read_us={name: statistics.median(found[way]) for name, way in ways.items()})


FIGURES = {"rpc-distinct": rpc_distinct, "rpc-one": rpc_one, "auto": auto_distinct,
           "auto-one": auto_one, "hot": hot, "front-cpu": front_cpu}
