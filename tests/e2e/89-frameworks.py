"""The clients' helpers in the real frameworks: Tornado, aiohttp, Starlette, Express, Fastify,
against a real worker daemon. A framework that is not on this machine is skipped."""
import contextlib
import gzip
import json
import os
import subprocess
import sys

from harness import ROOT, Client, Skip, case, equal, eventually
from job_daemon import JobDaemon, require_node

PAIR = {"workers": 0}
CLIENTS = ROOT / "tests/e2e/clients"
NODE_PATH = os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), "/usr/share/nodejs"]))
ROWS = [{"n": 1, "t": "text"}] * 500 + [None]


def python_with(module):
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
                return [python, CLIENTS / "frameworks.py"]
    raise Skip(f"no {module} (Debian: python3-{module.split('.')[0]})")


def node_with(module):
    require_node()
    if subprocess.run(["node", "-e", f"require('{module}')"], capture_output=True,
                      env={**os.environ, "NODE_PATH": NODE_PATH}).returncode != 0:
        raise Skip(f"no {module} for node")
    return ["node", CLIENTS / "frameworks.js"]


@contextlib.contextmanager
def serving(command, framework, path):
    """Its port."""
    process = subprocess.Popen([*command, framework, path], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "NODE_PATH": NODE_PATH})
    try:
        said = process.stdout.readline()
        assert said.strip().isdigit(), f"{said!r} {process.stderr.read()}"
        yield int(said)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def check(port, daemon, etag=None):
    with Client(port) as client:
        whole = client.ask("GET", "/whole")
        equal((whole.status, whole.json()), (200, {"name": "one", "rows": ROWS}))
        assert whole.header("content-type").startswith("application/json"), whole
        equal((whole.header("content-encoding"), whole.header("vary")), (None, "Accept-Encoding"))
        if etag:
            equal(whole.header("etag"), etag)
            equal(client.ask("GET", "/whole", headers=[("If-None-Match", etag)]).status, 304)
        packed = client.ask("GET", "/whole", headers=[("Accept-Encoding", "gzip")])
        equal(packed.header("content-encoding"), "gzip")
        equal(gzip.decompress(packed.body), whole.body)
        equal(client.ask("GET", "/part").body, b'{"name":"one"}')
        small = client.ask("GET", "/packed", headers=[("Accept-Encoding", "gzip")])
        equal((small.body, small.header("content-encoding")), (b'{"a":1}', None))
        equal(client.ask("GET", "/broken").status, 500)
        daemon.stop()
        equal(client.ask("GET", "/part").status, 503)
        daemon.start()  # the client looks for it now and then
        eventually(lambda: client.ask("GET", "/part").body == b'{"name":"one"}', "jobs are done again")


def with_framework(name, find, etag=None):
    def run(pair):
        command = find(name)
        with JobDaemon(1) as daemon, serving(command, name, daemon.path) as port:
            check(port, daemon, etag)
    run.__name__ = name
    case(run)


with_framework("tornado", python_with, '"7"')
with_framework("aiohttp", python_with)
with_framework("express", node_with)
with_framework("fastify", node_with)


@case
def starlette(pair):
    command = python_with("starlette.testclient")
    with JobDaemon(1) as daemon:
        done = subprocess.run([*command, "starlette", daemon.path], capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stderr[-2000:] if done.returncode else ""), (0, ""))
        found = json.loads(done.stdout)
    equal((found["whole"][0], json.loads(found["whole"][2])), (200, {"name": "one", "rows": ROWS}))
    equal((found["whole"][1]["content-encoding"], found["whole"][1]["content-type"]), ("gzip", "application/json"))
    equal(found["part"][2], '{"name":"one"}')
    equal(found["packed"][2], '{"a":1}')
    equal(found["broken"][0], 500)
