"""Charts as inline SVG, without a library: bars, stacked bars, histograms. Colours are
classes of charts.css, so that they follow the reader's light or dark screen."""
import html
import math


def escape(text):
    return html.escape(str(text), quote=True)


def short(value):
    """A figure in few characters."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(us):
    if us >= 1e6:
        return f"{us / 1e6:.1f} s"
    if us >= 1000:
        return f"{us / 1000:.0f} ms" if us >= 1e4 else f"{us / 1000:.1f} ms"
    return f"{us:.0f} µs"


def time_unit(times_us):
    """(its name, microseconds in one): the unit of the longest of these times."""
    top = max(times_us, default=0)
    return ("s", 1e6) if top >= 1e6 else ("ms", 1e3) if top >= 1e3 else ("µs", 1)


def in_unit(us, unit):
    """A time as digits of that unit."""
    value = us / unit[1]
    whole = unit[1] == 1 or value >= 100
    return f"{value:,.{0 if whole else 1 if value >= 10 else 2 if value >= 0.1 else 3}f}"


def one_unit(times_us):
    """A function that writes times in the unit of the longest of these: figures that stand
    beside each other are compared by their digits."""
    unit = time_unit(times_us)
    return lambda us: f"{in_unit(us, unit)} {unit[0]}"


def svg(width, height, parts, label):
    return (f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>')


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(x, y, width, height, kind, title=""):
    inside = f"<title>{escape(title)}</title>" if title else ""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
            f'class="{kind}">{inside}</rect>')


NAME_WIDTH = 58  # of the names at the left
WIDTH = 400      # of every chart: what a phone shows without making the words small
VALUE_CHAR, NOTE_CHAR = 9.2, 6.3  # a character's width in a wide font


def bars(rows, label, unit=short, names=NAME_WIDTH, reference=None):
    """Horizontal bars. rows: [(name, value or None, class, note)]; None says why in note.
    reference: the name of a bar that the scale is not made for; where it is longer than the
    picture, it ends in an arrow."""
    top = max([value for name, value, _, _ in rows if value and name != reference] or
              [value for _, value, _, _ in rows if value] or [1])
    values = max([VALUE_CHAR * len(unit(value)) for _, value, _, _ in rows if value] or [0])
    notes = max([NOTE_CHAR * len(note) for _, value, _, note in rows if value] or [0])
    room = WIDTH - names - 8 - values - 12 - notes
    parts, y = [], 2
    for name, value, kind, note in rows:
        parts.append(text(names, y + 15, name, "name", "end"))
        x = names + 8
        if value is None:
            parts.append(text(x, y + 15, note[:55], "soft"))
        else:
            long = min(max(value / top * room, 1.5), room)
            parts.append(rect(x, y + 2, long, 17, kind, f"{name}: {unit(value)} {note}"))
            if value > top:
                parts.append(f'<path d="M{x + long - 12:.1f},{y + 1} l7,9.5 l-7,9.5 m5,0 l7,-9.5 l-7,-9.5" class="cut"/>')
            parts.append(text(x + long + 5, y + 15, unit(value), "value"))
            parts.append(text(WIDTH, y + 15, note, "soft", "end"))
        y += 23
    return svg(WIDTH, y + 2, parts, label)


def stacked(rows, keys, label, keyed=False):
    """Stacked bars of shares. rows: [(name, {key: seconds}, whole, note)]. keyed: the colours'
    names stand below, for a picture that has no page around it."""
    room = WIDTH - NAME_WIDTH - 16 - max([NOTE_CHAR * len(note) for _, _, _, note in rows] or [0])
    parts, y = [], 2
    for name, values, whole, note in rows:
        parts.append(text(NAME_WIDTH, y + 15, name, "name", "end"))
        x = NAME_WIDTH + 8.0
        for key in keys:
            share = max(0, values.get(key, 0)) / whole if whole else 0
            parts.append(rect(x, y + 2, share * room, 17, f"phase-{key}", f"{name}: {key} {share:.1%}"))
            x += share * room
        parts.append(text(WIDTH, y + 15, note, "soft", "end"))
        y += 23
    for at, key in enumerate(keys if keyed else []):
        x = at * WIDTH / len(keys)
        parts.append(rect(x, y + 6, 10, 10, f"phase-{key}") + text(x + 13, y + 15, key, "soft"))
    return svg(WIDTH, y + (22 if keyed else 2), parts, label)


def legend(items):
    """[(class, words)] as HTML."""
    inside = "".join(f'<span><svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">'
                     f'<rect width="12" height="12" rx="2" class="{kind}"/></svg> {escape(words)}</span>'
                     for kind, words in items)
    return f'<p class="legend">{inside}</p>'


def doublings(buckets, count=21):
    columns = [0] * count
    for bound, n in buckets:
        columns[min(count - 1, max(0, math.ceil(math.log2(max(bound * 0.999, 1)))))] += n
    return columns


AXIS_LEFT, AXIS_TOP, AXIS_BELOW = 34, 12, 20


def histogram_top(series):
    """The next power of ten over every column of these series, for charts of one scale."""
    most = max([max(doublings(buckets)) for _, _, buckets in series] + [10])
    return 10 ** math.ceil(math.log10(most))


def histogram(series, label, top=None, width=WIDTH, height=150):
    """[(class, name, [[upper bound us, count]])] side by side, a column per doubling. Heights
    by powers of ten: one turn in ten thousand must still be seen."""
    columns = [(kind, name, doublings(buckets)) for kind, name, buckets in series]
    top, base = top or histogram_top(series), height - AXIS_BELOW
    step = (width - AXIS_LEFT) / 21
    wide = (step - 2) / len(columns)

    def at(count):
        return base - (math.log10(count) + 0.3) / (math.log10(top) + 0.3) * (base - AXIS_TOP)
    parts, count, us = [], 1, 1
    while count <= top:
        parts.append(f'<line x1="{AXIS_LEFT}" x2="{width}" y1="{at(count):.1f}" y2="{at(count):.1f}" class="axis"/>')
        parts.append(text(AXIS_LEFT - 4, at(count) + 4, f"{count // 1000}k" if count >= 1000 else str(count), "soft", "end"))
        count *= 10
    for i in range(21):
        for place, (kind, name, counts) in enumerate(columns):
            if counts[i]:
                y = at(counts[i])
                parts.append(rect(AXIS_LEFT + i * step + 1 + place * wide, y, wide, base - y, kind,
                                  f"{name}: {counts[i]} turns up to {duration(2 ** i)}"))
    while us <= 10 ** 6:
        x = AXIS_LEFT + (math.log2(us) + 1) * step
        words = f"{us} µs" if us < 1000 else f"{us // 1000} ms" if us < 10 ** 6 else "1 s"
        kind, y = ("limit", 2) if us == 1000 else ("axis", base)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{base + 4}" class="{kind}"/>')
        parts.append(text(min(x, width - 8), height - 4, words, "soft", "middle"))
        us *= 10
    parts.append(f'<line x1="{AXIS_LEFT}" x2="{width}" y1="{base}" y2="{base}" class="base"/>')
    return svg(width, height, parts, label)
