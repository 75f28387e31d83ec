"""scripts/story, in its shortest form, on a real Tornado and a real Express: all four ways give
the same reply, the loop's profile shows JSON before and waiting after, and the page is whole."""
import json
import os
import subprocess

import browser
from harness import BUILD, ROOT, Skip, case, equal

UNSANITIZED = True  # it only measures
PAIR = {"workers": 0}


def tell(pair, name):
    out = pair.folder / "story"
    done = subprocess.run(
        [ROOT / "scripts/story", name, "--quick", "--requests", "200", "--workers", "1", "--out", out],
        capture_output=True, text=True, env={**os.environ, "OFFLOOP_BUILD": str(BUILD)}, timeout=600)
    if "(Debian: " in done.stderr and done.returncode == 1:
        raise Skip(done.stderr.strip())
    equal((done.returncode, done.stderr[-2000:] if done.returncode else ""), (0, ""))
    check_report(json.loads((out / f"{name}.json").read_text()), out)
    check_page(out / f"{name}.html")


def check_report(report, out):
    equal(list(report["modes"]), ["inline", "threads", "processes", "offloop"])
    for mode, one in report["modes"].items():
        equal(one["requests"], 200)
        assert one["per_second"] > 0 and one["cpu_us"] > 0, (mode, one)
        for light in (one["idle"], one["light"]):
            equal(light["count"], 200)
            assert 0 < light["p50_us"] <= light["p99_us"], (mode, light)
    before, after = report["profiles"]["inline"], report["profiles"]["offloop"]
    # How large the share is depends on the machine; that most of it is gone does not.
    assert before["json"] > 0.05 and after["json"] < before["json"] / 4, (before, after)
    assert after["wait"] > before["wait"], (before, after)
    for one in (before, after):
        assert (out / one["file"]).stat().st_size > 1000


def check_page(path):
    if not browser.find():
        raise Skip("no Chromium (Debian: chromium)")
    with browser.Browser() as page:
        page.look(390, 800, True)
        page.open(f"file://{path}")
        equal(list(page.complaints()), [])
        equal([one for one in page.asked() if not one.startswith("file://")], [])
        equal(page.evaluate("document.documentElement.scrollWidth"), 390)
        assert "Where the loop is" in page.evaluate("document.body.innerText")


@case
def of_a_tornado_application(pair):
    tell(pair, "tornado")


@case
def of_an_express_application(pair):
    tell(pair, "express")


@case
def a_wrong_name_is_refused(pair):
    done = subprocess.run([ROOT / "scripts/story", "django"], capture_output=True, text=True)
    equal(done.returncode, 2)
    assert "tornado" in done.stderr, done.stderr
