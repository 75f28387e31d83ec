"""Does the runs of scripts/histories, checks each while the next goes on, and reports."""
import collections
import concurrent.futures
import gc
import json
import multiprocessing
import os
import pathlib
import shutil
import sys
import time

import harness

from histories import check, mutants
from histories.history import text_of
from histories.run import PROGRAM, Run

PROMISES = {
    "lmdb": "what was answered 2xx is kept",
    "redis": "what was answered 2xx is kept (appendfsync always)",
    "redis-cluster": "what was answered 2xx is kept (appendfsync always, no replicas)",
    "redis-sentinel": "what was answered 2xx is kept, but for the last before a failover",
}


class Checked:
    """What the check of one run came to; small enough to travel between processes."""

    def __init__(self, result, failovers):
        self.operations, self.items = result.operations, result.items
        self.lists, self.optional = result.lists, result.optional
        self.statuses = result.statuses
        self.undecided = result.undecided
        self.violations = [(one.kind, one.name, one.text) for one in result.violations]
        self.lost = [(name, text_of(one), (failovers[number][0] - one.end) / 1e6)
                     for name, one, number in result.lost]


class Outcome:
    """One run, as it travels to the process that counts."""

    def __init__(self, run, checked, problem):
        self.seed, self.checked, self.failovers = run.seed, checked, len(run.failovers)
        self.faults = [what for _, what in run.done]
        self.not_judged = run.not_judged
        self.violations = list(checked.violations) if run.not_judged is None else []
        if problem is not None:
            self.violations.append(("it does not come to its end", "", problem))
        self.kept = None


def do_run(seed, options, out):
    """A whole run and its check, in a process of its own."""
    gc.disable()  # millions of small objects without circles
    run = Run(seed, options.quick)
    lines, problem = run.do()
    folder = keep(run, lines, pathlib.Path(out) / f"{harness.STORE}-{seed}")
    result = check.check(lines, run.failovers, run.done)
    outcome = Outcome(run, Checked(result, run.failovers), problem)
    if outcome.violations or outcome.checked.undecided or options.keep:
        outcome.kept = folder
    else:
        shutil.rmtree(folder)
    return outcome


def keep(run, lines, folder):
    """The history and the faults of a run, to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history").write_text("\n".join(lines) + "\n")
    (folder / "faults").write_text("".join(f"{at} {what}\n" for at, what in run.done))
    (folder / "options").write_text(" ".join(run.chosen) + "\n")
    return str(folder)


class Totals:
    def __init__(self):
        self.runs = self.operations = self.items = self.lists = self.optional = 0
        self.faults = collections.Counter()
        self.statuses = collections.Counter()
        self.violations, self.lost, self.undecided = [], [], []
        self.not_judged = 0

    def add(self, outcome):
        checked = outcome.checked
        if outcome.not_judged is not None:
            self.not_judged += 1
            return
        self.runs += 1
        self.faults.update(kind_of(what) for what in outcome.faults)
        self.operations += checked.operations
        self.items += checked.items
        self.lists += checked.lists
        self.optional += checked.optional
        self.statuses.update(checked.statuses)
        self.violations += [(outcome.seed, *one) for one in outcome.violations]
        self.lost += [(outcome.seed, *one) for one in checked.lost]
        self.undecided += [(outcome.seed, name) for name in checked.undecided]

    def report(self):
        return {"runs": self.runs, "runs_not_judged": self.not_judged, "operations": self.operations,
                "faults": sum(self.faults.values()), "violations": len(self.violations),
                "undecided": len(self.undecided), "lists": self.lists,
                "documents_in_lists": self.items, "perhaps_happened": self.optional,
                "lost_by_failovers": len(self.lost),
                "oldest_lost_ms": max((one[3] for one in self.lost), default=0),
                "by_fault": dict(self.faults.most_common()),
                "by_answer": dict(sorted(self.statuses.items()))}


def kind_of(what):
    """A fault without its figures."""
    return what.split(" for ")[0]


def say(store, outcome, verbose):
    checked = outcome.checked
    if outcome.not_judged is not None:
        print(f"{store} seed {outcome.seed}: not judged: {outcome.not_judged}", flush=True)
        return
    parts = [f"{checked.operations} operations, {len(outcome.faults)} faults"]
    if outcome.failovers:
        parts.append(f"{len(checked.lost)} writes lost by {outcome.failovers} failovers")
    if checked.undecided:
        parts.append(f"{len(checked.undecided)} undecided")
    print(f"{store} seed {outcome.seed}: {', '.join(parts)}: {len(outcome.violations)} "
          "violations", flush=True)
    for name, text, before_ms in checked.lost if verbose else ():
        print(f"    lost: {name}: {text}, {before_ms:.1f} ms before the failover")
    for kind, name, text in outcome.violations:
        print(f"  VIOLATION (seed {outcome.seed}) {kind}: {name}: {text}")
    if outcome.kept:
        print(f"  kept in {outcome.kept}", flush=True)


def do_all(options, seeds, may_go_on, out):
    """The totals of as many runs as there are to be, some of them at the same time."""
    totals, waiting = Totals(), set()
    with concurrent.futures.ProcessPoolExecutor(
            options.jobs, multiprocessing.get_context("fork")) as pool:
        for seed in seeds:
            waiting.add(pool.submit(do_run, seed, options, out))
            while len(waiting) == options.jobs:
                waiting = take(totals, waiting, options)
            if not may_go_on():
                break
        while waiting:
            waiting = take(totals, waiting, options)
    return totals


def take(totals, waiting, options):
    """Counts those that are through; the others."""
    done, waiting = concurrent.futures.wait(
        waiting, return_when=concurrent.futures.FIRST_COMPLETED)
    for one in done:
        totals.add(one.result())
        say(harness.STORE, one.result(), options.verbose)
    return waiting


def say_totals(store, totals):
    figures = totals.report()
    print(f"{store}: {PROMISES[store]}")
    print("    " + ", ".join(f"{figures[name]} {name.replace('_', ' ')}" for name in (
        "runs", "operations", "faults", "lists", "documents_in_lists", "perhaps_happened")))
    print("    faults: " + ", ".join(f"{count} {what}"
                                     for what, count in totals.faults.most_common()))
    if store == "redis-sentinel":
        print(f"    {figures['lost_by_failovers']} acknowledged writes were lost by failovers; "
              f"the oldest was answered {figures['oldest_lost_ms']:.1f} ms before")


def limits(options, started):
    """(the seeds, whether another run may begin)"""
    first = options.seed if options.seed is not None else int(time.time())
    count = options.runs or (10 ** 9 if options.minutes else 3 if options.quick else 10)

    def may_go_on():
        return not options.minutes or time.monotonic() - started < options.minutes * 60
    return range(first, first + count), may_go_on


def main(options):
    """The exit status: 0 where nothing was found that must not be."""
    harness.require_programs()
    if not os.access(harness.BUILD / PROGRAM, os.X_OK):
        print(f"histories: {harness.BUILD / PROGRAM} is not built: cmake -DOFFLOOP_TESTS=ON",
              file=sys.stderr)
        return 2
    if options.mutants is not None:
        return mutants.main(options)
    started = time.monotonic()
    out = pathlib.Path(options.out or harness.BUILD / "histories")
    out.mkdir(parents=True, exist_ok=True)
    totals = do_all(options, *limits(options, started), out)
    say_totals(harness.STORE, totals)
    (out / f"{harness.STORE}.json").write_text(json.dumps(totals.report(), indent=1) + "\n")
    if totals.not_judged:
        print(f"    {totals.not_judged} more runs are not judged: Sentinel took a living master "
              "for dead")
    found = len(totals.violations) + len(totals.undecided)
    print(f"{harness.STORE}: {totals.runs} runs, {totals.operations} operations, "
          f"{sum(totals.faults.values())} faults, {len(totals.violations)} violations, "
          f"{len(totals.undecided)} undecided, {time.monotonic() - started:.0f} s",
          file=sys.stderr if found else sys.stdout)
    return 1 if found else 0
