"""scripts/compare and scripts/profile, in their shortest form: they come to their end, what
they write is whole, and a run that is not whole is refused."""
import http.server
import json
import os
import re
import socketserver
import subprocess
import sys
import threading
import types

import browser
from harness import BUILD, ROOT, SANITIZED, Skip, case, equal

sys.path.insert(0, str(ROOT / "scripts/lib/compare"))
import charts  # noqa: E402
import measure  # noqa: E402
import report as reporting  # noqa: E402
import samples  # noqa: E402

UNSANITIZED = True  # it only measures
PAIR = {"workers": 1}


def run(script, *arguments, status=0):
    done = subprocess.run([ROOT / "scripts" / script, *arguments], capture_output=True, text=True,
                          env={**os.environ, "OFFLOOP_BUILD": str(BUILD)}, timeout=600)
    equal(done.returncode, status) if done.returncode == status else equal(done.stderr[-2000:], status)
    return done


def look_at(path, *also):
    """The page opens without a complaint, without asking anybody, and fits a phone. also:
    expressions that must be true there."""
    if not browser.find():
        raise Skip("no Chromium (Debian: chromium)")
    with browser.Browser() as page:
        for width, height, dark in ((1280, 900, False), (1280, 900, True), (380, 800, False), (380, 800, True)):
            page.look(width, height, dark)
            page.open(f"file://{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        for expression in also:
            assert page.evaluate(expression), expression
        equal(list(page.complaints()), [])
        equal([one for one in page.asked() if not one.startswith("file://")], [])
        equal(page.evaluate("""[...document.querySelectorAll('svg')].filter((one) =>
            !one.getAttribute('aria-label') && !one.getAttribute('aria-hidden')).length"""), 0)
        return page.evaluate("document.body.innerText")


@case
def compare_on_own_documents(pair):
    data = pair.folder / "mine.json"
    data.write_text(json.dumps({"name": "mine", "rows": [{"n": n, "text": "some text"} for n in range(300)]}))
    out = pair.folder / "compare"
    count = "60" if SANITIZED else "200"
    done = run("compare", "--requests", count, "--concurrency", "4", "--rounds", "1", "--quick",
               "--workers", "1", "--probe-seconds", "1", "--data", str(data), "--out", str(out), "--images", str(out / "images"))
    report = json.loads((out / "report.json").read_text())
    equal(set(report["modes"]), {"inline", "threads", "rpc", "auto", "as-is"})
    equal([mode for mode, why in report["modes"].items() if why], [])
    cells = {(row["workload"], row["keep_alive"], row["mode"]) for row in report["rows"]}
    for mode in report["modes"]:
        for keep_alive in (False, True):
            assert ("read", keep_alive, mode) in cells, (keep_alive, mode)
        for workload in ("change", "compute"):
            assert ((workload, True, mode) in cells) == (mode != "as-is"), (workload, mode)
    for row in report["rows"]:
        assert row["per_second"] > 0 and row["p99_ms"] >= row["p50_ms"] > 0, row
        equal(row["requests"], int(count))
    equal([line["mode"] for line in report["light"]], [None, "inline", "threads", "rpc", "auto", "as-is"])
    for line in report["light"]:
        equal(line["requests"], 200)
        assert 0 < line["p50_us"] <= line["p99_us"] <= line["max_us"], line
        assert line["loop"]["away_us"]["count"] > 0
    # Inline encodes on the loop; rpc and as-is do not.
    encode = {line["mode"]: line["loop"]["phases"]["encode"] for line in report["light"]}
    assert encode["inline"] > 0 and encode["rpc"] == 0 and encode["as-is"] == 0, encode
    assert "read mine" in done.stdout and "open loop" in done.stdout
    # On a phone every mode stands in the table, with its name.
    words = look_at(out / "report.html", "document.querySelectorAll('.facts li').length === 3",
                    """[...document.querySelectorAll('.figures tbody tr')].every((row) =>
        row.cells.length === 6 && [...row.cells].every((cell) => cell.getBoundingClientRect().right <= 380
            && cell.getBoundingClientRect().width > 40))""",
        """[...document.querySelectorAll('.figures td')].every((cell) =>
            getComputedStyle(cell, '::before').content === `"${cell.dataset.mode}"`)""")
    assert "A light route under heavy load" in words
    assert "p99.9" not in words.replace("for a p99.9 these are too few", ""), words
    check_units((out / "report.html").read_text())


def check_units(page):
    """Each chart with bars has its times in one unit."""
    bars = [one for one in re.findall("<svg.*?</svg>", page) if "mode-inline" in one and "</text>" in one]
    assert len(bars) >= 3, len(bars)
    for one in bars:
        units = set(re.findall(r"[0-9.] (µs|ms|s)\b", " ".join(re.findall("<text[^>]*>([^<]*)", one))))
        assert len(units) <= 1, (units, one)


# ---- what scripts/run prints

def told_by_run(url, admin):
    """The text that scripts/run prints once the pair runs."""
    script = (ROOT / "scripts/run").read_text()
    text = re.search(r"^tell\(\) \{\n    cat <<END\n(.*?)^END$", script, re.S | re.M).group(1).strip("\n")
    document = re.search("^document=(.*)$", script, re.M).group(1)
    for name, value in (("$pair_url", url), ("$pair_admin", admin), ("$document", document), ("\\$", "$")):
        text = text.replace(name, value)
    return text


@case
def readme_shows_what_run_prints(pair):
    assert told_by_run("http://127.0.0.1:8080", "http://127.0.0.1:8081") in (ROOT / "README.md").read_text()


@case
def what_run_prints_can_be_pasted(pair):
    """The demonstration: a light route beside heavy readers, a line for each mode. (Which of
    them is fast is a matter of the machine; scripts/bench-targets judges it.)"""
    lines = subprocess.run([ROOT / "scripts/sample-data", "sizes"], capture_output=True, check=True).stdout
    for one in map(json.loads, lines.splitlines()):
        pair.put(f"/v1/sizes/{one['id']}", one["document"])
    text = told_by_run(f"http://127.0.0.1:{pair.port}", f"http://127.0.0.1:{pair.admin_port}")
    loop = text[text.index("   (url="):]
    done = subprocess.run(["bash", "-c", loop], capture_output=True, text=True, timeout=120, check=True)
    equal([re.fullmatch(r"(\w+) 99% (\d+) ms", line).group(1) for line in done.stdout.splitlines()],
          ["inline", "rpc", "auto"])
    for mode in ("inline", "rpc"):
        assert pair.metric("offloop_jobs_total", mode=mode, result="ok") > 10, mode


# ---- what the report says of what was measured

@case
def compare_says_only_what_the_samples_hold(pair):
    equal([measure.held(count) for count in (7, 8, 40, 399, 400, 3999, 4000)],
          [[], ["p50"], ["p50", "p90"], ["p50", "p90"], ["p50", "p90", "p99"], ["p50", "p90", "p99"],
           ["p50", "p90", "p99", "p999"]])
    for count, name, tail in ((200, "p90", False), (400, "p99", False), (4000, "p99", True)):
        times = sorted(range(1000, 1000 + count))
        report = {"light": [{"mode": None, "requests": count, "rate": 100, "heavy_per_second": 0,
                             **measure.latencies(times)}]}
        equal(reporting.headline(report), name)
        equal("p99.9 " in reporting.light_table(report).split("</thead>")[0], tail)
        equal("p999_us" in report["light"][0], tail)


def made_up_row(mode, speed, lowest, highest):
    return {"workload": "read", "document": "2k", "keep_alive": True, "mode": mode, "requests": 1000,
            "bytes": 2100, "per_second": speed, "lowest": lowest, "highest": highest,
            "p50_ms": 1, "p90_ms": 2, "p99_ms": 3}


@case
def compare_marks_the_best_fairly(pair):
    """As-is runs no codec: it wins nothing. Who cannot be told from the best is marked too."""
    rows = [made_up_row("inline", 100, 90, 108), made_up_row("threads", 105, 101, 112),
            made_up_row("rpc", 110, 107, 115), made_up_row("auto", 70, 60, 80),
            made_up_row("as-is", 900, 800, 1000)]
    modes = {row["mode"]: row for row in rows}
    equal(reporting.best_modes(modes), {"inline", "threads", "rpc"})
    # The scale of a chart is not as-is' either.
    chart = reporting.speed_chart(("read", "2k", True), modes, {})
    widths = {kind: float(width) for width, kind in
              re.findall(r'width="([\d.]+)" height="[\d.]+" class="mode-([a-z-]+)"', chart)}
    equal(widths["as-is"], widths["rpc"])
    assert 'class="cut"' in chart


@case
def compare_names_sizes_and_not_only_samples(pair):
    modes = {"inline": made_up_row("inline", 100, 90, 108)}
    equal(reporting.row_name(("read", "2k", True), modes), "read 2.1 kB (sample 2k), keep-alive")
    equal(reporting.row_name(("read", "mine", True), modes), "read mine (2.1 kB), keep-alive")
    equal([charts.one_unit([380, 42000])(us) for us in (14, 380, 4200, 42000)],
          ["0.014 ms", "0.38 ms", "4.20 ms", "42.0 ms"])


class Counting(socketserver.ThreadingTCPServer):
    """Answers everything with 200, and counts the connections it has taken and lost."""
    daemon_threads = True
    taken = lost = 0

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.taken += 1
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            self.server.lost += 1


@case
def compare_does_not_measure_its_own_connections(pair):
    """The prober's connections are there before the loop's accounting is read, and until it has
    been read again: accepting and closing them were the longest turns without other load."""
    server, seen = Counting(("127.0.0.1", 0), Counting.RequestHandlerClass), []
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def loop(*_):
        seen.append((server.taken, server.lost))
    measured = types.SimpleNamespace(
        target=lambda *_: (f"http://127.0.0.1:{server.server_address[1]}/", []),
        loop=loop, jobs_by_mode=lambda *_: {})
    options = types.SimpleNamespace(rate=50, probe_seconds=1, cookie=[], heavy=1)
    try:
        work = measure.Measurement(measured, options, {"inline": None})
        times, *_ = work.light_part(None, "/", None)
    finally:
        server.shutdown()
        server.server_close()
    equal(len(times), 50)
    equal(seen, [(50, 0), (50, 0)])


@case
def compare_with_a_running_server(pair):
    pair.put("/v1/things/one", {"a": list(range(100))})
    out = pair.folder / "running"
    run("compare", "--quick", "--probe-seconds", "1", "--requests", "60", "--concurrency", "4", "--rounds", "1",
        "--url", f"http://127.0.0.1:{pair.port}/v1/things/one", "--header", "X-One: 1", "--cookie", "a=b",
        "--admin", f"http://127.0.0.1:{pair.admin_port}", "--out", str(out))
    report = json.loads((out / "report.json").read_text())
    equal(report["modes"]["inline"], None)
    assert "running server" in report["modes"]["as-is"]
    equal({row["mode"] for row in report["rows"]}, {"inline", "threads", "rpc", "auto"})
    assert report["command"].startswith("scripts/compare --quick --probe-seconds 1 ")
    assert "X-One" not in (out / "report.json").read_text() and "a=b" not in (out / "report.json").read_text()


class Flaky(http.server.BaseHTTPRequestHandler):
    """Honours Offloop-Mode, and answers every fortieth request with 503."""
    protocol_version = "HTTP/1.0"
    asked = 0

    def do_GET(self):
        status = 200
        if self.headers.get("Offloop-Mode") == "no-such-mode":
            status = 400
        elif "ApacheBench" in self.headers.get("User-Agent", ""):
            Flaky.asked += 1
            status = 503 if Flaky.asked % 40 == 0 else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@case
def compare_refuses_what_is_not_whole(pair):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = pair.folder / "refused"
    try:
        done = run("compare", "--quick", "--requests", "100", "--concurrency", "2", "--rounds", "1",
                   "--url", f"http://127.0.0.1:{server.server_port}/x", "--out", str(out), status=1)
    finally:
        server.shutdown()
        server.server_close()
    assert re.search(r"refused.*read /x, .*inline: \d+ of 100 replies were not 2xx", done.stderr), done.stderr
    assert not out.exists(), "no report is made"


@case
def compare_says_what_is_wrong_with_its_arguments(pair):
    for arguments, words in ((["--sizes", "9k"], "9k"), (["--requests", "2"], "--concurrency")):
        assert words in run("compare", *arguments, status=2).stderr
    missing = run("compare", "--quick", "--url", f"http://127.0.0.1:{pair.port}/v1/things/none", status=1)
    assert "refused" in missing.stderr and "no mode" in missing.stderr, missing.stderr
    other = run("compare", "--quick", "--url", "ftp://x", status=1)
    assert "ftp://x" in other.stderr
    assert "--quick" in run("compare", "--help").stdout


@case
def profile_before_and_after(pair):
    out = pair.folder / "profile"
    done = run("profile", "--seconds", "2", "--workers", "1", "--out", str(out))
    report = json.loads((out / "report.json").read_text())
    for mode in ("inline", "rpc"):
        for clock in ("wall", "cpu"):
            assert report[mode][clock]["samples"] > 0, (mode, clock)
            assert (out / f"{mode}-{clock}.prof").stat().st_size > 1000
    if not SANITIZED:
        # The story: before, the JSON codec; after, none of it, and the loop waits.
        assert report["inline"]["cpu"]["in_codec"] > 0.5, report["inline"]["cpu"]
        equal(report["rpc"]["cpu"]["in_codec"], 0)
        equal(report["rpc"]["wall"]["functions"][0]["name"], "epoll_wait")
    assert report["inline"]["loop"]["phases"]["encode"] > 0
    equal(report["rpc"]["loop"]["phases"]["encode"], 0)
    assert "top functions" in done.stdout
    words = look_at(out / "report.html", WIDE_BARS, NO_COMMON_ROWS)
    assert "before: inline" in words and "after: rpc" in words
    assert "(libyajl" not in re.sub(r"below \w+ \(", "", words), "a place without a function"


WIDE_BARS = "[...document.querySelectorAll('.track')].every((one) => one.getBoundingClientRect().width >= 150)"
# The icicle's second row has several calls, or all there is below the first.
NO_COMMON_ROWS = """[...document.querySelectorAll('.icicle')].every((box) => {
    const cells = [...box.querySelectorAll('.canvas button')];
    const second = cells.filter((cell) => cell.style.top === '20px').map((cell) => parseFloat(cell.style.width));
    return cells[0].textContent !== 'all' && second.length > 0 && Math.max(...second) < 98;
})"""


@case
def profiles_name_what_no_symbol_covers(pair):
    yajl, nng = samples.Place("libyajl"), samples.Place("libnng")
    equal(samples.with_callers(["main", "yajl_gen_string", yajl, yajl, "memcpy"]),
          ["main", "yajl_gen_string", "below yajl_gen_string (libyajl)", "memcpy"])
    equal(samples.with_callers([nng, "f", yajl, nng]),
          ["below ? (libnng)", "f", "below f (libyajl)", "below f (libnng)"])
