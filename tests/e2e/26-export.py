"""?ids: a collection as the items that a bulk load takes; loaded again it is the same."""
import gzip
import json
import re

from harness import JSON, Daemon, case, equal, eventually

NDJSON = ("Content-Type", "application/x-ndjson")
LINES = ("Accept", "application/x-ndjson")
DOCUMENTS = {
    "a": b'{"n":1,"b":{"c":[1,2],"d":null},"e":"x"}',
    "a.b~c:d@e-f_0": b"[]",
    "b": b"12345678901234567890123",
    "c": b'{"twice":1,"twice":2}',
    "d": '"\\u0000 \u00e4 \\" }"'.encode(),
    "e": b"null",
    "f": b"[" * 511 + b"]" * 511,
    "x" * 31: b"1.5",
    "x" * 32: b"{}",
    "x" * 255: b"-0.0",
}
MODES = ("inline", "threads", "rpc", "auto")


def fill(pair, collection):
    with pair.client() as client:
        for ident, text in DOCUMENTS.items():
            equal(client.ask("PUT", f"/v1/{collection}/{ident}", text, JSON).status, 201)


def item(ident, text):
    return b'{"id":"%s","document":%s}' % (ident.encode(), text)


def check_forms(pair, collection):
    items = [item(ident, text) for ident, text in DOCUMENTS.items()]
    array = b"[" + b",".join(items) + b"]"
    packed = re.compile(rb"\xdd\0\0\0\x0a\x82\xa2id\xa1a\xa8document")
    with pair.client() as client:
        for mode in MODES:
            asked = [("Offloop-Mode", mode)]
            reply = client.ask("GET", f"/v1/{collection}?ids", headers=asked)
            equal((mode, reply.status, reply.body), (mode, 200, array))
            reply = client.ask("GET", f"/v1/{collection}?ids=0", headers=asked)
            equal(reply.body, b"[" + b",".join(DOCUMENTS.values()) + b"]")
            reply = client.ask("GET", f"/v1/{collection}?ids", headers=[*asked, LINES])
            equal(reply.body, b"".join(one + b"\n" for one in items))
            reply = client.ask("GET", f"/v1/{collection}?ids&pretty&limit=2", headers=asked)
            equal(reply.body.decode(), json.dumps(
                [{"id": ident, "document": json.loads(text)}
                 for ident, text in list(DOCUMENTS.items())[:2]], indent=2))
            link = reply.header("link")
            assert "&pretty&ids>" in link, link
            reply = client.ask("GET", f"/v1/{collection}?ids", headers=[
                *asked, ("Accept", "application/msgpack")])
            assert packed.match(reply.body), reply.body[:40]
            for name in ("x" * 31, "x" * 32, "x" * 255):
                head = bytes([0xa0 + 31]) if len(name) == 31 else bytes([0xd9, len(name)])
                assert b"\x82\xa2id" + head + name.encode() + b"\xa8document" in reply.body
            # fields are those of the document
            reply = client.ask("GET", f"/v1/{collection}?ids&fields=n,b.c.1&limit=2",
                               headers=asked)
            equal(reply.body, b"[" + item("a", b'{"n":1,"b":{"c":[2]}}') + b"," +
                  item("a.b~c:d@e-f_0", b"[]") + b"]")
            reply = client.ask("GET", f"/v1/{collection}?ids&fields=n&limit=1", headers=[
                *asked, ("Accept", "application/msgpack")])
            equal(reply.body, b"\xdd\0\0\0\x01\x82\xa2id\xa1a\xa8document\x81\xa1n\x01")
        equal(client.ask("GET", f"/v1/{collection}/a?ids").body, DOCUMENTS["a"])


@case
def documents_with_their_ids(pair):
    fill(pair, "export")
    check_forms(pair, "export")


@case(own=True, server=("--representation", "json"))
def stored_text_with_its_ids(pair):
    fill(pair, "export")
    check_forms(pair, "export")


@case
def an_export_can_be_loaded_again(pair):
    fill(pair, "there")
    reply = pair.ask("GET", "/v1/there?ids", headers=[LINES])
    report = pair.ask("POST", "/v1/again", reply.body, [NDJSON])
    equal(report.json(), {"stored": len(DOCUMENTS), "failed": 0, "errors": []})
    for accept in ("application/json", "application/msgpack", "application/x-ndjson"):
        asked = [("Accept", accept)]
        equal(pair.ask("GET", "/v1/again?ids", headers=asked).body,
              pair.ask("GET", "/v1/there?ids", headers=asked).body)


@case(own=True)
def many_runs_with_their_ids(pair):
    lines = b"".join(item(f"{number:05}", b'{"n":%d,"x":"%s"}' % (number, b"y" * 300)) + b"\n"
                     for number in range(3000))
    equal(pair.ask("POST", "/v1/long", lines, [NDJSON]).json()["stored"], 3000)
    for coding in ("identity", "gzip"):
        reply = pair.ask("GET", "/v1/long?ids", headers=[LINES, ("Accept-Encoding", coding)])
        text = gzip.decompress(reply.body) if coding == "gzip" else reply.body
        equal(text == lines, True)
    pair.worker.stop()  # one that is older than ids takes its place
    eventually(lambda: pair.metric("offloop_worker_connections") == 0, "it has left")
    pair.worker = Daemon("tests/fake-worker", [f"ipc://{pair.runtime}/rpc.sock", "no-coding", "0"],
                         pair.runtime, pair.folder)
    pair.daemons.append(pair.worker)
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has its seat")
    for coding in ("identity", "gzip"):
        reply = pair.ask("GET", "/v1/long?ids", headers=[LINES, ("Accept-Encoding", coding)])
        text = gzip.decompress(reply.body) if coding == "gzip" else reply.body
        equal((reply.status, text == lines), (200, True))
    pair.worker.kill_all()
    pair.start_worker()
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has its seat")
    equal(pair.ask("GET", "/v1/nothing?ids").body, b"[]")
    equal(pair.ask("GET", "/v1/nothing?ids", headers=[LINES]).body, b"")
