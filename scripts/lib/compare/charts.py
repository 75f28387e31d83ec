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


def bars(rows, label, unit=short, names=NAME_WIDTH):
    """Horizontal bars. rows: [(name, value or None, class, note)]; None says why in note."""
    top = max([value for _, value, _, _ in rows if value] or [1])
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
            long = max(value / top * room, 1.5)
            parts.append(rect(x, y + 2, long, 17, kind, f"{name}: {unit(value)} {note}"))
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


def histogram(series, label, width=WIDTH, height=130):
    """[(class, name, [[upper bound us, count]])] side by side, a column per doubling, heights
    by the square root: one turn in ten thousand must still be seen."""
    columns = [(kind, name, doublings(buckets)) for kind, name, buckets in series]
    top = max([max(one) for _, _, one in columns] + [1])
    step, base, parts = width / 21, height - 20, []
    wide = (step - 3) / len(columns)
    for i in range(21):
        for at, (kind, name, counts) in enumerate(columns):
            high = math.sqrt(counts[i] / top) * (base - 14) if counts[i] else 0
            if counts[i]:
                parts.append(rect(i * step + 1.5 + at * wide, base - max(high, 2), wide, max(high, 2), kind,
                                  f"{name}: {counts[i]} turns up to {duration(2 ** i)}"))
        if i % 4 == 0 and i < 20:
            parts.append(text((i + 1) * step, height - 5, duration(2 ** i), "soft", "middle"))
    parts.append(f'<line x1="0" x2="{width}" y1="{base + .5}" y2="{base + .5}" class="axis"/>')
    parts.append(f'<line x1="{11 * step:.1f}" x2="{11 * step:.1f}" y1="0" y2="{base}" class="limit"/>')
    parts.append(text(11 * step + 4, 11, "1 ms", "soft"))
    return svg(width, height, parts, label)
