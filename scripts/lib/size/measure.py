"""Measures what a read costs: processor time of a front's loop, of all of its threads and
of the workers, and bytes between them, by size and by the way between them."""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "scripts/lib/targets")]
import harness  # noqa: E402
import network  # noqa: E402
from documents import Documents  # noqa: E402
from load import Generator, Refused, whole  # noqa: E402

sys.path.insert(0, str(ROOT / "scripts/lib/size"))
import model  # noqa: E402

CALIBRATED = ("500B", "5KB", "20KB", "64KB", "200KB")
CHECKED = ("2KB", "40KB", "120KB")
WAYS = ("arena", "ipc", "tcp", "tls")
WORKERS = 2
CONNECTIONS = 64
DOCUMENTS = 16  # of each size


def cpu_us(pid, first_only=False):
    """Processor time of all threads of a process, or of its first: a front's loop."""
    tasks = [pid] if first_only else os.listdir(f"/proc/{pid}/task")
    total = 0
    for task in tasks:
        with contextlib.suppress(OSError):
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e3


class Bench:
    """Pairs, one for each way; those over a network are on two hosts of namespaces."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.stack = contextlib.ExitStack()
        self.folder = pathlib.Path(self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="offloop-size-")))
        self.generator = Generator(harness.BUILD)
        self.stack.callback(self.generator.close)
        self.documents = Documents()
        self.pairs, self.networks, self.sizes = {}, {}, {}

    def close(self):
        self.stack.close()

    def trust(self):
        """Flags of both sides for tls, and for tcp."""
        place = self.folder / "trust"
        if not place.exists():
            subprocess.run([ROOT / "scripts/new-certs", place, network.SERVER], check=True,
                           capture_output=True)
            (place / "secret").write_text("a secret for measuring only\n")
            (place / "secret").chmod(0o600)
        shared = ["--worker-secret", place / "secret"]

        def tls(role):
            return ["--tls-ca", place / "ca.pem", "--tls-cert", place / f"{role}.pem",
                    "--tls-key", place / f"{role}.key", *shared]
        return {"tls": (tls("server"), tls("worker")),
                "tcp": (["--allow-plain-tcp", *shared],) * 2}

    @contextlib.contextmanager
    def at(self, way):
        """This thread is on the server's host of that way meanwhile."""
        net = self.networks.get(way)
        if net:
            network.enter(net.server.fileno())
        try:
            yield
        finally:
            if net:
                network.enter(net.home.fileno())

    def pair(self, way):
        if way not in self.pairs:
            self._make_near(way) if way in ("arena", "ipc") else self._make_far(way)
        return self.pairs[way]

    def _keep(self, way, pair):
        self.stack.callback(self._destroy, way, pair)
        self.pairs[way] = pair

    def _destroy(self, way, pair):
        with self.at(way):
            pair.destroy()

    def _make_near(self, way):
        self._keep(way, harness.Pair(server=["--arena", "off"] if way == "ipc" else [],
                                     workers=WORKERS))

    def _make_far(self, way):
        server, worker = self.trust()[way]
        url = f"{'tls+tcp' if way == 'tls' else 'tcp'}://{network.SERVER}:9100"
        net = self.stack.enter_context(network.Network(wire=False))
        self.networks[way] = net
        network.enter(net.home.fileno())
        with self.at(way):
            pair = harness.Pair(server=["--rpc", url, *server], workers=0)
            self._keep(way, pair)
            pair.worker_arguments = ["--processes", str(WORKERS), "--connect", url, *worker]
            with net.on_worker():
                pair.start_worker()
            harness.eventually(
                lambda: pair.metric("offloop_worker_connections") == WORKERS, "workers come")

    def targets(self, way, name):
        """(path, file) of documents of that size."""
        found = []
        for number in range(DOCUMENTS):
            file = self.folder / f"{name}-{number}"
            if not file.exists():
                file.write_bytes(self.documents.text(model.parse_size(name), number))
            found.append((f"/v1/size/{name}-{number}", file))
        self.sizes[name] = statistics.mean(file.stat().st_size for _, file in found)
        pair = self.pair(way)
        if not hasattr(pair, "stored"):
            pair.stored = set()
        if name not in pair.stored:
            for path, file in found:
                reply = pair.ask("PUT", path, file.read_bytes(), harness.JSON)
                if reply.status not in (200, 201):
                    raise Refused(f"PUT {path}: {reply}")
            pair.stored.add(name)
        return found

    def wire_bytes(self, way):
        if way not in self.networks:
            return 0
        text = subprocess.run(["ip", "-s", "-s", "-json", "link", "show", "eth0"], check=True,
                              capture_output=True, text=True).stdout
        stats = json.loads(text)[0]["stats64"]
        return stats["rx"]["bytes"] + stats["tx"]["bytes"]

    def run(self, way, name):
        """One closed loop of reads: costs of each, and how many a second."""
        pair = self.pair(way)
        with self.at(way):
            targets = self.targets(way, name)
            front, workers = pair.server.fronts()[0], pair.worker.of_role("worker")

            def now():
                return (cpu_us(front, True), cpu_us(front), sum(map(cpu_us, workers)),
                        self.wire_bytes(way))
            before = now()
            done = whole(f"{way} {name}", self.generator.run(
                pair.port, targets, connections=CONNECTIONS, seconds=self.seconds, mode="rpc"))
            after = now()
        count = done["answered"]
        costs = [(b - a) / count for a, b in zip(before, after)]
        return {**dict(zip(model.COSTS, costs)), "client_us": done["cpu_us"] / count,
                "per_second": count / done["seconds"]}

    def runs(self, ways, names, rounds, say):
        """{way: {name: medians}}, all in turns so that whatever drifts hits all alike."""
        found = {way: {name: [] for name in names} for way in ways}
        for turn in range(rounds):
            for name in names:
                for way in list(ways)[::-1] if turn % 2 else ways:
                    found[way][name].append(self.run(way, name))
                    say(f"   round {turn + 1}/{rounds}: {way} {name}: "
                        f"{found[way][name][-1]['per_second']:.0f}/s")
        return {way: {name: {key: statistics.median(run[key] for run in runs)
                             for key in runs[0]} for name, runs in by_name.items()}
                for way, by_name in found.items()}


def usable_ways():
    why = network.missing()
    return (WAYS, None) if why is None else (WAYS[:2], why)


def constants(measured, sizes):
    """What the model is made of: {way: {cost: [(size, cost), ...]}}."""
    return {way: {cost: [(round(sizes[name]), round(one[cost], 2))
                         for name, one in by_name.items()] for cost in model.COSTS}
            for way, by_name in measured.items()}
