"""scripts/bench-clients, in its shortest form: it measures what it says, and refuses what it does
not know. What a machine under test load measures is not looked at."""
import json
import os
import shutil
import subprocess

from harness import BUILD, ROOT, Skip, case, equal

UNSANITIZED = True  # it only measures
PAIR = {"workers": 0}


def run(*arguments):
    return subprocess.run([ROOT / "scripts/bench-clients", *arguments], capture_output=True, text=True,
                          env={**os.environ, "OFFLOOP_BUILD": str(BUILD)}, timeout=600)


@case
def costs_and_many_clients(pair):
    if not shutil.which("node"):
        raise Skip("no node (Debian: nodejs)")
    out = pair.folder / "bench"
    done = run("costs", "many", "--quick", "--out", out)
    equal((done.returncode, done.stderr[-2000:] if done.returncode else ""), (0, ""))
    report = json.loads((out / "report.json").read_text())
    equal(len(report["parts"]["costs"]), 4 * 3 * 2)
    for runs in report["parts"]["costs"].values():
        for one in runs:
            assert one["jobs"] > 0 and one["cpu_us"] > 0 and one["broker_us"] > 0, one
    for one in report["parts"]["many"]:
        equal((one["alone"]["count"], one["beside"]["count"]), (64 * 10, 61 * 10))
    assert all(one["verdict"] in ("", "ok", "SHORT") for one in report["lines"]), report["lines"]


@case
def a_wrong_part_is_refused(pair):
    done = run("no-such-part")
    equal(done.returncode, 2)
    assert "no-such-part" in done.stderr, done.stderr
