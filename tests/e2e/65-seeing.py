"""What operators see: the live page in a headless Chromium, profiles, loop accounting, and
metrics as Prometheus' own promtool judges them."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading

import browser
from harness import (ROOT, SANITIZED, Client, Skip, case, check_problem, equal, eventually,
                     open_fds)

ALONE = True  # it compares CPU times
PAIR = {"workers": 2}


@contextlib.contextmanager
def load_on(pair, *paths):
    """Asks for these documents over and over, until the end of the block."""
    stop = threading.Event()

    def ask():
        with pair.client() as client:
            while not stop.is_set():
                for path in paths:
                    equal(client.ask("GET", path).status, 200)
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join()


def put_documents(pair):
    pair.put("/v1/see/light", {"a": list(range(50))})
    pair.put("/v1/see/heavy", {"a": [{"n": n, "text": "x" * 20} for n in range(12000)]})


def loop(pair):
    return pair.admin("/debug/loop").json()


def stats(pair):
    return pair.admin("/debug/stats").json()


@case
def phases_add_up_to_the_cpu(pair):
    put_documents(pair)
    for mode in ("inline", "rpc"):
        for _ in range(5):
            pair.ask("GET", "/v1/see/heavy", headers=[("Offloop-Mode", mode)])
    front = loop(pair)["fronts"][0]
    phases = front["phases"]
    equal(set(phases), {"poll", "http", "store", "encode", "decode", "rpc", "write"})
    # Not exactly: some CPU time has not been read yet, and a short step that was preempted
    # got too much.
    assert 0.5 < sum(phases.values()) / front["cpu_seconds"] < 2, front
    for phase in ("http", "encode", "rpc", "write"):
        assert phases[phase] > 0, phase
        assert phases[phase] <= front["wall"][phase] + 1e-6, phase
    for kind in ("away_us", "away_cpu_us"):
        away = front[kind]
        assert 0 < away["p50"] <= away["p99"] <= away["p99.9"] <= away["max"], away
        equal(sum(count for _, count in away["buckets"]), away["count"])


@case
def requests_are_timed_by_size(pair):
    put_documents(pair)
    before = stats(pair)["latency_us"]
    for _ in range(3):
        pair.ask("GET", "/v1/see/light")
    pair.ask("GET", "/v1/see/heavy")
    after = stats(pair)["latency_us"]
    equal(after["light"]["count"] - before["light"]["count"], 3)
    equal(after["heavy"]["count"] - before["heavy"]["count"], 1)
    assert pair.metric("offloop_request_duration_seconds_count", size="heavy") >= 1


@case(server=["--processes", "2"], workers=1)
def totals_survive_fronts_that_are_killed_and_reloaded(pair):
    def fronts():
        return {one["pid"]: one["alive"] for one in loop(pair)["fronts"]}

    def total():
        return sum(value for labels, value in pair.metrics("offloop_requests_total")
                   if labels["route"] == "document")
    pair.put("/v1/see/a", [1])
    for _ in range(40):
        pair.ask("GET", "/v1/see/a")
    equal(total(), 41)
    old = pair.server.fronts()
    equal(fronts(), {pid: True for pid in old})
    os.kill(old[0], signal.SIGKILL)
    eventually(lambda: pair.server.fronts() and old[0] not in pair.server.fronts() and
               len(pair.server.fronts()) == 2, "another front")
    pair.wait_ready()
    # It takes its predecessor's slot, and its counts.
    eventually(lambda: fronts() == {pid: True for pid in pair.server.fronts()}, "it has the slot")
    equal(total(), 41)
    pair.server.send_signal(signal.SIGHUP)
    eventually(lambda: not set(pair.server.fronts()) & set(old) and
               len(pair.server.fronts()) == 2, "new fronts")
    pair.wait_ready()
    eventually(lambda: sum(fronts().values()) == 2, "the old ones are gone")
    equal({pid for pid, alive in fronts().items() if alive}, set(pair.server.fronts()))
    equal(total(), 41)
    equal(loop(pair)["total"]["away_us"]["count"] > 0, True)


@case
def a_worker_that_is_replaced_keeps_its_row(pair):
    before = {row["worker"]: row for row in stats(pair)["workers"]}
    equal([row["up"] for row in before.values()], [True, True])
    os.kill(before[0]["pid"], signal.SIGKILL)

    def replaced():
        rows = {row["worker"]: row for row in stats(pair)["workers"]}
        return rows[0]["up"] and rows[0]["pid"] != before[0]["pid"] and rows[0]
    row = eventually(replaced, "another worker in its row")
    equal(row["restarts"], before[0]["restarts"] + 1)
    assert pair.metric("offloop_worker_replacements_total") >= 1
    pair.wait_ready()


# ---- profiles

def samples_of(profile):
    """How many samples a profile of gperftools holds, and that it names this program."""
    words = memoryview(profile[:len(profile) // 8 * 8]).cast("Q")
    equal(list(words[:3]), [0, 3, 0])
    equal(words[3], 10000)  # microseconds
    at, samples = 5, 0
    while words[at] != 0:
        samples += words[at]
        at += 2 + words[at + 1]
    assert b"offloop-server" in profile, "the map of the program is missing"
    return samples


def wait_for_profile(pair):
    """Until one has begun, which is when its file is there."""
    eventually(lambda: any("offloop-profile" in one for pid in pair.server.fronts()
                           for one in open_fds(pid)), "the profile begins")


@case
def a_profile_of_the_loop(pair):
    put_documents(pair)
    with load_on(pair, "/v1/see/heavy"):
        for clock in ("cpu", "wall"):
            def has_samples(query=f"seconds=1&clock={clock}"):
                reply = pair.admin(f"/debug/profile?{query}")
                equal(reply.status, 200)
                equal(reply.header("content-type"), "application/octet-stream")
                return samples_of(reply.body) > 0
            eventually(has_samples, f"the front gets a hundredth of a second of {clock} time")
    for query in ("?seconds=0", "?seconds=61", "?seconds=x", "?seconds=", "?clock=sun"):
        check_problem(pair.admin(f"/debug/profile{query}"), 400)


def head_of_profile(pair, query="?seconds=60"):
    with Client(pair.admin_port) as client:
        return client.ask("HEAD", f"/debug/profile{query}")


@case
def a_head_of_a_profile_takes_none(pair):
    reply = head_of_profile(pair)
    equal(reply.status, 200)
    equal(reply.header("content-type"), "application/octet-stream")
    assert "attachment" in reply.header("content-disposition")
    equal(head_of_profile(pair, "?seconds=x").status, 400)
    equal(head_of_profile(pair).status, 200)  # nothing has begun that would be in the way


@case
def one_profile_at_a_time_and_the_loop_goes_on(pair):
    with Client(pair.admin_port) as first:
        first.send(b"GET /debug/profile?seconds=60 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for_profile(pair)
        check_problem(pair.admin("/debug/profile?seconds=1"), 503)
        equal(head_of_profile(pair).status, 503)
        equal(pair.ask("GET", "/v1").status, 200)
        # Only a reset says that the client has left: one that has sent all may still read.
        first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: pair.admin("/debug/profile?seconds=1").status == 200, "another profile")


@case(workers=1)
def a_drain_ends_a_profile_and_answers_it(pair):
    with Client(pair.admin_port) as client:
        client.send(b"GET /debug/profile?seconds=60 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for_profile(pair)
        pair.server.send_signal(signal.SIGTERM)
        reply = client.reply()
        equal(reply.status, 200)
        samples_of(reply.body)
    equal(pair.server.wait(), 0)


@case(server=["--processes", "2", "--profile", "cpu.prof"], workers=1)
def a_profile_from_start_to_end(pair):
    fronts = pair.server.fronts()
    pair.put("/v1/see/a", [1])
    check_problem(pair.admin("/debug/profile?seconds=1"), 503)  # it has the only timer
    pair.server.stop()
    for pid in fronts:
        samples_of((pair.folder / f"cpu.prof.{pid}").read_bytes())


# ---- Prometheus

@case
def promtool_has_nothing_to_say(pair):
    if not shutil.which("promtool"):
        raise Skip("no promtool (Debian: prometheus)")
    put_documents(pair)
    pair.ask("GET", "/v1/see/heavy", headers=[("Offloop-Mode", "inline")])
    done = subprocess.run(["promtool", "check", "metrics"], input=pair.admin("/metrics").body,
                          capture_output=True)
    equal((done.returncode, done.stdout, done.stderr), (0, b"", b""))


@case
def the_dashboard_asks_for_metrics_that_exist(pair):
    pair.ask("GET", "/v1/see/light", headers=[("Offloop-Mode", "inline")])
    put_documents(pair)
    dashboard = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    known = {line.split()[2] for line in pair.admin("/metrics").body.decode().splitlines()
             if line.startswith("# TYPE ")}
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "sum", "count")}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(asked) >= 8, asked
    for expression in asked:
        for name in re.findall(r"offloop_\w+", expression):
            assert name in known, f"{name} in {expression}"


# ---- the live page

def open_page(pair):
    if not browser.find():
        raise Skip("no Chromium (Debian: chromium)")
    return browser.Browser()


def at(pair):
    return f"http://127.0.0.1:{pair.admin_port}/"


def text(page, element):
    return page.evaluate(f"document.getElementById('{element}').textContent")


@case
def the_page_without_a_browser(pair):
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        reply = pair.admin(path)
        equal(reply.status, 200)
        assert reply.header("content-type").startswith(kind), reply
        assert "default-src 'none'" in reply.header("content-security-policy")
        equal(reply.body, (ROOT / "server/ops/page" / (path[1:] or "index.html")).read_bytes())


@case
def the_page_shows_a_load_and_updates_itself(pair):
    put_documents(pair)
    with open_page(pair) as page, load_on(pair, "/v1/see/light", "/v1/see/heavy"):
        page.look(1200, 900)
        page.open(at(pair))
        page.until("+document.body.dataset.samples >= 4", "four samples", 120 if SANITIZED else 30)
        equal(text(page, "state-text"), "ready")
        page.until("parseFloat(document.getElementById('rate').textContent) > 0", "a rate")
        for one in ("light-p99", "heavy-p99"):
            page.until(f"/^[0-9.]+ (µs|ms|s)$/.test(document.getElementById('{one}').textContent)", one)
        equal(page.evaluate("document.querySelectorAll('#worker-rows tr').length"), 2)
        equal(page.evaluate("document.querySelectorAll('#front-rows tr').length"), 1)
        assert "turns a second" in text(page, "away-note")
        assert page.evaluate("document.querySelectorAll('#phases rect').length") == 7
        equal(list(page.complaints()), [])
        foreign = [url for url in page.asked() if not url.startswith((at(pair), "data:", "about:"))]
        equal(foreign, [])


@case
def the_page_on_a_phone_and_by_keyboard(pair):
    with open_page(pair) as page:
        for width, dark in ((1280, False), (1280, True), (360, False), (360, True)):
            page.look(width, 740, dark)
            page.open(at(pair))
            page.until("+document.body.dataset.samples >= 2", "two samples", 120 if SANITIZED else 30)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            equal(sum(map(int, colour[4:-1].split(","))) < 300, dark)
        # Tab: the skip link, then Pause; Enter holds it.
        page.press("Tab", 9)
        page.press("Tab", 9)
        equal(page.evaluate("document.activeElement.id"), "pause")
        page.press("Enter", 13)
        equal(page.evaluate("document.activeElement.getAttribute('aria-pressed')"), "true")
        # Everything drawn has words for those who do not see it.
        equal(page.evaluate("""[...document.querySelectorAll('svg')].filter(
            (one) => one.getAttribute('role') !== 'img' || !one.getAttribute('aria-label')).length"""), 0)
        equal(page.evaluate("""[...document.querySelectorAll('table')].filter(
            (one) => !one.caption || !one.querySelector('th[scope=col]')).length"""), 0)


@case
def the_page_is_quiet_to_who_hears_it(pair):
    """One live region, which speaks when the state changes and not with every figure."""
    with open_page(pair) as page:
        page.look(1200, 900)
        page.open(at(pair))
        page.until("+document.body.dataset.samples >= 2", "two samples", 120 if SANITIZED else 30)
        equal(page.evaluate("""[...document.querySelectorAll(
            'output, [aria-live], [role=status], [role=alert], [role=log]')].map((one) => one.id)"""), ["state"])
        page.evaluate("""void new MutationObserver(() => { document.body.dataset.spoke = "yes"; })
            .observe(document.getElementById('state'), {subtree: true, childList: true, characterData: true})""")
        seen = int(page.evaluate("document.body.dataset.samples"))
        page.until(f"+document.body.dataset.samples >= {seen + 3}", "three more samples", 120 if SANITIZED else 30)
        equal(page.evaluate("document.body.dataset.spoke || ''"), "")
        equal(page.evaluate("['header', 'main', 'footer', 'h1'].map((one) => document.querySelectorAll(one).length)"),
              [1, 1, 1, 1])


@case
def the_page_has_a_latency_for_every_size(pair):
    """As /debug/stats counts them: a class without a place on the page would never be seen."""
    pair.put("/v1/see/medium", {"a": [{"n": n, "text": "x" * 20} for n in range(2000)]})
    sizes = list(stats(pair)["latency_us"])
    equal(sizes, ["light", "medium", "heavy"])
    with open_page(pair) as page, load_on(pair, "/v1/see/medium"):
        page.open(at(pair))
        page.until("/^[0-9.]+ (µs|ms|s)$/.test(document.getElementById('medium-p99').textContent)",
                   "a latency of medium documents", 120 if SANITIZED else 30)
        for size in sizes:
            assert page.evaluate(f"!!document.getElementById('{size}-p99')"), size


@case
def the_page_names_a_quantile_only_of_enough_samples(pair):
    with open_page(pair) as page:
        page.open(at(pair))
        equal(page.evaluate("[1, 39, 40, 399, 400].map((count) => held(count)[0])"),
              ["the only one", "max of 39", "p90", "p90", "p99"])


@case
def the_charts_of_the_page_have_scales(pair):
    put_documents(pair)
    with open_page(pair) as page, load_on(pair, "/v1/see/light"):
        page.look(1200, 900)
        page.open(at(pair))
        page.until("+document.body.dataset.samples >= 4", "four samples", 120 if SANITIZED else 30)
        labels = page.evaluate("[...document.querySelectorAll('#away text')].map((one) => one.textContent)")
        for one in ("1", "10", "1 µs", "1 ms", "1 s"):
            assert one in labels, (one, labels)
        # The line's top is a round number that no rate exceeds.
        equal(page.evaluate("[1, 3, 49, 50, 51, 999].map(roundUp)"), [1, 5, 50, 50, 100, 1000])
        top = float(text(page, "rate-top").replace(",", ""))
        assert re.fullmatch("[125]0*", f"{top:.0f}"), top
        equal(page.evaluate("[...document.querySelectorAll('.plot .times span')].map((one) => one.textContent)"),
              ["2 min ago", "1 min ago", "now"])


@case(workers=1)
def the_page_says_when_the_server_is_gone(pair):
    with open_page(pair) as page:
        page.open(at(pair))
        page.until("document.getElementById('state-text').textContent === 'ready'", "ready")
        equal(page.evaluate("getComputedStyle(document.querySelector('main')).opacity"), "1")
        pair.server.stop()
        page.until("document.getElementById('state-text').textContent === 'no answer from the server'",
                   "it says so", 30)
        page.until("/^figures are [0-9]+ s old$/.test(document.getElementById('age').textContent)",
                   "the age of the figures")
        page.until("+getComputedStyle(document.querySelector('main')).opacity < 0.6",
                   "old figures are dimmed")
        equal(page.evaluate("document.getElementById('dot').className"), "dot bad")


def page_without_workers(pair, kind, words):
    with open_page(pair) as page:
        page.open(at(pair))
        page.until("document.getElementById('state-text').textContent === 'ready'", "ready")
        pair.worker.stop()
        page.until(f"document.getElementById('dot').className === 'dot {kind}'", "it is not green", 30)
        assert text(page, "state-text").startswith(words + "no worker"), text(page, "state-text")
        equal(page.evaluate("document.title"), text(page, "state-text") + " – offloop")


@case(server=["--mode", "auto"], workers=1)
def the_page_is_degraded_without_workers(pair):
    page_without_workers(pair, "degraded", "degraded: ")


@case(server=["--mode", "rpc"], workers=1)
def the_page_is_not_ready_where_only_workers_can_do_it(pair):
    page_without_workers(pair, "bad", "not ready: ")


@case(workers=1)
def the_page_can_be_paused_and_resumed(pair):
    def samples():
        return int(page.evaluate("document.body.dataset.samples"))
    with open_page(pair) as page:
        page.open(at(pair))
        page.until("+document.body.dataset.samples >= 2", "two samples", 120 if SANITIZED else 30)
        equal(text(page, "pause"), "Pause")
        page.evaluate("document.getElementById('pause').click()")
        equal(text(page, "pause"), "Resume")
        assert re.fullmatch(r"paused at \d\d:\d\d:\d\d", text(page, "age")), text(page, "age")
        page.evaluate("document.getElementById('pause').click()")
        equal((text(page, "pause"), text(page, "age")), ("Pause", ""))
        seen = samples()
        page.until(f"+document.body.dataset.samples > {seen}", "it goes on")
