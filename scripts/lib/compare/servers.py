"""What is measured: a pair of our own on free ports, or a server that runs already."""
import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import urllib.parse

from ab import Refused

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402

MODES = ["inline", "threads", "rpc", "auto"]
COLLECTION = "offloop-compare"


def ask(url, method="GET", body=None, headers=()):
    """(status, body) of one request; https without checking the certificate, like ab."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, fields)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def put(url, text, headers=()):
    status, body = ask(url, "PUT", text, [*headers, "Content-Type: application/json"])
    if status not in (200, 201):
        raise Refused(f"PUT {url}: {status} {body.decode(errors='replace')[:200]}")


class Own:
    """Two pairs: one stores MessagePack, the other (as-is) the JSON text."""

    def __init__(self, workers, documents):
        harness.require_programs()
        self.plain = harness.Pair(workers=workers)
        self.json = None
        self.why_no_json = None
        try:
            flags = subprocess.run([harness.BUILD / "offloop-server", "--help"],
                                   capture_output=True, text=True, check=True).stdout
            if "--representation" in flags:
                self.json = harness.Pair(workers=workers, server=["--representation", "json"])
            else:
                self.why_no_json = "this server has no --representation"
            for pair in filter(None, (self.plain, self.json)):
                for name, text in documents.items():
                    put(f"{self.base(pair)}/v1/{COLLECTION}/{name}", text)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def base(pair):
        return f"http://127.0.0.1:{pair.port}"

    def load_collection(self):
        for pair in filter(None, (self.plain, self.json)):
            subprocess.run([ROOT / "scripts/sample-data", "load", self.base(pair)], check=True,
                           stdout=subprocess.DEVNULL)

    def jobs(self, pair):
        """Codec jobs done so far, by the mode they ran in."""
        done = {}
        for labels, value in pair.metrics("offloop_jobs_total"):
            done[labels["mode"]] = done.get(labels["mode"], 0) + value
        return done

    def ran_in(self, pair, path, mode):
        """Asks once; where the server's own counters say that its jobs ran."""
        before = self.jobs(pair)
        status, body = ask(self.base(pair) + path, headers=[f"Offloop-Mode: {mode}"])
        if status != 200:
            raise Refused(f"GET {path} in mode {mode}: {status} {body.decode(errors='replace')[:200]}")
        after = self.jobs(pair)
        return sorted(one for one in after if after[one] > before.get(one, 0))

    def modes(self, path):
        """{mode: None where it can be measured, else why it cannot}."""
        found = {}
        for mode in MODES:
            ran = self.ran_in(self.plain, path, mode)
            here = mode == "auto" or ran == [mode]
            found[mode] = None if here else f"asked for {mode}, this server ran it {'/'.join(ran) or 'not at all'}"
        found["as-is"] = self.why_no_json
        if self.json and (ran := self.ran_in(self.json, path, "rpc")):
            found["as-is"] = f"the server still ran a codec ({'/'.join(ran)})"
        return found

    def pair_of(self, workload, mode):
        return self.json if mode == "as-is" or workload == "change" else self.plain

    def target(self, workload, mode, path):
        """The URL and headers of one run."""
        headers = [] if mode == "as-is" else [f"Offloop-Mode: {mode}"]
        return self.base(self.pair_of(workload, mode)) + path, headers

    def can_change(self):
        return self.json is not None

    def loop(self, workload, mode):
        """/debug/loop's totals."""
        return self.pair_of(workload, mode).admin("/debug/loop").json()["total"]

    def jobs_by_mode(self, workload, mode):
        return self.jobs(self.pair_of(workload, mode))

    def close(self):
        for pair in filter(None, (self.plain, self.json)):
            pair.destroy()


class Running:
    """A server of the user's: asked through Offloop-Mode, told nothing else."""

    def __init__(self, url, headers, cookies, admin, documents):
        self.headers, self.cookies, self.admin = list(headers), list(cookies), admin
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SystemExit(f"compare: not an http:// or https:// URL: {url}")
        self.base_url = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.stored = []
        if self.path in ("", "/"):
            self.path = None
            for name, text in documents.items():
                target = f"{self.base_url}/v1/{COLLECTION}/{name}"
                put(target, text, self.all_headers())
                self.stored.append(target)

    def all_headers(self):
        return self.headers + [f"Cookie: {one}" for one in self.cookies]

    def modes(self, path):
        def status(mode):
            return ask(self.base_url + path, headers=[*self.all_headers(), f"Offloop-Mode: {mode}"])[0]
        # A server that honours the header refuses what is no mode.
        if status("no-such-mode") != 400:
            raise Refused("the server ignores Offloop-Mode, or a proxy drops it: start it with --mode-header")
        found = {}
        for mode in MODES:
            got = status(mode)
            found[mode] = None if got == 200 else f"the server answered {got}"
        found["as-is"] = "a running server stores what it stores: measure your own with --data"
        return found

    def target(self, workload, mode, path):
        return self.base_url + path, [*self.headers, f"Offloop-Mode: {mode}"]

    def can_change(self):
        return False

    def loop(self, workload, mode):
        if not self.admin:
            return None
        status, body = ask(f"{self.admin}/debug/loop")
        if status != 200:
            raise Refused(f"{self.admin}/debug/loop: {status}")
        return json.loads(body)["total"]

    def jobs_by_mode(self, workload, mode):
        return {}

    def close(self):
        for target in self.stored:
            ask(target, "DELETE", headers=self.all_headers())
        self.stored = []
