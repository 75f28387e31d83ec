"""What a job costs the client and the broker, in each language, by size and jobs in flight."""
import json
import pathlib
import subprocess
import sys

import harness
from bench import cpu_ns

HERE = pathlib.Path(__file__).resolve().parent
SIDES = {"C": [str(harness.BUILD / "bench/client_bench")], "asyncio": [sys.executable, str(HERE / "side.py")],
         "node": ["node", str(HERE / "side.js")]}


def measure(language, daemon, file, in_flight, seconds):
    """One run: what the side prints, and the CPU time of the broker and the workers a job."""
    broker, workers = daemon.daemon.of_role("broker")[0], daemon.worker_pids()
    before = cpu_ns(broker), sum(map(cpu_ns, workers))
    done = subprocess.run([*SIDES[language], daemon.path, str(file), str(in_flight), str(seconds)],
                          capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{language}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    jobs = found["jobs"] * (1 + 0.1 / seconds)  # with those that warmed up
    found["broker_us"] = (cpu_ns(broker) - before[0]) / 1e3 / jobs
    found["workers_us"] = (sum(map(cpu_ns, workers)) - before[1]) / 1e3 / jobs
    return found
