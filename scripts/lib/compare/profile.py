#!/usr/bin/env python3
"""Where does the loop's time go? Profiles a front under the same load in mode inline and in
mode rpc, and shows the two side by side.

    scripts/profile                         the 200 KB sample document, both modes
    scripts/profile --document 2k --seconds 20
    scripts/profile --data my.json          your own document

Each mode is sampled twice, in CPU time (what burns it) and in wall time (where the loop is,
waiting included: what a profiler like Python's cProfile shows), by GET /debug/profile, while
ab keeps asking; and the loop's own accounting by phase is read before and after. Prints the
top functions; writes build/profile/report.html (tables, an icicle to click through, shares of
time), report.json, and the samples as gperftools' files for google-pprof.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ab  # noqa: E402
import charts  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
from charts import escape  # noqa: E402
from samples import ENGINE, WAIT, Profile  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
MODES = ["inline", "rpc"]
CLOCKS = {"wall": "wall time: where the loop is, waiting included", "cpu": "CPU time: what burns it"}
TOP = 12


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/profile", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="of each of the four profiles (8)")
    parser.add_argument("--document", default="200k", help="a sample: 2k, 20k, 200k, 2m (200k)")
    parser.add_argument("--data", metavar="FILE.json", help="instead of a sample")
    parser.add_argument("--concurrency", type=int, default=8, help="ab -c (8)")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", default=servers.ROOT / "build/profile")
    options = parser.parse_args()
    if not 1 <= options.seconds <= 60:
        parser.error("--seconds: expected 1 to 60")
    return options


def document(options):
    if options.data:
        text = pathlib.Path(options.data).read_bytes()
        json.loads(text)
        return pathlib.Path(options.data).stem, text
    for line in subprocess.run([servers.ROOT / "scripts/sample-data", "sizes"], capture_output=True,
                               check=True).stdout.splitlines():
        one = json.loads(line)
        if one["id"] == options.document:
            return one["id"], json.dumps(one["document"], separators=(",", ":"), ensure_ascii=False).encode()
    raise SystemExit(f"profile: there is no sample document {options.document}")


def profile_mode(pair, url, mode, options):
    """{clock: Profile}, and what the loop's accounting says of the same time."""
    seconds = options.seconds * len(CLOCKS)
    load = ab.Background(f"load, {mode}", url, seconds + 3, options.concurrency, [f"Offloop-Mode: {mode}"])
    found = {}
    try:
        time.sleep(0.5)  # both ends warm
        before, started = pair.admin("/debug/loop").json()["total"], time.monotonic()
        for clock in CLOCKS:
            reply = pair.admin(f"/debug/profile?seconds={options.seconds}&clock={clock}")
            if reply.status != 200:
                raise ab.Refused(f"/debug/profile: {reply.status} {reply.body!r}")
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{mode}-{clock}.prof").write_bytes(reply.body)
            found[clock] = Profile(reply.body)
            print(f"   {mode}, {clock} time: {found[clock].total} samples", file=sys.stderr, flush=True)
        after = pair.admin("/debug/loop").json()["total"]
        loop = measure.loop_between(before, after, time.monotonic() - started)
        loop["per_second"] = load.wait()
    finally:
        load.stop()
    return found, loop


def side_by_side(profiles, clock):
    """Lines for the terminal."""
    print(f"\nthe loop's {CLOCKS[clock]}; top functions by own time")
    columns = []
    for mode in MODES:
        profile = profiles[mode][clock]
        lines = [f"{mode}: {profile.total} samples"]
        shown, others, others_own = top_functions(profile)
        lines += [f"{own / profile.total:5.0%} {name[:38]}" for name, own, _ in shown]
        lines += [f"{others_own / profile.total:5.0%} {others} others"] if others else []
        lines.append(f"{profile.share_in(ENGINE):5.0%} in the JSON codec, in all")
        lines.append(f"{profile.share_in(WAIT):5.0%} in {WAIT[0]}, in all")
        columns.append(lines)
    for i in range(max(map(len, columns))):
        print("".join(f"{(column[i] if i < len(column) else ''):<48}" for column in columns).rstrip())


def doubt(profiles, seconds):
    """A warning where the loop's thread was kept waiting for a processor, else nothing: in
    wall time there is a sample every 10 ms, whatever the loop does."""
    least = min(profiles[mode]["wall"].total for mode in MODES)
    if least >= seconds * 75:
        return ""
    return (f"The machine was busy with something else: {least} samples in {seconds} seconds of wall time, "
            f"where {seconds * 100} are due. Measure again when it is quiet.")


# ---- the page

KINDS = [("fill-engine", "JSON codec, with all it calls"), ("fill-wait", "waiting"),
         ("fill-io", "sending, receiving, waking others"), ("fill-other", "the rest")]


IO = re.compile("send|recv|read|write|nng|futex|mutex|lock|cond_")  # as icicle.js has it


def top_functions(profile):
    """([(name, own, whole)], how many others there are, their own samples): by own samples, as
    long as these are enough to mean something."""
    every = [row for row in profile.functions() if row[1]]
    shown = [row for at, row in enumerate(every[:TOP]) if at < 3 or row[1] >= measure.BEYOND]
    rest = every[len(shown):]
    return shown, len(rest), sum(own for _, own, _ in rest)


def function_row(profile, name, kind, own, whole):
    own_share, whole_share = own / profile.total, whole / profile.total
    return (f"<tr><th scope=row class=name title='{escape(name)}'><span class=words>{escape(name)}</span>"
            f"<span class=track aria-hidden=true><i class='whole {kind}' style='width:{whole_share:.1%}'></i>"
            f"<i class={kind} style='width:{own_share:.1%}'></i></span>"
            f"<td>{own_share:.0%}<td>{whole_share:.0%}<td class=count>{own}")


def function_table(profile):
    engine, rows = profile.own_in(ENGINE), []
    shown, others, others_own = top_functions(profile)
    for name, own, whole in shown:
        kind = ("fill-engine" if name in engine else "fill-wait" if name in WAIT else
                "fill-io" if IO.search(name) else "fill-other")
        rows.append(function_row(profile, name, kind, own, whole))
    if others:
        rows.append(function_row(profile, f"{others} others", "fill-other", others_own, others_own))
    return ("<table class=functions><thead><tr><th scope=col>Function<th scope=col>Own"
            "<th scope=col>With callees<th scope=col class=count>Samples</tr></thead><tbody>"
            + "".join(rows) + "</tbody></table>")


def icicle(profile, label):
    data = json.dumps(profile.tree(), separators=(",", ":")).replace("<", "\\u003c")
    return (f'<div class=icicle role=group aria-label="{escape(label)}"><p class=crumbs></p><p class="told soft"></p>'
            f'<div class=canvas></div><script type="application/json">{data}</script></div>')


def headline(profiles, mode, clock):
    profile = profiles[mode][clock]
    return (f"<b>{profile.share_in(ENGINE):.0%}</b> in the JSON codec, "
            f"<b>{profile.share_in(WAIT):.0%}</b> in {WAIT[0]}; {profile.total} samples")


def clock_section(profiles, clock):
    parts = [f"<section><h2>In {escape(CLOCKS[clock])}</h2>{charts.legend(KINDS)}<div class=two>"]
    for mode in MODES:
        title = "before: inline" if mode == "inline" else "after: rpc"
        parts.append(f"<div><h3>{title}</h3><p class=soft>{headline(profiles, mode, clock)}</p>"
                     f"{function_table(profiles[mode][clock])}</div>")
    parts.append("</div>")
    for mode in MODES:
        parts.append(f"<h3>{mode}, by callers</h3>{icicle(profiles[mode][clock], f'{mode}, {clock} time, by callers')}")
    return "".join(parts) + "</section>"


def phase_section(loops):
    parts = ["<section><h2>The loop’s own accounting</h2><p class=soft>Measured, not sampled: the share of the time "
             "that passed which each phase had. In wall time, poll is waiting.</p>",
             charts.legend([(f"phase-{phase}", phase) for phase in measure.PHASES]), "<div class=two>"]
    for kind, title in (("wall", "Wall time"), ("phases", "CPU time")):
        rows = [(mode, loops[mode][kind], loops[mode]["seconds"],
                 f"poll {loops[mode][kind]['poll'] / loops[mode]['seconds']:.0%}, "
                 f"encode {loops[mode][kind]['encode'] / loops[mode]['seconds']:.0%}") for mode in MODES]
        parts.append(f"<div><h3>{title}</h3>{charts.stacked(rows, measure.PHASES, title + ' by phase')}</div>")
    return "".join(parts) + "</div></section>"


def page(profiles, loops, name, options):
    style = (HERE / "charts.css").read_text() + (HERE / "profile.css").read_text()
    speeds = ", ".join(f"{mode} {charts.short(loops[mode]['per_second'])} requests/s" for mode in MODES)
    return ("<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
            "content='width=device-width, initial-scale=1'><title>offloop: where the loop’s time goes</title>"
            f"<style>{style}</style></head><body><header><h1>Where the loop’s time goes</h1>"
            f"<p><code>GET {escape(name)}</code>, {options.concurrency} clients (ab -k): {speeds}. The loop’s thread, "
            f"a sample every 10 ms.</p></header><main>{report.doubt_box(doubt(profiles, options.seconds))}"
            f"{clock_section(profiles, 'wall')}{phase_section(loops)}{clock_section(profiles, 'cpu')}"
            "<section><h2>Reading it</h2><p>Own time is time in the function itself, as SnakeViz’s table has it: the "
            "dark part of a bar. The pale part is what it calls. All bars of this page have one scale, from 0 to 100 %. "
            "The icicle shows who called; it begins where the calls part, and the line above it names the way there. "
            "A click or Enter zooms in, Escape out. “below f (lib)” is a function of that library that has no symbol, "
            "called by f.</p></section></main>"
            f"<script>{(HERE / 'icicle.js').read_text()}</script></body></html>\n")


def summary(profiles, loops, seconds):
    return {"doubt": doubt(profiles, seconds), **{mode: {"loop": loops[mode],
                   **{clock: {"samples": profile.total, "in_codec": profile.share_in(ENGINE),
                              "in_epoll_wait": profile.share_in(WAIT),
                              "functions": [{"name": fn, "own": own, "whole": whole}
                                            for fn, own, whole in profile.functions()[:40]]}
                      for clock, profile in profiles[mode].items()}} for mode in MODES}}


def images(profiles, loops, folder):
    """For docs/: the top functions before and after, and the phases."""
    for mode in MODES:
        profile = profiles[mode]["wall"]
        engine = profile.own_in(ENGINE)
        rows = [(fn[:21], own / profile.total * 100, "phase-poll" if fn in WAIT else "phase-encode"
                 if fn in engine else "phase-http", "") for fn, own, _ in profile.functions()[:8] if own]
        report.save_image(folder, f"profile-{mode}",
                          charts.bars(rows, f"Top functions, {mode}", lambda value: f"{value:.0f} %", 170))
    rows = [(mode, loops[mode]["wall"], loops[mode]["seconds"],
             f"poll {loops[mode]['wall']['poll'] / loops[mode]['seconds']:.0%}") for mode in MODES]
    report.save_image(folder, "profile-phases", charts.stacked(rows, measure.PHASES, "The loop's wall time by phase", keyed=True))


def main():
    options = arguments()
    name, text = document(options)
    servers.harness.require_programs()
    pair = servers.harness.Pair(workers=options.workers)
    profiles, loops = {}, {}
    try:
        path = f"/v1/{servers.COLLECTION}/{name}"
        url = f"http://127.0.0.1:{pair.port}{path}"
        servers.put(url, text)
        for mode in MODES:
            profiles[mode], loops[mode] = profile_mode(pair, url, mode, options)
    except ab.Refused as why:
        sys.exit(f"profile: refused: {why}")
    finally:
        pair.destroy()
    for clock in CLOCKS:
        side_by_side(profiles, clock)
    if doubt(profiles, options.seconds):
        print(f"\nnote: {doubt(profiles, options.seconds)}")
    (options.out / "report.html").write_text(page(profiles, loops, path, options))
    (options.out / "report.json").write_text(json.dumps(summary(profiles, loops, options.seconds), indent=1) + "\n")
    images(profiles, loops, options.out / "images")
    print(f"\n{options.out / 'report.html'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
