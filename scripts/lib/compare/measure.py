"""The measurement itself: what is run, in which order, and what is kept of it."""
import json
import pathlib
import statistics
import subprocess
import sys
import time

import ab

PROBER = pathlib.Path(__file__).with_name("prober.py")
ALL_MODES = ["inline", "threads", "rpc", "auto", "as-is"]
REFERENCE = "as-is"  # what no codec at all would give: no competitor
# A quantile is one only where so many samples lie beyond it.
BEYOND = 4
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
PHASES = ["http", "store", "encode", "decode", "rpc", "write", "poll"]


class Cell:
    """One row of the table: a workload on one document, with or without keep-alive."""

    def __init__(self, workload, name, path, keep_alive):
        self.workload, self.name, self.path, self.keep_alive = workload, name, path, keep_alive

    def modes(self, available):
        """As-is cannot change a document without a codec."""
        return [mode for mode in ALL_MODES if available.get(mode, "") is None
                and not (self.workload != "read" and mode == "as-is")]

    def label(self, mode):
        return f"{self.workload} {self.name}, {'keep-alive' if self.keep_alive else 'no keep-alive'}, {mode}"


class Progress:
    """Lines on stderr, one over the other on a terminal."""

    def __init__(self, steps):
        self.steps, self.done = steps, 0
        self.started = self.told = time.monotonic()

    def step(self, what):
        self.done += 1
        now = time.monotonic()
        spent = now - self.started
        left = spent / self.done * (self.steps - self.done)
        line = f"   {self.done}/{self.steps}  {what}  (about {left:.0f} s left)"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="\n" if self.done == self.steps else "", file=sys.stderr, flush=True)
        elif now - self.told >= 2 or self.done == self.steps:
            self.told = now
            print(line, file=sys.stderr, flush=True)


class Measurement:
    def __init__(self, server, options, available):
        self.server, self.options, self.available = server, options, available
        self.runs = {}   # (cell, mode): [figures]
        self.counts = {}  # (cell, mode): requests of one run

    def one_run(self, cell, mode, requests):
        url, headers = self.server.target(cell.workload, mode, cell.path)
        before = self.server.loop(cell.workload, mode)
        done = ab.run(cell.label(mode), url, requests, self.options.concurrency,
                      cell.keep_alive, headers, self.options.cookie)
        after = self.server.loop(cell.workload, mode)
        if after:
            done["loop_us"] = (after["cpu_seconds"] - before["cpu_seconds"]) / requests * 1e6
        return done

    def choose_count(self, cell, mode):
        """As many requests as fill the wanted seconds, by a short run that also warms up."""
        if self.options.requests:
            return self.options.requests
        least = 2 * self.options.concurrency
        pilot = self.one_run(cell, mode, least)
        if pilot["seconds"] < 0.1:
            least = min(20 * least, int(pilot["per_second"] * 0.15) + least)
            pilot = self.one_run(cell, mode, least)
        return max(least, int(pilot["per_second"] * self.options.seconds))

    def all_runs(self, cells, progress):
        """In turns: every mode has its run in every round, and rounds begin with another
        mode each, so that whatever drifts (heat, neighbours) hits all alike."""
        for turn in range(self.options.rounds):
            for cell in cells:
                modes = cell.modes(self.available)
                shift = turn % max(1, len(modes))
                for mode in modes[shift:] + modes[:shift]:
                    key = (cell, mode)
                    if key not in self.counts:
                        self.counts[key] = self.choose_count(cell, mode)
                    done = self.one_run(cell, mode, self.counts[key])
                    self.runs.setdefault(key, []).append(done)
                    progress.step(f"{cell.label(mode)}: {done['per_second']:,.0f}/s")

    def rows(self, cells):
        rows = []
        for cell in cells:
            for mode in cell.modes(self.available):
                runs = self.runs[cell, mode]
                middle = {key: statistics.median(run[key] for run in runs)
                          for key in ("per_second", "p50_ms", "p90_ms", "p99_ms", "bytes", "loop_us")
                          if key in runs[0]}
                speeds = [run["per_second"] for run in runs]
                rows.append({"workload": cell.workload, "document": cell.name,
                             "keep_alive": cell.keep_alive, "mode": mode,
                             "requests": runs[0]["requests"], "rounds": len(runs), **middle,
                             "lowest": min(speeds), "highest": max(speeds)})
        return rows

    # ---- the light route under heavy load

    def start_prober(self, mode, light_path):
        """The prober's process, with its connections open and used."""
        url, headers = self.server.target("read", mode, light_path)
        headers = headers + [f"Cookie: {one}" for one in self.options.cookie]
        prober = subprocess.Popen([sys.executable, PROBER, url, str(self.options.rate),
                                   str(self.options.probe_seconds), *headers],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if (line := prober.stdout.readline()) != "ready\n":
            end_prober(prober)
            raise ab.Refused(f"light route, {mode}: {json.loads(line or '{}').get('problem', 'no prober')}")
        return prober

    def probe(self, prober, mode):
        """The latencies of one measurement, sorted."""
        prober.stdin.write("\n")
        prober.stdin.flush()
        result = json.loads(prober.stdout.readline())
        if result["problem"]:
            raise ab.Refused(f"light route, {mode}: {result['problem']}")
        if bad := {code: n for code, n in result["statuses"].items() if not code.startswith("2")}:
            raise ab.Refused(f"light route, {mode}: replies that were not 2xx: {bad}")
        return sorted(result["latencies_us"])

    def light_route(self, light_path, heavy, progress):
        """One line for each mode, and one without any load: what the prober itself sees. In
        turns too: what another process on the machine disturbs shall not be one mode."""
        modes = [None] + heavy.modes(self.available)
        parts = {mode: [] for mode in modes}
        for turn in range(self.options.probe_rounds):
            for mode in modes[::-1] if turn % 2 else modes:
                parts[mode].append(self.light_part(mode, light_path, heavy))
                progress.step(f"light route, {mode or 'no load'}")
        return [self.light_line(mode, heavy, parts[mode]) for mode in modes]

    def light_part(self, mode, light_path, heavy):
        """One turn: the latencies, the heavy load's speed, and what the loop did meanwhile."""
        load = None
        asked = mode or next(one for one in ALL_MODES if self.available.get(one, "") is None)
        prober = self.start_prober(asked, light_path)
        try:
            if mode:
                url, headers = self.server.target("read", mode, heavy.path)
                load = ab.Background(f"heavy load, {mode}", url, self.options.probe_seconds + 1,
                                     self.options.heavy, headers, self.options.cookie)
                time.sleep(0.4)  # the prober shall meet the load from its first request on
            jobs_before = self.server.jobs_by_mode("read", asked)
            # Last before and first after: reading /metrics is a long turn of the loop too.
            before, started = self.server.loop("read", asked), time.monotonic()
            times = self.probe(prober, asked)
            after, seconds = self.server.loop("read", asked), time.monotonic() - started
            jobs_after = self.server.jobs_by_mode("read", asked)
            heavy_rate = load.wait() if load else 0
        finally:
            end_prober(prober)
            if load:
                load.stop()
        loop = loop_between(before, after, seconds) if after else None
        ran = {one: n - jobs_before.get(one, 0) for one, n in jobs_after.items()}
        return times, heavy_rate, loop, ran

    def light_line(self, mode, heavy, parts):
        times = sorted(one for part in parts for one in part[0])
        line = {"mode": mode, "heavy": heavy.name if mode else None,
                "heavy_per_second": statistics.median(part[1] for part in parts),
                "rate": self.options.rate, "requests": len(times), "rounds": len(parts),
                **latencies(times)}
        if parts[0][2]:
            line["loop"] = loop_sum([part[2] for part in parts])
        if parts[0][3]:
            line["ran"] = {one: sum(part[3].get(one, 0) for part in parts) for one in parts[0][3]}
        return line


def end_prober(prober):
    prober.stdin.close()
    prober.stdout.close()
    prober.wait()


def held(count):
    """The names of the quantiles that so many samples hold."""
    return [name for name, q in QUANTILES.items() if round(count * (1 - q), 6) >= BEYOND]


def latencies(times):
    """p50 to p99, beyond that only what so many samples hold; and the longest of them all."""
    def at(q):
        return times[min(len(times) - 1, int(len(times) * q))]
    names = ["p50", "p90", "p99"] + [name for name in held(len(times)) if name == "p999"]
    return {**{f"{name}_us": at(QUANTILES[name]) for name in names}, "max_us": times[-1]}


def buckets_between(before, after):
    was = {bound: n for bound, n in before["buckets"]}
    found = [[bound, n - was.get(bound, 0)] for bound, n in after["buckets"]]
    return [[bound, n] for bound, n in found if n > 0]


def quantile(buckets, q):
    total, seen = sum(n for _, n in buckets), 0
    for bound, n in buckets:
        seen += n
        if seen > total * q:
            return bound
    return buckets[-1][0] if buckets else 0


def away_figures(buckets):
    return {"buckets": buckets, "p50": quantile(buckets, 0.5), "p99": quantile(buckets, 0.99),
            "p99.9": quantile(buckets, 0.999), "max": buckets[-1][0] if buckets else 0,
            "count": sum(n for _, n in buckets)}


def loop_between(before, after, seconds):
    """What the loop did meanwhile: away from poll, and CPU and wall time by phase."""
    result = {"seconds": seconds, "cpu_seconds": after["cpu_seconds"] - before["cpu_seconds"]}
    for kind in ("away_us", "away_cpu_us"):
        result[kind] = away_figures(buckets_between(before[kind], after[kind]))
    for kind in ("phases", "wall"):
        result[kind] = {phase: after[kind][phase] - before[kind][phase] for phase in PHASES}
    return result


def loop_sum(parts):
    """The same over several times."""
    result = {key: sum(part[key] for part in parts) for key in ("seconds", "cpu_seconds")}
    for kind in ("away_us", "away_cpu_us"):
        counts = {}
        for part in parts:
            for bound, n in part[kind]["buckets"]:
                counts[bound] = counts.get(bound, 0) + n
        result[kind] = away_figures(sorted([bound, n] for bound, n in counts.items()))
    for kind in ("phases", "wall"):
        result[kind] = {phase: sum(part[kind][phase] for part in parts) for phase in PHASES}
    return result
