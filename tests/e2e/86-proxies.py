"""The settings for proxies in docs/OPERATIONS.md, each with the proxy itself where it is
installed: what offloop promises holds behind it. And what a proxy does to entity tags where it
compresses by itself, so that the table there stays true. (nginx as deploy/nginx.conf sets it up
is 85-nginx.py's.)"""
import contextlib
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from harness import (JSON, ROOT, Client, Skip, case, check_problem, equal, eventually,
                     free_port)

DOCUMENT = json.dumps({"a.b": [1, 2.5], "text": "some text " * 400}, separators=(",", ":")).encode()
ZIPPED = [("Accept-Encoding", "gzip")]
MERGE = [("Content-Type", "application/merge-patch+json")]


def settings(language):
    """The block of the documentation in that language."""
    text = (ROOT / "docs/OPERATIONS.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    equal(len(found), 1)
    return found[0]


def program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise Skip(f"no {name} here")
    return found


def swapped(text, *pairs):
    for old, new in pairs:
        assert old in text, f"the documentation has no {old!r} any more"
        text = text.replace(old, new)
    return text


class Proxy:
    """A proxy in the foreground, on a free port of loopback, in a folder of its own."""

    def __init__(self, write, pair, changes=()):
        self.write, self.pair, self.changes = write, pair, changes

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-proxy-"))
        self.port = free_port()
        try:
            command = self.write(self.folder, self.port, self.pair.port, self.changes)
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=log, cwd=self.folder)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        eventually(self._answers, "the proxy answers")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(OSError, AssertionError), Client(self.port, timeout=5) as client:
            return client.ask("GET", "/v1").status == 200
        return False

    def client(self):
        return Client(self.port)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)


# ---- the proxies: each writes its configuration and gives the command

def write_haproxy(folder, port, server, changes):
    text = swapped(settings("haproxy"), ("*:80", f"127.0.0.1:{port}"),
                   ("127.0.0.1:8080", f"127.0.0.1:{server}"), *changes)
    (folder / "haproxy.cfg").write_text(text)
    return [program("haproxy"), "-db", "-f", "haproxy.cfg"]


def write_varnish(folder, port, server, changes):
    text = swapped(settings("vcl"), ('"8080"', f'"{server}"'), *changes)
    (folder / "offloop.vcl").write_text(text)
    return [program("varnishd"), "-F", "-a", f"127.0.0.1:{port}", "-f", folder / "offloop.vcl",
            "-n", folder / "work", "-s", "default,16m",
            *(["-j", "none"] if os.geteuid() == 0 else [])]


def write_apache(folder, port, server, changes):
    text = swapped(settings("apache"), ("*:80", f"127.0.0.1:{port}"),
                   ("127.0.0.1:8080", f"127.0.0.1:{server}"), *changes)
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ("mpm_event", "authz_core", "env", "proxy", "proxy_http",
                                   "filter", "deflate", "brotli"))
    user = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
    (folder / "apache.conf").write_text(
        f"ServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\n{user}"
        f"ServerName localhost\nListen 127.0.0.1:{port}\n{modules}{text}")
    return [program("apache2"), "-X", "-f", folder / "apache.conf"]


def write_h2o(folder, port, server, changes):
    text = swapped(settings("yaml"), ("port: 80\n", f"port: {port}\n  host: 127.0.0.1\n"),
                   ("127.0.0.1:8080", f"127.0.0.1:{server}"), *changes)
    user = "user: root\n" if os.geteuid() == 0 else ""
    (folder / "h2o.conf").write_text(user + text)
    return [program("h2o"), "-c", "h2o.conf"]


# ---- what must hold behind each

def keeps_tags(client, path):
    put = client.ask("PUT", path, DOCUMENT, JSON)
    equal((put.status, put.header("location")), (201, path))
    reply = client.ask("GET", path, headers=ZIPPED)
    equal((reply.status, reply.header("content-encoding")), (200, "gzip"))
    equal(gzip.decompress(reply.body), DOCUMENT)
    tag = reply.header("etag")
    equal(tag, put.header("etag")[:-1] + '-gzip"')
    equal(client.ask("GET", path, headers=[*ZIPPED, ("If-None-Match", tag)]).status, 304)
    equal(client.ask("GET", path).body, DOCUMENT)
    equal(client.ask("PUT", path, DOCUMENT, [*JSON, ("If-Match", tag)]).status, 200)
    check_problem(client.ask("PUT", path, DOCUMENT, [*JSON, ("If-Match", tag)]), 412)


def passes_all_methods(client, path):
    equal(client.ask("PATCH", path, b'{"text":null}', MERGE).body, b'{"a.b":[1,2.5]}')
    equal(client.ask("GET", path).body, b'{"a.b":[1,2.5]}')  # nothing old out of a cache
    equal(client.ask("GET", path + "?fields=a%252Eb").body, b'{"a.b":[1,2.5]}')
    equal(client.ask("GET", path + "?fields=%2Fa.b%2F1").body, b'{"a.b":[2.5]}')
    equal(client.ask("HEAD", path).header("content-length"), "15")
    check_problem(client.ask("PUT", path, b"1"), 415)
    equal(client.ask("DELETE", path).status, 204)
    check_problem(client.ask("GET", path), 404)
    # last: Apache closes a client's connection after 400
    equal(check_problem(client.ask("PUT", path, b'{"a":}', JSON), 400)["offset"], 5)


def loads_in_bulk(client, collection):
    """A body of unknown length, and the collection back."""
    line = b'{"id":"%05d","document":"' + b"x" * 1000 + b'"}\n'
    lines = [line % number for number in range(8000)]
    client.send(b"POST /v1/" + collection + b" HTTP/1.1\r\nHost: documents.example.com\r\n"
                b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(lines), 100):
        block = b"".join(lines[at:at + 100])
        client.send(b"%x\r\n%b\r\n" % (len(block), block))
    client.send(b"0\r\n\r\n")
    equal(client.reply("POST").json(), {"stored": 8000, "failed": 0, "errors": []})
    equal(len(client.ask("GET", "/v1/" + collection.decode()).json()), 8000)


def keeps_connections(pair, proxy):
    before = pair.metric("offloop_connections_total")
    for _ in range(20):
        with proxy.client() as client:
            equal(client.ask("GET", "/v1/none").body, b"[]")
    assert pair.metric("offloop_connections_total") - before <= 6


def holds_behind(pair, write):
    with Proxy(write, pair) as proxy:
        with proxy.client() as client:
            keeps_tags(client, "/v1/proxied/a:b")
            passes_all_methods(client, "/v1/proxied/a:b")
        with proxy.client() as client:
            loads_in_bulk(client, b"bulk")
        keeps_connections(pair, proxy)


@case(own=True)
def haproxy(pair):
    holds_behind(pair, write_haproxy)


@case(own=True)
def varnish(pair):
    holds_behind(pair, write_varnish)


@case(own=True)
def apache(pair):
    holds_behind(pair, write_apache)


@case(own=True)
def h2o(pair):
    holds_behind(pair, write_h2o)


# ---- what proxies do to tags that compress by themselves

def tag_behind(pair, write, changes, coding):
    """The tag that a client gets, and offloop's own."""
    own = pair.put("/v1/proxied/tagged", json.loads(DOCUMENT)).header("etag")
    with Proxy(write, pair, changes) as proxy, proxy.client() as client:
        reply = client.ask("GET", "/v1/proxied/tagged", headers=[("Accept-Encoding", coding)])
        equal((reply.status, reply.header("content-encoding")), (200, coding))
        given = reply.header("etag")
        status = client.ask("PUT", "/v1/proxied/tagged", DOCUMENT,
                            [*JSON, ("If-Match", given)])
        return given, own, status


@case
def haproxy_that_compresses_makes_tags_weak(pair):
    given, own, put = tag_behind(pair, write_haproxy, [(
        "backend offloop\n", "backend offloop\n    compression algo gzip\n    compression "
        "offload\n    compression type application/json\n")], "gzip")
    equal(given, f"W/{own}")
    check_problem(put, 412, "weak")


@case
def varnish_that_expands_makes_tags_weak(pair):
    own = pair.put("/v1/proxied/expanded", json.loads(DOCUMENT)).header("etag")
    with Proxy(write_varnish, pair, [(
            "return (pass);", 'if (req.method == "GET") { return (hash); } return (pass);')]) as proxy, \
            proxy.client() as client:
        reply = client.ask("GET", "/v1/proxied/expanded")
        equal((reply.body, reply.header("etag")), (DOCUMENT, f'W/{own[:-1]}-gzip"'))
        check_problem(client.ask("PUT", "/v1/proxied/expanded", DOCUMENT,
                                 [*JSON, ("If-Match", reply.header("etag"))]), 412, "weak")


@case
def apache_that_compresses_gives_tags_an_end(pair):
    for coding, mark, status in (("gzip", "-gzip", 200), ("br", "-br", 412)):
        name = {"gzip": "DEFLATE", "br": "BROTLI_COMPRESS"}[coding]
        given, own, put = tag_behind(pair, write_apache, [
            ("SetEnv no-gzip 1\n", f"SetOutputFilter {name}\n"), ("SetEnv no-brotli 1\n", "")],
            coding)
        equal((coding, given), (coding, own[:-1] + mark + '"'))
        equal((coding, put.status), (coding, status))
        if status == 412:
            check_problem(put, 412, "an end that offloop did not give")


@case
def h2o_that_compresses_leaves_tags(pair):
    given, own, put = tag_behind(pair, write_h2o, [("compress: OFF", "compress: ON")], "br")
    equal(given, own)
    equal(put.status, 200)
