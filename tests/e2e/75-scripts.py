"""scripts/compare and scripts/profile, in their shortest form: they come to their end, what
they write is whole, and a run that is not whole is refused."""
import http.server
import json
import os
import re
import subprocess
import threading

import browser
from harness import BUILD, ROOT, SANITIZED, Skip, case, equal

UNSANITIZED = True  # it only measures
PAIR = {"workers": 1}


def run(script, *arguments, status=0):
    done = subprocess.run([ROOT / "scripts" / script, *arguments], capture_output=True, text=True,
                          env={**os.environ, "OFFLOOP_BUILD": str(BUILD)}, timeout=600)
    equal(done.returncode, status) if done.returncode == status else equal(done.stderr[-2000:], status)
    return done


def look_at(path):
    """The page opens without a complaint, without asking anybody, and fits a phone."""
    if not browser.find():
        raise Skip("no Chromium (Debian: chromium)")
    with browser.Browser() as page:
        page.look(380, 800, True)
        page.open(f"file://{path}")
        equal(list(page.complaints()), [])
        equal([one for one in page.asked() if not one.startswith("file://")], [])
        equal(page.evaluate("document.documentElement.scrollWidth"), 380)
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
    words = look_at(out / "report.html")
    assert "A light route under heavy load" in words


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
    words = look_at(out / "report.html")
    assert "before: inline" in words and "after: rpc" in words
