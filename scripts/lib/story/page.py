"""A story's figures as lines for the terminal and as one page that stands by itself."""
import pathlib

from charts import bars, duration, escape, legend, short

COMPARE = pathlib.Path(__file__).resolve().parent.parent / "compare"
CLASSES = {"inline": "mode-inline", "threads": "mode-threads", "processes": "mode-as-is", "offloop": "mode-rpc"}
KINDS = {"json": ("fill-engine", "JSON"), "wait": ("fill-wait", "waiting for work (epoll)"), "other": ("fill-other", "the rest")}
TOP = 10
STYLE = """.fill-wait { background: #b9c3cf; } .fill-engine { background: #ef8a80; } .fill-other { background: #a9c3ee; }"""


def kind_of(app, name):
    if app.json_functions.search(name):
        return "json"
    return "wait" if app.wait_functions.search(name) else "other"


def text(report):
    lines = ["", f"{report['app']}: ab -n {report['requests']} -c {report['concurrency']}; the light route beside 4 readers", "",
             f"{'':<11}{'requests/s':>11}{'p99':>10}{'loop CPU/request':>18}{'light p99':>11}{'idle':>9}"]
    for mode, one in report["modes"].items():
        lines.append(f"{mode:<11}{short(one['per_second']):>11}{duration(one['p99_ms'] * 1000):>10}"
                     f"{duration(one['cpu_us']):>18}{duration(one['light']['p99_us']):>11}{duration(one['idle']['p99_us']):>9}")
    for mode, profile in report["profiles"].items():
        lines += ["", f"the loop's time, {mode} ({report['profiler']}: {profile['file']}); by own time:"]
        lines += [f"{one['share']:7.1%}  {one['name']}" for one in profile["functions"][:TOP]]
    return "\n".join(lines)


def cards(report):
    """Before and after, in three figures."""
    before, after = report["modes"]["inline"], report["modes"]["offloop"]
    items = [("light route, p99, beside 4 readers", duration(before["light"]["p99_us"]), duration(after["light"]["p99_us"])),
             ("requests a second", short(before["per_second"]), short(after["per_second"])),
             ("JSON’s share of the loop’s time", f"{report['profiles']['inline']['json']:.0%}",
              f"{report['profiles']['offloop']['json']:.0%}")]
    return "<ul class=facts>" + "".join(
        f"<li><b>{escape(one)} → {escape(two)}</b><span>{escape(words)}</span></li>" for words, one, two in items) + "</ul>"


def chart(report, title, value, unit):
    rows = [(mode, value(one), CLASSES[mode], "") for mode, one in report["modes"].items()]
    said = ", ".join(f"{mode} {unit(value(one))}" for mode, one in report["modes"].items())
    return f"<div><h3>{escape(title)}</h3>{bars(rows, f'{title}: {said}', unit, 84)}</div>"


def function_table(profile):
    rows = []
    for one in profile["functions"][:TOP]:
        css = KINDS[one["kind"]][0]
        rows.append(f"<tr><th scope=row class=name title='{escape(one['name'])}'><i class='dot {css}'></i>{escape(one['name'])}"
                    f"<td>{one['share']:.1%}<td class=meter aria-hidden=true><i class={css} style='width:{one['share']:.1%}'></i>")
    return ("<table class=functions><thead><tr><th scope=col>Function<th scope=col>Own time<td class=meter></tr></thead><tbody>"
            + "".join(rows) + "</tbody></table>")


def profiles(report):
    parts = []
    for mode, title in (("inline", "Before: JSON on the loop"), ("offloop", "After: JSON in the workers")):
        profile = report["profiles"][mode]
        parts.append(f"<div><h3>{title}</h3><p class=soft>{profile['json']:.0%} in JSON, {profile['wait']:.0%} waiting for work. "
                     f"File: <code>{escape(profile['file'])}</code></p>{function_table(profile)}</div>")
    return "".join(parts)


def figures(report):
    rows = "".join(
        f"<tr><th scope=row>{mode}<td>{short(one['per_second'])}<td>{duration(one['p99_ms'] * 1000)}<td>{duration(one['cpu_us'])}"
        f"<td>{duration(one['light']['p50_us'])}<td>{duration(one['light']['p99_us'])}<td>{duration(one['idle']['p99_us'])}"
        for mode, one in report["modes"].items())
    return ("<div class=scroll tabindex=0><table><thead><tr><th scope=col>JSON is made<th scope=col>requests/s<th scope=col>p99"
            "<th scope=col>process CPU per request<th scope=col>light p50<th scope=col>light p99<th scope=col>light p99, idle</tr></thead>"
            f"<tbody>{rows}</tbody></table></div>")


def html(report):
    style = (COMPARE / "charts.css").read_text() + (COMPARE / "profile.css").read_text() + STYLE
    machine = report["machine"]
    return f"""<!doctype html><html lang=en><head><meta charset=utf-8>
<meta name=viewport content='width=device-width, initial-scale=1'><title>offloop: the story of a {escape(report['app'])} application</title>
<style>{style}</style></head><body>
<header><h1>A {escape(report['app'])} application, before and after</h1>
<p><code>{escape(report['file'])}</code>: documents of about 200 KB are decoded, changed and encoded for each request. The same replies,
and four places for that work: on the loop, in a thread pool, in a process pool, and in offloop’s workers through their job socket.</p></header>
<main>{cards(report)}
<section><h2>Who waits for whom</h2><div class=two>
{chart(report, 'p99 of a light route beside 4 readers of 200 KB', lambda one: one['light']['p99_us'], duration)}
{chart(report, 'Requests a second', lambda one: one['per_second'], short)}</div>
<p class=soft>The light route is asked for 100 times a second at fixed times, and each request’s time counts from when it was due.
Requests a second: <code>ab -n {report['requests']} -c {report['concurrency']}</code>, no failed and no non-2xx reply.</p>{figures(report)}</section>
<section><h2>Where the loop is</h2>{legend(list(KINDS.values()))}<div class=two>{profiles(report)}</div>
<p class=soft>Measured with {escape(report['profiler'])} in runs of their own; the files lie beside this page and open in {escape(report['viewer'])}.
A loop that is well waits for work most of the time.</p></section></main>
<footer><p>{escape(report['made'])}, {machine['cpus']} CPUs ({escape(machine['kind'])}). Client, application and workers share them.</p></footer>
</body></html>
"""
