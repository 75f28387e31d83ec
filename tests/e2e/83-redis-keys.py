"""A store of an application's own keys: --store 'redis://…?key=doc:{collection}:{id}'. What is
there is served and stays as it is; what is written is plain JSON text at that key."""
import contextlib
import gzip
import hashlib
import json
import shutil
import subprocess
import threading

import harness
from harness import BUILD, JSON, Pair, case, check_problem, equal, eventually

KEY = "?key=doc:{collection}:{id}"
MERGE = [("Content-Type", "application/merge-patch+json")]
JQ = [("Content-Type", "application/jq")]
MSGPACK = [("Content-Type", "application/msgpack")]
NDJSON = [("Accept", "application/x-ndjson")]
LINES = [("Content-Type", "application/x-ndjson")]


class KeysPair(Pair):
    """A pair over a Redis, whatever the suite runs over, with a template of keys."""

    def __init__(self, store="redis", key=KEY, login="", **options):
        self.key, self.login = key, login
        before, harness.STORE = harness.STORE, store
        try:
            super().__init__(**options)
        finally:
            harness.STORE = before

    def start_server(self, *arguments, **options):
        self.store_url = self.redis.url.replace("://", "://" + self.login, 1) + self.key
        super().start_server(*arguments, **options)

    # what the application does

    def app(self, *command):
        return self.redis.ask(*command)

    def app_set(self, key, value):
        """SET of any bytes."""
        done = subprocess.run(["redis-cli", "-s", self.redis.socket, "-x", "SET", key],
                              input=value, capture_output=True, timeout=harness.WAIT)
        equal(done.stdout.strip(), b"OK")

    def app_get(self, key):
        """The bytes of a value."""
        return subprocess.run(["redis-cli", "-s", self.redis.socket, "--raw", "GET", key],
                              capture_output=True, timeout=harness.WAIT).stdout[:-1]


@contextlib.contextmanager
def keys_pair(**options):
    if shutil.which("redis-server") is None:
        raise harness.Skip("no redis-server here")
    pair = KeysPair(**options)
    try:
        yield pair
        pair.stop()
    except BaseException:
        print("\n".join(f"     {line}" for line in pair.logs()))
        raise
    finally:
        pair.destroy()


def keys_case(function=None, **options):
    """A case with such a pair; the topic's own does nothing."""
    def register(one):
        def run(_):
            with keys_pair(**options) as pair:
                one(pair)
        run.__name__ = one.__name__
        return case(run)
    return register(function) if function else register


def tag_of(value, mark="json"):
    """The entity tag that a value has: the first 8 bytes of its SHA-1."""
    return f'"{int.from_bytes(hashlib.sha1(value).digest()[:8], "big")}-{mark}"'


def get(pair, path, headers=()):
    reply = pair.ask("GET", path, headers=headers)
    equal(reply.status, 200)
    return reply


# ---- reading

@keys_case
def what_is_there_is_served(pair):
    value = b'{\n  "price": 12500.00,\r\n\t"n" : [1, 2.50, 1e400],\n  "n": "\\u00e9\\n" }\n'
    pair.app_set("doc:shop:1", value)
    reply = get(pair, "/v1/shop/1")
    equal(reply.body, '{"price":12500.00,"n":[1,2.50,1e400],"n":"é\\n"}'.encode())
    equal(reply.header("content-type"), "application/json")
    equal(reply.header("etag"), tag_of(value))
    equal(get(pair, "/v1/shop/1?fields=price").body, b'{"price":12500.00}')
    equal(get(pair, "/v1/shop/1?pretty&fields=price").body, b'{\n  "price": 12500.00\n}')
    equal(get(pair, "/v1/shop/1?jq=.n").body, '"é\\n"'.encode())
    packed = get(pair, "/v1/shop/1?fields=n.0", [("Accept", "application/msgpack")])
    equal(packed.header("etag"), tag_of(value, "msgpack"))
    equal(pair.ask("HEAD", "/v1/shop/1").header("etag"), tag_of(value))
    check_problem(pair.ask("GET", "/v1/shop/2"), 404)
    for odd in (b"null", b"0", b'""', b"[ ]", b' "x" '):
        pair.app_set("doc:shop:odd", odd)
        equal(get(pair, "/v1/shop/odd").body, odd.replace(b" ", b""))
    # The text is read, changed and given its tag in the workers, never on the front's loop.
    equal(pair.metric("offloop_front_codec_runs_total"), 0)


@keys_case
def replies_are_compressed(pair):
    value = json.dumps({"text": ["a line of it"] * 1000}, indent=1).encode()
    pair.app_set("doc:c:1", value)
    reply = get(pair, "/v1/c/1", [("Accept-Encoding", "gzip")])
    equal(json.loads(gzip.decompress(reply.body)), json.loads(value))
    equal(reply.header("etag"), tag_of(value, "json-gzip"))
    reply = get(pair, "/v1/c/1", [("Accept-Encoding", "zstd")])
    equal(reply.header("content-encoding"), "zstd")
    equal(pair.ask("GET", "/v1/c/1", headers=[("Accept-Encoding", "gzip"), (
        "If-None-Match", tag_of(value, "json-gzip"))]).status, 304)


@keys_case
def conditions_of_reading(pair):
    value = b'{ "a": 1 }'
    pair.app_set("doc:c:1", value)
    same = pair.ask("GET", "/v1/c/1", headers=[("If-None-Match", tag_of(value))])
    equal((same.status, same.header("etag")), (304, tag_of(value)))
    equal(pair.ask("GET", "/v1/c/1", headers=[("If-Match", '"1-json"')]).status, 412)
    get(pair, "/v1/c/1", [("If-Match", tag_of(value))])
    pair.app_set("doc:c:1", b'{"a": 1}')  # other bytes are another version
    equal(get(pair, "/v1/c/1", [("If-None-Match", tag_of(value))]).body, b'{"a":1}')


def fingerprint(pair, keys):
    """All that Redis says about keys, but for when they were used last."""
    return [pair.app("DBSIZE")] + [
        pair.app("--no-raw", *command, key) for key in keys
        for command in (["DUMP"], ["PEXPIRETIME"], ["OBJECT", "ENCODING"], ["TYPE"])]


@keys_case
def reading_changes_nothing(pair):
    pair.app_set("doc:c:plain", b'{ "a" : 1 }')
    pair.app_set("doc:c:large", json.dumps(["x" * 50] * 20000).encode())
    pair.app("SET", "doc:c:number", "17")
    pair.app("SET", "doc:c:mortal", "[1]", "EX", "1000")
    pair.app_set("doc:c:bad", b"\xff\x00 no JSON")
    pair.app_set("doc:c:empty", b"")
    pair.app("HSET", "doc:c:hash", "field", "value")
    pair.app("RPUSH", "doc:c:list", "1", "2")
    keys = ["doc:c:" + one for one in ("plain", "large", "number", "mortal", "bad", "empty",
                                       "hash", "list", "missing")]
    before = fingerprint(pair, keys)
    for key in keys:
        path = "/v1/c/" + key.rsplit(":", 1)[1]
        for target in (path, path + "?jq=.", path + "?fields=a&pretty", "/v1/c?scan"):
            for method in ("GET", "HEAD"):
                pair.ask(method, target)
        pair.ask("PUT", path, b"no json", JSON)
        pair.ask("PUT", path, b"[]", [*JSON, ("If-Match", '"1-json"')])
        pair.ask("PUT", path, b"[]", [*JSON, ("If-Match", '"1-json", "2-json"')])
        pair.ask("PATCH", path, b"error", JQ)
        pair.ask("DELETE", path, headers=[("If-Match", '"1-json"')])
    equal(fingerprint(pair, keys), before)


@case
def who_may_only_read_reads(_):
    """Redis itself refuses what is more than reading."""
    with keys_pair() as pair:
        pair.app("ACL", "SETUSER", "reader", "on", ">secret", "~doc:*", "+getrange", "+strlen",
                 "+exists", "+scan", "+eval", "+evalsha", "+script|load")
        large = json.dumps(list(range(100000))).encode()
        pair.app_set("doc:c:large", large)
        pair.app_set("doc:c:small", b"[ 1 ]")
        pair.server.stop()
        pair.login = "reader:secret@"
        pair.start_server()
        pair.wait_ready()
        equal(get(pair, "/v1/c/large").json(), json.loads(large))
        equal(get(pair, "/v1/c/small").body, b"[1]")
        equal(sorted(map(len, get(pair, "/v1/c?scan").json())), [1, 100000])
        check_problem(pair.ask("PUT", "/v1/c/small", b"2", JSON), 500)
        equal(pair.app_get("doc:c:small"), b"[ 1 ]")
        assert not any("secret" in line for line in pair.server.log), pair.server.log
        equal(server("--check-store", "--store", pair.store_url).returncode, 1)
        pair.app("ACL", "SETUSER", "reader", "+get")
        done = server("--check-store", "--store", pair.store_url)
        equal(done.returncode, 0)
        assert "2 values" in done.stdout, done.stdout


# ---- what is no document

@keys_case
def what_is_no_json(pair):
    workers = pair.worker.of_role("worker")
    for value, offset in ((b"{'a': 1}", 1), (b"", 0), (b"\xff\xfe\x00binary", 0),
                          (b'{"a": 1', 7), (b"[1] trailing", 4), (b'"two\nlines"', 4),
                          (b"hello", 0), (b"NaN", 0)):
        pair.app_set("doc:c:bad", value)
        for target, headers in (("/v1/c/bad", []), ("/v1/c/bad?jq=.", []),
                                ("/v1/c/bad", [("Accept", "application/msgpack")]),
                                ("/v1/c/bad?fields=a", [("Accept-Encoding", "gzip")])):
            problem = check_problem(pair.ask("GET", target, headers=headers), 422,
                                    "the value that Redis has is not JSON")
            equal(problem["offset"], offset)
        check_problem(pair.ask("PATCH", "/v1/c/bad", b'{"b":2}', MERGE), 422, "is not JSON")
        check_problem(pair.ask("PATCH", "/v1/c/bad", b".b = 2", JQ), 422, "is not JSON")
        equal(pair.app_get("doc:c:bad"), value)
    pair.app_set("doc:c:good", b"[1]")
    get(pair, "/v1/c/good")
    equal(pair.worker.of_role("worker"), workers)
    equal(pair.ask("PUT", "/v1/c/bad", b"[2]", JSON).status, 200)
    equal(pair.app_get("doc:c:bad"), b"[2]")


@keys_case
def values_of_other_types(pair):
    pair.app("HSET", "doc:c:it", "a", "1")
    before = pair.app("--no-raw", "DUMP", "doc:c:it")
    for method, body, headers in (("GET", None, []), ("HEAD", None, []), ("PUT", b"1", JSON),
                                  ("PUT", b'"%s"' % (b"x" * 100000), JSON),
                                  ("PUT", b"1", [*JSON, ("If-None-Match", "*")]),
                                  ("PATCH", b'{"a":2}', MERGE), ("PATCH", b"1", JQ),
                                  ("DELETE", None, [])):
        reply = pair.ask(method, "/v1/c/it", body, headers)
        equal(reply.status, 422)
        if method != "HEAD":
            check_problem(reply, 422, "another type of value")
    equal(pair.app("--no-raw", "DUMP", "doc:c:it"), before)
    equal(pair.app("KEYS", "*"), "doc:c:it")


@keys_case(server=["--max-body", "1MiB"])
def values_beyond_max_body(pair):
    most = 1 << 20
    pair.app_set("doc:c:most", b'"%s"' % (b"x" * (most - 2)))
    pair.app_set("doc:c:more", b'"%s"' % (b"x" * (most - 1)))
    equal(len(get(pair, "/v1/c/most").body), most)
    check_problem(pair.ask("GET", "/v1/c/more"), 413, "--max-body")
    check_problem(pair.ask("PATCH", "/v1/c/more", b"1", JQ), 413, "--max-body")
    equal(get(pair, "/v1/c?scan&jq=$id").json(), ["most"])
    # what is written can be read: JSON is longer than the MessagePack that it was
    count = 600000
    packed = b"\xdd" + count.to_bytes(4, "big") + b"\x01" * count
    check_problem(pair.ask("PUT", "/v1/c/packed", packed, MSGPACK), 413, "--max-body")
    equal(pair.ask("PUT", "/v1/c/packed", b"\x90", MSGPACK).status, 201)
    check_problem(pair.ask("PUT", "/v1/c/packed", packed, MSGPACK), 413, "--max-body")
    check_problem(pair.ask("PATCH", "/v1/c/packed", b"[range(600000)]", JQ), 413)
    equal(get(pair, "/v1/c/packed").body, b"[]")
    half = json.dumps({"b": "x" * (most // 2)}).encode()
    pair.app_set("doc:c:half", half.replace(b'"b"', b'"a"'))
    check_problem(pair.ask("PATCH", "/v1/c/half", half, MERGE), 413, "--max-body")
    equal(pair.ask("DELETE", "/v1/c/more").status, 204)


@keys_case(server=["--max-reply", "1MiB"])
def deleting_is_not_limited_by_max_reply(pair):
    value = b'"%s"' % (b"x" * (2 << 20))
    for headers, status in (([("If-None-Match", tag_of(b"other"))], 204),
                            ([("If-Match", f'"1-json", {tag_of(value)}')], 204),
                            ([("If-Match", '"1-json", "2-json"')], 412)):
        pair.app_set("doc:c:1", value)
        equal(pair.ask("DELETE", "/v1/c/1", headers=headers).status, status)
        equal(pair.app("EXISTS", "doc:c:1"), "0" if status == 204 else "1")
    check_problem(pair.ask("GET", "/v1/c/1"), 413)


@keys_case
def values_of_all_sizes(pair):
    for size in (65534, 65535, 65536, 65537, 131072, 262143, 1 << 20, 20 << 20):
        value = b'"%s"' % (b"x" * (size - 2))
        pair.app_set("doc:c:v", value)
        reply = get(pair, "/v1/c/v")
        assert reply.body == value, (size, len(reply.body))
        equal(reply.header("etag"), tag_of(value))
        written = b'"%s"' % (b"y" * (size - 2))
        reply = pair.ask("PUT", "/v1/c/v", written, [*JSON, ("If-Match", tag_of(value))])
        equal((reply.status, reply.header("etag")), (200, tag_of(written)))
        assert pair.app_get("doc:c:v") == written, size
    equal(pair.app("KEYS", "*"), "doc:c:v")


@keys_case
def a_large_value_is_of_one_moment(pair):
    """An application flips a value between two of one length, and two of others."""
    values = [json.dumps([letter * 80] * count, separators=(",", ":")).encode()
              for letter, count in (("a", 5000), ("b", 5000), ("c", 900), ("d", 3000))]
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            for value in values:
                pair.app_set("doc:c:v", value)

    pair.app_set("doc:c:v", values[0])
    thread = threading.Thread(target=flip)
    thread.start()
    try:
        seen = set()
        with pair.client() as client:
            for _ in range(200):
                reply = client.ask("GET", "/v1/c/v")
                equal(reply.status, 200)
                assert reply.body in values, reply.body[:100]
                equal(reply.header("etag"), tag_of(reply.body))
                seen.add(values.index(reply.body))
            eventually(lambda: len(seen) > 1 or seen.add(
                values.index(client.ask("GET", "/v1/c/v").body)), "another value is seen")
    finally:
        stop.set()
        thread.join()


# ---- writing

@keys_case
def what_is_written_is_plain(pair):
    reply = pair.ask("PUT", "/v1/c/1", b'{ "a": 12500.00, "b": [ ] }', JSON)
    value = b'{"a":12500.00,"b":[]}'
    equal((reply.status, reply.header("location")), (201, "/v1/c/1"))
    equal(reply.header("etag"), tag_of(value))
    equal(pair.app_get("doc:c:1"), value)
    equal(pair.app("KEYS", "*"), "doc:c:1")
    equal(get(pair, "/v1/c/1").header("etag"), tag_of(value))
    reply = pair.ask("PUT", "/v1/c/1", b"\x93\x01\x02\x03", MSGPACK)
    equal((reply.status, pair.app_get("doc:c:1")), (200, b"[1,2,3]"))
    body = gzip.compress(b'{"z": 1}')
    equal(pair.ask("PUT", "/v1/c/1", body, [*JSON, ("Content-Encoding", "gzip")]).status, 200)
    equal(pair.app_get("doc:c:1"), b'{"z":1}')
    reply = pair.ask("PATCH", "/v1/c/1", b'{"y":[1]}', MERGE)
    equal((reply.status, reply.body), (200, b'{"z":1,"y":[1]}'))
    equal(reply.header("etag"), tag_of(reply.body))
    equal(pair.app_get("doc:c:1"), reply.body)
    reply = pair.ask("PATCH", "/v1/c/1?pretty", b".y[0] += 1", JQ)
    equal(pair.app_get("doc:c:1"), b'{"z":1,"y":[2]}')
    equal(reply.header("etag"), tag_of(b'{"z":1,"y":[2]}'))
    equal(pair.ask("DELETE", "/v1/c/1").status, 204)
    equal(pair.app("DBSIZE"), "0")
    check_problem(pair.ask("DELETE", "/v1/c/1"), 404)
    check_problem(pair.ask("PATCH", "/v1/c/1", b"{}", MERGE), 404)
    reply = pair.ask("POST", "/v1/c", b"{ }", JSON)
    equal((reply.status, reply.header("location")), (201, "/v1/c/" + reply.json()["id"]))
    equal(pair.app_get("doc:c:" + reply.json()["id"]), b"{}")


@keys_case
def conditions_of_writing(pair):
    value, other = b'{ "a": 1 }', b'{ "a": 2 }'
    good, bad = tag_of(value), tag_of(other)
    for body in (b"[]", b'"%s"' % (b"x" * 200000)):
        for match, status in ((good, 200), (bad, 412), ("*", 200), (f"{bad}, {good}", 200),
                              (f'{bad}, "x"', 412), (f"W/{good}", 412)):
            pair.app_set("doc:c:1", value)
            reply = pair.ask("PUT", "/v1/c/1", body, [*JSON, ("If-Match", match)])
            equal((match, reply.status), (match, status))
            equal(pair.app_get("doc:c:1"), body if status == 200 else value)
        pair.app_set("doc:c:1", value)
        for headers in ([("If-None-Match", "*")], [("If-None-Match", good)]):
            equal(pair.ask("PUT", "/v1/c/1", body, [*JSON, *headers]).status, 412)
        equal(pair.ask("PUT", "/v1/c/1", body, [*JSON, ("If-None-Match", bad)]).status, 200)
        equal(pair.ask("PUT", "/v1/c/new", body, [*JSON, ("If-Match", good)]).status, 412)
        equal(pair.ask("PUT", "/v1/c/new", body, [*JSON, ("If-None-Match", "*")]).status, 201)
        equal(pair.ask("DELETE", "/v1/c/new").status, 204)
    pair.app_set("doc:c:1", value)
    for kind, patch in ((MERGE, b'{"a":3}'), (JQ, b".a = 3")):
        equal(pair.ask("PATCH", "/v1/c/1", patch, [*kind, ("If-Match", bad)]).status, 412)
    equal(pair.app_get("doc:c:1"), value)
    equal(pair.ask("PATCH", "/v1/c/1", b".a = 3", [*JQ, ("If-Match", good)]).status, 200)
    check_problem(pair.ask("DELETE", "/v1/c/1", headers=[("If-Match", good)]), 412)
    equal(pair.ask("DELETE", "/v1/c/1",
                   headers=[("If-Match", tag_of(b'{"a":3}'))]).status, 204)
    # a value that is no JSON has a version, too
    pair.app_set("doc:c:1", b"no JSON")
    equal(pair.ask("PUT", "/v1/c/1", b"1", [
        *JSON, ("If-Match", f'"9-json", {tag_of(b"no JSON")}')]).status, 200)


@keys_case
def times_to_live_stay(pair):
    for size in (10, 300000):
        body = b'"%s"' % (b"x" * size)
        pair.app("SET", "doc:c:1", "{}", "PX", "5000000")
        ends = pair.app("PEXPIRETIME", "doc:c:1")
        equal(pair.ask("PUT", "/v1/c/1", body, JSON).status, 200)
        # a large value is renamed: its time is set anew, to the millisecond
        assert abs(int(pair.app("PEXPIRETIME", "doc:c:1")) - int(ends)) <= 1000
        equal(pair.app_get("doc:c:1"), body)
        equal(pair.ask("PATCH", "/v1/c/1", b'{"a":1}', MERGE).status, 200)
        assert abs(int(pair.app("PEXPIRETIME", "doc:c:1")) - int(ends)) <= 1000
        equal(pair.ask("PUT", "/v1/c/2", body, JSON).status, 201)
        equal(pair.app("PTTL", "doc:c:2"), "-1")
        equal(pair.ask("PUT", "/v1/c/2", body, JSON).status, 200)
        equal(pair.app("PTTL", "doc:c:2"), "-1")
        pair.app("DEL", "doc:c:2")


@keys_case(server=["--processes", "2"], workers=2)
def no_update_is_lost(pair):
    clients, each = 16, 100
    pair.app_set("doc:c:n", b'{ "n": 0 }')
    wrong = []

    def add():
        try:
            with pair.client() as client:
                for _ in range(each):
                    reply = client.ask("PATCH", "/v1/c/n", b".n += 1", JQ)
                    while reply.status == 503:
                        reply = client.ask("PATCH", "/v1/c/n", b".n += 1", JQ)
                    equal(reply.status, 200)
        except Exception as problem:
            wrong.append(problem)

    threads = [threading.Thread(target=add) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    equal(pair.app_get("doc:c:n"), b'{"n":%d}' % (clients * each))


@keys_case
def an_application_writes_meanwhile(pair):
    """Its increments, each one step inside Redis, and ours: none is lost."""
    script = ("local d = cjson.decode(redis.call('GET', KEYS[1])) d.app = d.app + 1 "
              "return redis.call('SET', KEYS[1], cjson.encode(d))")
    pair.app_set("doc:c:n", b'{"app":0,"ours":0}')
    stop, count = threading.Event(), [0]

    def app():
        while not stop.is_set():
            equal(pair.app("EVAL", script, "1", "doc:c:n"), "OK")
            count[0] += 1

    thread = threading.Thread(target=app)
    thread.start()
    try:
        with pair.client() as client:
            for _ in range(300):
                equal(client.ask("PATCH", "/v1/c/n", b".ours += 1", JQ).status, 200)
    finally:
        stop.set()
        thread.join()
    equal(json.loads(pair.app_get("doc:c:n")), {"app": count[0], "ours": 300})


@keys_case
def bulk_loads(pair):
    lines = [b'{"id":"d%d","document":{"n": %d}}' % (i, i) for i in range(3000)]
    lines += [b'{"id":"d1","document":[ 1 ]}', b"no line",
              b'{"id":"large","document":"%s"}' % (b"x" * 300000)]
    pair.app("HSET", "doc:c:d2", "a", "1")
    report = pair.ask("POST", "/v1/c", b"\n".join(lines), LINES).json()
    equal((report["stored"], report["failed"]), (3001, 2))
    assert any("another type" in one["detail"] for one in report["errors"]), report
    equal(pair.app_get("doc:c:d1"), b"[1]")
    equal(pair.app_get("doc:c:d2999"), b'{"n":2999}')
    equal(len(pair.app_get("doc:c:large")), 300002)
    equal(pair.app("DBSIZE"), "3001")


# ---- names

@keys_case
def names(pair):
    for path, key in (("/v1/c/a:b:c", "doc:c:a:b:c"), ("/v1/c/a%3Ab", "doc:c:a:b"),
                      ("/v1/c/..x~@-", "doc:c:..x~@-"), ("/v1/c/:", "doc:c::"),
                      ("/v1/" + "c" * 255 + "/" + "i" * 255, f"doc:{'c' * 255}:{'i' * 255}")):
        equal(pair.ask("PUT", path, b"[1]", JSON).status, 201)
        equal(pair.app_get(key), b"[1]")
        equal(get(pair, path).body, b"[1]")
    # doc:c:a:b is of the collection c, so there is no collection c:a: else a token for c
    # would show what is in c:a
    check_problem(pair.ask("GET", "/v1/c:a/b:c"), 404, "key=")
    check_problem(pair.ask("GET", "/v1/c%3Aa/b:c"), 404, "key=")
    check_problem(pair.ask("GET", "/v1/c:a?scan"), 404, "key=")
    for method, body, kind in (("PUT", b"2", JSON), ("PATCH", b"2", JQ),
                               ("DELETE", None, [])):
        check_problem(pair.ask(method, "/v1/c:a/b:c", body, kind), 400, "key=")
    check_problem(pair.ask("POST", "/v1/c:a", b"2", JSON), 400, "key=")
    check_problem(pair.ask("GET", "/v1/c/a%2Fb"), 404)
    equal(pair.app_get("doc:c:a:b:c"), b"[1]")


@keys_case(key="?key=%7Bapp%7D*[x]%3F{id}@@{collection}/json")
def a_template_of_odd_bytes(pair):
    """The id first, a hash tag, and bytes that are special in patterns and in URLs."""
    before = "{app}*[x]?"
    equal(pair.ask("PUT", "/v1/c/1@2", b"[1]", JSON).status, 201)
    equal(pair.ask("PUT", "/v1/c@@d/1", b"[2]", JSON).status, 201)
    check_problem(pair.ask("PUT", "/v1/c/1@@2", b"[1]", JSON), 400, "key=")
    check_problem(pair.ask("PUT", "/v1/c/1@", b"[1]", JSON), 400, "key=")
    equal(pair.app_get(before + "1@2@@c/json"), b"[1]")
    equal(pair.app_get(before + "1@@c@@d/json"), b"[2]")
    for decoy in ("{app}**[x]?3@@c/json", "{app}*x?3@@c/json", before + "3@@c/jsonx",
                  before + "@@c/json", before + "3@@cc/json", before + "\u00e9@@c/json"):
        pair.app_set(decoy, b"[3]")
    equal(get(pair, "/v1/c?scan&ids").json(), [{"id": "1@2", "document": [1]}])
    equal(get(pair, "/v1/c@@d?scan").json(), [[2]])


# ---- lists

@keys_case
def no_list_but_by_a_scan(pair):
    pair.app_set("doc:c:1", b'{\n"n": 1\n}')
    problem = check_problem(pair.ask("GET", "/v1/c"), 400, "?scan")
    assert "no list" in problem["detail"], problem
    reply = pair.ask("GET", "/v1")
    check_problem(reply, 405, "no list of collections")
    equal(reply.header("allow"), "OPTIONS")
    equal(pair.ask("OPTIONS", "/v1").header("allow"), "OPTIONS")
    equal(get(pair, "/v1/c?scan").json(), [{"n": 1}])
    equal(get(pair, "/v1/empty?scan").json(), [])
    check_problem(pair.ask("GET", "/v1/c?scan&after=0"), 400, "no order")
    check_problem(pair.ask("GET", "/v1/c?scan", headers=[("Accept", "application/msgpack")]),
                  406)
    check_problem(pair.ask("GET", "/v1/c?scan=0"), 400, "?scan")
    equal(pair.ask("HEAD", "/v1/c?scan").status, 200)


@keys_case
def a_scan_finds_all(pair):
    count = 7000
    lines = b"\n".join(b'{"id":"d%d","document":{"n": %d}}' % (i, i) for i in range(count))
    equal(pair.ask("POST", "/v1/c", lines, LINES).json()["stored"], count)
    equal(pair.ask("POST", "/v1/cc", lines[:5000].rsplit(b"\n", 1)[0], LINES).status, 200)
    pair.app("HSET", "doc:c:hash", "a", "1")
    large = ["l" * 30] * 10000
    pair.app_set("doc:c:large", json.dumps(large, indent=1).encode())
    wanted = sorted(range(count))
    items = get(pair, "/v1/c?scan&ids").json()
    equal(sorted(one["document"]["n"] for one in items if one["id"] != "large"), wanted)
    assert all(one["id"] == f"d{one['document']['n']}" for one in items
               if one["id"] != "large")
    equal([one["document"] for one in items if one["id"] == "large"], [large])
    lines = get(pair, "/v1/c?scan&fields=n", NDJSON).body.splitlines()
    equal(len(lines), count + 1)
    equal(get(pair, "/v1/c?scan&jq=select(type==%22object%22%20and%20.n==4711).n").json(),
          [4711])
    packed = gzip.decompress(get(pair, "/v1/c?scan", [("Accept-Encoding", "gzip")]).body)
    equal(len(json.loads(packed)), count + 1)
    reply = get(pair, "/v1/c?scan&limit=1000")
    equal((len(reply.json()), reply.header("link")), (1000, None))
    # an export loads again
    export = get(pair, "/v1/cc?scan&ids", NDJSON).body
    equal(pair.ask("POST", "/v1/copy", export, LINES).json()["failed"], 0)
    equal(sorted(get(pair, "/v1/copy?scan", NDJSON).body.splitlines()),
          sorted(get(pair, "/v1/cc?scan", NDJSON).body.splitlines()))


@keys_case
def a_scan_ends_at_what_is_no_json(pair):
    for i in range(50):
        pair.app("SET", f"doc:c:{i}", f"{{\"n\": {i}}}")
    pair.app_set("doc:c:bad", b'{"a":\n"two\nlines"}')
    check_problem(pair.ask("GET", "/v1/c?scan"), 422, "document bad is not JSON")
    eventually(lambda: any("document bad is not JSON" in line for line in pair.server.log),
               "the log names it")
    pair.app("DEL", "doc:c:bad")
    equal(len(get(pair, "/v1/c?scan").json()), 50)


@keys_case(key=KEY + "&scan")
def scans_may_be_on(pair):
    pair.app_set("doc:c:1", b"1")
    equal(get(pair, "/v1/c").json(), [1])
    equal(get(pair, "/v1/c?scan").json(), [1])


@keys_case(key=KEY + "&scan=off")
def scans_may_be_off(pair):
    pair.app_set("doc:c:1", b"1")
    check_problem(pair.ask("GET", "/v1/c"), 400)
    check_problem(pair.ask("GET", "/v1/c?scan"), 403, "scan=off")


# ---- the other kinds of Redis

def serves(pair, collections):
    """Documents of several collections: small, large, changed, found, deleted."""
    large = ["x" * 70] * 5000
    for name in collections:
        equal(pair.ask("PUT", f"/v1/{name}/small", b'{"n":0}', JSON).status, 201)
        equal(pair.put(f"/v1/{name}/large", large).status, 201)
        for _ in range(3):
            equal(pair.ask("PATCH", f"/v1/{name}/small", b".n += 1", JQ).status, 200)
        equal(get(pair, f"/v1/{name}/small").body, b'{"n":3}')
        old = get(pair, f"/v1/{name}/large")
        equal(old.json(), large)
        body = json.dumps(large[1:]).encode()
        headers = [*JSON, ("If-Match", old.header("etag"))]
        equal(pair.ask("PUT", f"/v1/{name}/large", body, headers).status, 200)
        equal(pair.ask("PUT", f"/v1/{name}/large", body, headers).status, 412)
        equal(pair.redis.ask("GET", f"doc:{name}:small"), '{"n":3}')
        found = get(pair, f"/v1/{name}?scan&ids").json()
        equal(sorted(one["id"] for one in found), ["large", "small"])
        equal(pair.ask("DELETE", f"/v1/{name}/large").status, 204)


@keys_case(store="redis-tls")
def over_tls(pair):
    serves(pair, ["c"])


@keys_case(store="redis-sentinel")
def with_sentinels(pair):
    serves(pair, ["c"])


@keys_case(store="redis-cluster")
def in_a_cluster(pair):
    serves(pair, [f"c{i}" for i in range(8)])
    lines = b"\n".join(b'{"id":"d%d","document":%d}' % (i, i) for i in range(2000))
    equal(pair.ask("POST", "/v1/many", lines, LINES).json()["stored"], 2000)
    for node in pair.redis.nodes:
        assert int(node.ask("DBSIZE")) > 100, "a collection is on all nodes"
    equal(sorted(get(pair, "/v1/many?scan").json()), list(range(2000)))


@keys_case(store="redis-cluster", key="?key=doc:{{collection}}:{id}")
def a_collection_on_one_node_of_a_cluster(pair):
    equal(pair.put("/v1/c/1", ["x" * 70] * 5000).status, 201)
    for i in range(50):
        equal(pair.put(f"/v1/c/d{i}", i).status, 201)
    equal(sorted(int(node.ask("DBSIZE")) for node in pair.redis.nodes), [0, 0, 51])
    equal(len(get(pair, "/v1/c?scan").json()), 51)


# ---- configuration

def server(*arguments):
    return subprocess.run([BUILD / "offloop-server", *arguments], capture_output=True,
                          text=True, timeout=harness.WAIT)


@case
def bad_templates_are_named(_):
    for url, text in (("redis://h?key=doc", "{collection} and {id}"),
                      ("redis://h?key={collection}", "{collection} and {id}"),
                      ("redis://h?key={collection}:{id}:{id}", "each once"),
                      ("redis://h?key={id}:{collection}:{id}", "each once"),
                      ("redis://h?key={collection}{id}", "something between"),
                      ("redis://h?key=a%zz{collection}:{id}", "%XX"),
                      ("redis://h?key=a%00{collection}:{id}", "%XX"),
                      ("redis://h?key=offloop:{collection}:{id}", "offloop:"),
                      ("redis://h?key=}{collection}:{id}", "hash tag"),
                      ("redis://h?key=" + "x" * 300 + "{collection}:{id}", "256 bytes"),
                      ("redis://h?key={collection}:{id}&scan=maybe", "?key=TEMPLATE"),
                      ("redis://h?key={collection}:{id}&key={collection}:{id}",
                       "?key=TEMPLATE"),
                      ("redis://h?scan", "?key=TEMPLATE"),
                      ("redis://h?key={collection}:{id}&db=1", "?key=TEMPLATE")):
        done = server("--check-config", "--store", url)
        equal((url, done.returncode), (url, 2))
        assert text in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    for url in ("redis://:pw@h:1/2?key=doc@{collection}:{id}", "redis://h?key={id}|{collection}",
                "redis+unix:///x?db=3&key=d:{collection}:{id}&scan=off",
                "redis+cluster://:p@h:1,i?key={{collection}}:{id}&scan",
                "rediss+sentinel://u:p@h/main/1?key=a{collection}:{id}z"):
        equal((url, server("--check-config", "--store", url).returncode), (url, 0))
    dumped = server("--dump-config", "--store", "redis://:pw@h?key=doc@{collection}:{id}")
    assert "redis://***@h?key=doc@{collection}:{id}" in dumped.stdout, dumped.stdout
    assert "pw" not in dumped.stdout, dumped.stdout
    dumped = server("--dump-config", "--store", "redis://:a?key=b@h")
    assert "key=b" not in dumped.stdout, dumped.stdout


@keys_case
def the_store_is_checked(pair):
    for name in ("a", "b"):
        lines = b"\n".join(b'{"id":"%d","document":[%d]}' % (i, i) for i in range(600))
        equal(pair.ask("POST", f"/v1/{name}", lines, LINES).json()["stored"], 600)
    pair.app("SET", "other:c:1", "no JSON")
    pair.app("HSET", "doc:c:hash", "a", "1")
    done = server("--check-store", "--store", pair.store_url)
    equal((done.returncode, done.stderr), (0, ""))
    assert "1200 values" in done.stdout and " 0 values no JSON" in done.stdout, done.stdout
    pair.app_set("doc:c:bad", b"no JSON")
    done = server("--check-store", "--store", pair.store_url)
    equal(done.returncode, 1)
    assert "c/bad: not valid JSON" in done.stderr, done.stderr
    assert "1201 values" in done.stdout and " 1 values no JSON" in done.stdout, done.stdout


@keys_case(server=["--mode", "auto"], workers=0)
def without_workers(pair):
    """On the loop and in threads it is the same."""
    serves(pair, ["c"])
    pair.app_set("doc:c:bad", b"{bad")
    for mode in ("inline", "threads", "auto"):
        headers = [("Offloop-Mode", mode)]
        equal(get(pair, "/v1/c/small", headers).header("etag"), tag_of(b'{"n":3}'))
        check_problem(pair.ask("GET", "/v1/c/bad", headers=headers), 422, "is not JSON")


@keys_case
def redis_comes_back(pair):
    pair.app_set("doc:c:1", b"[1]")
    pair.redis.kill()
    eventually(lambda: pair.ask("GET", "/v1/c/1").status == 503, "503")
    check_problem(pair.ask("GET", "/v1/c?scan"), 503)
    check_problem(pair.ask("PUT", "/v1/c/1", b"2", JSON), 503)
    pair.redis.start()
    eventually(lambda: pair.ask("GET", "/v1/c/1").status == 200, "200 again")
    pair.app("SCRIPT", "FLUSH")
    equal(pair.ask("PUT", "/v1/c/1", b"[2]", JSON).status, 200)
    equal(pair.app_get("doc:c:1"), b"[2]")
