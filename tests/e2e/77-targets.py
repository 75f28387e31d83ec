"""scripts/bench-targets in its shortest form: it comes to its end, what it writes is whole,
and nothing of it is left. What it measures is not judged here, but for what are counts."""
import json
import os
import subprocess

from harness import BUILD, ROOT, case, equal

ALONE = True
UNSANITIZED = True  # it only measures
PAIR = {"workers": 0}
COUNTS = ["kill", "kill-one", "poison"]  # no wall clock is in these


@case
def bench_targets_measures_and_leaves_nothing(pair):
    out = pair.folder / "report.json"
    temporary = pair.folder / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [ROOT / "scripts/bench-targets", "--quick", "--out", out, "rpc-one", *COUNTS],
        capture_output=True, text=True, timeout=600,
        env={**os.environ, "OFFLOOP_BUILD": str(BUILD), "TMPDIR": str(temporary)})
    assert done.returncode in (0, 1), done.stderr[-2000:]
    report = json.loads(out.read_text())
    figures = {one["figure"]: one for one in report["figures"]}
    equal(set(figures), {"rpc-one", *COUNTS})
    for name in COUNTS:
        equal(figures[name]["verdict"], "ok")
        assert name in done.stdout, done.stdout
    assert figures["rpc-one"]["ratio"] > 0, figures
    equal(list(temporary.iterdir()), [])


@case
def bench_targets_names_its_figures(_):
    listed = subprocess.run([ROOT / "scripts/bench-targets", "--list"], capture_output=True,
                            text=True, check=True).stdout.split()
    assert set(COUNTS) <= set(listed), listed
    wrong = subprocess.run([ROOT / "scripts/bench-targets", "no-such-figure"], capture_output=True, text=True)
    equal(wrong.returncode, 2)
    assert "no-such-figure" in wrong.stderr, wrong.stderr
