"""scripts/break-even, in its shortest form, against a real daemon."""
import json
import os
import subprocess

from harness import BUILD, ROOT, case, equal

UNSANITIZED = True  # it only measures
PAIR = {"workers": 0}


def run(*arguments):
    return subprocess.run([ROOT / "scripts/break-even", *arguments], capture_output=True, text=True,
                          env={**os.environ, "OFFLOOP_BUILD": str(BUILD)}, timeout=300)


@case
def every_way_has_a_figure(pair):
    mine, out = pair.folder / "mine.json", pair.folder / "out"
    mine.write_text(json.dumps({"rows": [{"n": n, "text": "some text"} for n in range(300)]}))
    done = run("--quick", "--data", mine, "--out", out)
    equal((done.returncode, done.stderr[-2000:]), (0, ""))
    report = json.loads((out / "report.json").read_text())
    languages = {row["language"] for row in report["rows"]}
    assert "python" in languages
    for language in languages:
        for work in ("change", "encode", "objects"):
            here = [row for row in report["rows"] if (row["language"], row["work"]) == (language, work)]
            equal(sum(row["offloop"] for row in here), 2)
            assert len(here) >= 3, here
            assert all(row["cpu_us"] > 0 and row["document"] == "mine" for row in here), here
            assert f"{language}, {work}: a job" in done.stdout, done.stdout
    equal(len(report["verdicts"]), 3 * len(languages))


@case
def what_is_no_object_is_refused(pair):
    wrong = pair.folder / "wrong.json"
    wrong.write_text("[1]")
    done = run("--quick", "--data", wrong)
    equal(done.returncode, 1)
    assert "wrong: not a JSON object" in done.stderr, done.stderr
