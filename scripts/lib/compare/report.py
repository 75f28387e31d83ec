"""The report: a table for the terminal, and one self-contained HTML page."""
import pathlib

import charts
from charts import duration, escape, short
from measure import ALL_MODES, PHASES

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = {"read": "plain read", "change": "decode, change, encode (?fields=)",
             "compute": "a member more in every object (?jq=)"}


def size(count):
    for unit in ("B", "kB", "MB"):
        if count < 1000 or unit == "MB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def grid(rows):
    """{(workload, document, keep_alive): {mode: row}}, in the order of measuring."""
    found = {}
    for row in rows:
        found.setdefault((row["workload"], row["document"], row["keep_alive"]), {})[row["mode"]] = row
    return found


def row_name(key, modes):
    workload, document, keep_alive = key
    least = size(max(row["bytes"] for row in modes.values()))
    return f"{workload} {document} ({least}), {'keep-alive' if keep_alive else 'no keep-alive'}"


# A server with nothing to do answers the prober faster than this, or the machine has
# something else to do.
QUIET_P99_US = 10_000


def doubt(report):
    """A warning where the machine was busy with something else, else nothing."""
    idle = next((line for line in report["light"] if line["mode"] is None), None)
    if idle is None or idle["p99_us"] <= QUIET_P99_US:
        return ""
    return (f"The machine was busy with something else: even without load the light route took "
            f"{duration(idle['p99_us'])} at p99. Measure again when it is quiet.")


# ---- the terminal

def print_table(report):
    print("\nrequests/s, medians of %d rounds; ab -c %d" %
          (report["options"]["rounds"], report["options"]["concurrency"]))
    print(f"{'':<40}" + "".join(f"{mode:>10}" for mode in ALL_MODES))
    for key, modes in grid(report["rows"]).items():
        cells = [short(modes[mode]["per_second"]) if mode in modes else "-" for mode in ALL_MODES]
        print(f"{row_name(key, modes):<40}" + "".join(f"{cell:>10}" for cell in cells))
    for mode, why in report["modes"].items():
        if why:
            print(f"   {mode} is not available: {why}")
    if not report["light"]:
        return
    first = report["light"][-1]
    print(f"\nthe light route ({report['light_document']}) at {first['rate']} requests/s, open loop, while "
          f"{report['options']['heavy']} clients read {first['heavy']}")
    print(f"{'':<10}{'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}{'heavy/s':>9}"
          f"{'away p99':>11}{'away CPU max':>14}{'loop CPU':>10}")
    for line in report["light"]:
        cells = [duration(line[key]) for key in ("p50_us", "p99_us", "p999_us", "max_us")]
        text = f"{line['mode'] or 'no load':<10}" + "".join(f"{cell:>9}" for cell in cells)
        text += f"{short(line['heavy_per_second']) if line['mode'] else '-':>9}"
        if loop := line.get("loop"):
            text += (f"{duration(loop['away_us']['p99']):>11}{duration(loop['away_cpu_us']['max']):>14}"
                     f"{loop['cpu_seconds'] / loop['seconds']:>10.0%}")
        print(text)
    if doubt(report):
        print(f"note: {doubt(report)}")


# ---- the page

def speed_chart(key, modes, unavailable):
    rows = []
    for mode in ALL_MODES:
        if mode in modes:
            row = modes[mode]
            note = f"p99 {duration(row['p99_ms'] * 1000)}"
            if "loop_us" in row:
                note += f", loop {row['loop_us']:.0f} µs"
            rows.append((mode, row["per_second"], f"mode-{mode}", note))
        else:
            why = "needs the codec" if key[0] != "read" and mode == "as-is" else unavailable.get(mode)
            rows.append((mode, None, "", why or "not measured"))
    return charts.bars(rows, f"Requests a second, {row_name(key, modes)}: " + ", ".join(
        f"{mode} {short(row['per_second'])}" for mode, row in modes.items()))


def speed_section(report):
    parts = []
    for workload in WORKLOADS:
        cells = [(key, modes) for key, modes in grid(report["rows"]).items() if key[0] == workload]
        if not cells:
            continue
        parts.append(f"<section><h2>Requests a second: {escape(WORKLOADS[workload])}</h2>"
                     "<p class=soft>Longer is better; each chart has a scale of its own. p99 is ab's; "
                     "“loop” is CPU time of the front’s loop per request.</p><div class=two>")
        for key, modes in cells:
            title = row_name(key, modes).removeprefix(workload + " ")
            parts.append(f"<div><h3>{escape(title)}</h3>{speed_chart(key, modes, report['modes'])}</div>")
        parts.append("</div></section>")
    return "".join(parts)


def doubt_box(words):
    return f"<p class=doubt>{escape(words)}</p>" if words else ""


def light_table(report):
    parts = ["<div class=scroll tabindex=0><table><thead><tr><th scope=col>Mode<th scope=col>p50"
             "<th scope=col>p99<th scope=col>p99.9<th scope=col>max<th scope=col>heavy/s</tr></thead><tbody>"]
    for line in report["light"]:
        cells = [duration(line[f"{key}_us"]) for key in ("p50", "p99", "p999", "max")]
        cells.append(short(line["heavy_per_second"]) if line["mode"] else "–")
        parts.append(f"<tr><th scope=row>{line['mode'] or 'no load'}" + "".join(f"<td>{cell}" for cell in cells))
    return "".join(parts) + "</tbody></table></div>"


def facts(report):
    """What it comes down to, before and after: of the same load, JSON on the loop and in workers."""
    lines = {line["mode"]: line for line in report["light"]}
    if not {"inline", "rpc"} <= set(lines):
        return ""
    before, after = lines["inline"], lines["rpc"]
    told = [(f"{duration(before['p99_us'])} → {duration(after['p99_us'])}", "p99 of the light requests")]
    if before.get("loop"):
        away = [duration(line["loop"]["away_us"]["p99"]) for line in (before, after)]
        spent = [f"{line['loop']['wall']['encode'] / line['loop']['seconds']:.0%}" for line in (before, after)]
        told += [(" → ".join(away), "p99 of the loop’s time away from its poll"),
                 (" → ".join(spent), "of the loop’s time in the JSON encoder")]
    return ("<p>From JSON on the loop (inline) to JSON in worker processes (rpc), under the same heavy load:</p>"
            "<ul class=facts>" + "".join(f"<li><b>{escape(value)}</b><span>{escape(what)}</span>"
                                         for value, what in told) + "</ul>")


def light_section(report):
    if not report["light"]:
        return ""
    last = report["light"][-1]
    rows = [(line["mode"] or "no load", line["p99_us"], f"mode-{line['mode'] or 'idle'}", "")
            for line in report["light"]]
    chart = charts.bars(rows, "p99 of the light route: " + ", ".join(
        f"{name} {duration(value)}" for name, value, _, _ in rows), duration)
    return (f"<section><h2>A light route under heavy load: p99</h2><p class=soft>Shorter is better. "
            f"<b>{escape(report['light_document'])}</b> is asked for {last['rate']} times a second at fixed moments, "
            f"whatever the server does, while {report['options']['heavy']} clients read "
            f"<b>{escape(last['heavy'])}</b> as fast as they can. A request counts from the moment at which it was "
            f"due. “no load” is what the prober sees of a server with nothing else to do.</p><div class=two><div>{chart}</div>"
            f"<div>{light_table(report)}</div></div></section>")


def loop_sections(report):
    lines = [line for line in report["light"] if line.get("loop") and line["mode"]]
    if not lines:
        return ""
    parts = ["<section><h2>How long the loop was away from its poll</h2><p class=soft>While it is away, nobody else "
             "is served. Turns of the loop by how long they took, each column one doubling, heights by the square "
             "root; under the heavy load above.</p>",
             charts.legend([("fill-wall", "wall time"), ("fill-cpu", "CPU time (without what other processes took)")]),
             "<div class=two>"]
    for line in lines:
        loop = line["loop"]
        note = (f"wall p99 {duration(loop['away_us']['p99'])}, max {duration(loop['away_us']['max'])}; "
                f"CPU p99 {duration(loop['away_cpu_us']['p99'])}, max {duration(loop['away_cpu_us']['max'])}")
        chart = charts.histogram([("fill-wall", "wall", loop["away_us"]["buckets"]),
                                  ("fill-cpu", "CPU", loop["away_cpu_us"]["buckets"])],
                                 f"Loop away from poll, {line['mode']}: {note}")
        parts.append(f"<div><h3>{line['mode']}</h3><p class=soft>{note}</p>{chart}</div>")
    parts.append("</div></section><section><h2>Where the loop’s time went</h2><p class=soft>Under the same load. "
                 "CPU time by phase, as a share of the time that passed; and wall time, in which poll is waiting.</p>")
    parts.append(charts.legend([(f"phase-{phase}", phase) for phase in PHASES]) + "<div class=two>")
    for kind, title in (("phases", "CPU"), ("wall", "Wall")):
        rows = [(line["mode"], line["loop"][kind], line["loop"]["seconds"],
                 f"{sum(line['loop'][kind].values()) / line['loop']['seconds']:.0%} of a CPU" if kind == "phases"
                 else f"poll {line['loop'][kind]['poll'] / line['loop']['seconds']:.0%}") for line in lines]
        parts.append(f"<div><h3>{title}</h3>{charts.stacked(rows, PHASES, f'{title} time of the loop by phase')}</div>")
    return "".join(parts) + "</div></section>"


def table_section(report):
    parts = ["<section><h2>All figures</h2><div class=scroll tabindex=0><table><thead><tr><th scope=col>What"]
    parts += [f"<th scope=col>{mode}" for mode in ALL_MODES]
    parts.append("</tr></thead><tbody>")
    for key, modes in grid(report["rows"]).items():
        best = max(row["per_second"] for row in modes.values())
        parts.append(f"<tr><th scope=row>{escape(row_name(key, modes))}")
        for mode in ALL_MODES:
            row = modes.get(mode)
            kind = ' class="best"' if row and row["per_second"] == best else ""
            told = f'{short(row["per_second"])}/s<br><span class="soft">p99 {duration(row["p99_ms"] * 1000)}</span>' if row else "–"
            parts.append(f"<td{kind}>{told}")
        parts.append("</tr>")
    parts.append("</tbody></table></div>")
    for mode, why in report["modes"].items():
        if why:
            parts.append(f"<p class=soft>{mode} is not available: {escape(why)}</p>")
    parts.append("<p class=soft>Medians of "
                 f"{report['options']['rounds']} rounds; every mode has its run in every round. Every reply of every "
                 "run was 2xx and of the same length, or there would be no report.</p></section>")
    return "".join(parts)


def page(report):
    style = (HERE / "charts.css").read_text()
    machine = report["machine"]
    return ("<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
            "content='width=device-width, initial-scale=1'><title>offloop: the modes compared</title>"
            f"<style>{style}</style></head><body><header><h1>offloop: the modes compared</h1>"
            f"<p>{escape(report['made'])} on {machine['cpus']} CPUs ({escape(machine['kind'])}); client, server and "
            f"workers share them. <code>{escape(report['command'])}</code></p></header><main>"
            f"{doubt_box(doubt(report))}{facts(report)}{light_section(report)}{speed_section(report)}{loop_sections(report)}{table_section(report)}"
            "</main><footer><p>inline: on the loop. threads: on threads of the front. rpc: in worker processes. "
            "auto: offloop chooses. as-is: stored as JSON text and sent as it is, no codec at all.</p></footer>"
            "</body></html>\n")


def save_image(folder, name, chart):
    """One chart as an SVG file of its own that follows the reader's colour scheme."""
    style = (HERE / "charts.css").read_text()
    style = style[:style.index("* {")] + "\n".join(
        line for line in style.splitlines()
        if line.startswith((".mode", ".phase", ".fill", ".axis", ".limit", "svg text")))
    folder.mkdir(parents=True, exist_ok=True)
    at = chart.index(">") + 1
    ground = '<rect width="100%" height="100%" style="fill:var(--card)"/>'
    (folder / f"{name}.svg").write_text(
        f"{chart[:at]}<style>{style}\nsvg text {{ font-family: system-ui, sans-serif }}</style>"
        f"{ground}{chart[at:]}\n")


def images(report, folder):
    """The charts of the story in docs/."""
    for key, modes in grid(report["rows"]).items():
        if key[2]:
            save_image(folder, f"{key[0]}-{key[1]}", speed_chart(key, modes, report["modes"]))
    if not report["light"]:
        return
    rows = [(line["mode"] or "no load", line["p99_us"], f"mode-{line['mode'] or 'idle'}",
             f"p50 {duration(line['p50_us'])}") for line in report["light"]]
    save_image(folder, "light-p99", charts.bars(rows, "p99 of the light route", duration))
    lines = [line for line in report["light"] if line.get("loop") and line["mode"]]
    rows = [(line["mode"], line["loop"]["phases"], line["loop"]["seconds"],
             f"{line['loop']['phases']['encode'] / line['loop']['seconds']:.0%} encoder") for line in lines]
    if rows:
        save_image(folder, "loop-cpu", charts.stacked(rows, PHASES, "CPU time of the loop by phase", keyed=True))
