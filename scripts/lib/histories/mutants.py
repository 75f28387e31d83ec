"""Shows that scripts/histories can refute: builds a server with each of tests/mutants/*.patch,
in a copy of the tree, and runs histories until a violation is found."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import harness

from histories import check
from histories.run import Run

FOLDER = harness.ROOT / "tests/mutants"
LIMIT_S = 60  # of running, for each


class Copy:
    """A tree of its own, built once and then again for each patch."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-mutants-"))
        self.tree, self.build = self.folder / "tree", self.folder / "build"
        shutil.copytree(harness.ROOT, self.tree, symlinks=True,
                        ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        self.call("cmake", *generator, "-S", self.tree, "-B", self.build)

    def call(self, *command):
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")

    def make(self):
        self.call("cmake", "--build", self.build, "-j", str(os.cpu_count()), "--target",
                  "offloop-server", "offloop-worker")

    def apply(self, patch, *flags):
        self.call("git", "apply", *flags, patch)

    def destroy(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def first_violation(seed, programs, limit_s):
    """(runs, operations, seconds, the violation or None)."""
    started, runs, operations = time.monotonic(), 0, 0
    while time.monotonic() - started < limit_s:
        run = Run(seed + runs, True, programs)
        lines, _ = run.do()
        result = check.check(lines, run.failovers, run.done, most=1)
        runs, operations = runs + 1, operations + result.operations
        if result.violations:
            return runs, operations, time.monotonic() - started, result.violations[0]
    return runs, operations, time.monotonic() - started, None


def main(options):
    """The exit status: 0 where every mutant was found and the server as it is was not."""
    patches = sorted(FOLDER.glob("*.patch"))
    if options.mutants:
        patches = [one for one in patches if one.stem in options.mutants]
    if not patches or harness.STORE != "lmdb":
        print("histories: no such mutants; they are of the server over LMDB", file=sys.stderr)
        return 2
    seed, missed = options.seed or 1, []
    copy = Copy()
    try:
        for patch in patches:
            copy.apply(patch)
            copy.make()
            runs, operations, seconds, found = first_violation(seed, copy.build, LIMIT_S)
            copy.apply(patch, "--reverse")
            print(f"{patch.stem}: {'found' if found else 'NOT FOUND'} in {seconds:.0f} s, {runs} "
                  f"runs, {operations} operations", flush=True)
            if found is None:
                missed.append(patch.stem)
            else:
                print(f"    {found}", flush=True)
    finally:
        copy.destroy()
    print(f"{len(patches) - len(missed)} of {len(patches)} mutants found")
    return 1 if missed else 0
