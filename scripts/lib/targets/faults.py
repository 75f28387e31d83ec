"""Workers killed, stopped or poisoned, and more load than there is room for."""
import contextlib
import os
import signal
import statistics
import threading
import time

import harness
from bench import COLLECTION, PoisonPair
from load import Refused, whole

KILL_EVERY_S = 0.2
OVERLOAD_DOCUMENTS = 200
OVERLOAD_VARIANTS = 30


class Killer(threading.Thread):
    """kill -9 for one worker after another."""

    def __init__(self, pair):
        super().__init__(daemon=True)
        self.pair, self.kills, self.over = pair, 0, threading.Event()

    def run(self):
        while not self.over.wait(KILL_EVERY_S):
            workers = self.pair.worker.of_role("worker")
            if not workers:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[self.kills % len(workers)], signal.SIGKILL)
                self.kills += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def under_kill(bench, name, documents, connections):
    pair = bench.own(name, harness.Pair(workers=2))
    requests = 2_000 if bench.quick else 10_000
    targets = bench.targets("200KB", documents, name)
    with Killer(pair) as killer:
        done = bench.generator.run(pair.port, targets, connections=connections, requests=requests,
                                   seconds=90, grace=20, mode="rpc")
    pair.wait_ready()
    bench.done_with(name)
    if done["sent"] != requests:
        raise Refused(f"{name}: only {done['sent']} requests in 90 s")
    return done, killer.kills


def kill(bench):
    done, kills = under_kill(bench, "kill", 64, 16)
    good = done["statuses"].get("200", 0) / done["sent"]
    bench.note("kill", f"{done['sent']} requests, {kills} times kill -9: 2xx, wrong, hung",
               ">= 99.9 %, 0, 0", f"{100 * good:.2f} %, {done['wrong']}, {done['hung']}",
               good >= 0.999 and not done["wrong"] and not done["hung"] and kills > 0, load=done)


def kill_one(bench):
    done, kills = under_kill(bench, "kill-one", 1, 4)
    refused = done["statuses"].get("422", 0)
    bench.note("kill-one", f"{done['sent']} reads of one document, {kills} times kill -9: 422",
               "0", str(refused), refused == 0 and kills > 0 and not done["wrong"] and not done["hung"], load=done)


def in_flight(pair, pid):
    workers = pair.admin("/debug/stats").json()["workers"]
    return sum(one["in_flight"] for one in workers if one["pid"] == pid)


def parallel(bench, pair, targets):
    return bench.generator.start(pair.port, targets, connections=100, requests=100, seconds=30,
                                 grace=30, mode="rpc", all_times=True)


def beside_a_stopped(bench, pair, targets):
    """What 100 requests came to, and how many of them the stopped worker held at most."""
    victim, window = pair.worker.of_role("worker")[0], 0
    os.kill(victim, signal.SIGSTOP)
    try:
        run = parallel(bench, pair, targets)
        while run.running():
            window = max(window, in_flight(pair, victim))
            time.sleep(0.02)
        return run.finish(), window
    finally:
        with contextlib.suppress(ProcessLookupError):  # its master may have killed it
            os.kill(victim, signal.SIGCONT)


def stop(bench):
    """What the stopped worker held may fail or be late; every other is as fast as ever."""
    short, parts = 0, []
    for _ in range(min(bench.rounds, 3)):
        pair = bench.own("stop", harness.Pair(workers=2))
        targets = bench.targets("200KB", 100, "stop")
        usual = statistics.median(whole("stop", parallel(bench, pair, targets).finish())["ok"]["p99_us"]
                                  for _ in range(5))
        done, window = beside_a_stopped(bench, pair, targets)
        bench.discard("stop")
        failed = 100 - done["statuses"].get("200", 0)
        late = sum(us > 2 * usual for us in done["all_us"])
        short += failed + late > window or done["wrong"] > 0 or done["hung"] > 0
        parts.append({"failed": failed, "late": late, "window": window, "usual_p99_ms": usual / 1e3})
    measured = ", ".join(f"{one['failed']} + {one['late']} of {one['window']}" for one in parts)
    bench.note("stop", "1 of 2 workers stopped, 100 parallel requests: failed + later than twice the usual p99",
               "its window at most", measured, short * 2 < len(parts), parts=parts)


def poison(bench):
    """The hook is in build/tests/poison-worker; the workers' master counts its dead."""
    pair = bench.own("poison", PoisonPair(workers=2))
    statuses = []
    for _ in range(5):
        reply = pair.ask("PUT", f"{COLLECTION}/poison", b'["crash the worker"]', harness.JSON)
        statuses.append(reply.status)
    lost = pair.metric("offloop_workers_lost_total") or 0
    harness.eventually(pair.ready, "a worker is there again")
    fine = pair.ask("PUT", f"{COLLECTION}/fine", b"[1]", harness.JSON).status
    bench.note("poison", "poison document: workers lost, replies, another document",
               "<= 2, 422, 201", f"{lost:.0f}, {'/'.join(map(str, statuses))}, {fine}",
               lost <= 2 and set(statuses) == {422} and fine == 201)
    bench.discard("poison")


def overload(bench):
    """Codec-bound: one worker, 64 KB documents. A member that no document has makes reads of
    one different, so that they share no result. What the peak is, is asked before and after."""
    pair = bench.own("overload", harness.Pair(workers=1, server=["--queue", "128"] if bench.quick else []))
    targets = [(f"{path}?fields=n,contracts,x{n}", file) for n in range(OVERLOAD_VARIANTS)
               for path, file in bench.targets("64KB", OVERLOAD_DOCUMENTS, "overload")]
    seconds = 2 if bench.quick else 5
    parts, peaks = [], []

    def peak():
        done = whole("overload, peak", bench.generator.run(
            pair.port, targets, connections=32, seconds=seconds / 2, mode="rpc"))
        peaks.append(done["answered"] / done["seconds"])

    for _ in range(min(bench.rounds, 3)):
        peak()
        done = bench.generator.run(pair.port, targets, connections=2500, rate=3 * max(peaks),
                                   seconds=seconds, grace=30, mode="rpc")
        peak()
        parts.append((statistics.mean(peaks[-2:]), done))
    note_overload(bench, parts)
    bench.done_with("overload")


def note_overload(bench, parts):
    goodput = statistics.median(done["ok_in_time"] / done["window"] / peak for peak, done in parts)
    refused = [done["other"]["p99_us"] / 1e3 for _, done in parts if done["other"]["count"]]
    bench.note("overload-goodput", "offered 3 x capacity: goodput to peak", ">= 0.9", f"{goodput:.2f}",
               goodput >= 0.9, peak_per_second=[peak for peak, _ in parts], loads=[done for _, done in parts])
    bad = sum(done["wrong"] + done["hung"] + done["lost"] for _, done in parts)
    good = refused and statistics.median(refused) < 50 and not bad
    bench.note("overload-refused", "offered 3 x capacity: refused answered, p99, ms", "< 50",
               f"{statistics.median(refused):.1f}" if refused else "none refused", bool(good))


FIGURES = {"kill": kill, "kill-one": kill_one, "stop": stop, "poison": poison, "overload": overload}
