"""deploy/nginx.conf with a real nginx in front: TLS, HTTP/2, kept-alive connections to the
server, over TCP and over a unix socket. curl is the client; where one of the programs is
missing the cases are skipped."""
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import BUILD, ROOT, Skip, case, equal, eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
MISSING = [name for name, found in (("nginx", NGINX), ("openssl", shutil.which("openssl")),
                                    ("curl", shutil.which("curl"))) if not found]
H2 = not MISSING and "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True,
                                                text=True, check=True).stdout
SOCKET = pathlib.Path(tempfile.gettempdir()) / f"offloop-nginx-{os.getpid()}.sock"
PAIR = {"server": ["--listen", f"unix:{SOCKET}"]}
NAME = "documents.example.com"


def free_ports(count):
    """Ports that are free now, asked for all at once so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout",
                    folder / "privkey.pem", "-out", folder / "fullchain.pem"],
                   check=True, capture_output=True)


def replaced(text, old, new):
    assert old in text, f"deploy/nginx.conf has no {old!r} any more"
    return text.replace(old, new)


class Nginx:
    """One nginx with the file from deploy/: only addresses and the certificate's folder
    are other than there."""

    def __init__(self, upstream, without=None, instead=""):
        self.folder = None
        self.upstream = upstream
        self.without = without  # a line of the file that a case does without
        self.instead = instead  # what it has in that place

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-nginx-"))
        self.http, self.https = free_ports(2)
        certificate(self.folder)
        self._write()
        self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", "nginx.conf"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "stderr", "wb"))
        eventually(self._answers, "nginx listens")
        return self

    def _write(self):
        site = (ROOT / "deploy/nginx.conf").read_text()
        site = re.sub(r"listen \[::\].*", "", site)
        site = replaced(site, "listen 80;", f"listen 127.0.0.1:{self.http};")
        site = replaced(site, "listen 443 ssl", f"listen 127.0.0.1:{self.https} ssl")
        site = replaced(site, "server 127.0.0.1:8080;", f"server {self.upstream};")
        if self.without:
            site = replaced(site, self.without, self.instead)
        site = replaced(site, "/etc/ssl/offloop", str(self.folder))
        (self.folder / "site.conf").write_text(site)
        temporary = "".join(f"{one}_temp_path {self.folder}/{one};\n" for one in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""  # the folder is ours alone
        (self.folder / "nginx.conf").write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {self.folder}/pid;\n"
            f"error_log {self.folder}/error.log warn;\nevents {{ worker_connections 256; }}\n"
            f"http {{\naccess_log off;\n{temporary}include {self.folder}/site.conf;\n}}\n")

    def _answers(self):
        assert self.process.poll() is None, f"nginx ended: {self.errors()}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.https), 5).close()
            return True
        return False

    def errors(self):
        return "".join((self.folder / name).read_text() for name in ("stderr", "error.log")
                       if (self.folder / name).exists())

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def curl(self, *arguments, body=None, plain=False):
        """(HTTP version, status, headers, body) of one request."""
        done = subprocess.run(
            ["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "60",
             "--http1.1" if plain else "--http2", "--cacert", self.folder / "fullchain.pem", "-H", "Expect:",
             "--resolve", f"{NAME}:{self.https}:127.0.0.1",
             "--resolve", f"{NAME}:{self.http}:127.0.0.1", *arguments],
            input=body, capture_output=True)
        assert done.returncode == 0, f"{done.stderr.decode()} {self.errors()}"
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        version, status = lines[0].split()[:2]
        headers = {name.lower(): value.strip()
                   for name, _, value in (line.partition(":") for line in lines[1:])}
        return version, int(status), headers, rest

    def ask(self, method, path, body=None, headers=()):
        flags = ["-X", method] if method != "HEAD" else ["-I"]
        for header in headers:
            flags += ["-H", header]
        if body is not None:
            flags += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        version, *rest = self.curl(*flags, f"https://{NAME}:{self.https}{path}", body=body)
        equal(version, "HTTP/2" if H2 else "HTTP/1.1")
        return rest


def with_nginx(function, **options):
    """A case that gets an nginx over TCP; it is skipped where a program is missing."""
    def run(pair):
        if MISSING:
            raise Skip(f"no {', '.join(MISSING)} here")
        with Nginx(f"127.0.0.1:{pair.port}", **options) as nginx:
            function(pair, nginx)
    run.__name__ = function.__name__
    return case(run)


def walk(nginx, collection):
    """PUT, GET, conditions, listing, DELETE."""
    path = f"/v1/{collection}"
    document = b'{"a":[1,2.5,-0.0],"b":18446744073709551615}'
    status, headers, _ = nginx.ask("PUT", f"{path}/one", document)
    equal(status, 201)
    etag = headers["etag"]
    status, headers, body = nginx.ask("GET", f"{path}/one")
    equal((status, body, headers["etag"]), (200, document, etag))
    equal(headers["content-type"], "application/json")
    status, headers, body = nginx.ask("GET", f"{path}/one",
                                      headers=[f"If-None-Match: {etag}"])
    equal((status, body), (304, b""))
    equal(nginx.ask("HEAD", f"{path}/one")[0], 200)
    equal(nginx.ask("PUT", f"{path}/two", b"2")[0], 201)
    equal(nginx.ask("GET", path)[2], b"[" + document + b",2]")
    equal(nginx.ask("GET", f"{path}?limit=1")[2], b"[" + document + b"]")
    equal(nginx.ask("DELETE", f"{path}/one")[0], 204)
    status, headers, body = nginx.ask("GET", f"{path}/one")
    equal((status, headers["content-type"]), (404, "application/problem+json"))


@with_nginx
def documents_through_tls_and_http_2(_, nginx):
    walk(nginx, "tls")


@with_nginx
def bad_json_is_told_as_by_the_server_itself(pair, nginx):
    status, headers, body = nginx.ask("PUT", "/v1/tls/bad", b'{"a":}')
    direct = pair.ask("PUT", "/v1/tls/bad", b'{"a":}', [("Content-Type", "application/json")])
    equal((status, headers["content-type"]), (direct.status, "application/problem+json"))
    equal(json.loads(body)["detail"], direct.json()["detail"])


@with_nginx
def large_bodies_pass_both_ways(_, nginx):
    large = json.dumps(["x" * 100] * 90_000, separators=(",", ":")).encode()
    assert len(large) > 8 << 20
    equal(nginx.ask("PUT", "/v1/tls/large", large)[0], 201)
    status, _, body = nginx.ask("GET", "/v1/tls/large")
    equal(status, 200)
    assert body == large, f"{len(body)} bytes are not as sent"


@with_nginx
def a_body_beyond_the_bound_is_refused(_, nginx):
    equal(nginx.ask("PUT", "/v1/tls/huge", b"[" + b" " * (65 << 20) + b"]")[0], 413)


@with_nginx
def a_bulk_load_has_any_size(_, nginx):
    """More than --max-body, which bounds a document; of unknown length."""
    lines = b"".join(b'{"id":"%05d","document":"%b"}\n' % (number, b"x" * 4000)
                     for number in range(17000))
    assert len(lines) > 65 << 20
    _, status, _, body = nginx.curl(
        "-X", "POST", "-T", "-", "-H", "Content-Type: application/x-ndjson",
        f"https://{NAME}:{nginx.https}/v1/bulk", body=lines)
    equal((status, json.loads(body)), (200, {"stored": 17000, "failed": 0, "errors": []}))


def read_and_write(nginx, path):
    """Reads compressed, and writes with the tag that came; both replies and that tag."""
    equal(nginx.ask("PUT", path, json.dumps(["text"] * 1000).encode())[0], 201)
    status, headers, _ = nginx.ask("GET", path, headers=["Accept-Encoding: gzip"])
    equal((status, headers["content-encoding"]), (200, "gzip"))
    return headers["etag"], nginx.ask("PUT", path, b"1",
                                      headers=[f"If-Match: {headers['etag']}"])


@with_nginx
def tags_and_compression_are_the_servers(_, nginx):
    tag, put = read_and_write(nginx, "/v1/tagged/strong")
    assert tag.startswith('"') and tag.endswith('-gzip"'), tag
    equal(put[0], 200)


@functools.partial(with_nginx, without="proxy_set_header Accept-Encoding $http_accept_encoding;",
                   instead="gzip on; gzip_types application/json; "
                           "proxy_set_header Accept-Encoding '';")
def nginx_that_compresses_makes_tags_weak(_, nginx):
    tag, put = read_and_write(nginx, "/v1/tagged/weak")
    equal(tag[:3], 'W/"')
    equal(put[0], 412)
    assert "weak tag" in json.loads(put[2])["detail"], put


@with_nginx
def connections_to_the_server_are_kept(pair, nginx):
    """20 requests of 20 clients, and the server has accepted a handful of connections."""
    nginx.ask("GET", "/v1")
    before = pair.metric("offloop_connections_total")
    assert before is not None, "there is no such metric"
    for _ in range(20):
        equal(nginx.ask("GET", "/v1/none")[2], b"[]")
    assert pair.metric("offloop_connections_total") - before <= 4


@with_nginx
def http_is_sent_to_https_and_nothing_else_is_there(_, nginx):
    _, status, headers, _ = nginx.curl(f"http://{NAME}:{nginx.http}/v1/a?limit=1", plain=True)
    equal((status, headers["location"]), (308, f"https://{NAME}/v1/a?limit=1"))
    for path in ("/", "/metrics", "/healthz", "/debug/stats"):
        equal(nginx.ask("GET", path)[0], 404)


@functools.partial(with_nginx, without='proxy_set_header Offloop-Mode "";')
def compare_over_https(pair, nginx):
    """As ab and the prober see it: TLS, a header, a cookie. (The file keeps strangers from
    choosing the mode; whoever compares lets them.)"""
    pair.put("/v1/compared/one", {"a": list(range(100))})
    out = pair.folder / "https"
    done = subprocess.run(
        [ROOT / "scripts/compare", "--quick", "--probe-seconds", "1", "--requests", "60", "--concurrency", "4",
         "--rounds", "1", "--url", f"https://127.0.0.1:{nginx.https}/v1/compared/one", "--header", "X-One:1",
         "--cookie", "a=b", "--out", out], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OFFLOOP_BUILD": str(BUILD)})
    equal((done.returncode, done.stderr if done.returncode else ""), (0, ""))
    report = json.loads((out / "report.json").read_text())
    equal({row["mode"] for row in report["rows"]}, {"inline", "threads", "rpc", "auto"})
    equal({line["requests"] for line in report["light"]}, {200})


@case
def documents_through_a_unix_socket(pair):
    if MISSING:
        raise Skip(f"no {', '.join(MISSING)} here")
    with Nginx(f"unix:{SOCKET}") as nginx:
        walk(nginx, "unix")
