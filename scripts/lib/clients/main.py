#!/usr/bin/env python3
"""The figures of the job socket's clients beside their targets, on this machine.

    scripts/bench-clients                       all parts, some minutes
    scripts/bench-clients costs many --quick

  costs     CPU time of a job in C, asyncio and node, and of the broker, by size
  tornado   examples/tornado: requests a second by size, the light route beside readers of 2 MB
  express   examples/express: the light route beside readers of 2 MB; with piscina, where node
            finds it (NODE_PATH)
  many      64 client processes, of which one floods, one sends poison and one is stopped

Every load is bounded. Rounds go through all ways in turn, and medians are printed: of ratios,
those of the rounds. Writes build/bench-clients/report.json.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE), *(str(HERE.parent / one) for one in ("story", "compare", "targets")),
                str(ROOT / "tests/e2e")]
import ab  # noqa: E402
import costs  # noqa: E402
import harness  # noqa: E402
import job_daemon  # noqa: E402
import loads  # noqa: E402
import many  # noqa: E402
from apps import APPS, Missing  # noqa: E402
from documents import Documents  # noqa: E402

# What is wanted: CPU time of the client for a job of 2 KB, alone and with 64 in flight.
COSTS = {"C": (15, 2), "asyncio": (70, 25), "node": (60, 20)}
RATES = {"2 KB": 1, "20 KB": 1.5, "200 KB": 4, "2 MB": 10}  # times the better of the others
FILES = {"2 KB": 2_000, "20 KB": 20_000, "200 KB": 200_000, "2 MB": 2_000_000}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench-clients", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of the above (all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each load, about (2)")
    parser.add_argument("--quick", action="store_true", help="one round of half a second")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", default=ROOT / "build/bench-clients")
    options = parser.parse_args()
    if wrong := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(wrong))}")
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    return options


def say(lines, what, target, measured, good=None):
    """One line of the table; `good` None is for what has no target."""
    verdict = "" if good is None else "ok" if good else "SHORT"
    lines.append({"what": what, "target": target, "measured": measured, "verdict": verdict})
    print(f"{what:<58}{target:>12}{measured:>22}  {verdict}", flush=True)


def middle(runs, *keys):
    def value(run):
        for key in keys:
            run = run[key]
        return run
    return statistics.median(map(value, runs))


def part_costs(options, lines):
    documents, runs = Documents(), {}
    with tempfile.TemporaryDirectory(prefix="offloop-clients-") as folder, job_daemon.JobDaemon(2) as daemon:
        for name, size in FILES.items():
            (pathlib.Path(folder) / name).write_bytes(documents.text(size, 1))
        for _ in range(options.rounds):
            for size in FILES:
                for language in costs.SIDES:
                    for in_flight in (1, 64 if size == "2 KB" else 8):
                        runs.setdefault((size, language, in_flight), []).append(costs.measure(
                            language, daemon, pathlib.Path(folder) / size, in_flight, options.seconds / 4))
    for (size, language, in_flight), found in sorted(runs.items(), key=lambda one: (FILES[one[0][0]], one[0][2])):
        wanted = COSTS[language][in_flight > 1] if size == "2 KB" else None
        cpu_us = middle(found, "cpu_us")
        say(lines, f"{size}, {in_flight} in flight, {language}: CPU of the client, µs", f"<= {wanted}" if wanted else "",
            f"{cpu_us:.1f}", cpu_us <= wanted if wanted else None)
        say(lines, "    the broker's CPU, p50, µs", "", f"{middle(found, 'broker_us'):.1f}, {middle(found, 'p50_us'):.0f}")
    return {" ".join(map(str, key)): found for key, found in runs.items()}


def by_turns(app, modes, daemon, options, measure):
    """{mode: [measure(running, mode)]}, one application at a time."""
    runs = {mode: [] for mode in modes}
    for turn in range(options.rounds):
        for mode in list(modes)[::-1] if turn % 2 else modes:
            with app.start(mode, daemon.path) as running:
                runs[mode].append(measure(running, mode))
    return runs


def part_tornado(options, lines):
    modes = ["inline", "processes", "offloop"]
    with job_daemon.JobDaemon(2) as daemon:
        runs = by_turns(APPS["tornado"](), modes, daemon, options, lambda running, mode: {
            **{size: loads.rate(running, mode, size, options.seconds) for size in loads.SIZES},
            "light": loads.light(running, mode, options.seconds)})
    for size, wanted in RATES.items():
        ratio = statistics.median(
            mine[size]["per_second"] / max(one[size]["per_second"], other[size]["per_second"])
            for mine, one, other in zip(runs["offloop"], runs["inline"], runs["processes"]))
        rates = " / ".join(f"{middle(runs[mode], size, 'per_second'):.4g}" for mode in modes)
        say(lines, f"Tornado, {size}: requests/s to the better of inline, processes", f">= {wanted}", f"{ratio:.2f}",
            ratio >= wanted)
        say(lines, "    requests/s: inline, processes, offloop", "", rates)
    for mode in modes:
        ratio = statistics.median(run["light"]["loaded"]["p99_us"] / run["light"]["idle"]["p99_us"] for run in runs[mode])
        say(lines, f"Tornado, {mode}: light p99 beside 4 readers of 2 MB : idle", "<= 1.5" if mode == "offloop" else "",
            f"{ratio:.2f}", ratio <= 1.5 if mode == "offloop" else None)
        say(lines, "    p99: idle, beside them, ms", "", ", ".join(
            f"{middle(runs[mode], 'light', when, 'p99_us') / 1e3:.1f}" for when in ("idle", "loaded")))
    return runs


def part_express(options, lines):
    app = APPS["express"]()
    modes = ["inline", "threads", "offloop"]
    if loads.has_piscina({**os.environ, **app.environment}):
        modes.insert(2, "piscina")
    with job_daemon.JobDaemon(2) as daemon:
        runs = by_turns(app, modes, daemon, options, lambda running, mode: loads.light(running, mode, options.seconds))
    for mode in modes:
        say(lines, f"Express, {mode}: light p99: idle, beside 4 readers of 2 MB, ms", "", ", ".join(
            f"{middle(runs[mode], when, 'p99_us') / 1e3:.1f}" for when in ("idle", "loaded")))
    pools = [mode for mode in modes if mode in ("threads", "piscina")]
    ratio = statistics.median(
        mine["loaded"]["p99_us"] / min(one["loaded"]["p99_us"] for one in others)
        for mine, *others in zip(runs["offloop"], *(runs[mode] for mode in pools)))
    say(lines, f"Express: light p99 to the better of {', '.join(pools)}", "<= 0.25", f"{ratio:.2f}", ratio <= 0.25)
    return runs


def part_many(options, lines):
    runs = [many.measure(options.seconds * 2) for _ in range(options.rounds)]
    ratio = statistics.median(run["beside"]["p99_us"] / run["alone"]["p99_us"] for run in runs)
    say(lines, "64 clients, 3 of them bad: p99 of the others to without", "<= 2", f"{ratio:.2f}", ratio <= 2)
    say(lines, "    p50, p99 without and with them, ms", "", ", ".join(
        f"{middle(runs, when, key) / 1e3:.2f}" for when in ("alone", "beside") for key in ("p50_us", "p99_us")))
    return runs


PARTS = {"costs": part_costs, "tornado": part_tornado, "express": part_express, "many": part_many}


def main():
    options = arguments()
    harness.require_programs()
    report = {"made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "lines": [], "parts": {},
              "machine": {"cpus": os.cpu_count(), "kind": platform.processor() or platform.machine()}}
    try:
        for part in options.parts or PARTS:
            report["parts"][part] = PARTS[part](options, report["lines"])
    except (Missing, ab.Refused, RuntimeError) as why:
        sys.exit(f"bench-clients: {why}")
    report["load"] = os.getloadavg()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nload average {report['load'][0]:.1f}; {options.out / 'report.json'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
