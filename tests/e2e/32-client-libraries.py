"""The HTTP clients that people use, each with the same tries (clients/): GET, HEAD, conditional
requests, PUT, POST, PATCH, DELETE, large, chunked and refused uploads, gzip, connections that
are kept. OPERATIONS.md has the table of what was tried. What is not installed is skipped."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from harness import Skip, case, equal

CLIENTS = pathlib.Path(__file__).resolve().parent / "clients"
PAIR = {"server": ["--max-body", "1MiB"]}
PYTHONS = [sys.executable] + (["/usr/bin/python3"] if pathlib.Path("/usr/bin/python3").exists() else [])
NOT_INSTALLED = 77  # the exit status of a client that is not there
REQUESTS = 19       # that each of them sends


def try_client(pair, name, *command, connections=4):
    """Runs one client's tries; connections: how many it may open for all of them. One of
    them is closed by the refused upload."""
    before = pair.metric("offloop_connections_total")
    done = subprocess.run([*command, f"http://127.0.0.1:{pair.port}/v1/try-{re.sub('[^a-z]', '-', name)}"],
                          capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "NO_PROXY": "*", "NODE_PATH": os.environ.get(
                              "NODE_PATH", "/usr/share/nodejs:/usr/lib/nodejs")})
    if done.returncode == NOT_INSTALLED:
        raise Skip(f"no {name}")
    equal((done.returncode, done.stderr), (0, ""))
    found = json.loads(done.stdout)["tries"]
    equal({what: words for what, words in found.items() if words != "ok"}, {})
    assert len(found) == 14, found
    opened = pair.metric("offloop_connections_total") - before
    assert opened <= connections, f"{opened} connections"


def try_python(pair, name, **kept):
    """With this Python, or with the system's, for which Debian packages libraries."""
    for python in PYTHONS:
        try:
            return try_client(pair, name, python, str(CLIENTS / "tries.py"), name, **kept)
        except Skip:
            pass
    raise Skip(f"no {name} (Debian: python3-{name})")


def try_node(pair, name):
    if not shutil.which("node"):
        raise Skip("no node (Debian: nodejs)")
    try_client(pair, name, "node", str(CLIENTS / "tries.js"), name)


@case
def python_http_client(pair):
    try_python(pair, "http.client")


@case
def python_urllib(pair):
    try_python(pair, "urllib", connections=REQUESTS)  # it closes each


@case
def python_requests(pair):
    try_python(pair, "requests")


@case
def python_urllib3(pair):
    try_python(pair, "urllib3")


@case
def python_httpx(pair):
    try_python(pair, "httpx")


@case
def python_aiohttp(pair):
    try_python(pair, "aiohttp")


@case
def curl(pair):
    try_python(pair, "curl", connections=REQUESTS)  # a process for each


@case
def node_http(pair):
    try_node(pair, "http")


@case
def node_fetch(pair):
    try_node(pair, "fetch")


@case
def node_undici(pair):
    try_node(pair, "undici")


@case
def node_axios(pair):
    try_node(pair, "axios")


@case
def java_http_client(pair):
    if not shutil.which("javac"):
        raise Skip("no javac (Debian: default-jdk-headless)")
    try_client(pair, "java", "java", str(CLIENTS / "Tries.java"))


@case
def go_net_http(pair):
    if not shutil.which("go"):
        raise Skip("no go (Debian: golang-go)")
    try_client(pair, "go", "go", "run", str(CLIENTS / "tries.go"))


# ---- tools that measure

def measure(pair, tool, package, *arguments):
    if not shutil.which(tool):
        raise Skip(f"no {tool} (Debian: {package})")
    pair.put("/v1/tools/a", {"n": 1})
    done = subprocess.run([tool, *arguments, f"http://127.0.0.1:{pair.port}/v1/tools/a"], timeout=60,
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "HOME": str(pair.folder)})
    equal(done.returncode, 0) if done.returncode == 0 else equal(done.stderr[-500:], 0)
    return done.stdout + done.stderr


@case
def ab_with_and_without_keep_alive(pair):
    for kept in ([], ["-k"]):
        told = measure(pair, "ab", "apache2-utils", "-q", *kept, "-n", "200", "-c", "4")
        assert re.search(r"Complete requests:\s+200\b", told) and "Non-2xx" not in told, told
        assert re.search(r"Failed requests:\s+0\b", told), told


@case
def wrk(pair):
    told = measure(pair, "wrk", "wrk", "-t1", "-c4", "-d1s")
    assert "Non-2xx" not in told and "Socket errors" not in told and "requests in" in told, told


@case
def h2load_by_http_1_1(pair):
    told = measure(pair, "h2load", "nghttp2-client", "--h1", "-n", "200", "-c", "4", "-m", "4")
    assert "200 succeeded, 0 failed, 0 errored" in told, told


@case
def siege(pair):
    settings = pair.folder / "siegerc"
    settings.write_text("protocol = HTTP/1.1\nconnection = keep-alive\njson_output = true\nverbose = false\n")
    told = measure(pair, "siege", "siege", "-R", str(settings), "-b", "-c", "4", "-r", "50")
    assert re.search(r'"failed_transactions":\s+0\b', told) and re.search(r'"availability":\s+100', told), told
