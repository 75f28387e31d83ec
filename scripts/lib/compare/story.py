#!/usr/bin/env python3
"""Puts the figures and pictures of the last scripts/compare and scripts/profile into
docs/FINDING-CPU.md: the parts between its <!-- markers -->, and docs/images/.

    scripts/compare --rounds 3 && scripts/profile && scripts/lib/compare/story.py

Ten minutes, nobody needs to stay. The machine should have nothing else to do: what the two
doubt is said again at the end.
"""
import json
import pathlib
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import report as reporting  # noqa: E402
from charts import one_unit, short  # noqa: E402
from measure import ALL_MODES  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
PICTURES = ["light-p99", "loop-cpu", "read-2k", "read-200k"]


def table(head, rows):
    lines = [" | ".join(head), "|".join("---" if i == 0 else "---:" for i in range(len(head)))]
    return "\n".join(f"| {line} |" for line in lines[:1]) + f"\n|{lines[1]}|\n" + \
        "\n".join("| " + " | ".join(row) + " |" for row in rows)


def made_by(report):
    machine = report["machine"]
    return f"\n\n`{report['command']}`, {report['made']}, {machine['cpus']} CPUs ({machine['kind']})."


def light(report):
    rows, key = [], reporting.headline(report)
    unit = reporting.light_unit(report, ["p50", key, "max"])
    away = one_unit([line["loop"]["away_us"]["p99"] for line in report["light"]])
    for line in report["light"]:
        loop = line["loop"]
        rows.append([line["mode"] or "no load", unit(line["p50_us"]), unit(line[f"{key}_us"]),
                     unit(line["max_us"]), short(line["heavy_per_second"]) if line["mode"] else "–",
                     away(loop["away_us"]["p99"]), f"{loop['phases']['encode'] / loop['seconds']:.0%}"])
    first = report["light"][-1]
    return (f"A document of 2 KB, asked for {first['rate']} times a second at fixed moments, while "
            f"{report['options']['heavy']} clients read documents of 2 MB as fast as they can:\n\n" +
            table(["mode", "light p50", f"light {key}", "light max", "heavy/s", "loop away, p99", "encoder's share of the loop"],
                  rows) + made_by(report))


def speeds(report):
    rows = []
    for key, modes in reporting.grid(report["rows"]).items():
        rows.append([reporting.row_name(key, modes)] +
                    [short(modes[mode]["per_second"]) if mode in modes else "–" for mode in ALL_MODES])
    return (f"Requests a second, `ab -c {report['options']['concurrency']}`, medians of {report['options']['rounds']} "
            "rounds in turns:\n\n" + table(["", *ALL_MODES], rows) + made_by(report))


def profile(report):
    rows = []
    for clock in ("wall", "cpu"):
        for mode in ("inline", "rpc"):
            one = report[mode][clock]
            first = [f"`{function['name']}` {function['own'] / one['samples']:.0%}" for function in one["functions"][:3]]
            rows.append([f"{clock} time, {mode}", str(one["samples"]), f"{one['in_codec']:.0%}",
                         f"{one['in_epoll_wait']:.0%}", ", ".join(first)])
    return table(["", "samples", "in the JSON codec", "in `epoll_wait`", "on top by own time"], rows)


def main():
    compared = json.loads((ROOT / "build/compare/report.json").read_text())
    profiled = json.loads((ROOT / "build/profile/report.json").read_text())
    parts = {"light": light(compared), "speeds": speeds(compared), "profile": profile(profiled)}
    path = ROOT / "docs/FINDING-CPU.md"
    text = path.read_text()
    for name, part in parts.items():
        text, count = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)",
                              lambda found, new=part: f"{found.group(1)}{new}\n{found.group(2)}", text, flags=re.S)
        if count != 1:
            sys.exit(f"story: docs/FINDING-CPU.md has no <!-- {name} -->")
    path.write_text(text)
    folder = ROOT / "docs/images"
    reporting.images(compared, folder / "all")
    for name in PICTURES:
        shutil.move(folder / "all" / f"{name}.svg", folder / f"{name}.svg")
    shutil.rmtree(folder / "all")
    for picture in (ROOT / "build/profile/images").glob("*.svg"):
        shutil.copy(picture, folder / picture.name)
    print(f"{path}\n{folder}")
    for words in (reporting.doubt(compared), profiled["doubt"]):
        if words:
            print(f"note: {words}")


if __name__ == "__main__":
    main()
