"""No request holds the loop: random requests of every kind, the dear among the cheap, while
the server counts for how long its loop computes in one turn (away_cpu_us in /debug/loop).

That figure is processor time, but for what a turn takes within half a millisecond of the
last reading of that clock; a machine that does other things adds to it now and then. So
some turns may be long (58 of 15,000 were beside two compilers): where requests can hold the
loop, hundreds are. Figures of a run:

    OFFLOOP_LOOP_TIME=20000 tests/e2e/run -v 42     so many requests instead of the usual
"""
import json
import os
import random
import threading
import urllib.parse

from harness import JSON, case

ALONE = True
UNSANITIZED = True
REQUESTS = int(os.environ.get("OFFLOOP_LOOP_TIME", "1000"))
CLIENTS = 4  # at once
LONG_US = 2000  # a turn of more is long: dear requests used to take 2,500 to 15,000
LONG_TURNS = 100
NDJSON = [("Content-Type", "application/x-ndjson")]
PATCH = [("Content-Type", "application/merge-patch+json")]
JQ = [("Content-Type", "application/jq")]


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def names(count, width=2):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [letters[i // 26 % 26] + letters[i % 26] + "x" * (width - 2) + str(i // 676)
            for i in range(count)]


def nested(depth, inner):
    return b"[" * depth + inner + b"]" * depth


def typical(size):
    row = {"name": "instrument", "price": 12.25, "tags": ["a", "b"], "open": True}
    return compact([row] * max(1, size // len(compact(row))))


def documents():
    """Some that are dear for one operation or another, and some that are not."""
    found = {f"typical-{size}": typical(size) for size in (200, 2000, 20000, 200000, 2000000)}
    found["brackets"] = nested(510, compact([1] * 15000))
    found["members"] = compact({name: 1 for name in names(1500)})
    found["numbers"] = b"[" + b",".join(b"0." + b"%0700d" % n for n in range(60)) + b"]"
    found["escapes"] = b'"' + rb"\u0041" * 8000 + b'"'
    found["lines"] = b'"' + rb"\n" * 24000 + b'"'
    found["halfway"] = b"[" + b",".join([b"9007199254740993." + b"0" * 700 + b"1"] * 60) + b"]"
    found["string"] = compact("x" * 300000)
    found["flat"] = compact([0] * 24000)
    found["empty"] = b"[" + b",".join([b"[]"] * 16000) + b"]"
    found["spaces"] = b" " * 45000 + b"1"
    found["doubles"] = compact([n / 7 for n in range(2000)])
    found["deep"] = nested(512, b"")
    return found


class Requests:
    """Makes requests at random, the same ones for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.documents = documents()

    def target(self):
        return "/v1/loop/" + self.random.choice(list(self.documents))

    def query(self):
        one = self.random
        many = names(one.choice((1, 5, 100, 1000)))
        one.shuffle(many)
        parts = one.sample(["pretty", "fields=" + ",".join(many),
                            "fields=" + ",".join(map(str, range(one.choice((3, 900)))))], 1)
        return "?" + "&".join(parts + (["pretty"] if one.random() < 0.3 else []))

    def read(self):
        one = self.random
        headers = one.choice(([], [], [], [("Accept", "application/msgpack")],
                              [("Accept-Encoding", "gzip")], [("If-None-Match", '"1-json"')],
                              [("If-Match", '"1-json"')]))
        return one.choice(("GET", "GET", "GET", "HEAD")), self.target() + (
            self.query() if one.random() < 0.7 else ""), None, headers

    def put(self):
        body = self.random.choice(list(self.documents.values()))
        if self.random.random() < 0.3:
            body = body[:-1] + self.random.choice((b"", b"x", b",", b"]]"))
        return "PUT", self.target().replace("/v1/loop", "/v1/written"), body, JSON

    def patch(self):
        some = names(self.random.choice((1, 50, 3000)), self.random.choice((2, 3)))
        self.random.shuffle(some)
        body = compact({name: self.random.choice((None, 1, {"a": {"b": 1}})) for name in some})
        return "PATCH", "/v1/patched/" + self.random.choice(("members", "typical-2000")), body, PATCH

    def bulk(self):
        lines = self.random.choice((1, 20, 2000))
        document = self.random.choice((b"1", self.documents["typical-200"],
                                       self.documents["brackets"][:8000]))
        return "POST", "/v1/bulk", b"".join(
            b'{"id":"%d","document":%s}\n' % (n, document) for n in range(lines)), NDJSON

    def listing(self):
        query = self.query() if self.random.random() < 0.5 else "?_"
        return "GET", f"/v1/bulk{query}&limit={self.random.choice((1, 100, 1000))}", None, []

    def program(self):
        """Cheap and dear ones, and some that no budget is enough for."""
        text = self.random.choice((".", ".[0]", "length", "map(.)", "tojson", "tostring|length",
                                   "[..]|length", "[range(1e9)]", "last(range(1e12))",
                                   '"xy"*1e6|length', "def f:[f];f", "sort", "unique|length",
                                   "[range(3000)]|map(.*2)|add", "[limit(200;.[]?)]|tojson"))
        name = self.random.choice(list(self.documents))
        if self.random.random() < 0.2:
            return "PATCH", f"/v1/patched/{name}", text.encode(), JQ
        return "GET", f"/v1/loop/{name}?jq={urllib.parse.quote(text, safe='')}", None, []

    def next(self):
        return self.random.choices((self.read, self.put, self.patch, self.bulk, self.listing,
                                    self.program), (12, 4, 2, 1, 2, 4))[0]()


def load(pair, requests):
    with pair.client() as client:
        for name, body in requests.documents.items():
            for collection in ("loop", "patched"):
                reply = client.ask("PUT", f"/v1/{collection}/{name}", body, JSON)
                assert reply.status in (200, 201), (name, reply)
        # What is cheap, often: so that nothing dear looks cheap for having been expected so.
        for _ in range(300):
            client.ask("GET", "/v1/loop/typical-2000")
            client.ask("GET", "/v1/loop/typical-2000?fields=0,1")
            client.ask("GET", "/v1/loop/typical-20000?pretty")


def ask(client, method, target, body, headers):
    reply = client.ask(method, target, body, headers)
    assert reply.status < 500, (method, target[:80], reply)


def long_turns(pair):
    away = json.loads(pair.admin("/debug/loop").body)["total"]["away_cpu_us"]
    return away, sum(count for bound, count in away["buckets"] if bound > LONG_US)


def ask_at_random(pair, seed, failures):
    requests = Requests(seed)
    try:
        with pair.client() as client:
            for number in range(REQUESTS // CLIENTS):
                ask(client, *requests.next())
                if number % 5 == 0:
                    ask(client, "GET", "/v1/loop/typical-2000?fields=" + ",".join(names(1000)),
                        None, [])
                    ask(client, "GET", "/v1/loop/brackets?pretty", None, [])
    except Exception as failure:
        failures.append(failure)


def stopped_jobs(pair):
    return pair.metric("offloop_jobs_stopped_total") or 0


def stop_one(pair):
    """A program whose length nothing tells beforehand: it begins on the loop, which stops it."""
    with pair.client() as client:
        reply = client.ask("GET", "/v1/loop/typical-200?jq=last(range(1e12))")
        assert reply.status == 422, reply
    assert stopped_jobs(pair) > 0


def run(pair, seed, stops=True):
    load(pair, Requests(seed))
    if stops:
        stop_one(pair)
    _, before = long_turns(pair)
    failures = []
    clients = [threading.Thread(target=ask_at_random, args=(pair, seed * CLIENTS + n, failures))
               for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures, failures[0]
    away, after = long_turns(pair)
    print(f"    {away['count']} turns of the loop, CPU: p99 {away['p99']:.0f} us, "
          f"p99.9 {away['p99.9']:.0f} us, max {away['max']:.0f} us, "
          f"{after - before} above {LONG_US} us, {stopped_jobs(pair):.0f} jobs stopped")
    assert after - before <= LONG_TURNS, f"seed {seed}: {after - before} turns, {away}"


@case(server=["--mode", "auto", "--codec", "yajl", "--reply-cache", "32MiB"])
def auto_with_yajl(pair):
    run(pair, 1)


@case(server=["--mode", "auto", "--codec", "direct"])
def auto_with_direct(pair):
    run(pair, 2)


@case(server=["--mode", "auto", "--codec", "direct"], workers=0)
def auto_without_workers(pair):
    run(pair, 3)


@case(server=["--mode", "rpc"])
def rpc(pair):
    run(pair, 4, stops=False)
