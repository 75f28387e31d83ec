"""Programs in requests: ?jq=, ?view= and PATCH with application/jq."""
import gzip
import hashlib
import json
import os
import pathlib
import signal
import tempfile
import threading
import urllib.parse

from harness import JSON, SANITIZED, Daemon, case, check_problem, equal, eventually

JQ = [("Content-Type", "application/jq")]
LINES = [("Content-Type", "application/x-ndjson")]
GZIP = [("Accept-Encoding", "gzip")]
NDJSON = "application/x-ndjson"


def target(path, program, **arguments):
    parts = ["jq=" + urllib.parse.quote(program, safe="")]
    parts += [f"{name}={urllib.parse.quote(str(value), safe='')}"
              for name, value in arguments.items()]
    return path + "?" + "&".join(parts)


def ask(pair, path, program, headers=(), method="GET", **arguments):
    return pair.ask(method, target(path, program, **arguments), None, headers)


def put(pair, path, document):
    reply = pair.ask("PUT", path, json.dumps(document, separators=(",", ":")).encode(), JSON)
    assert reply.status in (200, 201), reply


@case
def one_result_is_the_reply(pair):
    put(pair, "/v1/jq/a", {"a": 1, "b": [1, 2, 3]})
    reply = ask(pair, "/v1/jq/a", "{sum: (.b | add), id: $id}")
    equal((reply.status, reply.body), (200, b'{"sum":6,"id":"a"}'))
    equal(reply.header("content-type"), "application/json")
    equal(pair.ask("GET", "/v1/jq/a?jq=.a+.a").body, b"2")  # + stays +
    equal(pair.ask("GET", "/v1/jq/a?jq=.a").body, b"1")


@case
def none_is_204_and_several_are_lines(pair):
    put(pair, "/v1/jq/b", {"b": [1, 2, 3]})
    reply = ask(pair, "/v1/jq/b", "empty")
    equal((reply.status, reply.body), (204, b""))
    reply = ask(pair, "/v1/jq/b", ".b[]")
    equal((reply.status, reply.body, reply.header("content-type")),
          (200, b"1\n2\n3\n", NDJSON))
    reply = ask(pair, "/v1/jq/b", ".b[]", [("Accept", NDJSON)])
    equal(reply.body, b"1\n2\n3\n")
    reply = ask(pair, "/v1/jq/b", ".b[]", [("Accept", "application/json")])
    check_problem(reply, 422, "several")
    reply = ask(pair, "/v1/jq/b", ".b[0]", [("Accept", NDJSON)])
    equal((reply.body, reply.header("content-type")), (b"1\n", NDJSON))


@case
def arguments_are_json_or_strings(pair):
    put(pair, "/v1/jq/c", {"n": 5})
    many = {"arg.x": '{"y":[1.5]}', "arg.s": "a b+c", "arg.n": "12345678901234567890"}
    equal(ask(pair, "/v1/jq/c", "[$x, $s, $n]", **many).body,
          b'[{"y":[1.5]},"a b+c",12345678901234567890]')
    check_problem(ask(pair, "/v1/jq/c", "$missing"), 400, "missing")
    check_problem(ask(pair, "/v1/jq/c", "$id", **{"arg.id": "1"}), 400, "id")


@case
def errors_say_what_is_wrong(pair):
    put(pair, "/v1/jq/d", {"n": 5})
    reply = ask(pair, "/v1/jq/d", ".n | oops")
    check_problem(reply, 400, "oops")
    equal(reply.json()["offset"], 5)
    check_problem(ask(pair, "/v1/jq/d", ".n.m"), 422, "fails")
    check_problem(ask(pair, "/v1/jq/d", '"a \\" b" | error'), 422, 'a " b')
    check_problem(ask(pair, "/v1/jq/d", '"größer \\u0007" | error'), 422, "größer ?")
    check_problem(pair.ask("GET", "/v1/jq/d?jq=.n+|+.n"), 400, "a space is %20")
    check_problem(ask(pair, "/v1/jq/nothing", "."), 404)
    check_problem(ask(pair, "/v1/jq/d", ".", view="x"), 400, "not both")
    check_problem(ask(pair, "/v1/jq-empty", ".n | oops"), 400, "oops")
    check_problem(pair.ask("GET", "/v1/jq/d?jq=%ff"), 400, "the program is not UTF-8")
    check_problem(pair.ask("GET", "/v1/jq/d?jq=$x&arg.x=%ff"), 400, "arg. parameter is not UTF-8")
    check_problem(pair.ask("GET", "/v1/jq/d?jq=.&arg.%ff=1"), 400, "arg. parameter is not UTF-8")
    check_problem(pair.ask("PATCH", "/v1/jq/d", b'.n = "\xff"', JQ), 400,
                  "the program is not UTF-8")


@case
def with_all_that_shapes_a_reply(pair):
    rows = [{"i": number, "t": "x" * 20, "u": {"v": number}} for number in range(200)]
    put(pair, "/v1/jq/e", rows)
    equal(ask(pair, "/v1/jq/e", ".[7]", fields="u.v").body, b'{"u":{"v":7}}')
    equal(ask(pair, "/v1/jq/e", ".[7].u", pretty=1).body, b'{\n  "v": 7\n}')
    packed = ask(pair, "/v1/jq/e", ".[7].u", [("Accept", "application/msgpack")])
    equal(packed.body, b"\x81\xa1v\x07")
    reply = ask(pair, "/v1/jq/e", "map(.i)", GZIP)
    equal(reply.body, json.dumps(list(range(200)), separators=(",", ":")).encode())
    reply = ask(pair, "/v1/jq/e", "map(.t)", GZIP)
    equal(json.loads(gzip.decompress(reply.body)), ["x" * 20] * 200)
    reply = ask(pair, "/v1/jq/e", "map(.t)", method="HEAD")
    equal((reply.status, reply.body), (200, b""))


@case
def tags_name_the_program(pair):
    put(pair, "/v1/jq/f", {"n": 1})
    plain = pair.ask("GET", "/v1/jq/f").header("etag")
    one, same = (ask(pair, "/v1/jq/f", ".n").header("etag") for _ in range(2))
    other = ask(pair, "/v1/jq/f", ".n+1").header("etag")
    equal(one, same)
    assert len({plain, one, other}) == 3, (plain, one, other)
    version = plain.strip('"').split("-")[0]
    assert one.startswith(f'"{version}-json-'), one
    equal(ask(pair, "/v1/jq/f", ".n", [("If-None-Match", one)]).status, 304)
    equal(ask(pair, "/v1/jq/f", ".n+1", [("If-None-Match", one)]).status, 200)
    equal(pair.ask("PUT", "/v1/jq/f", b"{}", [*JSON, ("If-Match", one)]).status, 200)
    equal(pair.ask("PUT", "/v1/jq/f", b"{}", [*JSON, ("If-Match", one)]).status, 412)


@case
def on_each_document_of_a_collection(pair):
    for number in range(10):
        put(pair, f"/v1/jq-each/d{number}", {"n": number})
    path = "/v1/jq-each"
    equal(ask(pair, path, "select(.n > 7)").body, b'[{"n":8},{"n":9}]')
    equal(ask(pair, path, "select(.n == 3) | $id").body, b'["d3"]')
    equal(ask(pair, path, "select(.n < 2) | .n, .n").body, b"[0,0,1,1]")
    equal(ask(pair, path, "empty").body, b"[]")
    equal(ask(pair, path, "empty", pretty=1).json(), [])
    equal(ask(pair, path, "select(.n > 7)", [("Accept", NDJSON)]).body,
          b'{"n":8}\n{"n":9}\n')
    equal(ask(pair, path, "select(.n > 7)", ids="").body,
          b'[{"id":"d8","document":{"n":8}},{"id":"d9","document":{"n":9}}]')
    reply = ask(pair, path, "select(.n > $x)", limit=5, **{"arg.x": 3})
    equal(reply.body, b'[{"n":4}]')  # of the five that are read
    link = reply.header("link")[1:].split(">")[0]
    equal(pair.ask("GET", link).body, b'[{"n":5},{"n":6},{"n":7},{"n":8},{"n":9}]')
    packed = [("Accept", "application/msgpack")]
    equal(ask(pair, path, "select(.n > 6) | .n, -1", packed).body,
          b"\xdd\0\0\0\x06\x07\xff\x08\xff\x09\xff")
    equal(ask(pair, path, "select(.n > 8)", packed, ids="", fields="n").body,
          b"\xdd\0\0\0\x01\x82\xa2id\xa2d9\xa8document\x81\xa1n\x09")
    reply = ask(pair, path, ".n", packed, limit=2)
    equal((reply.body, "after=d1" in reply.header("link")), (b"\xdd\0\0\0\x02\0\x01", True))
    equal(ask(pair, path, "empty", packed).body, b"\xdd\0\0\0\0")
    equal(ask(pair, path, ".n", packed, method="HEAD").status, 200)
    check_problem(ask(pair, path, ".n | oops"), 400, "oops")
    check_problem(ask(pair, path, ".n.x"), 422, "fails")
    check_problem(pair.ask("GET", "/v1/jq-each?filter=x"), 400, "filter with ?jq=")


@case
def large_collections_stream(pair):
    lines = b"".join(b'{"id":"r%06d","document":{"n":%d,"t":"%s"}}\n' % (n, n, b"x" * 300)
                     for n in range(3000))
    equal(pair.ask("POST", "/v1/jq-large", lines, LINES).json()["stored"],
          3000)
    equal(ask(pair, "/v1/jq-large", "select(.n % 1000 == 999) | .n").json(),
          [999, 1999, 2999])
    reply = ask(pair, "/v1/jq-large", "select(.n >= 2990)", GZIP)
    rows = json.loads(gzip.decompress(reply.body))
    equal([row["n"] for row in rows], list(range(2990, 3000)))
    reply = ask(pair, "/v1/jq-large", ".n", [("Accept", "application/msgpack")])
    equal((reply.body[:5], len(reply.body)), (b"\xdd\0\0\x0b\xb8", 5 + 128 + 2 * 128 + 3 * 2744))
    reply = ask(pair, "/v1/jq-large", "select(.n < 0)", GZIP)
    body = gzip.decompress(reply.body) if reply.header("content-encoding") else reply.body
    equal(body, b"[]")
    with pair.client() as client:  # an error midway is no short but valid array
        client.send(f"GET {target('/v1/jq-large', 'if .n == 2500 then error else .n end')} "
                    "HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        try:
            got = client.read_to_end()
        except ConnectionResetError:
            got = b""
    assert not got.endswith(b"0\r\n\r\n"), got[-40:]


@case
def patch_is_the_programs_one_result(pair):
    put(pair, "/v1/jq/p", {"n": 1, "list": [1]})
    reply = pair.ask("PATCH", "/v1/jq/p", b".n += 1 | .list += [.n]", JQ)
    equal((reply.status, reply.json()), (200, {"n": 2, "list": [1, 2]}))
    reply = pair.ask("PATCH", "/v1/jq/p?arg.by=40", b".n += $by", JQ)
    equal(reply.json()["n"], 42)
    equal(pair.ask("GET", "/v1/jq/p").json()["n"], 42)
    check_problem(pair.ask("PATCH", "/v1/jq/p", b"empty", JQ), 422, "no result")
    check_problem(pair.ask("PATCH", "/v1/jq/p", b"1, 2", JQ), 422, "several")
    check_problem(pair.ask("PATCH", "/v1/jq/p", b".n.x", JQ), 422, "fails")
    reply = pair.ask("PATCH", "/v1/jq/p", b".n += ", JQ)
    check_problem(reply, 400)
    assert "offset" in reply.json(), reply
    check_problem(pair.ask("PATCH", "/v1/jq/none", b".", JQ), 404)
    equal(pair.ask("GET", "/v1/jq/p").json()["n"], 42)


@case
def patches_are_neither_lost_nor_made_twice(pair):
    clients, times = 16, 25 if SANITIZED else 1000 if os.environ.get("OFFLOOP_LONG") else 100
    put(pair, "/v1/jq/counter", {"n": 0})
    failed = []

    def count():
        with pair.client() as client:
            for _ in range(times):
                reply = client.ask("PATCH", "/v1/jq/counter", b".n += 1", JQ)
                if reply.status != 200:
                    failed.append(reply)

    threads = [threading.Thread(target=count) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failed, [])
    equal(pair.ask("GET", "/v1/jq/counter").json(), {"n": clients * times})


HOSTILE = (
    ("def f: f; f", 422),
    ("[repeat(1)]", (413, 422)),
    ("last(range(1e18))", 422),
    ("[range(1e9)]", (413, 422)),
    ('reduce range(100) as $i ("x"; . + .)', (413, 422)),
    ('"x" * 1e12', (413, 422)),
    ("[limit(1e9; repeat(.))] | length", (413, 422)),
    ("def f: [f]; f", (413, 422)),
    ("reduce range(1e6) as $i (0; [.])", (413, 422)),
    ("." + "[0]" * 5000, (400, 422, 431, 414)),
    ("(" * 2000 + "1" + ")" * 2000, (400, 414)),
)


@case
def hostile_programs_end_at_their_budget(pair):
    put(pair, "/v1/jq/h", list(range(100)))
    for program, statuses in HOSTILE:
        reply = ask(pair, "/v1/jq/h", program)
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        assert reply.status in statuses, (program[:60], reply.status, reply.body[:300])
        reply = pair.ask("PATCH", "/v1/jq/h", program.encode(), JQ)
        assert 400 <= reply.status < 500, (program[:60], reply.status, reply.body[:300])
    equal(ask(pair, "/v1/jq/h", "length").body, b"100")
    equal(pair.metric("offloop_workers_lost_total") or 0, 0)


@case(workers=0, server=("--mode", "rpc"))
def a_crash_is_held_against_program_and_document(pair):
    """The workers of this daemon abort on a payload that says so: here the program does."""
    pair.worker = Daemon("tests/poison-worker", ["--processes", "2"], pair.runtime, pair.folder)
    pair.daemons.append(pair.worker)
    eventually(lambda: pair.metric("offloop_worker_connections") == 2, "both have their seats")
    put(pair, "/v1/jq/one", {"n": 1})
    crash = '["crash the worker", .n]'
    for _ in range(3):
        check_problem(ask(pair, "/v1/jq/one", crash), 422, "crashed")
    lost = pair.metric("offloop_workers_lost_total")
    assert 1 <= lost <= 2, lost
    eventually(pair.ready, "a worker is there again")
    equal(pair.ask("GET", "/v1/jq/one").body, b'{"n":1}')  # the document is nobody's fault
    equal(ask(pair, "/v1/jq/one", '["crash the work" + "er", .n]').body,
          b'["crash the worker",1]')
    equal(pair.metric("offloop_workers_lost_total"), lost)


def with_views(**views):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="offloop-views-"))
    for name, text in views.items():
        (folder / f"{name}.jq").write_text(text)
    return folder


VIEWS = with_views(margin=".margin = 2 * .lot",
                   above="# those above\nselect(.n > $min)",
                   shape="select(.keep) | {n: (.n * 10), by: $id}")


@case(server=("--views", str(VIEWS), "--jq", "views"))
def views_are_the_operators_programs(pair):
    put(pair, "/v1/v/a", {"lot": 5, "n": 3})
    equal(pair.ask("GET", "/v1/v/a?view=margin").json(), {"lot": 5, "n": 3, "margin": 10})
    equal(pair.ask("GET", "/v1/v?view=above&arg.min=2&fields=n").body, b'[{"n":3}]')
    equal(pair.ask("GET", "/v1/v?view=above&arg.min=3").body, b"[]")
    check_problem(pair.ask("GET", "/v1/v?view=above"), 400, "arg.min")
    check_problem(pair.ask("GET", "/v1/v/a?view=none"), 400, "no view")
    check_problem(pair.ask("GET", "/v1/v/a?jq=."), 403, "--jq")
    check_problem(pair.ask("PATCH", "/v1/v/a", b".", JQ), 403, "--jq")
    count = pair.metric("offloop_program_requests_total", view="above")
    equal(count, 3)
    equal(pair.metric("offloop_program_failures_total", view="above"), 1)
    lines = (b'{"id":"x","document":{"n":1,"keep":true}}\n'
             b'{"id":"y","document":{"n":2}}\n{"id":"z","document":5}\n')
    report = pair.ask("POST", "/v1/v-bulk?view=shape", lines, LINES).json()
    equal((report["stored"], report["failed"]), (1, 1))
    equal(pair.ask("GET", "/v1/v-bulk?ids").json(),
          [{"id": "x", "document": {"n": 10, "by": "x"}}])

    bad = VIEWS / "bad.jq"
    bad.write_text("map(\n  .x +\n  oops)\n")
    pair.server.send_signal(signal.SIGHUP)
    eventually(lambda: any("bad.jq: line 3, column 3" in line for line in pair.server.log),
               "the faulty view is named")
    equal(pair.ask("GET", "/v1/v/a?view=margin").status, 200)
    bad.unlink()
    (VIEWS / "later.jq").write_text(".n + 1")
    pair.server.send_signal(signal.SIGHUP)
    eventually(lambda: pair.ask("GET", "/v1/v/a?view=later").body == b"4", "the new view")


@case(server=("--jq", "off"))
def programs_can_be_switched_off(pair):
    put(pair, "/v1/v/a", 1)
    check_problem(pair.ask("GET", "/v1/v/a?jq=."), 403, "--jq")
    check_problem(pair.ask("GET", "/v1/v?view=x"), 403, "--jq")
    check_problem(pair.ask("PATCH", "/v1/v/a", b".", JQ), 403, "programs are switched off here")
    patches_without_jq(pair)


def patches_without_jq(pair, headers=()):
    """What a PATCH may be does not name what would be refused."""
    equal(pair.ask("OPTIONS", "/v1/v/a", headers=headers).header("accept-patch"),
          "application/merge-patch+json")
    refused = pair.ask("PATCH", "/v1/v/a", b"1", [*JSON, *headers])
    check_problem(refused, 415)
    equal(refused.header("accept-patch"), "application/merge-patch+json")
    assert "application/jq" not in refused.json()["detail"], refused


@case(server=("--jq", "views", "--views", str(VIEWS)))
def where_only_views_are_on_patches_are_merge_patches(pair):
    patches_without_jq(pair)


AUTH = VIEWS / "tokens"
AUTH.write_text("".join(f"{hashlib.sha256(name.encode()).hexdigest()} {rights} v\n"
                        for name, rights in (("all", "rwq"), ("some", "rw"))))


@case(server=("--auth-file", str(AUTH)))
def patches_are_named_by_the_rights_of_a_token(pair):
    patches_without_jq(pair, [("Authorization", "Bearer some")])
    equal(pair.ask("OPTIONS", "/v1/v/a").header("accept-patch"),
          "application/merge-patch+json")
    both = "application/merge-patch+json, application/jq"
    token = [("Authorization", "Bearer all")]
    equal(pair.ask("OPTIONS", "/v1/v/a", headers=token).header("accept-patch"), both)
    equal(pair.ask("OPTIONS", "/v1/w/a", headers=token).header("accept-patch"),
          "application/merge-patch+json")
    refused = pair.ask("PATCH", "/v1/v/a", b"1", [*JSON, *token])
    equal((refused.status, refused.header("accept-patch")), (415, both))


@case
def what_comes_twice_is_named(pair):
    put(pair, "/v1/twice/a", {"n": 1})
    for target, name in (("/v1/twice/a?jq=.&jq=.n", "jq"), ("/v1/twice/a?fields=n&fields=n", "fields"),
                         ("/v1/twice/a?pretty&pretty=0", "pretty"),
                         ("/v1/twice/a?view=x&view=y", "view"),
                         ("/v1/twice?limit=1&limit=2", "limit"), ("/v1/twice?after=a&after=b", "after"),
                         ("/v1/twice?ids&ids", "ids"), ("/v1/twice?scan&scan", "scan"),
                         ("/v1/twice?jq=.&%6Aq=.n", "jq"),
                         ("/v1/twice/a?jq=$x&arg.x=1&arg.x=2", "arg.x"),
                         ("/v1/twice?jq=$x&arg.x=1&%61rg.%78=1", "arg.x")):
        check_problem(pair.ask("GET", target), 400, f"{name} is given twice")
    check_problem(pair.ask("PATCH", "/v1/twice/a?arg.x=1&arg.x=2", b".n = $x", JQ), 400,
                  "arg.x is given twice")
    check_problem(pair.ask("PATCH", "/v1/twice/a?pretty&pretty", b"1", JQ), 400, "pretty")
    equal(pair.ask("GET", "/v1/twice/a?limit=1&limit=2&_x=1&_x=2").json(), {"n": 1})
    equal(pair.ask("PUT", "/v1/twice/a?pretty&pretty", b"1", JSON).status, 200)


@case(server=("--representation", "json"))
def stored_json_keeps_its_numbers(pair):
    equal(pair.ask("PUT", "/v1/jq/j", b'{"a":1.50,"b":1e2}', JSON).status, 201)
    equal(ask(pair, "/v1/jq/j", ".c = 1").body, b'{"a":1.50,"b":1e2,"c":1}')
    equal(pair.ask("PATCH", "/v1/jq/j", b".d = .b + 1", JQ).body,
          b'{"a":1.50,"b":1e2,"d":101}')
    equal(ask(pair, "/v1/jq", "select(.d)").body, b'[{"a":1.50,"b":1e2,"d":101}]')
