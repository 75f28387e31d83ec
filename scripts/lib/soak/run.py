"""A run of scripts/soak: a pair and an application under load, watched until the end."""
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import harness

import page
import sample
from traffic import Load, Wrong, status

HERE = pathlib.Path(__file__).resolve().parent
WINDOW_S = 60   # of the latency quantiles
STORE_S = 30    # between two looks at LMDB's pages
SAVE_S = 300    # between two writings of the report: a crash of this process loses no more
TICKS = os.sysconf("SC_CLK_TCK")
# Small caches are full before the warm-up ends, so that filling them is not taken for growth.
SERVER = ["--mode", "auto", "--processes", "2", "--reply-cache", "2MiB", "--arena", "16MiB"]


def quantiles(times):
    """p50, p90, p99 and the longest, in ms."""
    times = sorted(times)
    picked = {f"p{q}": times[min(len(times) - 1, len(times) * q // 100)] for q in (50, 90, 99)}
    return {name: round(value * 1000, 3) for name, value in {**picked, "max": times[-1]}.items()}


def cpu_seconds(pids):
    """User and system time of those that are there."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Soak:
    def __init__(self, options):
        self.options = options
        self.seconds = options.seconds
        self.warm_up_s = min(600, self.seconds / 2)
        self.stopping = threading.Event()
        self.series, self.windows, self.restarts = {}, [], []
        self.jobs, self.wrong, self.wrong_first, self.cpu_s = 0, 0, [], 0.0
        self.pair = self.application = self.load = None
        self.programs = pathlib.Path(tempfile.mkdtemp(prefix="offloop-soak-"))
        self.socket = self.programs / "jobs.sock"

    def start(self):
        """The daemons run from copies: a build meanwhile does not disturb them."""
        for name in ("offloop-server", "offloop-worker"):
            shutil.copy2(harness.BUILD / name, self.programs / name)
        harness.BUILD = self.programs
        self.pair = harness.Pair(server=SERVER, workers=0)
        self.pair.worker_arguments = ["--processes", "2", "--listen", f"unix:{self.socket}",
                                      "--connect", f"ipc://{self.pair.runtime}/rpc.sock"]
        self.pair.start_worker()
        try:
            self.pair.wait_ready()
        except AssertionError as problem:
            sys.exit("\n".join([f"soak: no pair: {problem}", *self.pair.logs()]))
        self.load = Load(self.pair.port, self.options.rate, self.options.seed)
        self.application = subprocess.Popen(
            [sys.executable, HERE / "application.py", self.socket, str(self.options.rate / 10), str(self.options.seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.known = self.processes()
        self.load.start()

    def processes(self):
        names = sample.process_names({"server": self.pair.server, "worker": self.pair.worker})
        return {**names, "application": self.application.pid}

    def note(self, at, figures):
        for name, value in figures.items():
            self.series.setdefault(name, []).append((round(at, 1), value))

    def take_sample(self, at):
        names = self.processes()
        for name in sorted(set(self.known) | set(names)):
            if names.get(name) != self.known.get(name):
                self.restarts.append(f"{name} after {at:.0f} s")
                print(f"{at / 60:5.0f} min: {name} is another process", flush=True)
        self.known = names
        self.note(at, sample.processes(names))
        self.cpu_s = cpu_seconds(names.values())

    def watch(self):
        """Samples until the time is over or somebody ends the run."""
        started = time.monotonic()
        due = {"window": WINDOW_S, "store": 0, "save": SAVE_S}
        while not self.stopping.is_set():
            at = time.monotonic() - started
            self.take_sample(at)
            if at >= due["store"]:
                self.look_at_the_store(at)
                due["store"] = at + STORE_S
            if at >= due["window"]:
                self.windows.append((round(at, 1), {kind: quantiles(times) for kind, times in self.load.take_times().items()}))
                self.tell(at)
                due["window"] = at + WINDOW_S
            if at >= due["save"]:
                self.save(at)
                due["save"] = at + SAVE_S
            if at >= self.seconds:
                break
            self.stopping.wait(min(self.options.every, self.seconds - at))
        return time.monotonic() - started

    def look_at_the_store(self, at):
        """And at the operations listener, which others ask as often."""
        try:
            self.note(at, sample.store(self.pair.store))
            status(self.pair.admin("/metrics"), 200)
        except (Wrong, AssertionError, OSError, subprocess.TimeoutExpired) as problem:
            self.load.note_wrong(f"looking at the store and the metrics: {problem}"[:400])

    def tell(self, at):
        memory = sum(points[-1][1] for name, points in self.series.items() if name.startswith("anon"))
        reads = self.windows[-1][1].get("reads", {})
        print(f"{at / 60:5.0f} min: {memory / page.MIB:.1f} MiB anonymous, {self.load.wrong_count} wrong, "
              f"{len(self.restarts)} restarts, reads p50 {reads.get('p50', 0)} ms, p99 {reads.get('p99', 0)} ms", flush=True)

    def report(self, seconds):
        made = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        return {"made": made, "cpus": os.cpu_count(), "seconds": round(seconds, 1), "warm_up_s": min(self.warm_up_s, seconds / 2),
                "rate": self.options.rate, "seed": self.options.seed, "every_s": self.options.every, "server": SERVER,
                "requests": sum(self.load.counts.values()), "counts": self.load.counts, "jobs": self.jobs,
                "wrong": self.wrong + self.load.wrong_count, "wrong_first": self.load.wrong[:20] + self.wrong_first,
                "restarts": self.restarts, "cpu_share": round(self.cpu_s / seconds, 3),
                "cpu_share_of_clients": round(time.process_time() / seconds, 3),
                "windows": self.windows, "series": self.series}

    def save(self, seconds):
        out = self.options.out
        out.mkdir(parents=True, exist_ok=True)
        report = self.report(seconds)
        (out / "report.json").write_text(json.dumps(report, separators=(",", ":")) + "\n")
        for daemon in self.pair.daemons:
            (out / f"{daemon.name}.log").write_text("".join(f"{line}\n" for line in list(daemon.log)))
        return report

    def end(self):
        """The load ends first; then the application tells what it saw."""
        self.load.stop()
        told, _ = self.application.communicate("", timeout=120)
        told = json.loads(told)
        self.jobs, self.wrong, self.wrong_first = told["jobs"], told["wrong"], told["wrong_first"]
        try:
            self.pair.stop()
        except AssertionError as problem:
            self.load.note_wrong(f"the daemons did not end in order: {problem}"[:400])

    def clean(self):
        if self.load:
            self.load.stopping.set()
        if self.application and self.application.poll() is None:
            self.application.kill()
            self.application.wait()
        if self.pair:
            self.pair.destroy()
        shutil.rmtree(self.programs, ignore_errors=True)


def main(options):
    """The exit status: 0 where nothing grows and nothing was wrong."""
    soak = Soak(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: soak.stopping.set())
    try:
        soak.start()
        seconds = soak.watch()
        soak.end()
        report = soak.save(seconds)
    finally:
        soak.clean()
    (options.out / "report.html").write_text(page.page(report))
    page.images(report, options.out / "images")
    print(f"\n{page.table_text(report)}\n\n{page.told(report)}\n{options.out / 'report.html'}")
    found = page.findings(report)
    print("\n".join(f"soak: {one}" for one in found) or "nothing grows")
    return 1 if found else 0
