"""scripts/soak and scripts/fuzz in their shortest form, and that both can find something."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import browser
from harness import BUILD, ROOT, Skip, case, equal, eventually

sys.path.insert(0, str(ROOT / "scripts/lib/soak"))
import page as soak_page  # noqa: E402
import sample  # noqa: E402
from growth import Growth  # noqa: E402

UNSANITIZED = True  # sanitizers keep what was freed, and the fuzz targets bring their own
PAIR = {"workers": 0}
HOUR = 3600


def run(script, *arguments, build=BUILD):
    return subprocess.run([ROOT / "scripts" / script, *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "OFFLOOP_BUILD": str(build)}, timeout=600)


# ---- what grows

def grown(value, floor=128):
    """The Growth of a figure whose value at a time is value(seconds), sampled for two hours."""
    return Growth("anon x", "KiB", [(at, value(at)) for at in range(0, 2 * HOUR, 5)], floor)


@case
def a_line_that_goes_on_is_growth(pair):
    noise = random.Random(1)
    leak = grown(lambda at: 9000 + at / HOUR * 300 + noise.gauss(0, 100))
    assert leak.grows() and 270 < leak.per_hour < 330, vars(leak)
    stairs = grown(lambda at: 9000 + 132 * (at // 1000))
    assert stairs.grows(), vars(stairs)
    descriptors = grown(lambda at: 30 + at // 1500 + noise.randrange(3), floor=0.5)
    assert descriptors.grows(), vars(descriptors)


@case
def noise_and_steps_are_none(pair):
    noise = random.Random(2)
    for value in (lambda at: 9000, lambda at: 9000 + noise.gauss(0, 300),
                  lambda at: 9000 + (500 if at > 3000 else 0) + noise.gauss(0, 10),
                  lambda at: 9000 - at / HOUR * 300, lambda at: 9000 + at / HOUR * 50,
                  lambda at: 9000 + (20_000 if noise.random() < 0.05 else 0)):
        one = grown(value)
        assert not one.grows(), vars(one)
    constant = grown(lambda at: 9000)
    equal((constant.per_hour, constant.low, constant.high), (0, 0, 0))


LEAK = """
import os, sys
kept = []
for _ in sys.stdin:
    kept.append(bytearray(200_000))
    kept.append(open("/dev/null"))
    shared = os.memfd_create("leak")
    os.write(shared, bytes(100_000))
    print(len(kept), flush=True)
"""


@case
def a_process_that_leaks_is_found(pair):
    """Memory, descriptors and shared memory of a real process, as scripts/soak samples them."""
    with subprocess.Popen([sys.executable, "-c", LEAK], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as leaking:
        series = {}
        for turn in range(40):
            leaking.stdin.write("\n")
            leaking.stdin.flush()
            leaking.stdout.readline()
            for name, value in sample.processes({"leaking": leaking.pid}).items():
                series.setdefault(name, []).append((turn * 60, value))
        leaking.stdin.close()
    report = {"series": series, "warm_up_s": 600, "restarts": [], "wrong": 0, "wrong_first": []}
    found = soak_page.findings(report)
    equal(sorted(one.split(" grows")[0] for one in found), ["anon leaking", "fds leaking", "memfd all"])
    wrong = {**report, "series": {}, "restarts": ["server front 0 after 3 s"], "wrong": 1, "wrong_first": ["read: 500"]}
    equal(len(soak_page.findings(wrong)), 2)


@case
def a_soak_comes_to_its_end(pair):
    out, temporary = pair.folder / "soak", pathlib.Path(tempfile.mkdtemp(prefix="o-"))  # sockets want short paths
    done = subprocess.run([ROOT / "scripts/soak", "--minutes", "0.5", "--every", "1", "--rate", "60", "--out", out],
                          capture_output=True, text=True, timeout=600,
                          env={**os.environ, "OFFLOOP_BUILD": str(BUILD), "TMPDIR": str(temporary)})
    # half a minute is no time to judge growth
    assert done.returncode in (0, 1) and (out / "report.json").exists(), done.stderr[-3000:]
    report = json.loads((out / "report.json").read_text())
    equal((report["wrong"], report["wrong_first"], report["restarts"]), (0, [], []))
    for what in ("read", "read_short", "read_pipelined", "put", "patch", "delete", "post", "list_page", "mistake"):
        assert report["counts"].get(what, 0) > 0, report["counts"]
    assert report["jobs"] > 50, report["jobs"]
    for process in ("server master", "server writer", "server gate", "server front 0", "server front 1", "worker master",
                    "worker worker 0", "worker worker 1", "worker broker", "application"):
        for kind in ("anon", "shmem", "fds"):
            assert len(report["series"][f"{kind} {process}"]) > 5, (kind, process)
    assert report["series"]["memfd all"][-1][1] > 0 and report["series"]["lmdb file"][-1][1] > 0
    assert "| anon server front 0 " in done.stdout and "requests at 60 a second" in done.stdout, done.stdout
    assert len(list((out / "images").glob("soak-*.svg"))) >= 6
    temporary.rmdir()  # nothing is left there
    if browser.find():
        with browser.Browser() as page:
            page.look(380, 800, True)
            page.open(f"file://{out / 'report.html'}")
            equal(list(page.complaints()), [])
            equal([one for one in page.asked() if not one.startswith("file://")], [])
            equal(page.evaluate("document.documentElement.scrollWidth"), 380)
            assert page.evaluate("document.querySelectorAll('polyline').length") > 15


@case
def a_soak_wants_to_know_how_long(pair):
    for arguments, words in (((), "--hours"), (("--minutes", "1", "--rate", "0"), "--rate")):
        done = run("soak", *arguments)
        equal(done.returncode, 2)
        assert words in done.stderr, done.stderr


# ---- fuzzing

FINE = """
#include <stddef.h>
#include <stdint.h>
volatile int reached;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'h') {
        reached = 1;
        if (size > 1 && data[1] == 'i')
            reached = 2;
    }
    return 0;
}
"""
LONG = b"hello, too long for what it reaches"
FAULTY = FINE.replace("reached = 2", "__builtin_trap()")


def fuzz_tree(folder, **sources):
    """A build tree with these targets."""
    if not shutil.which("clang"):
        raise Skip("no clang")
    (folder / "fuzz").mkdir(parents=True)
    for name, source in sources.items():
        made = subprocess.run(["clang", "-O1", "-fsanitize=fuzzer", "-x", "c", "-", "-o", folder / f"fuzz/{name}_fuzz"],
                              input=source, text=True, capture_output=True)
        if made.returncode != 0:
            raise Skip("clang has no libFuzzer (Debian: libclang-rt-dev)")
    return folder


def files(folder):
    return {one.name: one.read_bytes() for one in folder.iterdir()} if folder.is_dir() else {}


@case
def fuzzing_keeps_what_is_new(pair):
    tree, out, corpus = fuzz_tree(pair.folder / "tree", fine=FINE, other=FINE), pair.folder / "out", pair.folder / "corpus"
    (corpus / "fine").mkdir(parents=True)
    (corpus / "fine/a-seed").write_bytes(b"h")
    (corpus / "fine/fuzz-0123456789ab").write_bytes(LONG)
    before = files(corpus / "fine")
    done = run("fuzz", "--minutes", "0.1", "--out", out, "--corpus", corpus, build=tree)
    equal((done.returncode, done.stderr), (0, ""))
    counts = json.loads((out / "executions.json").read_text())
    assert set(counts) == {"fine", "other"} and min(counts.values()) > 1000, counts
    assert f"| fine | {counts['fine']:,} |" in done.stdout, done.stdout
    equal(files(corpus / "fine"), before)  # without --keep it stays
    # the time is that of all turns together, and counts add up
    started = time.monotonic()
    done = run("fuzz", "--minutes", "0.05", "fine", "--keep", "--out", out, "--corpus", corpus, build=tree)
    equal((done.returncode, done.stderr), (0, ""))
    assert time.monotonic() - started > 2
    after = json.loads((out / "executions.json").read_text())
    assert after["fine"] > counts["fine"] and after["other"] == counts["other"], (counts, after)
    kept = files(corpus / "fine")
    equal(kept.pop("a-seed"), b"h")
    assert any(one.startswith(b"hi") for one in kept.values()), kept
    assert LONG not in kept.values() and all(name.startswith("fuzz-") for name in kept), kept  # a shorter one reaches as much


@case
def fuzzing_tells_what_it_found(pair):
    tree, out = fuzz_tree(pair.folder / "faulty", faulty=FAULTY), pair.folder / "out-faulty"
    done = run("fuzz", "--minutes", "0.1", "--out", out, "--corpus", pair.folder / "none", build=tree)
    equal(done.returncode, 1)
    found = pathlib.Path(done.stderr.split("fuzz: ", 1)[1].splitlines()[0])
    equal(found.read_bytes()[:2], b"hi")
    equal(found.parent, (out / "found").resolve())


@case
def fuzzing_can_be_ended_early(pair):
    tree, out = fuzz_tree(pair.folder / "early", fine=FINE), pair.folder / "out-early"
    with subprocess.Popen([ROOT / "scripts/fuzz", "--hours", "1", "--out", out], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, env={**os.environ, "OFFLOOP_BUILD": str(tree)}) as process:
        eventually(lambda: len(files(out / "work/fine")) >= 2, "it has found something")
        process.terminate()
        told, errors = process.communicate(timeout=60)
    equal((process.returncode, errors), (0, "fuzz: ended early\n"))
    assert json.loads((out / "executions.json").read_text())["fine"] > 0
    assert "| fine | " in told, told


@case
def fuzzing_names_its_targets(pair):
    tree = fuzz_tree(pair.folder / "named", fine=FINE)
    equal(run("fuzz", "--list", build=tree).stdout.split(), ["fine"])
    for arguments, words in ((("--minutes", "1", "coarse"), "fine"), ((), "--hours")):
        done = run("fuzz", *arguments, build=tree)
        equal(done.returncode, 2)
        assert words in done.stderr, done.stderr
    done = run("fuzz", "--minutes", "1", build=pair.folder)
    equal(done.returncode, 2)
    assert "no fuzz targets" in done.stderr, done.stderr
