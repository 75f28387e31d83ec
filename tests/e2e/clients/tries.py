#!/usr/bin/env python3
"""Tries one of Python's HTTP clients against a server: tries.py CLIENT URL

Prints {"version": …, "tries": {what: "ok" or what went wrong}}. Each client is used as its
own documentation shows; nothing is set that its users would not set. The server has
--max-body 1MiB and the collection is empty.
"""
import asyncio
import atexit
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

JSON = {"Content-Type": "application/json"}
PATCH = {"Content-Type": "application/merge-patch+json"}
LARGE = json.dumps({"rows": ["some text"] * 60000}).encode()  # below --max-body
REFUSED = b" " * (40 << 20)                                   # far above it
SMALL = json.dumps({"rows": list(range(1000))}).encode()


def pieces(data):
    return (data[at:at + 50000] for at in range(0, len(data), 50000))


def tries(ask):
    """ask(method, path, body=None, headers={}) -> (status, {name: value}, bytes): a body that
    is an iterator is sent in chunks. Yields (what, what is wrong with it or None)."""
    def wrong(got, status, body=None):
        if got[0] != status:
            return f"status {got[0]}, not {status}"
        if body is not None and json.loads(got[2]) != json.loads(body):
            return "another body"
        return None

    def conditional():
        etag = ask("GET", "/a")[1]["etag"]
        return wrong(ask("GET", "/a", headers={"If-None-Match": etag}), 304) or \
            wrong(ask("PUT", "/a", SMALL, {**JSON, "If-Match": etag}), 200) or \
            wrong(ask("PUT", "/a", SMALL, {**JSON, "If-Match": etag}), 412)

    def refused():
        got = ask("PUT", "/refused", REFUSED, JSON)
        return wrong(got, 413) or wrong(got, 413, got[2])

    def gzipped():
        return wrong(ask("PUT", "/gzip", gzip.compress(SMALL), {**JSON, "Content-Encoding": "gzip"}), 201) or \
            wrong(ask("GET", "/gzip", headers={"Accept-Encoding": "gzip"}), 200, SMALL)
    yield "PUT", lambda: wrong(ask("PUT", "/a", b'{"n": 1}', JSON), 201)
    yield "GET", lambda: wrong(ask("GET", "/a"), 200, b'{"n": 1}')
    yield "HEAD", lambda: wrong(ask("HEAD", "/a"), 200)
    yield "PATCH", lambda: wrong(ask("PATCH", "/a", b'{"m": 2}', PATCH), 200, b'{"n": 1, "m": 2}')
    yield "POST", lambda: wrong(ask("POST", "", b'[1]', JSON), 201)
    yield "conditional", conditional
    yield "large upload", lambda: wrong(ask("PUT", "/large", LARGE, JSON), 201)
    yield "large reply", lambda: wrong(ask("GET", "/large"), 200, LARGE)
    yield "chunked upload", lambda: wrong(ask("PUT", "/chunked", pieces(LARGE), JSON), 201)
    yield "refused upload", refused
    yield "after a refusal", lambda: wrong(ask("GET", "/a"), 200, SMALL)
    yield "gzip", gzipped
    yield "DELETE", lambda: wrong(ask("DELETE", "/a"), 204)
    yield "missing", lambda: wrong(ask("GET", "/a"), 404)


def http_client(url):
    import http.client
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def ask(method, path, body=None, headers={}):
        connection.request(method, parts.path + path, body, headers)
        reply = connection.getresponse()
        data, found = reply.read(), {name.lower(): value for name, value in reply.getheaders()}
        return reply.status, found, gzip.decompress(data) if found.get("content-encoding") else data
    return sys.version.split()[0], ask


def urllib_request(url):
    import urllib.error
    import urllib.request

    def ask(method, path, body=None, headers={}):
        asked = urllib.request.Request(url + path, body, headers, method=method)
        try:
            reply = urllib.request.urlopen(asked, timeout=60)
        except urllib.error.HTTPError as problem:
            reply = problem
        with reply:
            data, found = reply.read(), {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, found, gzip.decompress(data) if found.get("content-encoding") else data
    return sys.version.split()[0], ask


def requests(url):
    import requests as library
    session = library.Session()
    session.trust_env = False

    def ask(method, path, body=None, headers={}):
        reply = session.request(method, url + path, data=body, headers=headers, timeout=60)
        return reply.status_code, {name.lower(): value for name, value in reply.headers.items()}, reply.content
    return library.__version__, ask


def urllib3(url):
    import urllib3 as library
    pool = library.PoolManager()

    def ask(method, path, body=None, headers={}):
        reply = pool.request(method, url + path, body=body, headers=headers, timeout=60, retries=False)
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.data
    return library.__version__, ask


def httpx(url):
    import httpx as library
    client = library.Client(trust_env=False, timeout=60)

    def ask(method, path, body=None, headers={}):
        reply = client.request(method, url + path, content=body, headers=headers)
        return reply.status_code, dict(reply.headers), reply.content
    return library.__version__, ask


def aiohttp(url):
    import aiohttp as library
    loop = asyncio.new_event_loop()
    session = []
    atexit.register(lambda: loop.run_until_complete(session[0].close()))

    async def ask_it(method, path, body, headers):
        if not session:
            session.append(library.ClientSession())
        if body is not None and not isinstance(body, bytes):
            chunks = body

            async def body():
                for one in chunks:
                    yield one
            body = body()
        async with session[0].request(method, url + path, data=body, headers=headers) as reply:
            return reply.status, {name.lower(): value for name, value in reply.headers.items()}, await reply.read()

    def ask(method, path, body=None, headers={}):
        return loop.run_until_complete(ask_it(method, path, body, headers))
    return library.__version__, ask


def curl(url):
    def ask(method, path, body=None, headers={}):
        with tempfile.TemporaryDirectory(prefix="offloop-curl-") as folder:
            command = ["curl", "-sS", "--noproxy", "*", "-D", f"{folder}/head", "-o", f"{folder}/body",
                       "-w", "%{http_code}", "--compressed"]
            command += ["-I"] if method == "HEAD" else ["-X", method]
            for name, value in headers.items():
                command += ["-H", f"{name}: {value}"]
            if isinstance(body, bytes):
                pathlib.Path(folder, "sent").write_bytes(body)
                command += ["--data-binary", f"@{folder}/sent"]
            elif body is not None:
                command += ["-T", "-"]
                body = b"".join(body)
            done = subprocess.run([*command, url + path], input=body if "-T" in command else None,
                                  capture_output=True, check=True)
            head = pathlib.Path(folder, "head").read_text().splitlines()
            found = dict(line.lower().split(": ", 1) for line in head if ": " in line)
            text = pathlib.Path(folder, "body")
            return int(done.stdout), found, text.read_bytes() if text.exists() else b""
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return version.split()[1], ask


CLIENTS = {"curl": curl, "http.client": http_client, "urllib": urllib_request, "requests": requests,
           "urllib3": urllib3, "httpx": httpx, "aiohttp": aiohttp}


def main():
    try:
        version, ask = CLIENTS[sys.argv[1]](sys.argv[2])
    except (ImportError, FileNotFoundError):
        sys.exit(77)  # not installed
    found = {}
    for what, one in tries(ask):
        try:
            found[what] = one() or "ok"
        except Exception as problem:  # whatever a client raises is what its user sees
            found[what] = f"{type(problem).__name__}: {problem}"[:200]
    print(json.dumps({"version": version, "tries": found}))


if __name__ == "__main__":
    main()
