"""X-Accel-Redirect: an application on Tornado or Express says which document a client may have,
and nginx fetches it from offloop. Runs examples/nginx-accel.conf and examples/*/accel.* with the
real programs; where one is missing the cases are skipped."""
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import ROOT, Client, Skip, case, equal, eventually, free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
NODE_PATH = os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), "/usr/share/nodejs"]))
DOCUMENT = {"name": "one", "exchange": "X", "lot_size": 50, "rows": [{"n": n, "t": "text"} for n in range(9000)]}
TRADER, GUEST = [("X-Role", "trader")], [("X-Role", "guest")]


def tornado():
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", "import tornado"], capture_output=True).returncode == 0:
                return [python, ROOT / "examples/tornado/accel.py"]
    raise Skip("no Tornado (Debian: python3-tornado)")


def express():
    if not shutil.which("node"):
        raise Skip("no node (Debian: nodejs)")
    if subprocess.run(["node", "-e", "require('express')"], capture_output=True,
                      env={**os.environ, "NODE_PATH": NODE_PATH}).returncode != 0:
        raise Skip("no Express (Debian: node-express)")
    return ["node", ROOT / "examples/express/accel.js"]


@contextlib.contextmanager
def application(command):
    """Its port."""
    process = subprocess.Popen([*command, "--port", "0"], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, env={**os.environ, "NODE_PATH": NODE_PATH})
    try:
        said = process.stdout.readline()
        assert said.startswith("listening on http://127.0.0.1:"), said
        yield int(said.rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def replaced(text, old, new):
    assert old in text, f"examples/nginx-accel.conf has no {old!r} any more"
    return text.replace(old, new)


@contextlib.contextmanager
def nginx(application_port, offloop_port):
    """Its port."""
    if not NGINX:
        raise Skip("no nginx (Debian: nginx-light)")
    folder, port = pathlib.Path(tempfile.mkdtemp(prefix="offloop-accel-")), free_port()
    site = (ROOT / "examples/nginx-accel.conf").read_text()
    site = replaced(site, "127.0.0.1:8000;", f"127.0.0.1:{application_port};")
    site = replaced(site, "127.0.0.1:8080;", f"127.0.0.1:{offloop_port};")
    site = replaced(site, "listen 127.0.0.1:8088;", f"listen 127.0.0.1:{port};")
    (folder / "site.conf").write_text(site)
    temporary = "".join(f"{one}_temp_path {folder}/{one};\n" for one in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""  # the folder is ours alone
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log warn;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n")
    process = subprocess.Popen([NGINX, "-p", folder, "-c", "nginx.conf"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=open(folder / "stderr", "wb"))

    def answers():
        assert process.poll() is None, (folder / "stderr").read_text()
        with contextlib.suppress(OSError):
            Client(port).close()
            return True
        return False
    try:
        eventually(answers, "nginx listens")
        yield port
    finally:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


def check(pair, port):
    """Rights, the whole and a part, compression, conditions, and nobody passes by the application."""
    with Client(port) as client:
        equal(client.ask("GET", "/documents/things/one").status, 403)
        whole = client.ask("GET", "/documents/things/one", headers=TRADER)
        equal((whole.status, whole.header("content-type"), whole.json()), (200, "application/json", DOCUMENT))
        equal(whole.header("x-accel-redirect"), None)
        equal(whole.body, pair.ask("GET", "/v1/things/one").body)
        part = client.ask("GET", "/documents/things/one", headers=GUEST)
        equal(part.json(), {"name": "one", "exchange": "X", "lot_size": 50})
        packed = client.ask("GET", "/documents/things/one", headers=[*TRADER, ("Accept-Encoding", "gzip")])
        equal((packed.header("content-encoding"), json.loads(gzip.decompress(packed.body))), ("gzip", DOCUMENT))
        again = client.ask("GET", "/documents/things/one",
                           headers=[*TRADER, ("If-None-Match", whole.header("etag"))])
        equal((again.status, again.body), (304, b""))
        equal(client.ask("HEAD", "/documents/things/one", headers=TRADER).status, 200)
        equal(client.ask("GET", "/documents/things/none", headers=TRADER).status, 404)
        equal(client.ask("GET", "/documents/things/%D0%B6?x=1", headers=TRADER).status, 404)
        equal(client.ask("GET", "/offloop/v1/things/one", headers=TRADER).status, 404)
        equal(client.ask("DELETE", "/documents/things/one", headers=TRADER).status in (404, 405), True)
        equal(client.ask("GET", "/documents/things/one", headers=TRADER).status, 200)


def with_application(find):
    def run(pair):
        pair.put("/v1/things/one", DOCUMENT)
        with application(find()) as app_port, nginx(app_port, pair.port) as port:
            check(pair, port)
    run.__name__ = f"documents_named_by_{find.__name__}"
    case(run)


with_application(tornado)
with_application(express)
