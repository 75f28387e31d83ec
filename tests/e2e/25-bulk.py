"""Bulk: NDJSON into a collection and out of it."""
import contextlib
import json
import os
import signal
import socket

import harness
from harness import (JSON, SANITIZED, Client, case, check_problem, descendants, equal,
                     eventually, memory_bytes, request)

NDJSON = [("Content-Type", "application/x-ndjson")]
LINES = [("Accept", "application/x-ndjson")]


def line(ident, document):
    return json.dumps({"id": ident, "document": document}, separators=(",", ":")).encode() + b"\n"


def load(pair, collection, body, headers=()):
    """Sends lines; returns the report."""
    reply = pair.ask("POST", f"/v1/{collection}", body, [*NDJSON, *headers])
    equal((reply.status, reply.header("content-type")), (200, "application/json"))
    report = reply.json()
    equal(list(report), ["stored", "failed", "errors"])
    return report


def stored(count):
    return {"stored": count, "failed": 0, "errors": []}


def chunked(pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@case
def documents_are_there_when_it_answers(pair):
    documents = [("b", {"x": 1.0}), ("a", [None, "\u00e4"]), ("c", 12345678901234567890123)]
    for mode in ("rpc", "inline"):
        body = b"".join(line(*one) for one in documents)
        equal(load(pair, f"first-{mode}", body, [("Offloop-Mode", mode)]), stored(3))
        for ident, document in documents:
            equal(pair.ask("GET", f"/v1/first-{mode}/{ident}").json(), document)
        equal(pair.ask("GET", f"/v1/first-{mode}").body,
              '[[null,"\u00e4"],{"x":1.0},12345678901234567890123]'.encode())


@case
def documents_that_grow_are_no_faults(pair):
    """MessagePack may be three times as long as its JSON ("-0"): more than a job is first
    promised memory for. The line is good all the same."""
    text = b"[" + b",".join([b"-0"] * 200_000) + b"]"
    for mode in ("rpc", "inline", "threads"):
        equal(load(pair, f"grown-{mode}", b'{"id":"a","document":' + text + b"}\n",
                   [("Offloop-Mode", mode)]), stored(1))
        equal(pair.ask("GET", f"/v1/grown-{mode}/a").body, text.replace(b"-0", b"-0.0"))


@case
def other_names_of_ndjson(pair):
    for number, media in enumerate(("application/ndjson", "application/jsonl",
                                    "application/x-jsonlines; charset=utf-8")):
        reply = pair.ask("POST", f"/v1/named-{number}", line("a", 1) + line("b", [2]),
                         [("Content-Type", media)])
        equal(reply.json(), stored(2))
        reply = pair.ask("GET", f"/v1/named-{number}", headers=[("Accept", media)])
        equal((reply.header("content-type"), reply.body), (media.split(";")[0], b"1\n[2]\n"))
    for accept in ("application/jsonl, application/x-ndjson", "application/x-ndjson"):
        equal(pair.ask("GET", "/v1/named-0", headers=[("Accept", accept)]
                       ).header("content-type"), "application/x-ndjson")


@case(server=["--representation", "json"])
def the_deepest_documents_as_json(pair):
    the_deepest_documents(pair)


@case
def the_deepest_documents(pair):
    """Nested 512 deep, as PUT takes them: the line around them does not count."""
    def nested(depth):
        return b'{"id":"d%d","document":' % depth + b"[" * depth + b"]" * depth + b"}\n"

    for mode in ("rpc", "inline"):
        report = load(pair, f"deep-{mode}", nested(512) + nested(513) + line("e", 1),
                      [("Offloop-Mode", mode)])
        equal((report["stored"], report["failed"]), (2, 1))
        equal(report["errors"][0]["line"], 2)
        assert "512 deep" in report["errors"][0]["detail"], report
        exported = pair.ask("GET", f"/v1/deep-{mode}", headers=LINES).body.split(b"\n")
        equal(exported[0], b"[" * 512 + b"]" * 512)
        again = b'{"id":"again","document":' + exported[0] + b"}"
        equal(load(pair, f"deep-{mode}", again, [("Offloop-Mode", mode)]), stored(1))


@case
def dots_are_no_ids(pair):
    """Clients take them out of a path before they ask."""
    report = load(pair, "dots", line(".", 1) + line("..", 2) + line("...", 3))
    equal((report["stored"], [one["line"] for one in report["errors"]]), (1, [1, 2]))
    assert "not . or .." in report["errors"][0]["detail"], report
    equal(pair.ask("GET", "/v1/dots").body, b"[3]")


@case
def line_ends_and_blank_lines(pair):
    body = (b'\n{"id":"a","document":1}\r\n \t\r\n\r\n{"document":2,"id":"b"}\n\n'
            b'{"id":"c", "more":[1], "document":3}')  # no end of the last line
    equal(load(pair, "ends", body), stored(3))
    equal(pair.ask("GET", "/v1/ends").json(), [1, 2, 3])
    for nothing in (b"", b"\n", b"\r\n\r\n", b" "):
        equal(load(pair, "ends", nothing), stored(0))


@case
def a_bad_line_fails_alone(pair):
    body = b"".join([
        line("good1", 1),                           # 1
        b'{"id":"x","document":tru}\n',             # 2
        b"\n",                                      # 3
        b'{"id":"x/y","document":1}\n',             # 4
        b'{"id":7,"document":1}\n',                 # 5
        b'{"id":"x"}\n',                            # 6
        b'[1]\n',                                   # 7
        b'{"id":"x","id":"y","document":1}\n',      # 8
        b'\xff\n',                                  # 9
        b'{"id":"x","document":"\xff"}\n',          # 10
        line("good2", 2),                           # 11
        b'{"id":"x","document":'])                  # 12
    report = load(pair, "alone", body)
    equal((report["stored"], report["failed"]), (2, 9))
    equal([one["line"] for one in report["errors"]], [2, 4, 5, 6, 7, 8, 9, 10, 12])
    details = [one["detail"] for one in report["errors"]]
    equal(details[0], "not valid JSON at byte 24")
    assert "id is not 1 to 255 bytes" in details[1], details
    assert "id is not" in details[2], details
    for detail in details[3:6]:
        equal(detail, 'not one {"id": ..., "document": ...}')
    equal(details[7], "ill-formed UTF-8 at byte 22")
    equal(details[8], "ends too early at byte 21")
    equal(pair.ask("GET", "/v1/alone").json(), [1, 2])


@case
def later_duplicates_win(pair):
    count = 2000
    body = b"".join(line(f"k{number % 7}", number) for number in range(count))
    equal(load(pair, "twice", body), stored(count))
    last = {f"k{number % 7}": number for number in range(count)}
    equal(pair.ask("GET", "/v1/twice").json(), [last[key] for key in sorted(last)])


@case
def later_duplicates_win_over_large_ones(pair):
    large = {"text": "x" * 700_000, "line": 1}
    documents = [("a", large), ("b", 0), ("a", {"line": 3}), ("a", large), ("a", 5)]
    body = b"".join(line(*one) for one in documents)
    equal(load(pair, "twice-large", body), stored(5))
    equal(pair.ask("GET", "/v1/twice-large").json(), [5, 0])


@case
def at_most_100_errors_are_listed(pair):
    body = b"".join(b"no\n" if number % 2 else line(f"n{number}", number)
                    for number in range(1000))
    report = load(pair, "errors", body)
    equal((report["stored"], report["failed"]), (500, 500))
    equal([one["line"] for one in report["errors"]], list(range(2, 202, 2)))


@case
def chunked_in_pieces_of_any_size(pair):
    body = b"".join(line(f"{number:04}", "x" * (number % 50)) for number in range(500))
    for size in (1, 7, 4096):
        pieces = [body[at:at + size] for at in range(0, len(body), size)]
        with pair.client() as client:
            client.send(request("POST", f"/v1/pieces{size}", None,
                                [*NDJSON, ("Transfer-Encoding", "chunked")]))
            client.send(chunked(pieces))
            equal(client.reply("POST").json(), stored(500))
            equal(client.ask("GET", f"/v1/pieces{size}/0049").json(), "x" * 49)


@case
def a_client_that_asks_first(pair):
    body = line("a", 1)
    with pair.client() as client:
        client.send(request("POST", "/v1/asks", None, [
            *NDJSON, ("Content-Length", str(len(body))), ("Expect", "100-continue")]))
        equal(client.reply("POST", interim=True).status, 100)
        client.send(body)
        equal(client.reply("POST").json(), stored(1))


@case(server=["--max-body", "300KiB"])
def a_huge_line_fails_alone(pair):
    long = b'{"id":"long","document":"' + b"x" * 200_000 + b'"}\n'
    huge = b'{"id":"huge","document":"' + b"x" * 3_000_000 + b'"}\n'
    body = line("a", 1) + huge + line("b", 2) + long + huge + huge + line("c", 3) + huge[:-1]
    assert len(body) > 12_000_000  # --max-body does not apply to the stream
    report = load(pair, "huge", body)
    equal((report["stored"], report["failed"]), (4, 4))
    equal([one["line"] for one in report["errors"]], [2, 5, 6, 8])
    assert "--max-body" in report["errors"][0]["detail"], report
    equal(pair.ask("GET", "/v1/huge?fields=x").json(), [1, 2, 3, "x" * 200_000])


@case
def what_is_refused(pair):
    check_problem(pair.ask("POST", "/v1/refused", line("a", 1),
                           [*NDJSON, ("Content-Encoding", "gzip")]), 415)
    check_problem(pair.ask("POST", "/v1/refused", line("a", 1),
                           [*NDJSON, ("Content-Encoding", "br")]), 415)
    check_problem(pair.ask("POST", "/v1/refused", None, NDJSON), 411)
    check_problem(pair.ask("POST", "/v1/re%20fused", line("a", 1), NDJSON), 400)
    check_problem(pair.ask("PUT", "/v1/refused/a", line("a", 1), NDJSON), 415)
    check_problem(pair.ask("GET", "/v1/refused/a", headers=LINES), 406)
    check_problem(pair.ask("GET", "/v1", headers=LINES), 406)
    equal(pair.ask("POST", "/v1/refused", b'{"id":"a","document":1}', JSON).status, 201)


@case
def bad_framing_midway_is_400(pair):
    with pair.client() as client:
        client.send(request("POST", "/v1/framing", None,
                            [*NDJSON, ("Transfer-Encoding", "chunked")]))
        piece = line("a", 1) * 5000
        client.send(b"%x\r\n%b\r\nXX\r\n" % (len(piece), piece))
        check_problem(client.reply("POST"), 400)
    equal(load(pair, "framing", line("b", 2)), stored(1))


@case
def clients_that_leave_midway_leave_nothing(pair):
    piece = b"".join(line(f"k{number}", {"n": number}) for number in range(3000))
    for number in range(12):
        client = Client(pair.port)
        client.send(request("POST", "/v1/leave", None,
                            [*NDJSON, ("Content-Length", str(len(piece) * 50))]))
        for _ in range(number % 4):
            client.send(piece)
        if number % 2:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    eventually(lambda: pair.metric("offloop_connections") == 0, "connections are closed")
    eventually(lambda: pair.metric("offloop_jobs_in_flight") == 0, "no job is left")
    equal(load(pair, "leave2", line("a", 1)), stored(1))


@case
def several_at_once(pair):
    clients = []
    for number in range(6):
        body = b"".join(line(f"{number}-{k:05}", {"k": k}) for k in range(4000))
        client = pair.client()
        client.send(request("POST", "/v1/several", None,
                            [*NDJSON, ("Content-Length", str(len(body)))]))
        clients.append((client, body))
    for at in range(0, 200_000, 20_000):
        for client, body in clients:
            if at < len(body):
                client.send(body[at:at + 20_000])
            if at + 20_000 >= len(body) > at:
                equal(client.reply("POST").json(), stored(4000))
                client.close()
    equal(len(pair.ask("GET", "/v1/several").json()), 24_000)


@case
def a_load_comes_back_equal(pair):
    count = 20_000 if SANITIZED else 100_000
    documents = {f"id{number * 7919 % count:06}": {
        "number": number, "price": number / 8, "text": "\u017c\u00f3\u0142w " * (number % 5),
        "tags": [number % 3 == 0, None, {"deep": [number]}]} for number in range(count)}
    body = b"".join(line(*one) for one in documents.items())
    equal(load(pair, "large", body), stored(count))
    expected = [documents[ident] for ident in sorted(documents)]
    reply = pair.ask("GET", "/v1/large", headers=LINES)
    equal(reply.header("content-type"), "application/x-ndjson")
    assert reply.body.endswith(b"\n") and reply.body.count(b"\n") == count
    equal([json.loads(one) for one in reply.body.splitlines()] == expected, True)
    equal(pair.ask("GET", "/v1/large").json() == expected, True)
    listed = {one["name"]: one["documents"] for one in pair.ask("GET", "/v1").json()}
    equal(listed["large"], count)


@case
def lines_out(pair):
    equal(load(pair, "out", line("a", {"x": "1\n2"}) + line("b", []) + line("c", 1)), stored(3))
    reply = pair.ask("GET", "/v1/out?pretty", headers=LINES)
    equal((reply.body, reply.framing), (b'{"x":"1\\n2"}\n[]\n1\n', "chunked"))
    reply = pair.ask("GET", "/v1/out?limit=2&fields=y", headers=LINES)
    equal(reply.body, b"{}\n[]\n")
    assert 'rel="next"' in reply.header("link"), reply
    reply = pair.ask("GET", "/v1/out?limit=9&after=b", headers=LINES)
    equal((reply.body, reply.header("link")), (b"1\n", None))
    reply = pair.ask("GET", "/v1/nothing-at-all", headers=LINES)
    equal((reply.status, reply.body), (200, b""))
    with pair.client() as client:
        equal(client.ask("HEAD", "/v1/out", headers=LINES).header("content-type"),
              "application/x-ndjson")


@case(server=["--representation", "json"])
def into_a_store_of_json(pair):
    body = line("a", {"b": [1.0, -0.0]}) + b"{\n" + line("c", "\u20ac")
    report = load(pair, "json", body)
    equal((report["stored"], report["failed"]), (2, 1))
    equal(pair.ask("GET", "/v1/json").body, '[{"b":[1.0,-0.0]},"\u20ac"]'.encode())
    equal(pair.ask("GET", "/v1/json", headers=LINES).body,
          '{"b":[1.0,-0.0]}\n"\u20ac"\n'.encode())


@case(workers=2)
def a_worker_dies_meanwhile(pair):
    body = b"".join(line(f"{number:06}", {"n": number}) for number in range(30_000))
    with pair.client() as client:
        client.send(request("POST", "/v1/dies", None,
                            [*NDJSON, ("Content-Length", str(len(body)))]))
        client.send(body[:len(body) // 2])
        for pid in pair.worker.of_role("worker")[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        client.send(body[len(body) // 2:])
        equal(client.reply("POST").json(), stored(30_000))


@case(own=True)
def the_writer_dies_meanwhile(pair):
    count = 5000 if SANITIZED else 60_000
    body = b"".join(line(f"{number % (count // 2):06}", number) for number in range(count))
    with pair.client() as client:
        client.send(request("POST", "/v1/writer", None,
                            [*NDJSON, ("Content-Length", str(len(body)))]))
        for part in range(10):
            client.send(body[len(body) * part // 10:len(body) * (part + 1) // 10])
            if part in (3, 6):
                for pid in pair.server.of_role("writer"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        report = client.reply("POST").json()
    # What a writer had when it died may have been stored, and is not written again
    # behind the back of who has changed it since: these lines fail, all others do not.
    equal(report["stored"] + report["failed"], count)
    assert report["failed"] <= 2 * 1024, report
    equal(len(report["errors"]), min(report["failed"], 100))
    for error in report["errors"]:
        assert "may or may not have happened" in error["detail"], error
    equal(load(pair, "writer", body), stored(count))
    equal(pair.ask("GET", "/v1/writer").json(), list(range(count // 2, count)))


MIB = 1 << 20


def growth(pair, before):
    return max(memory_bytes(pid) - bytes_ for pid, bytes_ in before.items())


def family(pair):
    return {pid: memory_bytes(pid)
            for daemon in (pair.server, pair.worker) for pid in descendants(daemon.pid)}


@case(own=True)
def a_store_that_stalls_holds_the_client_up(pair):
    """Nobody buffers what the writer does not take; then it goes on where it was."""
    before = family(pair)
    piece = b"".join(line(f"k{number:05}", {"n": "x" * 1000}) for number in range(1000))
    sent, total = 0, 60 * len(piece)
    writer = pair.store_process()
    with pair.client() as client:
        client.send(request("POST", "/v1/stalled", None,
                            [*NDJSON, ("Content-Length", str(total))]))
        harness.freeze(writer)
        try:
            client.socket.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while sent < total:
                    at = sent % len(piece)
                    sent += client.socket.send(piece[at:at + 100_000])
            assert sent < total, "all of it was taken"
            if not SANITIZED:
                assert growth(pair, before) < 24 * MIB, growth(pair, before)
        finally:
            os.kill(writer, signal.SIGCONT)
        client.socket.settimeout(60)
        while sent < total:
            at = sent % len(piece)
            sent += client.socket.send(piece[at:at + 100_000])
        equal(client.reply("POST").json(), stored(60_000))


if not SANITIZED:
    @case(own=True)
    def memory_does_not_grow_with_the_body(pair):
        before, most = family(pair), 0
        piece = b"".join(line(f"k{number:05}", {"n": [number] * 40}) for number in range(5000))
        with pair.client() as client:
            client.send(request("POST", "/v1/grows", None,
                                [*NDJSON, ("Content-Length", str(len(piece) * 80))]))
            for _ in range(80):
                client.send(piece)
                most = max(most, growth(pair, before))
            equal(client.reply("POST").json(), stored(400_000))
        assert most < 24 * MIB, most
        print(f"     {len(piece) * 80 / 1e6:.0f} MB: no process grew by more than "
              f"{most / MIB:.1f} MiB")
