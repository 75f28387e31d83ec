"""The cache of encoded replies: sent again without a job, never stale, never another's."""
import contextlib
import json
import random
import shutil
import threading

import harness
from harness import JSON, Pair, case, equal, lmdb_only

CACHE = ["--mode", "auto", "--reply-cache", "4MiB", "--processes", "1"]
PAIR = {"server": CACHE}
PATCH = [("Content-Type", "application/merge-patch+json")]


def count(pair, what):
    return pair.metric(f"offloop_reply_cache_{what}") or 0


def rows(number, size=100):
    return {"number": number, "rows": [{"n": n, "text": f"{number}"} for n in range(size)]}


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def warm(client, target, headers=()):
    """Asks until the reply is kept: whatever a worker makes is copied the second time."""
    for _ in range(4):
        reply = client.ask("GET", target, headers=list(headers))
    return reply


@contextlib.contextmanager
def over_redis():
    if shutil.which("redis-server") is None:
        raise harness.Skip("no redis-server here")
    before, harness.STORE = harness.STORE, "redis"
    try:
        pair = Pair(server=CACHE)
    finally:
        harness.STORE = before
    try:
        yield pair
        pair.stop()
    finally:
        pair.destroy()


# ---- what it saves

@case
def a_document_is_encoded_once(pair):
    body = compact(rows(1))
    with pair.client() as client:
        client.ask("PUT", "/v1/cache/once", body, JSON)
        first = warm(client, "/v1/cache/once")
        jobs, hits = pair.metric("offloop_jobs_total"), count(pair, "hits_total")
        for _ in range(50):
            reply = client.ask("GET", "/v1/cache/once")
            equal((reply.status, reply.body), (200, body))
            equal(reply.header("etag"), first.header("etag"))
        equal(client.ask("HEAD", "/v1/cache/once").header("content-length"), str(len(body)))
        equal(pair.metric("offloop_jobs_total"), jobs)
        equal(count(pair, "hits_total"), hits + 51)
    assert count(pair, "bytes") >= len(body)


@case
def what_shapes_a_reply_is_its_key(pair):
    document = rows(2)
    plain = compact(document)
    with pair.client() as client:
        client.ask("PUT", "/v1/cache/shapes", plain, JSON)
        client.ask("PUT", "/v1/cache2/shapes", compact(rows(3)), JSON)
        shapes = {"": [], "?pretty": [], "?fields=number": [], "?fields=rows": [],
                  "?pretty&fields=number": [], "#gzip": [("Accept-Encoding", "gzip")],
                  "#msgpack": [("Accept", "application/msgpack")],
                  "?fields=number#msgpack": [("Accept", "application/msgpack")]}
        wanted = {}
        for round_ in range(4):
            for shape, headers in shapes.items():
                reply = client.ask("GET", "/v1/cache/shapes" + shape.partition("#")[0],
                                   headers=headers)
                got = (reply.status, reply.body, reply.header("etag"),
                       reply.header("content-encoding"), reply.header("content-type"))
                equal(got, wanted.setdefault(shape, got))
        equal(len({got[1] for got in wanted.values()}), len(shapes))
        equal(wanted[""][1], plain)
        equal(json.loads(wanted["?pretty&fields=number"][1]), {"number": 2})
        equal(client.ask("GET", "/v1/cache2/shapes").json(), rows(3))


@case
def conditions_hold_as_ever(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/cache/if", compact(rows(4)), JSON)
        tag = warm(client, "/v1/cache/if").header("etag")
        equal(client.ask("GET", "/v1/cache/if", headers=[("If-None-Match", tag)]).status, 304)
        equal(client.ask("GET", "/v1/cache/if", headers=[("If-Match", tag)]).status, 200)
        equal(client.ask("GET", "/v1/cache/if", headers=[("If-Match", '"1-x"')]).status, 412)
        client.ask("PUT", "/v1/cache/if", compact(rows(5)), JSON)
        reply = client.ask("GET", "/v1/cache/if", headers=[("If-None-Match", tag)])
        equal((reply.status, reply.json()), (200, rows(5)))
        equal(client.ask("GET", "/v1/cache/if", headers=[("If-Match", tag)]).status, 412)


@case
def who_chooses_a_mode_has_a_job(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/cache/mode", compact(rows(6)), JSON)
        warm(client, "/v1/cache/mode")
        before = pair.metric("offloop_jobs_total"), count(pair, "hits_total")
        for mode in ("inline", "threads", "rpc", "auto"):
            equal(client.ask("GET", "/v1/cache/mode", headers=[("Offloop-Mode", mode)]).json(),
                  rows(6))
        equal((pair.metric("offloop_jobs_total"), count(pair, "hits_total")),
              (before[0] + 4, before[1]))


@case(server=[*CACHE, "--reply-cache", "64KiB"])
def it_stays_within_its_size(pair):
    with pair.client() as client:
        for number in range(60):
            client.ask("PUT", f"/v1/many/{number}", compact(rows(number, 50)), JSON)
        for _ in range(3):
            for number in range(60):
                equal(client.ask("GET", f"/v1/many/{number}").json(), rows(number, 50))
                assert count(pair, "bytes") <= 65536
        assert count(pair, "evictions_total") > 0
        large = compact(rows(1, 2000))
        client.ask("PUT", "/v1/many/large", large, JSON)
        for _ in range(4):
            equal(client.ask("GET", "/v1/many/large").body, large)
        assert count(pair, "bytes") <= 65536


@case(server=["--mode", "rpc", "--reply-cache", "32MiB"])
def what_workers_make_is_kept_when_it_comes_again(pair):
    """The first reply is sent out of the worker's memory, which nobody keeps."""
    with pair.client() as client:
        for rows_ in (20, 2000, 20000, 80000):
            body, target = compact(rows(7, rows_)), f"/v1/large/{rows_}"
            client.ask("PUT", target, body, JSON)
            for _ in range(2):
                equal(client.ask("GET", target).body, body)
            jobs = pair.metric("offloop_jobs_total")
            for _ in range(5):
                equal(client.ask("GET", target).body, body)
            equal(pair.metric("offloop_jobs_total"), jobs)
            equal(client.ask("DELETE", target).status, 204)
            equal(client.ask("GET", target).status, 404)


@case(server=["--mode", "auto", "--reply-cache", "off"])
def off_is_off(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/cache/off", compact(rows(1)), JSON)
        warm(client, "/v1/cache/off")
    equal((count(pair, "hits_total"), count(pair, "misses_total"), count(pair, "bytes")),
          (0, 0, 0))


# ---- never stale

def writes_are_seen(pair):
    """Each write is seen by the next read, through this connection and another."""
    with pair.client() as client, pair.client() as other:
        for number in range(30):
            target = f"/v1/fresh/{number % 3}"
            reply = client.ask("PUT", target, compact(rows(number)), JSON)
            assert reply.status in (200, 201), reply
            for one in (other, client, other):
                equal(warm(one, target).json(), rows(number))
            reply = client.ask("PATCH", target, b'{"number":-1}', PATCH)
            equal(reply.json()["number"], -1)
            equal(other.ask("GET", target + "?fields=number").json(), {"number": -1})
            equal(other.ask("GET", target).json(), rows(number) | {"number": -1})
            if number % 2:
                equal(client.ask("DELETE", target).status, 204)
                equal(other.ask("GET", target).status, 404)
                equal(other.ask("HEAD", target).status, 404)
    assert count(pair, "hits_total") > 100


def readers_never_go_back(pair, writes=150):
    """Readers of a document that somebody writes never see an older one than before, nor one
    older than what was written when they asked, nor a body that is not its tag's."""
    state = {"written": 0, "wrong": [], "over": False}
    bodies = {}

    def read(seed):
        one = random.Random(seed)
        with pair.client() as client:
            while not state["over"] and not state["wrong"]:
                least = state["written"]
                query = one.choice(("", "", "", "?pretty"))
                reply = client.ask("GET", "/v1/race/one" + query)
                number = reply.json()["number"]
                if number < least:
                    state["wrong"].append(f"{number} after {least}")
                if bodies.setdefault((reply.header("etag"), query), reply.body) != reply.body:
                    state["wrong"].append(f"two bodies of {reply.header('etag')}")

    with pair.client() as client:
        client.ask("PUT", "/v1/race/one", compact(rows(0)), JSON)
        readers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for reader in readers:
            reader.start()
        for number in range(1, writes):
            client.ask("PUT", "/v1/race/one", compact(rows(number)), JSON)
            state["written"] = number
            for _ in range(number % 4):
                client.ask("GET", "/v1/race/one")
        state["over"] = True
        for reader in readers:
            reader.join()
    equal(state["wrong"], [])


@case
def writes_are_seen_at_once(pair):
    writes_are_seen(pair)


@case
def readers_see_no_older_document(pair):
    readers_never_go_back(pair)


@case(server=CACHE)
def a_restored_store_is_read(pair):
    """The store of before is put back while the server is away."""
    lmdb_only("copies LMDB's files")
    with pair.client() as client:
        client.ask("PUT", "/v1/restored/one", compact(rows(1)), JSON)
    pair.server.stop()
    shutil.copytree(pair.store, pair.folder / "backup")
    pair.start_server()
    pair.wait_ready()
    with pair.client() as client:
        client.ask("PUT", "/v1/restored/one", compact(rows(2)), JSON)
        equal(warm(client, "/v1/restored/one").json(), rows(2))
    pair.server.stop()
    shutil.rmtree(pair.store)
    shutil.copytree(pair.folder / "backup", pair.store)
    pair.start_server()
    pair.wait_ready()
    with pair.client() as client:
        equal(warm(client, "/v1/restored/one").json(), rows(1))
        client.ask("PUT", "/v1/restored/one", compact(rows(3)), JSON)
        equal(warm(client, "/v1/restored/one").json(), rows(3))


@case(own=True)
def redis_is_asked_for_the_version(_):
    with over_redis() as pair:
        writes_are_seen(pair)
        readers_never_go_back(pair, 60)


@case(own=True)
def what_changes_in_redis_itself_is_seen(_):
    """Another server's writes, a restored key, a flushed database."""
    with over_redis() as pair, pair.client() as client:
        client.ask("PUT", "/v1/under/one", compact(rows(1)), JSON)
        equal(warm(client, "/v1/under/one").json(), rows(1))
        keys = [key for key in pair.redis.ask("KEYS", "*").split() if "under" in key]
        equal([pair.redis.ask("COPY", key, key + "-kept") for key in keys], ["1"] * len(keys))
        client.ask("PUT", "/v1/under/one", compact(rows(2)), JSON)
        equal(warm(client, "/v1/under/one").json(), rows(2))
        for key in keys:
            pair.redis.ask("COPY", key + "-kept", key, "REPLACE")
        equal(warm(client, "/v1/under/one").json(), rows(1))
        client.ask("PUT", "/v1/under/one", compact(rows(3)), JSON)
        equal(warm(client, "/v1/under/one").json(), rows(3))
        pair.redis.ask("FLUSHALL")
        equal(client.ask("GET", "/v1/under/one").status, 404)
        client.ask("PUT", "/v1/under/one", compact(rows(4)), JSON)
        equal(warm(client, "/v1/under/one").json(), rows(4))
