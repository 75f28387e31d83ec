"""What the HTTP clients that people use see at the edges: refusals of uploads that are
large or slow, connections that are kept, hosts that are not the server's."""
import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import atexit
import pathlib
import time
import urllib.error
import urllib.request

from harness import (BUILD, JSON, Client, Skip, case, check_problem, equal, eventually,
                     request)

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="offloop-e2e-clients-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
TOKENS = FOLDER / "tokens"
TOKENS.write_text(f"{hashlib.sha256(b'writer').hexdigest()} rw *\n")
TOKEN = {"Authorization": "Bearer writer"}
LOG = FOLDER / "access.log"

PAIR = {"server": ["--auth-file", str(TOKENS), "--max-body", "1MiB", "--access-log", str(LOG)]}

LARGE = 80 << 20  # far above --max-body, and more than sockets hold
TYPE = {"Content-Type": "application/json"}
# what is refused, with which headers: 401 and 415 before any byte, 413 by the length
REFUSED = ((401, TYPE), (413, {**TYPE, **TOKEN}), (415, {"Content-Type": "text/x", **TOKEN}))


def ask_http_client(pair, headers, body):
    connection = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=60)
    connection.request("PUT", "/v1/clients/a", body, headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def ask_urllib(pair, headers, body):
    asked = urllib.request.Request(f"http://127.0.0.1:{pair.port}/v1/clients/a", body, headers,
                                   method="PUT")
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read()


def ask_httpx(pair, headers, body):
    try:
        import httpx
    except ImportError as missing:
        raise Skip("httpx is not installed") from missing
    reply = httpx.put(f"http://127.0.0.1:{pair.port}/v1/clients/a", content=body,
                      headers=headers, timeout=60, trust_env=False)
    return reply.status_code, reply.content


NODE = """
const [port, size, headers] = [process.argv[1], +process.argv[2], JSON.parse(process.argv[3])];
const request = require('http').request({host: '127.0.0.1', port, method: 'PUT',
  path: '/v1/clients/a', headers: {...headers, 'Content-Length': size}}, reply => {
  let text = '';
  reply.on('data', part => { text += part; });
  reply.on('end', () => { console.log(reply.statusCode); console.log(text); });
});
request.on('error', problem => { console.error(problem); process.exit(1); });
request.end(Buffer.alloc(size, 0x20));
"""


def ask_node(pair, headers, body):
    node = shutil.which("node")
    if node is None:
        raise Skip("node is not installed")
    ran = subprocess.run([node, "-e", NODE, str(pair.port), str(len(body)), json.dumps(headers)],
                         capture_output=True, text=True, timeout=120, check=False)
    equal((ran.returncode, ran.stderr), (0, ""))
    status, text = ran.stdout.split("\n", 1)
    return int(status), text.encode()


def check_refused(pair, ask):
    for status, headers in REFUSED:
        got, text = ask(pair, headers, b" " * LARGE)
        equal(got, status)
        equal(json.loads(text)["status"], status)


@case
def http_client_sees_why_an_upload_is_refused(pair):
    check_refused(pair, ask_http_client)


@case
def urllib_sees_why_an_upload_is_refused(pair):
    check_refused(pair, ask_urllib)


@case
def httpx_sees_why_an_upload_is_refused(pair):
    check_refused(pair, ask_httpx)


@case
def node_sees_why_an_upload_is_refused(pair):
    check_refused(pair, ask_node)


@case
def slow_uploads_see_why_they_are_refused(pair):
    """One that is under way for longer than a pause may last, and reads only at its end."""
    connections = []
    for status, headers in REFUSED:
        connection = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=60)
        connection.putrequest("PUT", "/v1/clients/slow")
        for name, value in {**headers, "Content-Length": str(16 << 20)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connections.append((status, connection))
    for _ in range(8):
        time.sleep(1)  # the upload's own pace
        for _, connection in connections:
            connection.send(b" " * (2 << 20))
    for status, connection in connections:
        reply = connection.getresponse()
        equal((reply.status, json.loads(reply.read())["status"]), (status, status))


@case
def the_time_that_a_connection_is_kept_is_told(pair):
    for version in ("1.1", "1.0"):
        asked = list(TOKEN.items()) + [("Connection", "keep-alive")]
        with pair.client() as client:
            for _ in range(2):
                reply = client.ask("GET", "/v1/clients/none", headers=asked, version=version)
                equal((reply.status, reply.header("connection"), reply.header("keep-alive")),
                      (404, "keep-alive", "timeout=75"))
            reply = client.ask("GET", "/v1", headers=[*TOKEN.items(), ("Connection", "close")],
                               version=version)
            equal((reply.header("connection"), reply.header("keep-alive")), ("close", None))
            assert client.ended()


@case(own=True, server=["--idle-timeout", "1s"])
def idle_connections_are_closed_in_time(pair):
    for port in (pair.port, pair.admin_port):
        with Client(port) as client:
            equal(client.ask("GET", "/v1").header("keep-alive"), "timeout=1")
            assert client.ended()


@case
def hosts_with_tokens_are_not_judged(pair):
    with pair.client() as client:
        reply = client.ask("GET", "/v1", headers=[("Host", "docs.example"), *TOKEN.items()])
        equal(reply.status, 200)
    with Client(pair.admin_port) as client:  # which has no tokens
        reply = client.ask("GET", "/healthz", headers=[("Host", "docs.example")])
        check_problem(reply, 421, "--host")


@case(own=True, server=[])
def strangers_hosts_are_421(pair):
    """A page of a site whose name leads to this machine is no part of this server."""
    for port, target in ((pair.port, "/v1"), (pair.admin_port, "/healthz")):
        for host in ("evil.example", "evil.example:80", "localhost.evil.example"):
            with Client(port) as client:
                check_problem(client.ask("GET", target, headers=[("Host", host)]), 421, "--host")
            with Client(port) as client:
                check_problem(client.ask("GET", f"http://{host}{target}"), 421, "--host")
        for host in ("127.0.0.1", "localhost:1", "app.localhost", "[::1]:80", "documents"):
            with Client(port) as client:
                equal(client.ask("GET", target, headers=[("Host", host)]).status, 200)
    # nothing of the body is read, and the write is not done
    with pair.client() as client:
        reply = client.ask("PUT", "/v1/hosts/a", b"1", [("Host", "evil.example"), *JSON])
        check_problem(reply, 421)
    equal(pair.ask("GET", "/v1/hosts/a").status, 404)


@case(own=True, server=["--host", "docs.example", "--host", "api.example"])
def named_hosts_are_served(pair):
    for host in ("docs.example", "API.example:443", "127.0.0.1", "localhost"):
        with pair.client() as client:
            equal(client.ask("GET", "/v1", headers=[("Host", host)]).status, 200)
    with pair.client() as client:
        check_problem(client.ask("GET", "/v1", headers=[("Host", "x.example")]), 421, "x.example")


@case(own=True, server=["--host", "any"])
def any_host_is_served(pair):
    with pair.client() as client:
        equal(client.ask("GET", "/v1", headers=[("Host", "x.example")]).status, 200)


@case
def a_unix_socket_counts_as_loopback(pair):
    path = FOLDER / "http.sock"
    server = subprocess.Popen(
        [str(BUILD / "offloop-server"), "--listen", f"unix:{path}", "--admin", "off",
         "--store", f"lmdb:{FOLDER / 'data'}", "--mode", "inline"],
        env={"XDG_RUNTIME_DIR": str(FOLDER), "PATH": "/usr/bin:/bin"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        while "listening" not in server.stdout.readline():
            assert server.poll() is None
        for host, status in (("evil.example", b"421"), ("documents", b"200")):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(60)
                one.connect(str(path))
                one.sendall(request("GET", "/v1", headers=[("Host", host)]))
                assert one.recv(100).startswith(b"HTTP/1.1 " + status)
    finally:
        server.terminate()
        server.wait(60)


@case
def refused_heads_are_in_the_access_log(pair):
    for head in (b"GET /v1/logged-" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /v1/logged-431 HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\nX: "
                 + b"y" * 40000 + b"\r\n\r\n",
                 b"GET /v1/logged-400 HTTP/1.1\r\nHost: x\r\nUser-Agent: \"me\"\r\nno colon\r\n\r\n",
                 b"logged nonsense\"\x01\r\n\r\n"):
        with pair.client() as client:
            client.send(head)
            status = client.reply().status
            assert status in (400, 414, 431), status

    def lines():
        return [line for line in LOG.read_text().splitlines() if "logged" in line]

    eventually(lambda: len(lines()) == 4, "the refused heads are logged")
    long, many, bad, nonsense = lines()
    assert long.startswith("127.0.0.1 - - [") and '" 414 ' in long and len(long) < 2000, long
    assert '"GET /v1/logged-431 HTTP/1.1" 431 ' in many and '"me" - 0 0' in many, many
    assert '"GET /v1/logged-400 HTTP/1.1" 400 ' in bad and r'"\x22me\x22"' in bad, bad
    assert r'"logged nonsense\x22\x01" 400 ' in nonsense, nonsense


@case
def fields_that_contradict_each_other_are_400(pair):
    for name, one, other in (("Content-Type", "application/json", "application/msgpack"),
                             ("Accept-Encoding", "gzip", "identity")):
        with pair.client() as client:
            check_problem(client.ask("PUT", "/v1/clients/two", b"1", [
                (name, one), (name, other), *TOKEN.items()]), 400, name)
        with pair.client() as client:
            reply = client.ask("PUT", "/v1/clients/two", b"1", [
                *(JSON if name != "Content-Type" else []), (name, one), (name, one),
                *TOKEN.items()])
            assert reply.status in (200, 201), reply


@case(own=True, server=["--send-timeout", "3s"])
def slow_readers_get_the_whole_reply(pair):
    """The socket takes its next part only after a long time, but the client never stops
    for as long as it may."""
    size = 12 << 20
    pair.put("/v1/slow/a", "x" * size)
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        one.settimeout(60)
        one.connect(("127.0.0.1", pair.port))
        one.sendall(request("GET", "/v1/slow/a"))
        got = 0
        for _ in range(80):
            got += len(one.recv(16384))
            time.sleep(0.1)  # the reader's own pace
        while True:
            data = one.recv(1 << 20)
            if not data:
                break
            got += len(data)
            if got > size:
                break
    assert got > size, f"{got} bytes came"
