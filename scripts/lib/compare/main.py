#!/usr/bin/env python3
"""Measures offloop's modes against each other with `ab`, in one sitting, and reports.

    scripts/compare --quick                 ends within two minutes
    scripts/compare                         more sizes, more rounds, longer runs
    scripts/compare --data my.json          your own documents (repeatable)
    scripts/compare --url https://host:8443/v1/things/1 --header 'Authorization: Bearer x'
                                            a running server, which needs --mode-header; with
                                            a bare https://host:8443 documents are PUT into the
                                            collection offloop-compare, and deleted at the end

Same ab flags, without and with keep-alive, against inline, threads, rpc (worker processes),
auto (offloop chooses) and as-is (JSON stored and sent as it is), on plain reads, on a read
that decodes, changes and encodes (?fields= over stored JSON), and on one whose program (?jq=)
adds a computed member to every object of a list; in turns, so that drift hits all
alike. Then a prober asks for a small document at fixed moments while large ones are read.
A run with one failed or non-2xx reply is refused: no report is made.

Prints a table; writes build/compare/report.json and build/compare/report.html.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ab  # noqa: E402
import measure  # noqa: E402
import report as reporting  # noqa: E402
import servers  # noqa: E402

ROOT = servers.ROOT
SIZES = ["2k", "20k", "200k", "2m", "collection"]
# rounds, seconds of a run, seconds and rounds of the prober, sizes
QUICK = (2, 0.4, 2, 2, ["2k", "20k", "200k"])
FULL = (5, 2.0, 5, 4, SIZES)


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/compare", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--requests", type=int, metavar="N", help="of each run (else: by time)")
    parser.add_argument("--concurrency", type=int, metavar="C", default=16, help="ab -c (16)")
    parser.add_argument("--sizes", metavar="LIST", help=f"of {','.join(SIZES)}")
    parser.add_argument("--data", action="append", default=[], metavar="FILE.json")
    parser.add_argument("--url", help="a server that runs")
    parser.add_argument("--header", "-H", action="append", default=[], metavar="H", help="as ab takes it")
    parser.add_argument("--cookie", "-C", action="append", default=[], metavar="C", help="name=value")
    parser.add_argument("--admin", metavar="URL", help="the running server's operations listener")
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--workers", type=int, metavar="N", default=os.cpu_count(), help="(number of CPUs)")
    parser.add_argument("--rate", type=int, metavar="N", default=100, help="of the light route (100/s)")
    parser.add_argument("--probe-seconds", type=int, metavar="N", help="beside each mode")
    parser.add_argument("--heavy", type=int, metavar="C", default=4, help="clients beside it (4)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", default=ROOT / "build/compare")
    parser.add_argument("--images", type=pathlib.Path, metavar="DIR", help="the charts as files too")
    options = parser.parse_args()
    rounds, options.seconds, probe_seconds, options.probe_rounds, sizes = QUICK if options.quick else FULL
    options.probe_seconds = options.probe_seconds or probe_seconds
    options.rounds = options.rounds or rounds
    options.sizes = options.sizes.split(",") if options.sizes else sizes
    if bad := [one for one in options.sizes if one not in SIZES]:
        parser.error(f"--sizes: no {bad[0]}; there are {','.join(SIZES)}")
    if options.concurrency < 1 or (options.requests or options.concurrency) < options.concurrency:
        parser.error("--requests must be at least --concurrency (ab wants it so)")
    return options


def documents(options):
    """{name: JSON text}. The light one, and the heaviest sample, are always there."""
    found = {}
    for path in options.data:
        text = pathlib.Path(path).read_bytes()
        json.loads(text)  # what is no JSON is refused here, with its place
        found[pathlib.Path(path).stem] = text
    lines = subprocess.run([ROOT / "scripts/sample-data", "sizes"], capture_output=True,
                           check=True).stdout.splitlines()
    for line in lines:
        one = json.loads(line)
        found[one["id"]] = json.dumps(one["document"], separators=(",", ":"), ensure_ascii=False).encode()
    return found


def changing(text):
    """A ?fields= that keeps most of a document, so that decoding and encoding are real; None
    where it has no members to choose from."""
    value = json.loads(text)
    if not isinstance(value, dict) or len(value) < 2:
        return None
    keys = sorted(value, key=lambda key: len(json.dumps(value[key])))[1:]
    if any(set(key) & set(",.&#%+?=") or not key.isascii() or " " in key for key in keys):
        return None
    return "?fields=" + ",".join(keys)


def is_rows(value):
    return isinstance(value, list) and value and all(isinstance(row, dict) for row in value)


def computing(text):
    """A ?jq= that adds a member to every object of the document's longest list, computed
    from a number in it; None where it has no such list."""
    value = json.loads(text)
    lists = {"": value} if is_rows(value) else {}
    if isinstance(value, dict):
        lists = {f".{key}|=": rows for key, rows in value.items()
                 if is_rows(rows) and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key)}
    if not lists:
        return None
    where = max(lists, key=lambda key: len(lists[key]))
    numbers = [name for name, one in lists[where][0].items()
               if type(one) in (int, float) and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)
               and all(type(row.get(name)) in (int, float) for row in lists[where])]
    if not numbers:
        return None
    program = f"{where}map(.computed=2*.{numbers[0]})"
    return "?jq=" + urllib.parse.quote(program, safe="")


def make_cells(options, texts, server):
    def path(name):
        if name == "collection":
            return "/v1/instrument_details"
        return f"/v1/{servers.COLLECTION}/{name}"
    if options.url and server.path:
        return [measure.Cell("read", server.path, server.path, keep) for keep in (False, True)]
    names = [pathlib.Path(one).stem for one in options.data] or \
        [one for one in options.sizes if one != "collection" or not options.url]
    cells = [measure.Cell("read", name, path(name), keep) for name in names for keep in (False, True)]
    if server.can_change():
        for name in names:
            fields = changing(texts[name]) if name in texts else None
            if fields and not (options.quick and name == "2k"):
                cells.append(measure.Cell("change", name, path(name) + fields, True))
        for name in names:
            program = computing(texts[name]) if name in texts else None
            if program and not (options.quick and name == "2k"):
                cells.append(measure.Cell("compute", name, path(name) + program, True))
    return cells


def light_and_heavy(options, cells):
    """The path of the light route, and the cell of the heavy load."""
    if options.url and cells[0].path == cells[0].name:
        return cells[0].path, cells[-1]
    heavy = pathlib.Path(options.data[-1]).stem if options.data else "2m"
    return f"/v1/{servers.COLLECTION}/2k", \
        measure.Cell("read", heavy, f"/v1/{servers.COLLECTION}/{heavy}", True)


def command():
    """How it was called, without what may be a secret."""
    words, hide = ["scripts/compare"], False
    for word in sys.argv[1:]:
        if not hide and not re.match("--(head|cook)|-[HC]", word):
            words.append(shlex.quote(word))
        hide = word in ("--header", "-H", "--cookie", "-C")
    return " ".join(words)


def machine():
    kind = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            kind = line.split(":", 1)[1].strip()
            break
    return {"cpus": os.cpu_count(), "kind": kind, "kernel": platform.release()}


def quick_seconds(runs, probes, options, spent):
    """What one run may take, so that all is done in two minutes, the build (spent) included."""
    each_probe = options.probe_seconds + 1.5
    left = 110 - spent - probes * each_probe
    return min(options.seconds, max(0.1, left / runs - 0.35))  # ab's start, its pilots, the counters


def measure_all(options, server, texts, started):
    cells = make_cells(options, texts, server)
    available = server.modes(cells[0].path)
    for mode, why in available.items():
        if why:
            print(f"   {mode} is not available: {why}", file=sys.stderr)
    if all(available.values()):
        raise ab.Refused(f"{cells[0].path} can be measured in no mode")
    light_path, heavy = light_and_heavy(options, cells)
    runs = options.rounds * sum(len(cell.modes(available)) for cell in cells)
    probes = options.probe_rounds * (1 + len(heavy.modes(available)))
    if options.quick:
        options.seconds = quick_seconds(runs, probes, options, time.monotonic() - started)
    work = measure.Measurement(server, options, available)
    steps = runs + probes
    progress = measure.Progress(steps)
    work.all_runs(cells, progress)
    light = work.light_route(light_path, heavy, progress)
    kept = {key: value for key, value in vars(options).items()
            if key not in ("header", "cookie", "out", "images")}  # those may be secrets
    return {"made": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "command": command(),
            "machine": machine(), "options": kept, "modes": available, "rows": work.rows(cells),
            "light": light, "light_document": light_path.rsplit("/", 1)[-1],
            "bytes": {name: len(text) for name, text in texts.items()}}


def main():
    options = arguments()
    started = time.monotonic() - float(os.environ.get("OFFLOOP_SPENT", 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    texts = documents(options)
    print("== starting what is measured", file=sys.stderr)
    server = None
    try:
        if options.url:
            server = servers.Running(options.url, options.header, options.cookie, options.admin, texts)
        else:
            server = servers.Own(options.workers, texts)
            if "collection" in options.sizes and not options.data:
                server.load_collection()
        report = measure_all(options, server, texts, started)
    except ab.Refused as why:
        sys.exit(f"compare: refused, no report is made: {why}")
    finally:
        if server:
            server.close()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "report.html").write_text(reporting.page(report))
    if options.images:
        reporting.images(report, options.images)
    reporting.print_table(report)
    print(f"\n{options.out / 'report.json'}\n{options.out / 'report.html'}\n"
          f"took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
