"""A soak's figures: the table, one page that stands by itself, and pictures for docs/."""
import math
import pathlib
import sys

COMPARE = pathlib.Path(__file__).resolve().parent.parent / "compare"
sys.path.insert(0, str(COMPARE))
from charts import WIDTH, escape, svg, text  # noqa: E402
from report import save_image  # noqa: E402

from growth import Growth, reduced  # noqa: E402

COLOURS = 8
MIB, KIB = 1 << 20, 1 << 10
# prefix of the series: (what it is, unit, bytes or pieces in one, growth per hour that means nothing)
KINDS = {
    "anon": ("anonymous memory", "KiB", KIB, 128),
    "shmem": ("mapped shared memory", "KiB", KIB, 128),
    "memfd": ("pages of shared memory files", "KiB", KIB, 128),
    "fds": ("open descriptors", "", 1, 0.5),
    "lmdb": ("LMDB", "KiB", KIB, 1024),
}
JUDGED = ("anon", "shmem", "memfd", "fds")  # the store's size belongs to its documents; it is shown


def growths(report):
    """A Growth for each series, after the warm-up."""
    found = []
    for name, points in report["series"].items():
        _, unit, one, floor = KINDS[name.split()[0]]
        kept = [(time, value / one) for time, value in points if time >= report["warm_up_s"]]
        found.append(Growth(name, unit, kept, floor))
    return found


def findings(report):
    """What is not as it should be, in words; empty where all is well."""
    found = [f"{one.name} grows by {one.per_hour:,.1f} {one.unit}/h ({one.low:,.1f} to {one.high:,.1f})"
             for one in growths(report) if one.name.split()[0] in JUDGED and one.grows()]
    found += [f"restarted: {one}" for one in report["restarts"]]
    if report["wrong"]:
        found.append(f"{report['wrong']} wrong replies or results; the first: {report['wrong_first'][0]}")
    return found


def verdict(one):
    if one.name.split()[0] not in JUDGED:
        return "shown"
    return "GROWS" if one.grows() else "constant" if one.low == one.high == 0 else "within noise"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


HEADS = ("figure", "unit", "after warm-up", "median", "at the end", "growth per hour", "noise band", "verdict")


def rows(report):
    for one in growths(report):
        yield (one.name, one.unit or "pieces", number(one.first), number(one.median), number(one.last),
               number(one.per_hour), f"{number(one.low)} to {number(one.high)}", verdict(one))


def table_text(report):
    """The table as Markdown takes it."""
    cells = [HEADS, *rows(report)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(HEADS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


# ---- charts

LEFT, TOP, BELOW, HEIGHT = 44, 10, 20, 190


def nice_step(most, parts=4):
    """1, 2 or 5 times a power of ten, so that about so many steps make the whole."""
    step = 10 ** math.floor(math.log10(most / parts)) if most > 0 else 1
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor * parts >= most)


def time_axis(parts, seconds, base):
    step = next(one for one in (10, 30, 60, 300, 600, 1200, 1800, 3600, 7200, 14400, 86400)
                if seconds / one <= 8 or one == 86400)
    for at in range(0, int(seconds) + 1, step):
        x = LEFT + at / seconds * (WIDTH - LEFT - 12)
        words = f"{at} s" if step < 60 else f"{at // 60} min" if step < 3600 else f"{at // 3600} h"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}" class="base"/>')
        parts.append(text(min(x, WIDTH - 20), HEIGHT - 4, words, "soft", "middle"))


def value_axis(parts, most, base, log):
    """Draws the lines and gives the function from a value to its y."""
    if log:
        low, high = -1, math.ceil(math.log10(max(most, 1)))
        marks = [10 ** one for one in range(low, high + 1)]

        def at(value):
            return base - (math.log10(max(value, 0.1)) - low) / (high - low) * (base - TOP)
    else:
        step = nice_step(most)
        marks = [step * one for one in range(int(most / step) + 2) if step * one <= most * 1.2] or [0]

        def at(value):
            return base - value / max(marks[-1], most, 1e-9) * (base - TOP)
    for mark in marks:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{at(mark):.1f}" y2="{at(mark):.1f}" class="axis"/>')
        parts.append(text(LEFT - 4, at(mark) + 4, f"{mark:,g}", "soft", "end"))
    return at


def lines(series, label, seconds, warm_up, log=False):
    """A line for each of [(name, [(seconds, value)])]; the warm-up's end is dashed."""
    base = HEIGHT - BELOW
    parts = []
    at = value_axis(parts, max([value for _, points in series for _, value in points] or [1]), base, log)
    time_axis(parts, seconds, base)
    x = LEFT + warm_up / seconds * (WIDTH - LEFT - 12)
    parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{base}" class="limit"/>')
    for colour, (name, points) in enumerate(series):
        drawn = " ".join(f"{LEFT + time / seconds * (WIDTH - LEFT - 12):.1f},{at(value):.1f}"
                         for time, value in reduced(points))
        parts.append(f'<polyline points="{drawn}" class="line-{colour % COLOURS}"><title>{escape(name)}</title></polyline>')
    return svg(WIDTH, HEIGHT, parts, label)


def legend(series):
    """The lines' colours and names, as HTML."""
    inside = "".join(f'<span><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">'
                     f'<line x1="0" x2="12" y1="6" y2="6" class="line-{at % COLOURS}"/></svg> {escape(name)}</span>'
                     for at, (name, _) in enumerate(series))
    return f'<p class="legend">{inside}</p>'


def keyed(chart, series):
    """The chart with its colours' names below, for a picture that has no page around it."""
    wide, parts, y = WIDTH / 3, [], HEIGHT + 12
    for at, (name, _) in enumerate(series):
        x, y = at % 3 * wide + 6, HEIGHT + 12 + at // 3 * 16
        parts.append(f'<line x1="{x}" x2="{x + 12}" y1="{y - 4}" y2="{y - 4}" class="line-{at % COLOURS}"/>' + text(x + 16, y, name, "soft"))
    return chart.replace(f"0 0 {WIDTH} {HEIGHT}", f"0 0 {WIDTH} {y + 8}").replace("</svg>", "".join(parts) + "</svg>")


def pictures(report):
    """[(name, title, series, logarithmic?)]"""
    def of(kind, *words, one=MIB):
        return [(name.split(" ", 1)[1], [(time, value / one) for time, value in points])
                for name, points in report["series"].items()
                if name.split()[0] == kind and name.split()[1] in words]
    latencies = [(f"{kind} {name}", [(time, values[kind][name]) for time, values in report["windows"] if kind in values])
                 for kind in ("reads", "writes") for name in ("p50", "p99")]
    return [("memory-server", "Anonymous memory of the server’s processes, MiB", of("anon", "server"), False),
            ("memory-worker", "Anonymous memory of the worker daemon’s processes and of the application, MiB",
             of("anon", "worker", "application"), False),
            ("descriptors", "Open descriptors of the server’s processes", of("fds", "server", one=1), False),
            ("descriptors-worker", "Open descriptors of the worker daemon’s processes", of("fds", "worker", one=1), False),
            ("shared", "Shared memory: all files’ pages, and what fronts have mapped, MiB",
             of("memfd", "all") + [one for one in of("shmem", "server") if "front" in one[0]], False),
            ("store", "LMDB’s file and its pages, MiB", of("lmdb", "file", "used", "free"), False),
            ("latency", "Latency by window, milliseconds", [one for one in latencies if one[1]], True)]


def charts(report):
    for name, title, series, log in pictures(report):
        if series:
            yield name, title, series, lines(series, title, report["seconds"], report["warm_up_s"], log)


def images(report, folder):
    for name, _, series, chart in charts(report):
        save_image(folder, f"soak-{name}", keyed(chart, series))


def told(report):
    """What was done, in one line."""
    return (f"{report['seconds'] / 60:,.0f} minutes, {report['requests']:,} requests at {report['rate']:g} a second, "
            f"{report['jobs']:,} jobs of an application, {report['wrong']} wrong, {len(report['restarts'])} restarts; "
            f"the processes used {report['cpu_share']:.0%} of a CPU, the clients {report['cpu_share_of_clients']:.0%}")


def page(report):
    style = (COMPARE / "charts.css").read_text()
    wrong = "".join(f"<p class=doubt>{escape(one)}</p>" for one in findings(report))
    parts = [f"<div><h3>{escape(title)}</h3>{legend(series)}"
             f"{chart}</div>" for _, title, series, chart in charts(report)]
    cells = "".join("<tr><th scope=row>" + "<td>".join(map(escape, row)) + "</tr>" for row in rows(report))
    heads = "".join(f"<th scope=col>{escape(head)}" for head in HEADS)
    return f"""<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>offloop: a soak</title><style>{style}</style></head><body><header><h1>Does anything grow?</h1>
<p>{escape(told(report))}. What is left of the dashed line is warm-up.</p></header><main>{wrong}
<section><h2>Over time</h2><div class=two>{"".join(parts)}</div></section>
<section><h2>Growth after the warm-up</h2><div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table></div>
<p class=soft>The growth is a Theil–Sen slope; the band is its 99.9 % confidence interval, widened for samples that resemble
their neighbours. A figure grows where the whole band is above zero and the slope is more than its counting is worth.</p></section></main>
<footer><p>scripts/soak, {escape(report['made'])}, {report['cpus']} CPUs.</p></footer></body></html>
"""
