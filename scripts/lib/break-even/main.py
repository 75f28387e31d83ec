#!/usr/bin/env python3
"""From which size do offloop's workers pay, for an application on this machine?

    scripts/break-even                      this Python, and node where it is there
    scripts/break-even --python python3.12 --data my.json

Measures what each way costs the application's own loop, in microseconds of CPU time: Python's
json, orjson and msgpack where they are there, node's JSON, and a job through the job socket of
an offloop-worker. Three pieces of work:

  change    JSON text is in hand; one member is added; JSON text is wanted
  encode    stored MessagePack is in hand; JSON text is wanted
  objects   the language's own objects are in hand; JSON text is wanted

Prints the table and the sizes from which a job costs less than the best of the others, and
writes build/break-even/report.json. docs/WHEN-NOT.md says what to make of it.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
import job_daemon  # noqa: E402

WORK = ["change", "encode", "objects"]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/break-even", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that is measured")
    parser.add_argument("--data", type=pathlib.Path, action="append", metavar="FILE.json",
                        help="an object of your own instead of the samples (repeatable)")
    parser.add_argument("--milliseconds", type=int, default=300, help="of each measurement (300)")
    parser.add_argument("--quick", action="store_true", help="20 milliseconds each")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", default=ROOT / "build/break-even")
    options = parser.parse_args()
    options.milliseconds = 20 if options.quick else options.milliseconds
    return options


def documents(options):
    """[(name, JSON text of an object)], the small ones first."""
    if options.data:
        found = [(path.stem, json.loads(path.read_text())) for path in options.data]
    else:
        lines = subprocess.run([ROOT / "scripts/sample-data", "sizes"], capture_output=True, check=True).stdout
        found = [(one["id"], one["document"]) for one in map(json.loads, lines.splitlines())]
    for name, one in found:
        if not isinstance(one, dict):
            sys.exit(f"break-even: {name}: not a JSON object")
    texts = [(name, json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()) for name, one in found]
    return sorted(texts, key=lambda one: len(one[1]))


def run(command, socket, folder, options):
    """The rows that one language's side prints."""
    done = subprocess.run([*command, socket, str(options.milliseconds), *sorted(map(str, folder.iterdir()))],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"break-even: {command[0]}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(rows, language):
    names = sorted({(row["bytes"], row["document"]) for row in rows})
    print(f"\n{language}: CPU time of the application's loop for one document, microseconds\n")
    print(f"{'':<34}" + "".join(f"{f'{name} ({size:,} B)':>18}" for size, name in names))
    for work in WORK:
        ways = dict.fromkeys(row["way"] for row in rows if row["work"] == work)
        for way in ways:
            cells = [next((row["cpu_us"] for row in rows if (row["work"], row["way"], row["document"]) ==
                           (work, way, name)), None) for _, name in names]
            print(f"{work + ': ' + way:<34}" + "".join(f"{'–' if one is None else f'{one:,.1f}':>18}" for one in cells))


def verdicts(rows, language):
    """From which document on a job is the cheapest, for each piece of work."""
    found = []
    for work in WORK:
        pays = None
        for size, name in sorted({(row["bytes"], row["document"]) for row in rows}, reverse=True):
            here = [row for row in rows if row["work"] == work and row["document"] == name]
            jobs = max(row["cpu_us"] for row in here if row["offloop"])  # alone or not
            others = min(row["cpu_us"] for row in here if not row["offloop"])
            if jobs >= others:
                break
            pays = name
        found.append({"language": language, "work": work, "pays_from": pays})
        print(f"   {language}, {work}: " + (f"a job costs the loop less from {pays} on" if pays else
                                           "a job does not pay at these sizes"))
    return found


def main():
    options = arguments()
    harness.require_programs()
    report = {"milliseconds": options.milliseconds, "rows": [], "verdicts": []}
    sides = {"python": [options.python, str(HERE / "side.py")]}
    if shutil.which("node"):
        sides["node"] = ["node", str(HERE / "side.js")]
    with tempfile.TemporaryDirectory(prefix="offloop-break-even-") as folder:
        for name, text in documents(options):
            (pathlib.Path(folder) / f"{name}.json").write_bytes(text)
        with job_daemon.JobDaemon() as daemon:
            for language, command in sides.items():
                rows = run(command, daemon.path, pathlib.Path(folder), options)
                table(rows, language)
                report["rows"] += [{"language": language, **row} for row in rows]
    print()
    for language in sides:
        report["verdicts"] += verdicts([row for row in report["rows"] if row["language"] == language], language)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{options.out / 'report.json'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
