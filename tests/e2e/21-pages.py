"""Collections while others write: pages lose and repeat nothing, MessagePack arrays are
whole or aborted."""
import json
import random
import re
import struct
import threading

from harness import JSON, Client, case, equal

TEXT = "x" * 20_000
NDJSON = [("Content-Type", "application/x-ndjson")]
MSGPACK = [("Accept", "application/msgpack")]


def load(pair, collection, idents):
    lines = [json.dumps({"id": ident, "document": {"id": ident, "text": TEXT}})
             for ident in idents]
    reply = pair.ask("POST", f"/v1/{collection}", "\n".join(lines).encode(), NDJSON)
    equal(reply.json(), {"stored": len(idents), "failed": 0, "errors": []})


def fresh(pair, collection):
    idents = [f"{number:04}" for number in range(1, 3001)]
    load(pair, collection, idents)
    return idents


def begin(pair, target, headers=(), version="1.1"):
    """A client that has read no more of the reply than its head."""
    client = Client(pair.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    client.send(f"GET {target} HTTP/{version}\r\nHost: x\r\n{lines}\r\n".encode())
    client.buffer += client.socket.recv(100)
    return client


def insert(pair, collection):
    """A hundred documents in the middle, where the reply has not come yet."""
    load(pair, collection, [f"1500.{number:02}" for number in range(100)])


def delete(pair, collection):
    with pair.client() as client:
        for number in range(1500, 1600):
            equal(client.ask("DELETE", f"/v1/{collection}/{number}").status, 204)


def next_of(reply):
    link = reply.header("link")
    return re.fullmatch(r'<([^>]+)>; rel="next"', link).group(1) if link else None


def check_pages(pair, collection, limit, change, accept="application/json"):
    """What is there from the first page to the last is seen once, in order; each page is
    what lies between two Links."""
    before, seen, after = fresh(pair, collection), [], ""
    target = f"/v1/{collection}?limit={limit}"
    while target:
        client = begin(pair, target, [("Accept", accept)])
        if change:
            change(pair, collection)
            change = None
        reply = client.reply()
        client.close()
        equal(reply.status, 200)
        page = (reply.json() if accept == "application/json"
                else [json.loads(line) for line in reply.body.splitlines()])
        idents = [one["id"] for one in page]
        target = next_of(reply)
        last = re.search("after=(.*)", target).group(1) if target else "~"
        assert all(after < ident <= last for ident in idents), (after, idents[-1], last)
        seen += idents
        after = last
    there = {one["id"] for one in pair.ask("GET", f"/v1/{collection}?fields=id").json()}
    equal(seen, sorted(set(seen)))
    equal([ident for ident in before if ident in there],
          [ident for ident in seen if ident in there and "." not in ident])


@case
def a_page_that_others_insert_into_loses_nothing(pair):
    check_pages(pair, "inserts", 2000, insert)
    check_pages(pair, "inserts-lines", 2000, insert, "application/x-ndjson")


@case
def a_page_that_others_delete_from_repeats_nothing(pair):
    check_pages(pair, "deletes", 2000, delete)


@case
def a_limit_of_as_many_as_there_are_leaves_none_out(pair):
    check_pages(pair, "as-many", 3000, insert)
    check_pages(pair, "one-more", 3001, insert)


@case
def a_scan_while_others_insert_one_by_one(pair):
    """Each page in turn, as fast as can be, while ids come and go all over."""
    idents = [f"{number:04}" for number in range(1500)]
    load(pair, "scan", idents)
    done = threading.Event()

    def write():
        with pair.client() as writer:
            while not done.is_set():
                ident = f"{random.randrange(1500):04}.{random.randrange(4)}"
                if writer.ask("DELETE", f"/v1/scan/{ident}").status == 404:
                    writer.ask("PUT", f"/v1/scan/{ident}", b'{"id":"%s"}' % ident.encode(), JSON)

    random.seed(3)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(8):
            seen, target = [], "/v1/scan?limit=50&fields=id"
            with pair.client() as client:
                while target:
                    reply = client.ask("GET", target)
                    seen += [one["id"] for one in reply.json()]
                    target = next_of(reply)
            equal(seen, sorted(set(seen)))
            equal([ident for ident in seen if "." not in ident], idents)
    finally:
        done.set()
        for writer in writers:
            writer.join()


def items_of(body):
    """The ids in a MessagePack array of {"id": ..., "text": ...}, and what it promised."""
    equal(body[0], 0xdd)
    return struct.unpack(">I", body[1:5])[0], re.findall(rb"\xa2id\xa4(....)", body)


def check_array(pair, collection, target, change):
    """The reply is cut off: without the last chunk, or to HTTP/1.0 by a reset."""
    fresh(pair, collection)
    client = begin(pair, target, MSGPACK)
    change(pair, collection)
    try:
        reply = client.reply()
    except (AssertionError, ConnectionError, EOFError):
        reply = None
    assert reply is None, "a whole reply with another number than was promised"
    client.close()
    client = begin(pair, target, MSGPACK, "1.0")
    change_back = delete if change is insert else None
    if change_back:
        change_back(pair, collection)
    else:
        load(pair, collection, [f"{number}" for number in range(1500, 1600)])
    try:
        while client.socket.recv(1 << 20):
            pass
        raise AssertionError("an end to HTTP/1.0 that looks like a good one")
    except ConnectionResetError:
        pass
    client.close()


@case
def a_msgpack_array_is_what_it_promised_or_is_cut(pair):
    for number, change in enumerate((insert, delete)):
        check_array(pair, f"array{number}", f"/v1/array{number}", change)
        check_array(pair, f"array-page{number}", f"/v1/array-page{number}?limit=2000", change)


@case
def what_is_appended_does_not_cut_a_msgpack_array(pair):
    idents = fresh(pair, "appended")
    client = begin(pair, "/v1/appended", MSGPACK)
    load(pair, "appended", [f"3000.{number:02}" for number in range(100)])
    reply = client.reply()
    client.close()
    promised, items = items_of(reply.body)
    equal((promised, [item.decode() for item in items]), (3000, idents))


@case
def small_pages_of_msgpack_are_always_whole(pair):
    """One run of documents: what the header says is counted in it."""
    for number in range(10):
        pair.put(f"/v1/small/{number:04}", {"id": f"{number:04}"})
    seen, target = [], "/v1/small?limit=4"
    while target:
        reply = pair.ask("GET", target, headers=MSGPACK)
        promised, items = items_of(reply.body)
        equal(promised, len(items))
        seen += items
        target = next_of(reply)
    equal([item.decode() for item in seen], [f"{number:04}" for number in range(10)])
    equal(pair.ask("GET", "/v1/small?after=0009", headers=MSGPACK).body, b"\xdd\0\0\0\0")
