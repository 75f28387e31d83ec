"""The example applications under load: requests a second by size, and the light route beside
readers of 2 MB."""
import subprocess

import ab
from apps import ask
from light import probe

HEAVY = "/v1/instrument_details?limit={}"
SIZES = {"2 KB": 3, "20 KB": 27, "200 KB": 270, "2 MB": 2700}  # contracts in a reply
REQUESTS = {"2 KB": 1000, "20 KB": 500, "200 KB": 100, "2 MB": 20}  # in two seconds' worth
READERS = 4


def rate(running, mode, size, seconds, concurrency=4):
    """Requests a second of one size, and the application's CPU time for one."""
    url = running.url + HEAVY.format(SIZES[size])
    ask(url)
    requests = max(concurrency, int(REQUESTS[size] * seconds / 2))
    before = running.cpu_seconds()
    done = ab.run(f"{mode}, {size}", url, requests, concurrency, True)
    return {"per_second": done["per_second"], "cpu_us": (running.cpu_seconds() - before) / requests * 1e6}


def light(running, mode, seconds):
    """The light route, idle and beside readers of 2 MB."""
    url = running.url + HEAVY.format(SIZES["2 MB"])
    ask(url)
    found = {"idle": probe(running.url, seconds)}
    load = ab.Background(f"{mode}, readers", url, max(seconds + 3, 10), READERS)
    try:
        found["loaded"] = probe(running.url, seconds)
        found["heavy_per_second"] = load.wait()
    finally:
        load.stop()
    return found


def has_piscina(environment):
    """Whether node finds the package, which is no part of the distribution."""
    return subprocess.run(["node", "-e", "require('piscina')"], env=environment, capture_output=True,
                          check=False).returncode == 0
