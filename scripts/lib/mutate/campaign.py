"""Tries the mutants of a room, two or more at a time, and keeps what came of each."""
import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
import shutil

import coverage
import rooms
import source
import trees
import trial

ROOT = pathlib.Path(__file__).resolve().parents[3]
TREES = ("plain", "asan")
# A test that takes longer than this without sanitizers is not run with them: survivors would
# take minutes each.
SANITIZED_CPU_SECONDS = 1.0


@dataclasses.dataclass
class Plan:
    """All that a worker process needs; made once, then only read."""
    room: str
    top: pathlib.Path
    trees: dict
    texts: dict                 # of the sources, which may change while it runs
    shape: dict = None
    baseline: dict = None       # test: what coverage.Room.measure() returns
    digests: dict = None        # test: of its unchanged program
    children: tuple = ()


PLAN = None


def _folder():
    """A short path: sockets lie below it."""
    return pathlib.Path(f"/tmp/mutate-{os.getpid()}")


def _begin(plan):
    global PLAN
    PLAN = plan
    trial.become_reaper()


def _measure(test):
    one = coverage.Room(PLAN.trees["plain"], PLAN.top / "coverage" / PLAN.room,
                        rooms.ROOMS[PLAN.room].files())
    try:
        return test, one.measure(test, _folder())
    finally:
        shutil.rmtree(_folder(), ignore_errors=True)


def _pool(plan, jobs):
    return concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("fork"), initializer=_begin, initargs=(plan,))


def prepare(name, top, wanted, prefix, jobs, say):
    """Builds the wanted trees and the unchanged objects, and learns what each test reaches whose name
    begins with the prefix."""
    room = rooms.ROOMS[name]
    plan = Plan(name, top, {tree: trees.Tree(top, tree) for tree in wanted},
                {path: (ROOT / path).read_text() for path in room.files()}, children=room.children)
    for tree in plan.trees.values():
        say(f"building {tree.folder.relative_to(ROOT)}")
        tree.build(room.programs(), room.helpers, jobs)
    plain = plan.trees["plain"]
    missing = [path for path in room.files() if path not in plain.compiles]
    if missing or not plain.tests:
        raise trees.Broken(f"not compiled into a library: {missing}" if missing else "no tests")
    plan.digests = {test: plain.digest(entry[0]) for test, entry in plain.tests.items()
                    if test.startswith(prefix)}
    (top / "unchanged").mkdir(exist_ok=True)
    for path in room.files():
        if not plain.compile(path, plan.texts[path], _unchanged(plan, path)):
            raise trees.Broken(f"{path} does not compile")
    _learn(plan, room, jobs, say)
    return plan


def _unchanged(plan, path):
    return plan.top / "unchanged" / (path.replace("/", "_") + ".o")


def _learn(plan, room, jobs, say):
    kept_at = plan.top / "coverage" / f"{plan.room}.json"
    kept = json.loads(kept_at.read_text()) if kept_at.exists() else {}
    todo = [test for test, digest in plan.digests.items() if kept.get(test, {}).get("digest") != digest]
    instrumented = coverage.Room(plan.trees["plain"], plan.top / "coverage" / plan.room, room.files())
    instrumented.compile()
    plan.shape = instrumented.shape()
    if todo:
        say(f"running {len(todo)} tests on the unchanged sources")
        with _pool(plan, jobs) as pool:
            for test, measured in pool.map(_measure, todo):
                kept[test] = {"digest": plan.digests[test], **measured}
                kept_at.write_text(json.dumps(kept))
    plan.baseline = {test: kept[test] for test in plan.digests}


def choose(name, seed, texts=None):
    """Every mutant of the room, in the order in which this seed tries them. The order of one does
    not depend on the others, so that a change of the sources leaves most of a sample as it was."""
    if texts is None:
        texts = {path: (ROOT / path).read_text() for path in rooms.ROOMS[name].files()}
    found = [one for path, text in texts.items() for one in source.mutants_of(path, text)]
    return sorted(found, key=lambda one: hashlib.sha256(repr((seed, one.name)).encode()).digest())


def tests_for(plan, mutant):
    """Those that reach the mutant: of its own module first, then the short ones."""
    module = pathlib.Path(mutant.path).stem

    def cost(test):
        program = plan.trees["plain"].tests[test][0]
        return (not program.startswith(module), plan.baseline[test]["seconds"])
    return sorted((test for test, measured in plan.baseline.items()
                   if plan.trees["plain"].tests[test][0] in plan.children or
                   coverage.reaches(plan.shape, measured["lines"], mutant.path, mutant.line)), key=cost)


class _Trial:
    """One mutant in one tree."""

    def __init__(self, mutant, tree, folder):
        self.mutant, self.tree, self.folder = mutant, tree, folder / tree.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.object = self.folder / "mutant.o"
        self.sanitized = tree.name == "asan"

    def compile(self, *more):
        text = self.mutant.apply(PLAN.texts[self.mutant.path])
        return self.tree.compile(self.mutant.path, text, self.object, *more)

    def ending(self, test):
        """How the test ends; "passed" also where it fails only once of two times, and can for
        other reasons than the mutant."""
        program, arguments, environment = self.tree.tests[test]
        executable = self.folder / program
        if not executable.exists():
            self.tree.link(program, [self.object], executable)
        usual, slower = PLAN.baseline[test], 6 if self.sanitized else 1
        for attempt in range(2):
            what = trial.run(executable, arguments, environment, self.folder / "t",
                             3 + int(6 * slower * usual["cpu"]), 15 + 5 * slower * usual["seconds"],
                             self.sanitized).what
            if what in ("passed", "spins"):
                break
        return what


def try_mutant(mutant, passed):
    """The record of one mutant. passed: {tree: {test: digest}} of what is known not to kill it."""
    folder = _folder()
    try:
        return {"ident": mutant.ident, "name": mutant.name, "line": mutant.line,
                "operator": mutant.operator, **_try(mutant, folder, passed)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try(mutant, folder, passed):
    one = _Trial(mutant, PLAN.trees["plain"], folder)
    if not one.compile():
        return {"outcome": "not compiled"}
    if one.object.read_bytes() == _unchanged(PLAN, mutant.path).read_bytes():
        return {"outcome": "same code"}
    for tree, tests in missing(PLAN, mutant, passed).items():
        if tree != "plain":
            one = _Trial(mutant, PLAN.trees[tree], folder)
            if tests and not one.compile():
                raise trees.Broken(f"{mutant.path}:{mutant.line}: {mutant.change}: compiles only in plain")
        for test in tests:
            what = one.ending(test)
            if what != "passed":
                return {"outcome": "killed", "by": test, "how": what, "tree": tree}
            passed = {**passed, tree: {**passed.get(tree, {}), test: PLAN.digests[test]}}
    return {"outcome": "survived", "reached": any(passed.values()), "passed": passed}


def missing(plan, mutant, passed):
    """{tree: tests} that a mutant has yet to pass before it is a survivor."""
    tests = tests_for(plan, mutant)
    return {tree: [test for test in tests
                   if passed.get(tree, {}).get(test) != plan.digests[test] and
                   (tree != "asan" or plan.baseline[test]["cpu"] <= SANITIZED_CPU_SECONDS)]
            for tree in plan.trees}


def _known(plan, mutant, known):
    """The kept record, or None and what a survivor has passed where its tests have changed since."""
    record = known.get(mutant.ident)
    if record is None or record["outcome"] != "survived":
        return record, {}
    if any(missing(plan, mutant, record["passed"]).values()):
        return None, record["passed"]
    return record, {}


def run(plan, mutants, wanted, jobs, known, keep, progress):
    """Goes through the mutants in order until `wanted` of them compile to other code. known: records
    by ident. keep(record) is called for each new one. Returns the records of the sample."""
    sample, counted, under_way = [], 0, set()
    order = iter(mutants)
    with _pool(plan, jobs) as pool:
        while True:
            while counted + len(under_way) < wanted and len(under_way) < jobs:
                mutant = next(order, None)
                if mutant is None:
                    break
                record, passed = _known(plan, mutant, known)
                if record is None:
                    under_way.add(pool.submit(try_mutant, mutant, passed))
                    continue
                sample.append(record)
                counted += record["outcome"] in ("killed", "survived")
            if not under_way:
                return sample
            done, under_way = concurrent.futures.wait(
                under_way, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                record = future.result()
                keep(record)
                sample.append(record)
                counted += record["outcome"] in ("killed", "survived")
                progress(record, counted)
