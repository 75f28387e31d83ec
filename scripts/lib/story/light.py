"""The light route of an example application, asked for at fixed times."""
import json
import pathlib
import subprocess
import sys

import ab

PROBER = pathlib.Path(__file__).resolve().parent.parent / "compare/prober.py"
ROUTE, RATE = "/light", 100


def probe(url, seconds):
    """p50 and p99 (microseconds) of it."""
    done = subprocess.run([sys.executable, str(PROBER), url + ROUTE, str(RATE), str(seconds)],
                          input="\n", capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])  # behind "ready"
    if found["problem"] or set(found["statuses"]) != {"200"}:
        raise ab.Refused(f"the light route: {found['problem'] or found['statuses']}")
    times = sorted(found["latencies_us"])
    return {"p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100], "count": len(times)}
