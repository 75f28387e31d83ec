#!/usr/bin/env python3
"""What becomes of an application's loop when its JSON goes to offloop's workers: before and
after, on a Tornado or an Express application.

    scripts/story tornado
    scripts/story express --requests 2000

Runs examples/NAME/ in four ways (JSON on the loop, in a thread pool, in a process pool, and
through the job socket of an offloop-worker), each with `ab -n 10000 -c 20` on a reply of about
200 KB; a run with one failed or non-2xx reply is refused. Then it asks for a light route at
fixed times while four clients read large replies, and profiles the loop before and after
(cProfile; node --cpu-prof). Prints the tables and writes build/story/NAME.html, NAME.json and
the profiles.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "compare"), str(HERE.parents[2] / "tests/e2e")]
import ab  # noqa: E402
import harness  # noqa: E402
import job_daemon  # noqa: E402
import page  # noqa: E402
from apps import APPS, MODES, ROOT, Missing, ask, removed_first  # noqa: E402
from light import probe  # noqa: E402

HEAVY = "/v1/instrument_details"
HEAVY_CLIENTS = 4
PROFILED = ["inline", "offloop"]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/story", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("app", choices=sorted(APPS))
    parser.add_argument("--quick", action="store_true", help="300 requests, two seconds of the light route")
    parser.add_argument("--requests", type=int, help="ab -n (10000)")
    parser.add_argument("--concurrency", type=int, default=20, help="ab -c (20)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", default=ROOT / "build/story")
    options = parser.parse_args()
    options.requests = options.requests or (300 if options.quick else 10000)
    options.probe_seconds = 2 if options.quick else 8
    if not shutil.which("ab"):
        parser.exit(1, "story: no ab (Debian: apache2-utils)\n")
    return options


def measure(app, mode, socket, options):
    """Requests a second, the loop's CPU time a request, the light route idle and loaded."""
    with app.start(mode, socket) as running:
        try:
            reply = json.loads(ask(running.url + HEAVY))
        except OSError as why:
            raise ab.Refused(f"{mode}: {why}: {running.said_last()}") from why
        ab.run(f"{mode}, warming up", running.url + HEAVY, 100, options.concurrency, False)
        before = running.cpu_seconds()
        found = ab.run(mode, running.url + HEAVY, options.requests, options.concurrency, False)
        found["cpu_us"] = (running.cpu_seconds() - before) / options.requests * 1e6
        found["idle"] = probe(running.url, options.probe_seconds)
        load = ab.Background(f"{mode}, load", running.url + HEAVY, options.probe_seconds + 2, HEAVY_CLIENTS)
        try:
            time.sleep(0.5)
            found["light"] = probe(running.url, options.probe_seconds)
            found["heavy_per_second"] = load.wait()
        finally:
            load.stop()
    print(f"   {mode}: {found['per_second']:.0f} requests/s, light p99 {found['light']['p99_us'] / 1000:.1f} ms",
          file=sys.stderr, flush=True)
    return found, reply


def profile(app, mode, socket, options):
    """Where the loop's thread is, while ab keeps it busy."""
    path = app.profile_path(options.out, mode)
    with removed_first(path):
        with app.start(mode, socket, path) as running:
            began = time.monotonic()
            ab.run(f"{mode}, profiled", running.url + HEAVY, max(200, options.requests // 5),
                   options.concurrency, False)
            ended = time.monotonic()
    functions = app.functions(path, began, ended)
    whole = sum(own for _, own in functions) or 1
    shares = [{"name": name, "share": own / whole, "kind": page.kind_of(app, name)} for name, own in functions]
    return {"file": path.name, "functions": shares[:30],
            "json": sum(one["share"] for one in shares if one["kind"] == "json"),
            "wait": sum(one["share"] for one in shares if one["kind"] == "wait")}


def story(app, options):
    report = {"app": app.name, "file": app.file, "requests": options.requests, "concurrency": options.concurrency,
              "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
              "machine": {"cpus": os.cpu_count(), "kind": platform.processor() or platform.machine()},
              "profiler": app.profiler, "viewer": app.viewer, "modes": {}, "profiles": {}}
    with job_daemon.JobDaemon(options.workers) as daemon:
        replies = []
        for mode in MODES:
            report["modes"][mode], reply = measure(app, mode, daemon.path, options)
            replies.append(reply)
        if any(one != replies[0] for one in replies):
            raise ab.Refused("the four ways do not give the same reply")
        for mode in PROFILED:
            report["profiles"][mode] = profile(app, mode, daemon.path, options)
    return report


def main():
    options = arguments()
    try:
        app = APPS[options.app]()
        harness.require_programs()
        options.out.mkdir(parents=True, exist_ok=True)
        report = story(app, options)
    except (Missing, ab.Refused) as why:
        sys.exit(f"story: {why}")
    print(page.text(report))
    (options.out / f"{options.app}.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / f"{options.app}.html").write_text(page.html(report))
    print(f"\n{options.out / options.app}.html")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
