"""PATCH: JSON merge patches (RFC 7396), what it refuses, and that no update is lost."""
import gzip
import json
import os
import signal
import threading

import harness
from harness import (JSON, SANITIZED, case, check_problem, equal, eventually, lmdb_only,
                     request)

PATCH = [("Content-Type", "application/merge-patch+json")]
PACKED = [("Accept", "application/msgpack")]

APPENDIX = [  # RFC 7396 appendix A: target, patch, result
    (b'{"a":"b"}', b'{"a":"c"}', b'{"a":"c"}'),
    (b'{"a":"b"}', b'{"b":"c"}', b'{"a":"b","b":"c"}'),
    (b'{"a":"b"}', b'{"a":null}', b'{}'),
    (b'{"a":"b","b":"c"}', b'{"a":null}', b'{"b":"c"}'),
    (b'{"a":["b"]}', b'{"a":"c"}', b'{"a":"c"}'),
    (b'{"a":"c"}', b'{"a":["b"]}', b'{"a":["b"]}'),
    (b'{"a":{"b":"c"}}', b'{"a":{"b":"d","c":null}}', b'{"a":{"b":"d"}}'),
    (b'{"a":[{"b":"c"}]}', b'{"a":[1]}', b'{"a":[1]}'),
    (b'["a","b"]', b'["c","d"]', b'["c","d"]'),
    (b'{"a":"b"}', b'["c"]', b'["c"]'),
    (b'{"a":"foo"}', b'null', b'null'),
    (b'{"a":"foo"}', b'"bar"', b'"bar"'),
    (b'{"e":null}', b'{"a":1}', b'{"e":null,"a":1}'),
    (b'[1,2]', b'{"a":"b","c":null}', b'{"a":"b"}'),
    (b'{}', b'{"a":{"bb":{"ccc":null}}}', b'{"a":{"bb":{}}}'),
]


def appendix(pair):
    with pair.client() as client:
        for target, patch, result in APPENDIX:
            for accept in ([], PACKED):
                client.ask("PUT", "/v1/patch/rfc", target, JSON)
                reply = client.ask("PATCH", "/v1/patch/rfc", patch, PATCH + accept)
                equal((patch, reply.status), (patch, 200))
                if not accept:
                    equal((target, patch, reply.body), (target, patch, result))
                stored = client.ask("GET", "/v1/patch/rfc", headers=accept)
                equal(reply.body, stored.body)
                for name in ("etag", "content-type", "vary"):
                    equal((name, reply.header(name)), (name, stored.header(name)))
                equal(client.ask("GET", "/v1/patch/rfc").body, result)


@case
def the_appendix_of_rfc_7396(pair):
    appendix(pair)


@case(server=["--representation", "json"])
def the_appendix_on_stored_json(pair):
    appendix(pair)


@case
def what_is_refused(pair):
    pair.put("/v1/patch/kept", {"a": 1})
    with pair.client() as client:
        def patch(body, headers=PATCH, target="/v1/patch/kept"):
            return client.ask("PATCH", target, body, headers)

        check_problem(patch(b"{}", target="/v1/patch/none"), 404)
        check_problem(patch(b"{}", target="/v1/patch/bad%20name"), 400)
        refused = patch(b"{}", JSON)
        check_problem(refused, 415, "merge-patch")
        equal(refused.header("accept-patch"),
              "application/merge-patch+json, application/jq")
        check_problem(patch(b"{}", []), 415)
        check_problem(patch(b"{}", [*PATCH, ("Content-Encoding", "br")]), 415, "gzip")
        check_problem(patch(b"{}", [*PATCH, ("Accept", "text/html")]), 406)
        check_problem(patch(b"{}", [*PATCH, ("Content-Range", "bytes 0-1/2")]), 400)
        check_problem(client.ask("PATCH", "/v1/patch", b"{}", PATCH), 405)
        equal(check_problem(patch(b'{"a":}'), 400)["offset"], 5)
        equal(check_problem(patch(b""), 400)["offset"], 0)
        check_problem(patch(b'{"a":1,"a":2}'), 400, "twice")
        check_problem(patch(b"{}", [*PATCH, ("Content-Encoding", "gzip")]), 400, "gzip")
        equal(client.ask("GET", "/v1/patch/kept").body, b'{"a":1}')
        equal(patch(b'{"b":2}', [("Content-Type",
                                  "Application/Merge-Patch+JSON ; charset=utf-8")]).status, 200)


@case
def a_patch_without_framing_is_411(pair):
    pair.put("/v1/patch/length", 1)
    with pair.client() as client:
        client.send(b"PATCH /v1/patch/length HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Type: application/merge-patch+json\r\n\r\n")
        check_problem(client.reply("PATCH"), 411)


@case
def conditions(pair):
    with pair.client() as client:
        first = pair.put("/v1/patch/cond", {"n": 0}).header("etag")

        def patch(*condition):
            return client.ask("PATCH", "/v1/patch/cond", b'{"n":1}', [*PATCH, *condition])

        second = patch(("If-Match", first)).header("etag")
        assert second != first
        check_problem(patch(("If-Match", first)), 412)
        check_problem(patch(("If-Match", f"W/{second}")), 412)
        check_problem(patch(("If-Match", "nonsense")), 400)
        check_problem(patch(("If-None-Match", "*")), 412)
        check_problem(patch(("If-None-Match", f'"x", W/{second}')), 412)
        equal(patch(("If-Match", f'"x", {second}'), ("If-None-Match", first)).status, 200)
        equal(patch(("If-Match", "*")).status, 200)
        check_problem(client.ask("PATCH", "/v1/patch/none", b"{}",
                                 [*PATCH, ("If-Match", "*")]), 404)


@case
def how_the_reply_may_look(pair):
    with pair.client() as client:
        def patch(target, *headers):
            pair.put("/v1/patch/look", {"a": {"b": 1, "c": 2}, "t": "x" * 2000})
            return client.ask("PATCH", "/v1/patch/look" + target, b'{"a":{"b":3}}',
                              [*PATCH, *headers])

        equal(patch("?fields=a").body, b'{"a":{"b":3,"c":2}}')
        equal(patch("?fields=a.b&pretty").body, b'{\n  "a": {\n    "b": 3\n  }\n}')
        packed = patch("", ("Accept-Encoding", "gzip"))
        equal(packed.header("content-encoding"), "gzip")
        assert packed.header("etag").endswith('-json-gzip"'), packed
        equal(json.loads(gzip.decompress(packed.body))["a"], {"b": 3, "c": 2})
        check_problem(patch("?fields=a..b"), 400)
        # what could not be shown was not written
        equal(client.ask("GET", "/v1/patch/look?fields=a").body, b'{"a":{"b":1,"c":2}}')


@case
def a_compressed_patch(pair):
    pair.put("/v1/patch/zip", {"a": 1})
    with pair.client() as client:
        headers = [*PATCH, ("Content-Encoding", "gzip")]
        body = gzip.compress(b'{"b":"' + b"x" * 100_000 + b'"}')
        equal(client.ask("PATCH", "/v1/patch/zip", body, headers).status, 200)
        equal(len(client.ask("GET", "/v1/patch/zip").json()["b"]), 100_000)


@case
def exact_numbers_survive(pair):
    body = b'{"big":18446744073709551616,"one":1.0,"zero":-0.0,"out":1e999}'
    with pair.client() as client:
        client.ask("PUT", "/v1/patch/exact", body, JSON)
        reply = client.ask("PATCH", "/v1/patch/exact", b'{"x":123456789012345678901}', PATCH)
        equal(reply.body, body[:-1] + b',"x":123456789012345678901}')


def count_up(pair, clients, each):
    """Each client adds its own members one by one and counts a shared one up, reading it
    and writing it back on condition; at the end all are there."""
    pair.put("/v1/patch/shared", {"total": 0})
    problems = []

    def add(number):
        try:
            with pair.client() as client:
                for turn in range(each):
                    reply = client.ask("PATCH", "/v1/patch/shared",
                                       json.dumps({f"c{number}": {str(turn): turn}}).encode(),
                                       PATCH)
                    equal(reply.status, 200)
                    equal(reply.json()[f"c{number}"][str(turn)], turn)
        except Exception as problem:  # seen by the case, not by the thread
            problems.append(problem)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[0]
    whole = pair.ask("GET", "/v1/patch/shared").json()
    for number in range(clients):
        equal(whole[f"c{number}"], {str(turn): turn for turn in range(each)})


@case
def clients_patching_one_document_lose_nothing(pair):
    count_up(pair, 16, 8 if SANITIZED else 25)


@case(server=["--processes", "2", "--representation", "json"], workers=2)
def nor_through_two_fronts(pair):
    count_up(pair, 16, 8 if SANITIZED else 25)


@case
def counting_up_with_if_match_loses_nothing(pair):
    pair.put("/v1/patch/count", {"n": 0})
    clients, each, problems = 4, 10, []

    def count():
        try:
            with pair.client() as client:
                for _ in range(each):
                    status = 412
                    while status == 412:
                        seen = client.ask("GET", "/v1/patch/count")
                        status = client.ask(
                            "PATCH", "/v1/patch/count",
                            json.dumps({"n": seen.json()["n"] + 1}).encode(),
                            [*PATCH, ("If-Match", seen.header("etag"))]).status
                    equal(status, 200)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=count) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[0]
    equal(pair.ask("GET", "/v1/patch/count").json()["n"], clients * each)


@case
def a_document_deleted_meanwhile_is_404(pair):
    """Patches of one document wait for each other; those behind a DELETE find nothing."""
    pair.put("/v1/patch/fleeting", {"a": "x" * 100_000})
    clients = [pair.client() for _ in range(30)]
    try:
        for number, client in enumerate(clients):
            if number == 10:
                equal(pair.ask("DELETE", "/v1/patch/fleeting").status, 204)
            client.send(b"PATCH /v1/patch/fleeting HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Type: application/merge-patch+json\r\n"
                        b"Content-Length: 7\r\n\r\n" + b'{"b":1}')
        statuses = [client.reply("PATCH").status for client in clients]
    finally:
        for client in clients:
            client.close()
    assert set(statuses[:10]) <= {200, 404} and set(statuses[10:]) == {404}, statuses
    check_problem(pair.ask("GET", "/v1/patch/fleeting"), 404)


@case
def clients_that_leave_let_the_others_go_on(pair):
    pair.put("/v1/patch/left", {"a": "x" * 300_000})
    for turn in range(10):
        clients = [pair.client() for _ in range(8)]
        for client in clients:
            client.send(b"PATCH /v1/patch/left HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Type: application/merge-patch+json\r\n"
                        b"Content-Length: 7\r\n\r\n" + b'{"b":1}')
        for client in clients[turn % 2::2]:
            client.close()
        for client in clients[(turn + 1) % 2::2]:
            equal(client.reply("PATCH").status, 200)
            client.close()


@case(server=["--job-timeout", "2s"])
def none_waits_for_its_turn_for_ever(pair):
    """The first one's write hangs with the store; those that wait for it are told so."""
    lmdb_only("a Redis that hangs answers no read either")
    pair.put("/v1/patch/turn", {"n": 0})
    store = pair.store_process()
    before = pair.metric("offloop_jobs_total", operation="patch") or 0
    clients = [pair.client() for _ in range(4)]
    harness.freeze(store)
    try:
        for number, client in enumerate(clients):
            client.send(request("PATCH", "/v1/patch/turn", b'{"n":%d}' % (number + 1), PATCH))
            eventually(lambda: pair.metric("offloop_jobs_total", operation="patch") == before + 1,
                       "the first one has its turn")
        for client in clients[1:]:
            check_problem(client.reply("PATCH"), 504, "others change the document")
    finally:
        os.kill(store, signal.SIGCONT)
    equal(clients[0].reply("PATCH").json(), {"n": 1})
    equal(pair.ask("GET", "/v1/patch/turn").json(), {"n": 1})
    with pair.client() as client:
        equal(client.ask("PATCH", "/v1/patch/turn", b'{"n":9}', PATCH).json(), {"n": 9})
    for client in clients:
        client.close()


def damage(pair, before, after):
    """Changes bytes of the store's file while no server runs; of Redis' value."""
    assert len(before) == len(after)
    if pair.redis:
        key = "offloop:{patch}:d:damaged"
        equal(pair.redis.ask("SETRANGE", key, "32", after), pair.redis.ask("STRLEN", key))
        return
    pair.server.stop()
    file = pair.store / "data.mdb"
    content = file.read_bytes()
    assert before in content
    file.write_bytes(content.replace(before, after))
    pair.start_server()
    pair.wait_ready()


def a_damaged_document(pair, before, after):
    pair.put("/v1/patch/damaged", {"a": "unmistakable"})
    damage(pair, before, after)
    with pair.client() as client:
        def patch(body):
            return client.ask("PATCH", "/v1/patch/damaged", body, PATCH)

        check_problem(client.ask("GET", "/v1/patch/damaged?pretty"), 500, "damaged")
        for body in (b'{"b":1}', b'{"b":}', b'{"b":1,"b":2}'):
            check_problem(patch(body), 500, "damaged")
        equal(client.ask("PUT", "/v1/patch/damaged", b"{}", JSON).status, 200)
        equal(patch(b'{"b":1}').body, b'{"b":1}')
        check_problem(patch(b'{"b":}'), 400)


@case(own=True)
def a_damaged_document_is_the_server_s_fault(pair):
    a_damaged_document(pair, b"\x81\xa1a\xacunmistakable", b"\x81\xa1a\xc1unmistakable")


@case(server=["--representation", "json"])
def a_damaged_text_as_well(pair):
    a_damaged_document(pair, b'{"a":"unmistakable"}', b'{"a":!unmistakable"}')


@case(server=["--mode", "rpc"], workers=1)
def many_members_and_names_are_sorted_in_the_sandbox(pair):
    """What sorts them must need nothing of the kernel that a worker may not have."""
    wide = {f"m{number * 577 % 3000}": number for number in range(3000)}
    worker = pair.worker.of_role("worker")
    with pair.client() as client:
        equal(client.ask("PUT", "/v1/wide/one", b"{}", JSON).status, 201)
        reply = client.ask("PATCH", "/v1/wide/one", json.dumps(wide).encode(), PATCH)
        equal((reply.status, reply.json()), (200, wide))
        some = [f"m{number * 31 % 3000}" for number in range(1000)]
        reply = client.ask("GET", "/v1/wide/one?fields=" + ",".join(some))
        equal((reply.status, reply.json()), (200, {name: wide[name] for name in some}))
    equal(pair.worker.of_role("worker"), worker)
