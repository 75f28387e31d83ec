"""Runs `ab` and reads what it says; refuses what is not whole."""
import csv
import os
import re
import subprocess
import tempfile


class Refused(Exception):
    """A run whose figures would mean nothing."""


def figure(text, pattern, default=None):
    found = re.search(pattern, text, re.M)
    if found:
        return float(found.group(1))
    if default is None:
        raise Refused(f"ab printed no {pattern}: {text[-300:]}")
    return default


def percentiles(path):
    """ab -e: the time in ms within which each percentage was served."""
    with open(path, encoding="ascii") as lines:
        return {int(row[0]): float(row[1]) for row in csv.reader(lines) if row[0].isdigit()}


def command(url, concurrency, keep_alive, headers, cookies):
    made = ["ab", "-q", "-c", str(concurrency), "-s", "60"]
    made += ["-k"] if keep_alive else []
    for header in headers:
        made += ["-H", header]
    for cookie in cookies:
        made += ["-C", cookie]
    return made, url


def check(what, text):
    """The first reason to refuse a run, with ab's own words for it."""
    complete = figure(text, r"^Complete requests:\s+(\d+)")
    failed = figure(text, r"^Failed requests:\s+(\d+)")
    if bad := figure(text, r"^Non-2xx responses:\s+(\d+)", 0.0):
        raise Refused(f"{what}: {bad:.0f} of {complete:.0f} replies were not 2xx")
    if failed:
        kinds = re.search(r"^Failed requests:.*\n\s+\((.*)\)", text, re.M)
        raise Refused(f"{what}: {failed:.0f} of {complete:.0f} requests failed"
                      + (f" ({kinds.group(1)})" if kinds else ""))
    if errors := figure(text, r"^Write errors:\s+(\d+)", 0.0):
        raise Refused(f"{what}: {errors:.0f} write errors")
    return complete


def run(what, url, requests, concurrency, keep_alive, headers=(), cookies=()):
    """One run's figures; Refused where one reply failed or was not 2xx."""
    made, url = command(url, concurrency, keep_alive, headers, cookies)
    with tempfile.TemporaryDirectory(prefix="offloop-ab-") as folder:
        table = os.path.join(folder, "percentiles")
        done = subprocess.run([*made, "-n", str(requests), "-e", table, url],
                              capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise Refused(f"{what}: ab: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        complete = check(what, done.stdout)
        if complete != requests:
            raise Refused(f"{what}: only {complete:.0f} of {requests} requests were answered")
        times = percentiles(table)
    return {"requests": requests,
            "per_second": figure(done.stdout, r"^Requests per second:\s+([\d.]+)"),
            "seconds": figure(done.stdout, r"^Time taken for tests:\s+([\d.]+)"),
            "bytes": figure(done.stdout, r"^Document Length:\s+(\d+)"),
            "p50_ms": times[50], "p90_ms": times[90], "p99_ms": times[99]}


class Background:
    """A load for so many seconds, beside which something else is measured."""

    def __init__(self, what, url, seconds, concurrency, headers=(), cookies=()):
        made, url = command(url, concurrency, True, headers, cookies)
        self.what = what
        self.process = subprocess.Popen(
            [*made, "-t", str(seconds), "-n", "10000000", url], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace")

    def wait(self):
        out, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise Refused(f"{self.what}: ab: {(errors.strip().splitlines() or ['?'])[-1]}")
        check(self.what, out)
        return figure(out, r"^Requests per second:\s+([\d.]+)")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
