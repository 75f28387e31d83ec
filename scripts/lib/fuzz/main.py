#!/usr/bin/env python3
"""Runs all fuzz targets in turns, for as long as told, and says what was new.

    scripts/fuzz --hours 8                  all targets
    scripts/fuzz --minutes 20 differential  only that one
    scripts/fuzz --list                     names the targets

A turn is two minutes of one target (--turn), then comes the next, until the time is over: a
run that is ended early has given all targets the same. Each target reads its corpus in
tests/fuzz/corpus/, which stays as it is, and what earlier runs left in build/fuzz/work/ (--out
names another folder); what it finds is added there. At the end each target's findings are
reduced to those inputs that reach something that the corpus does not (libFuzzer's -merge=1),
and a table says what is new and how often each target has been executed, in this run and in
all with the same --out. --keep writes the reduced inputs to the corpus in the tree.

An input that crashes a target, or takes it too long, lies in build/fuzz/found/ and lets the
script exit with 1. TERM and Ctrl-C end the run early, with its table. OFFLOOP_BUILD names the
build tree; without it build-clang/ is built, with sanitizers. A tree without them
(-DOFFLOOP_FUZZERS=ON alone) finds only what the target itself compares, but runs several
times as often.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("OFFLOOP_BUILD", ROOT / "build-clang")).resolve()
LIMITS = ["-timeout=20", "-rss_limit_mb=3072"]
OURS = re.compile(r"fuzz-[0-9a-f]{12}")  # the name of an input that --keep wrote; others are seeds
INTERRUPTED = 72                    # how a target exits that somebody else's signal has ended
KEEP_BYTES = 4096                   # a larger input is not kept in the tree


class Ended(Exception):
    """Somebody wants the run to end."""


def end(*_):
    raise Ended


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", metavar="TARGET", nargs="*")
    parser.add_argument("--hours", type=float, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--turn", type=int, default=120, help="seconds of one target's turn (120)")
    parser.add_argument("--keep", action="store_true", help="write what is new to the corpus")
    parser.add_argument("--corpus", type=pathlib.Path, default=ROOT / "tests/fuzz/corpus", help="instead of that of the tree")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/fuzz")
    parser.add_argument("--list", action="store_true", help="name the targets and exit")
    options = parser.parse_args()
    options.seconds = options.hours * 3600 + options.minutes * 60
    known = targets()
    if not known:
        parser.error(f"{BUILD}/fuzz has no fuzz targets (OFFLOOP_BUILD names the build tree)")
    if unknown := set(options.targets) - set(known):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if not options.list and options.seconds <= 0:
        parser.error("--hours or --minutes: how long?")
    if options.turn < 1:
        parser.error("--turn: expected 1 or more")
    options.targets = options.targets or known
    return options


def targets():
    return sorted(path.name[:-len("_fuzz")] for path in (BUILD / "fuzz").glob("*_fuzz"))


class Target:
    """One fuzz target. The program is a copy: a build meanwhile does not disturb it."""

    def __init__(self, name, corpus, out):
        self.name, self.corpus = name, corpus / name
        self.work, self.found, self.programs = out / "work" / name, out / "found", out / "programs"
        for folder in (self.work, self.found, self.programs):
            folder.mkdir(parents=True, exist_ok=True)
        self.program = self.programs / f"{name}_fuzz"
        self.program.unlink(missing_ok=True)
        shutil.copy2(BUILD / "fuzz" / f"{name}_fuzz", self.program)
        self.executions, self.seconds, self.failures = 0, 0.0, []
        self.new, self.edges = [], 0

    def run(self, *words, seconds):
        """What the target prints, and its exit status. It ends with us."""
        process = subprocess.Popen([self.program, *words, *LIMITS], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   cwd=self.found)
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            told, _ = process.communicate()
        except Ended:
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate()
            self.count(told)
            raise
        return told, process.returncode

    def folders(self):
        return [one for one in (self.corpus,) if one.is_dir()]

    def count(self, told):
        if done := re.search(r"number_of_executed_units: (\d+)", told):
            self.executions += int(done.group(1))

    def turn(self, seconds):
        started = time.monotonic()
        told, status = "", 0
        try:
            told, status = self.run(self.work, *self.folders(), f"-max_total_time={seconds}", "-print_final_stats=1",
                                    f"-artifact_prefix={self.found}/{self.name}-", seconds=seconds + 120)
        finally:
            self.seconds += time.monotonic() - started
        self.count(told)
        if status not in (0, INTERRUPTED):
            where = re.search(r"Test unit written to (\S+)", told)
            self.failures.append(where.group(1) if where else f"{self.name}: exit {status}: {told[-600:]}")

    def reduce(self, out):
        """The inputs found that reach an edge which the corpus does not; libFuzzer puts them
        beside a copy of the corpus."""
        both = out / "reduced" / self.name
        shutil.rmtree(both, ignore_errors=True)
        both.mkdir(parents=True)
        for one in self.corpus.iterdir() if self.corpus.is_dir() else []:
            shutil.copy2(one, both / one.name)
        before = {one.name for one in both.iterdir()}
        told, status = self.merge(both, self.work)
        if status != 0:
            self.failures.append(f"{self.name}: -merge=1 exit {status}: {told[-600:]}")
        self.new = sorted(one for one in both.iterdir() if one.name not in before)
        edges = re.findall(r"(\d+) new coverage edges", told)
        self.edges = int(edges[-1]) if edges else 0

    def merge(self, into, *others):
        """Only edges count: with counters of how often each was passed, a corpus grows tenfold."""
        return self.run("-merge=1", "-use_counters=0", into, *others, seconds=3600)

    def keep(self, out):
        """Writes the reduced inputs to the corpus: seeds stay, and what an earlier --keep wrote
        makes room for the shortest inputs that reach as much."""
        small, rest = out / "small" / self.name, out / "small" / f"{self.name}.rest"
        for folder in (small, rest):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.corpus.mkdir(parents=True, exist_ok=True)
        seeds = [one for one in self.corpus.iterdir() if not OURS.fullmatch(one.name)]
        ours = [one for one in self.corpus.iterdir() if OURS.fullmatch(one.name)]
        for one in seeds:
            shutil.copy2(one, small / one.name)
        for one in [*ours, *self.work.iterdir()]:
            if one.stat().st_size <= KEEP_BYTES:
                shutil.copy2(one, rest / one.name)
        told, status = self.merge(small, rest)
        if status != 0:
            self.failures.append(f"{self.name}: -merge=1 exit {status}: {told[-600:]}")
            return
        for one in ours:
            one.unlink()
        for one in small.iterdir():
            if not (self.corpus / one.name).exists():
                data = one.read_bytes()
                (self.corpus / f"fuzz-{hashlib.sha1(data).hexdigest()[:12]}").write_bytes(data)


def turns(options, every):
    """All targets in turns, until the time is over; each gets one, however short the time is."""
    until = time.monotonic() + options.seconds
    turn = max(1, min(options.turn, int(options.seconds / len(every))))
    while True:
        for target in every:
            left = until - time.monotonic()
            if left < 1 and target.seconds:
                return
            target.turn(max(1, int(min(turn, left))))


def totals(options, every):
    """{target: executions in all runs with this --out}, this one counted."""
    path = options.out / "executions.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for target in every:
        found[target.name] = found.get(target.name, 0) + target.executions
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return found


def show(every, all_runs):
    print("\n| target | executions | a second | in all | new inputs | new edges | found |\n|---|---:|---:|---:|---:|---:|---:|")
    for one in every:
        print(f"| {one.name} | {one.executions:,} | {one.executions / one.seconds if one.seconds else 0:,.0f} "
              f"| {all_runs[one.name]:,} | {len(one.new)} | {one.edges} | {len(one.failures)} |")
    print(f"| all | {sum(one.executions for one in every):,} | | {sum(all_runs.values()):,} | "
          f"{sum(len(one.new) for one in every)} | | {sum(len(one.failures) for one in every)} |")


def main():
    options = arguments()
    if options.list:
        print("\n".join(options.targets))
        return 0
    options.out = options.out.resolve()
    every = [Target(name, options.corpus.resolve(), options.out) for name in options.targets]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        turns(options, every)
    except Ended:
        print("fuzz: ended early", file=sys.stderr, flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    all_runs = totals(options, every)
    for target in every:
        target.reduce(options.out)
        if options.keep:
            target.keep(options.out)
    show(every, all_runs)
    failures = [failure for target in every for failure in target.failures]
    for failure in failures:
        print(f"fuzz: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
