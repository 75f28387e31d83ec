"""What the figures share: pairs, documents in them, runs in turns, and the results."""
import contextlib
import http.client
import os
import pathlib
import statistics
import sys
import tempfile

from documents import LIGHT, NAMES, Documents
from load import Generator, Refused, whole

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402

COLLECTION = "/v1/targets"
LIGHT_PATH = f"{COLLECTION}/light"


class PoisonPair(harness.Pair):
    """A pair whose workers abort on a document that says so."""

    def start_worker(self):
        self.worker = harness.Daemon("tests/poison-worker", self.worker_arguments, self.runtime, self.folder)
        self.daemons.append(self.worker)


class Bench:
    def __init__(self, quick, rounds):
        self.quick = quick
        self.rounds = rounds
        self.results = []
        self.pairs = {}
        self.documents = Documents()
        self.folder = tempfile.TemporaryDirectory(prefix="offloop-targets-")
        self.stored = {}  # (kind of pair, size): targets
        self.generator = Generator(harness.BUILD)

    # ---- what is measured

    def pair(self, kind="plain"):
        """A pair that figures share, two workers: `plain`, storing `json` text, `cache` with
        the cache of replies, which the others have not, or in a mode."""
        if kind not in self.pairs:
            server = {"plain": [], "json": ["--representation", "json"],
                      "cache": ["--mode", "auto", "--reply-cache", "32MiB"]}.get(
                          kind, ["--mode", kind])
            self.pairs[kind] = harness.Pair(server=server, workers=2)
            self.put(self.pairs[kind], LIGHT_PATH, LIGHT)
        return self.pairs[kind]

    def own(self, kind, made):
        """A pair of a figure's own, under a name of its own; see done_with()."""
        self.pairs[kind] = made
        return made

    def done_with(self, kind):
        """The pair drains and must leave nothing."""
        try:
            self.pairs[kind].stop()
        finally:
            self.discard(kind)

    def discard(self, kind):
        self.pairs.pop(kind).destroy()
        self.stored = {key: kept for key, kept in self.stored.items() if key[0] != kind}

    @staticmethod
    def put(pair, path, text):
        connection = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=60)
        try:
            connection.request("PUT", path, text, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        if reply.status not in (200, 201):
            raise Refused(f"PUT {path}: {reply.status} {body[:200]!r}")

    def targets(self, size, count, kind="plain"):
        """`count` documents of a size (a name of documents.NAMES) in that pair: (path, file)."""
        pair, have = self.pairs.get(kind) or self.pair(kind), self.stored.setdefault((kind, size), [])
        for number in range(len(have), count):
            file = pathlib.Path(self.folder.name) / f"{size}-{number}"
            if not file.exists():
                file.write_bytes(self.documents.text(NAMES[size], number))
            self.put(pair, f"{COLLECTION}/{size}-{number}", file.read_bytes())
            have.append((f"{COLLECTION}/{size}-{number}", file))
        return have[:count]

    # ---- runs

    def in_turns(self, names, one, rounds=None):
        """{name: [one(name), …]}: every name once in every round, and rounds go both ways."""
        found = {name: [] for name in names}
        for turn in range(rounds or self.rounds):
            for name in list(names)[::-1] if turn % 2 else names:
                found[name].append(one(name))
        return found

    def speed(self, what, targets, mode, connections, seconds, kind="plain"):
        """A closed loop in which every reply was right: requests/s, and by_cpu, what they
        would be on a machine with nothing else to do: the loop has one CPU, all have all."""
        pair = self.pair(kind)
        front, workers = pair.server.fronts()[0], pair.worker.of_role("worker")
        before = cpu_ns(front, True), sum(map(cpu_ns, [front, *workers]))
        done = whole(f"{what}, {mode}", self.generator.run(
            pair.port, targets, connections=connections, seconds=seconds,
            mode=mode if kind == "plain" else None))
        loop = cpu_ns(front, True) - before[0]
        total = sum(map(cpu_ns, [front, *workers])) - before[1] + done["cpu_us"] * 1e3
        return {"per_second": done["answered"] / done["seconds"],
                "by_cpu": done["answered"] * 1e9 / max(loop, total / os.cpu_count()),
                "loop_us": loop / done["answered"] / 1e3, "total_us": total / done["answered"] / 1e3}

    # ---- results

    def note(self, name, text, target, measured, good, **more):
        """One line of the table; `good` None is for what has no target of its own."""
        verdict = "" if good is None else "ok" if good else "SHORT"
        self.results.append({"figure": name, "what": text, "target": target, "measured": measured,
                             "verdict": verdict, **more})

    def close(self):
        try:
            for kind in list(self.pairs):
                self.pairs.pop(kind).destroy()
        finally:
            self.generator.close()
            self.folder.cleanup()


def cpu_ns(pid, first_only=False):
    """Processor time of all threads of a process, or of its first one: a front's loop."""
    tasks = [pid] if first_only else os.listdir(f"/proc/{pid}/task")
    total = 0
    for task in tasks:
        with contextlib.suppress(OSError):  # it may have ended
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def median_ratio(above, below, key):
    """The median of the rounds' ratios: what drifts is the same in both of a round."""
    return statistics.median(a[key] / b[key] for a, b in zip(above, below))
