"""The report: a table for the terminal, and one self-contained HTML page."""
import pathlib

import charts
from charts import duration, escape, in_unit, one_unit, short, time_unit
from measure import ALL_MODES, PHASES, QUANTILES, REFERENCE, held, quantile

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = ("2k", "20k", "200k", "2m")  # their names, which are no sizes
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


def document_label(name, length):
    """What a document is to the reader: its size, and by which name it goes."""
    if not length:
        return name
    return f"{size(length)} (sample {name})" if name in SAMPLES else f"{name} ({size(length)})"


def row_name(key, modes):
    workload, document, keep_alive = key
    label = document_label(document, max(row["bytes"] for row in modes.values()))
    return f"{workload} {label}, {'keep-alive' if keep_alive else 'no keep-alive'}"


def quantile_name(name):
    return "p99.9" if name == "p999" else name


def ab_quantile(modes):
    """The highest quantile up to p99 that the runs of all these modes hold."""
    names = held(min(row["requests"] for row in modes.values()))
    return [name for name in names if name != "p999"][-1] if names else None


def ab_times(modes):
    """(words of a mode's quantile): in one unit with what the loop spends on a request."""
    name = ab_quantile(modes)
    times = [row[f"{name}_ms"] * 1000 for row in modes.values()] if name else []
    unit = one_unit(times + [row.get("loop_us", 0) for row in modes.values()])

    def write(row, loop=False):
        words = [f"{name} {unit(row[f'{name}_ms'] * 1000)}"] if name else []
        if loop and "loop_us" in row:
            words.append(f"loop {unit(row['loop_us'])}")
        return ", ".join(words)
    return write


def light_quantiles(report):
    """The quantiles that every line of the light route holds, as the keys of a line."""
    return held(min(line["requests"] for line in report["light"])) or ["p50"]


def headline(report):
    """The quantile by which modes are compared: p99 where the samples hold it."""
    return [name for name in light_quantiles(report) if name != "p999"][-1]


def light_unit(report, keys):
    return one_unit([line[f"{key}_us"] for line in report["light"] for key in keys])


def best_modes(modes):
    """The fastest of those that run a codec, and those that cannot be told from it because
    their runs overlap with its."""
    rows = {mode: row for mode, row in modes.items() if mode != REFERENCE}
    if not rows:
        return set()
    best = max(rows.values(), key=lambda row: row["per_second"])
    return {mode for mode, row in rows.items() if row["highest"] >= best["lowest"]}


# A server with nothing to do answers the prober faster than this, or the machine has
# something else to do.
QUIET_P99_US = 10_000


def doubt(report):
    """A warning where the machine was busy with something else, else nothing."""
    idle = next((line for line in report["light"] if line["mode"] is None), None)
    key = headline(report)
    if idle is None or idle[f"{key}_us"] <= QUIET_P99_US:
        return ""
    return (f"The machine was busy with something else: even without load the light route took "
            f"{duration(idle[f'{key}_us'])} at {quantile_name(key)}. Measure again when it is quiet.")


# ---- the terminal

def print_table(report):
    print("\nrequests/s, medians of %d rounds; ab -c %d" %
          (report["options"]["rounds"], report["options"]["concurrency"]))
    print(f"{'':<44}" + "".join(f"{mode:>10}" for mode in ALL_MODES))
    for key, modes in grid(report["rows"]).items():
        cells = [short(modes[mode]["per_second"]) if mode in modes else "-" for mode in ALL_MODES]
        print(f"{row_name(key, modes):<44}" + "".join(f"{cell:>10}" for cell in cells))
    for mode, why in report["modes"].items():
        if why:
            print(f"   {mode} is not available: {why}")
    if not report["light"]:
        return
    print_light(report)
    if doubt(report):
        print(f"note: {doubt(report)}")


def print_light(report):
    first = report["light"][-1]
    print(f"\nthe light route, {light_words(report)}, at {first['rate']} requests/s, open loop, while "
          f"{report['options']['heavy']} clients read {heavy_words(report)}; {first['requests']} requests each")
    keys = light_quantiles(report) + ["max"]
    unit = light_unit(report, keys)
    loops = [line["loop"] for line in report["light"] if line.get("loop")]
    away = one_unit([loop[kind]["max"] for loop in loops for kind in ("away_us", "away_cpu_us")])
    print(f"{'':<10}" + "".join(f"{quantile_name(key):>11}" for key in keys) + f"{'heavy/s':>9}"
          f"{'loop away':>18}{'away CPU max':>14}{'loop CPU':>10}")
    for line in report["light"]:
        text = f"{line['mode'] or 'no load':<10}" + "".join(f"{unit(line[f'{key}_us']):>11}" for key in keys)
        text += f"{short(line['heavy_per_second']) if line['mode'] else '-':>9}"
        if loop := line.get("loop"):
            name, us = away_quantile(loop["away_us"])
            text += (f"{f'{name} {away(us)}':>18}{away(loop['away_cpu_us']['max']):>14}"
                     f"{loop['cpu_seconds'] / loop['seconds']:>10.0%}")
        print(text)


def away_quantile(away):
    """(name, microseconds): the p99 of a loop's turns, or what so few of them hold."""
    names = [name for name in held(away["count"]) if name != "p999"]
    return (names[-1], quantile(away["buckets"], QUANTILES[names[-1]])) if names else ("max", away["max"])


def light_words(report):
    return document_words(report, report["light_document"])


def heavy_words(report):
    return document_words(report, report["light"][-1]["heavy"])


def document_words(report, name):
    label = document_label(name, report["bytes"].get(name))
    return f"a document of {label}" if name in SAMPLES else label


# ---- the page

def speed_chart(key, modes, unavailable):
    rows, times = [], ab_times(modes)
    for mode in ALL_MODES:
        if mode in modes:
            row = modes[mode]
            rows.append((mode, row["per_second"], f"mode-{mode}", times(row, loop=True)))
        else:
            why = "needs the codec" if key[0] != "read" and mode == REFERENCE else unavailable.get(mode)
            rows.append((mode, None, "", why or "not measured"))
    return charts.bars(rows, f"Requests a second, {row_name(key, modes)}: " + ", ".join(
        f"{mode} {short(row['per_second'])}" for mode, row in modes.items()), reference=REFERENCE)


def speed_section(report):
    parts = []
    for workload in WORKLOADS:
        cells = [(key, modes) for key, modes in grid(report["rows"]).items() if key[0] == workload]
        if not cells:
            continue
        parts.append(f"<section><h2>Requests a second: {escape(WORKLOADS[workload])}</h2>"
                     "<p class=soft>Longer is better; each chart has a scale of its own. The quantile beside a bar "
                     "is ab’s, the highest that its requests hold; “loop” is CPU time of the front’s loop per "
                     "request. as-is runs no codec at all: it is there for reference, and its bar ends in an "
                     "arrow where it is longer than the chart.</p><div class=two>")
        for key, modes in cells:
            title = row_name(key, modes).removeprefix(workload + " ")
            parts.append(f"<div><h3>{escape(title)}</h3>{speed_chart(key, modes, report['modes'])}</div>")
        parts.append("</div></section>")
    return "".join(parts)


def doubt_box(words):
    return f"<p class=doubt>{escape(words)}</p>" if words else ""


def light_table(report):
    keys = light_quantiles(report) + ["max"]
    unit = time_unit([line[f"{key}_us"] for line in report["light"] for key in keys])
    parts = ["<div class=scroll tabindex=0><table><thead><tr><th scope=col>Mode"]
    parts += [f"<th scope=col>{quantile_name(key)} <span class=soft>{unit[0]}</span>" for key in keys]
    parts.append("<th scope=col>heavy/s</tr></thead><tbody>")
    for line in report["light"]:
        cells = [in_unit(line[f"{key}_us"], unit) for key in keys]
        cells.append(short(line["heavy_per_second"]) if line["mode"] else "–")
        parts.append(f"<tr><th scope=row>{line['mode'] or 'no load'}" + "".join(f"<td>{cell}" for cell in cells))
    few = "" if "p999" in keys else (" A quantile stands here only where at least four requests took longer: "
                                     "for a p99.9 these are too few.")
    return ("".join(parts) + f"</tbody></table></div><p class=soft>{report['light'][0]['requests']} requests in each "
            f"mode.{few}</p>")


def facts(report):
    """What it comes down to, before and after: of the same load, JSON on the loop and in workers."""
    lines = {line["mode"]: line for line in report["light"]}
    if not {"inline", "rpc"} <= set(lines):
        return ""
    before, after = lines["inline"], lines["rpc"]
    key = headline(report)
    unit = one_unit([before[f"{key}_us"], after[f"{key}_us"]])
    told = [(f"{unit(before[f'{key}_us'])} → {unit(after[f'{key}_us'])}", f"{key} of the light requests")]
    if before.get("loop"):
        names, away = zip(*(away_quantile(line["loop"]["away_us"]) for line in (before, after)))
        unit = one_unit(away)
        spent = [f"{line['loop']['wall']['encode'] / line['loop']['seconds']:.0%}" for line in (before, after)]
        told += [(" → ".join(map(unit, away)), f"{names[0]} of the loop’s time away from its poll"),
                 (" → ".join(spent), "of the loop’s time in the JSON encoder")]
    return ("<p>From JSON on the loop (inline) to JSON in worker processes (rpc), under the same heavy load:</p>"
            "<ul class=facts>" + "".join(f"<li><b>{escape(value)}</b><span>{escape(what)}</span>"
                                         for value, what in told) + "</ul>")


def light_chart(report, note=lambda line, unit: ""):
    key = headline(report)
    unit = light_unit(report, [key])
    rows = [(line["mode"] or "no load", line[f"{key}_us"], f"mode-{line['mode'] or 'idle'}", note(line, unit))
            for line in report["light"]]
    return charts.bars(rows, f"{key} of the light route: " + ", ".join(
        f"{name} {unit(value)}" for name, value, _, _ in rows), unit)


def light_section(report):
    if not report["light"]:
        return ""
    last = report["light"][-1]
    return (f"<section><h2>A light route under heavy load: {headline(report)}</h2><p class=soft>Shorter is better. "
            f"The light route is <b>{escape(light_words(report))}</b>, asked for {last['rate']} times a second at fixed moments, "
            f"whatever the server does, while {report['options']['heavy']} clients read "
            f"<b>{escape(heavy_words(report))}</b> as fast as they can. A request counts from the moment at which it was "
            f"due. “no load” is what the prober sees of a server with nothing else to do.</p><div class=two><div>"
            f"{light_chart(report)}</div><div>{light_table(report)}</div></div></section>")


def loop_sections(report):
    lines = [line for line in report["light"] if line.get("loop") and line["mode"]]
    if not lines:
        return ""
    parts = ["<section><h2>How long the loop was away from its poll</h2><p class=soft>While it is away, nobody else "
             "is served. Turns of the loop by how long they took, under the heavy load above. The scale is the "
             "same for all modes, and each of its lines is ten times the one below; the dashed line is a "
             "millisecond.</p>",
             charts.legend([("fill-wall", "wall time"), ("fill-cpu", "CPU time (without what other processes took)")]),
             "<div class=two>"]
    kinds = [("fill-wall", "wall", "away_us"), ("fill-cpu", "CPU", "away_cpu_us")]
    series = [[(fill, name, line["loop"][kind]["buckets"]) for fill, name, kind in kinds] for line in lines]
    top = charts.histogram_top([one for line in series for one in line])
    unit = one_unit([line["loop"][kind]["max"] for line in lines for _, _, kind in kinds])
    for line, columns in zip(lines, series):
        told = []
        for _, name, kind in kinds:
            which, us = away_quantile(line["loop"][kind])
            told.append(f"{name} {which} {unit(us)}, max {unit(line['loop'][kind]['max'])}")
        note = "; ".join(told)
        chart = charts.histogram(columns, f"Loop away from poll, {line['mode']}: {note}", top)
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
    parts = ["<section><h2>All figures</h2><table class=figures role=table><thead role=rowgroup><tr role=row><th scope=col role=columnheader>What"]
    parts += [f"<th scope=col role=columnheader>{mode}" for mode in ALL_MODES]
    parts.append("</tr></thead><tbody role=rowgroup>")
    for key, modes in grid(report["rows"]).items():
        best, times = best_modes(modes), ab_times(modes)
        parts.append(f"<tr role=row><th scope=row role=rowheader>{escape(row_name(key, modes))}")
        for mode in ALL_MODES:
            row = modes.get(mode)
            kind = "best" if mode in best else "reference" if mode == REFERENCE else ""
            # One place to break: before the time.
            spaced = times(row).replace(" ", "\u00a0").replace("\u00a0", " ", 1) if row else ""
            told = f'{short(row["per_second"])}/s<br><span class="soft">{spaced}</span>' if row else "–"
            parts.append(f'<td role=cell class="{kind}" data-mode="{mode}">{told}')
        parts.append("</tr>")
    parts.append("</tbody></table><p class=soft>Bold: the fastest of the four that run a codec, and those whose runs "
                 "overlap with its. as-is is for reference: what no codec at all would give.</p>")
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
        if line.startswith((".mode", ".phase", ".fill", ".line", ".axis", ".base", ".cut", ".limit", "svg text", "svg polyline")))
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
    save_image(folder, "light-p99", light_chart(report, lambda line, unit: f"p50 {unit(line['p50_us'])}"))
    lines = [line for line in report["light"] if line.get("loop") and line["mode"]]
    rows = [(line["mode"], line["loop"]["phases"], line["loop"]["seconds"],
             f"{line['loop']['phases']['encode'] / line['loop']['seconds']:.0%} encoder") for line in lines]
    if rows:
        save_image(folder, "loop-cpu", charts.stacked(rows, PHASES, "CPU time of the loop by phase", keyed=True))
