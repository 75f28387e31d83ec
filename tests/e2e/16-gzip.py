"""gzip both ways: replies compressed in the worker (also by zstd, also collections),
compressed bodies expanded there."""
import ctypes
import gzip
import itertools
import json
import random
import subprocess
import zlib

from harness import (JSON, MSGPACK, Daemon, Skip, case, check_problem, equal, eventually,
                     request)

GZIP = ("Accept-Encoding", "gzip")
SENT = ("Content-Encoding", "gzip")


@case
def only_what_is_worth_it(pair):
    with pair.client() as client:
        for size, packed in ((10, False), (1022, False), (1023, True), (200_000, True)):
            body = b'"' + b"x" * size + b'"'
            put = client.ask("PUT", f"/v1/zip/{size}", body, JSON)
            for mode in ("inline", "rpc"):
                reply = client.ask("GET", f"/v1/zip/{size}",
                                   headers=[GZIP, ("Offloop-Mode", mode)])
                equal((size, reply.header("content-encoding")),
                      (size, "gzip" if packed else None))
                equal(gzip.decompress(reply.body) if packed else reply.body, body)
                equal(reply.header("content-type"), "application/json")
                equal(reply.header("vary"), "Accept, Accept-Encoding")
                plain = put.header("etag")
                equal(reply.header("etag"), plain[:-1] + '-gzip"' if packed else plain)


@case
def who_does_not_ask_gets_it_plain(pair):
    body = b'"' + b"y" * 5000 + b'"'
    with pair.client() as client:
        client.ask("PUT", "/v1/zip/plain", body, JSON)
        for accepted in ("identity", "gzip;q=0", "br, deflate", "*;q=0", "gzip;q=0.0, *"):
            reply = client.ask("GET", "/v1/zip/plain", headers=[("Accept-Encoding", accepted)])
            equal((accepted, reply.header("content-encoding"), reply.body),
                  (accepted, None, body))
        for accepted in ("gzip", "br, GZIP;q=0.1", "*", "x-gzip"):
            reply = client.ask("GET", "/v1/zip/plain", headers=[("Accept-Encoding", accepted)])
            equal((accepted, reply.header("content-encoding")), (accepted, "gzip"))
        packed = client.ask("GET", "/v1/zip/plain",
                            headers=[GZIP, ("Accept", "application/msgpack")])
        equal(packed.header("content-encoding"), None)  # stored bytes, no codec


@case
def head_tells_the_same(pair):
    pair.put("/v1/zip/head", list(range(2000)))
    with pair.client() as client:
        got = client.ask("GET", "/v1/zip/head", headers=[GZIP])
        head = client.ask("HEAD", "/v1/zip/head", headers=[GZIP])
        equal(head.body, b"")
        for name in ("content-encoding", "content-length", "etag", "vary", "content-type"):
            equal((name, head.header(name)), (name, got.header(name)))
        equal(client.ask("GET", "/v1/zip/head").json(), list(range(2000)))


@case
def either_coding_s_tag_saves_the_transfer(pair):
    pair.put("/v1/zip/tags", "z" * 3000)
    with pair.client() as client:
        packed = client.ask("GET", "/v1/zip/tags", headers=[GZIP]).header("etag")
        plain = client.ask("GET", "/v1/zip/tags").header("etag")
        assert packed != plain
        for tag in (packed, plain, f"W/{packed}"):
            reply = client.ask("GET", "/v1/zip/tags", headers=[GZIP, ("If-None-Match", tag)])
            equal((tag, reply.status), (tag, 304))
            equal(reply.header("etag"), tag.removeprefix("W/"))
        # who takes no gzip has not got the other's bytes
        equal(client.ask("GET", "/v1/zip/tags", headers=[("If-None-Match", packed)]).status, 200)
        equal(client.ask("PUT", "/v1/zip/tags", b"1", [*JSON, ("If-Match", packed)]).status, 200)


@case
def with_fields_and_pretty(pair):
    document = {"keep": list(range(1000)), "drop": "x" * 1000}
    pair.put("/v1/zip/fields", document)
    reply = pair.ask("GET", "/v1/zip/fields?fields=keep&pretty", headers=[GZIP])
    equal(gzip.decompress(reply.body),
          json.dumps({"keep": document["keep"]}, indent=2).encode())


def curl(pair, target, accepted, *more):
    """What curl makes of a compressed reply: its own decoders are the judge."""
    return subprocess.run(["curl", "-s", "-S", "--compressed", "-H", f"Accept-Encoding: {accepted}",
                           *more, f"http://127.0.0.1:{pair.port}{target}"],
                          check=True, capture_output=True).stdout


def has_zstd(pair):
    """zstd is there where the build found the library."""
    pair.put("/v1/zip/probe", "p" * 3000)
    return pair.ask("GET", "/v1/zip/probe", headers=[("Accept-Encoding", "zstd")]).header(
        "content-encoding") == "zstd"


@case
def zstd_where_the_client_likes_it(pair):
    if not has_zstd(pair):
        raise Skip("built without libzstd")
    body = b'"' + b"s" * 200_000 + b'"'
    with pair.client() as client:
        plain = client.ask("PUT", "/v1/zip/std", body, JSON).header("etag")
        for accepted, coding in (("zstd", "zstd"), ("gzip, deflate, br, zstd", "zstd"),
                                 ("gzip, zstd;q=0.5", "gzip"), ("gzip;q=0.5, zstd", "zstd"),
                                 ("zstd;q=0", None), ("*", "gzip"),
                                 ("identity, zstd;q=0.5", None)):
            for mode in ("inline", "threads", "rpc"):
                reply = client.ask("GET", "/v1/zip/std", headers=[
                    ("Accept-Encoding", accepted), ("Offloop-Mode", mode)])
                equal((accepted, reply.header("content-encoding")), (accepted, coding))
                equal(reply.header("vary"), "Accept, Accept-Encoding")
                equal(reply.header("etag"), f'{plain[:-1]}-{coding}"' if coding else plain)
        equal(curl(pair, "/v1/zip/std", "zstd"), body)
        tag = plain[:-1] + '-zstd"'
        reply = client.ask("GET", "/v1/zip/std", headers=[("Accept-Encoding", "zstd"),
                                                          ("If-None-Match", tag)])
        equal((reply.status, reply.header("etag")), (304, tag))
        equal(client.ask("GET", "/v1/zip/std", headers=[("If-None-Match", tag)]).status, 200)
        equal(client.ask("PUT", "/v1/zip/std", b"1", [*JSON, ("If-Match", tag)]).status, 200)


def fill(pair, collection, count):
    """Documents of about 500 bytes; the JSON text of each."""
    random.seed(count)
    texts = []
    with pair.client() as client:
        for number in range(count):
            texts.append(json.dumps({"n": number, "x": [random.getrandbits(50) for _ in range(30)]},
                                    separators=(",", ":")).encode())
            client.ask("PUT", f"/v1/{collection}/{number:05}", texts[-1], JSON)
    return texts


def one_member(data):
    """What one gzip member, and nothing else, expands to: browsers take no second one."""
    reader = zlib.decompressobj(31)
    text = reader.decompress(data)
    assert reader.eof and reader.unused_data == b"", "not one whole member"
    return text


def check_collection(pair, collection, count):
    texts = fill(pair, collection, count)
    array, lines = b"[" + b",".join(texts) + b"]", b"".join(text + b"\n" for text in texts)
    std = has_zstd(pair)
    for mode in ("inline", "threads", "rpc"):
        for accept, whole in (("application/json", array), ("application/x-ndjson", lines)):
            headers = [("Accept", accept), ("Offloop-Mode", mode)]
            with pair.client() as client:
                # equally liked, gzip is taken: its stream is one member
                for accepted in ("gzip", "gzip, deflate, br, zstd"):
                    asked = [*headers, ("Accept-Encoding", accepted)]
                    reply = client.ask("GET", f"/v1/{collection}", headers=asked)
                    equal((reply.status, reply.header("content-encoding"), reply.header("vary"),
                           reply.header("content-type"), reply.header("etag")),
                          (200, "gzip", "Accept, Accept-Encoding", accept, None))
                    assert len(reply.body) < len(whole) * 0.7, (len(reply.body), len(whole))
                    equal(one_member(reply.body) == whole, True)
                head = client.ask("HEAD", f"/v1/{collection}", headers=asked)
                for name in ("content-encoding", "content-type", "vary", "transfer-encoding"):
                    equal((name, head.header(name)), (name, reply.header(name)))
                plain = client.ask("GET", f"/v1/{collection}", headers=headers)
                equal((plain.header("content-encoding"), plain.body == whole), (None, True))
            more = [f for name, value in headers for f in ("-H", f"{name}: {value}")]
            equal(curl(pair, f"/v1/{collection}", "gzip", *more) == whole, True)
            if std:
                equal(curl(pair, f"/v1/{collection}", "zstd", *more) == whole, True)


def zstd_expand(data, size):
    """What frames of zstd, one after another, expand to."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
    text = ctypes.create_string_buffer(size + 1)
    got = library.ZSTD_decompress(text, size + 1, data, len(data))
    return text.raw[:got]


def swap_worker(pair, program, *arguments):
    """Another worker in the place of the one that is there."""
    pair.worker.kill_all() if "fake" in pair.worker.name else pair.worker.stop()
    eventually(lambda: pair.metric("offloop_worker_connections") == 0, "it has left")
    pair.worker = Daemon(program, arguments or ["--processes", "1"], pair.runtime, pair.folder)
    pair.daemons.append(pair.worker)
    eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has its seat")


def by_threads(pair):
    """Jobs that a front's own threads did."""
    return pair.metric("offloop_jobs_total", mode="threads", result="ok") or 0


@case(own=True, server=("--arena", "off"))
def a_worker_that_lacks_a_coding(pair):
    """From the beginning or midway: the front's threads compress, and it lives on."""
    fronts = pair.server.fronts()
    texts = fill(pair, "midway", 2000)
    pair.put("/v1/zip/probe", list(range(2000)))
    codings = [("gzip", one_member)]
    if has_zstd(pair):
        codings.append(("zstd", lambda data: zstd_expand(data, 1 << 22)))
    for accept, whole in (("application/json", b"[" + b",".join(texts) + b"]"),
                          ("application/x-ndjson", b"".join(text + b"\n" for text in texts))):
        for (coding, expand), jobs in itertools.product(codings, "02"):
            swap_worker(pair, "tests/fake-worker", f"ipc://{pair.runtime}/rpc.sock", "no-coding", jobs)
            before = by_threads(pair)
            reply = pair.ask("GET", "/v1/midway", headers=[("Accept", accept),
                                                           ("Accept-Encoding", coding)])
            equal((reply.status, reply.header("content-encoding")), (200, coding))
            equal(expand(reply.body) == whole, True)
            assert by_threads(pair) > before, "the worker lacked nothing"
    equal(pair.server.fronts(), fronts)
    swap_worker(pair, "offloop-worker")


@case(own=True)
def workers_with_and_without_zstd(pair):
    """A collection that one with zstd has begun is gone on with by one without."""
    pair.put("/v1/zip/probe", list(range(2000)))
    if not has_zstd(pair):
        raise Skip("built without libzstd")
    random.seed(4)
    texts = [json.dumps([random.getrandbits(60) for _ in range(5000)],
                        separators=(",", ":")).encode() for _ in range(250)]
    with pair.client() as client:
        for number, text in enumerate(texts):
            client.ask("PUT", f"/v1/mixed/{number:05}", text, JSON)
    for accept, whole in (("application/json", b"[" + b",".join(texts) + b"]"),
                          ("application/x-ndjson", b"".join(text + b"\n" for text in texts))):
        headers = [("Accept", accept), ("Accept-Encoding", "zstd")]
        swap_worker(pair, "offloop-worker")
        with pair.client() as client:
            client.send(request("GET", "/v1/mixed", None, headers, "1.1"))
            client._more()  # it has begun; most of it waits for us
            swap_worker(pair, "tests/plain-worker")
            reply = client.reply("GET")
        equal((reply.status, reply.header("content-encoding")), (200, "zstd"))
        assert by_threads(pair) > 0, "workers compressed all of it: nothing was tested"
        assert len(reply.body) < len(whole) * 0.6, "some of it was not compressed"
        equal(zstd_expand(reply.body, len(whole)) == whole, True)
        # beside one with zstd, whichever of the two a run comes to
        with_zstd = Daemon("offloop-worker", ["--processes", "1"], pair.runtime, pair.folder)
        pair.daemons.append(with_zstd)
        eventually(lambda: pair.metric("offloop_worker_connections") == 2, "both are there")
        for _ in range(5):
            reply = pair.ask("GET", "/v1/mixed", headers=headers)
            equal((reply.status, reply.header("content-encoding")), (200, "zstd"))
            equal(zstd_expand(reply.body, len(whole)) == whole, True)
        with_zstd.stop()
        eventually(lambda: pair.metric("offloop_worker_connections") == 1, "it has left")


@case
def collections_in_one_stream(pair):
    check_collection(pair, "zips", 2000)


@case(server=["--representation", "json"])
def collections_of_stored_text_as_well(pair):
    check_collection(pair, "zips", 1200)


@case(server=["--representation", "json"])
def a_collection_of_both_formats(pair):
    """Runs of one format follow each other in one stream."""
    texts = fill(pair, "mixed", 300)
    pair.server.stop()
    pair.server_arguments = []
    pair.start_server()
    pair.wait_ready()
    for number in range(100, 200):
        pair.put(f"/v1/mixed/{number:05}", {"packed": number})
        texts[number] = b'{"packed":%d}' % number
    reply = pair.ask("GET", "/v1/mixed", headers=[GZIP])
    equal(one_member(reply.body) == b"[" + b",".join(texts) + b"]", True)


@case
def pages_fields_and_pretty_collections(pair):
    texts = fill(pair, "parts", 400)
    reply = pair.ask("GET", "/v1/parts?limit=300&pretty&fields=n", headers=[GZIP])
    equal(one_member(reply.body),
          json.dumps([{"n": number} for number in range(300)], indent=2).encode())
    assert 'rel="next"' in reply.header("link"), reply
    reply = pair.ask("GET", "/v1/parts?after=00379", headers=[GZIP])
    equal(one_member(reply.body), b"[" + b",".join(texts[380:]) + b"]")
    # to HTTP/1.0 until the close
    with pair.client() as client:
        reply = client.ask("GET", "/v1/parts", version="1.0", headers=[GZIP])
        equal((reply.framing, one_member(reply.body) == b"[" + b",".join(texts) + b"]"),
              ("close", True))


@case
def small_collections_stay_plain(pair):
    pair.put("/v1/few/a", 1)
    pair.put("/v1/few/b", "x")
    for target, body in (("/v1/few", b'[1,"x"]'), ("/v1/few?after=b", b"[]"),
                         ("/v1/few?limit=1", b"[1]"), ("/v1/none-at-all", b"[]")):
        reply = pair.ask("GET", target, headers=[GZIP])
        equal((target, reply.header("content-encoding"), reply.body), (target, None, body))
    pair.put("/v1/few/c", "y" * 1100)
    reply = pair.ask("GET", "/v1/few", headers=[GZIP])
    equal(one_member(reply.body), b'[1,"x","' + b"y" * 1100 + b'"]')
    packed = pair.ask("GET", "/v1/few", headers=[GZIP, ("Accept", "application/msgpack")])
    equal(packed.header("content-encoding"), None)


@case
def compressed_bodies(pair):
    document = json.dumps({"n": list(range(20_000))}, separators=(",", ":")).encode()
    with pair.client() as client:
        for coding in ("gzip", "x-gzip", "GZip"):
            reply = client.ask("PUT", "/v1/zip/sent", gzip.compress(document),
                               [*JSON, ("Content-Encoding", coding)])
            assert reply.status in (200, 201), reply
            equal(client.ask("GET", "/v1/zip/sent").body, document)
        made = client.ask("POST", "/v1/zip", gzip.compress(b"\x92\x01\x02"), [*MSGPACK, SENT])
        equal(client.ask("GET", made.header("location")).body, b"[1,2]")
        two = gzip.compress(b"[1,") + gzip.compress(b"2]")  # members follow each other
        client.ask("PUT", "/v1/zip/sent", two, [*JSON, SENT])
        equal(client.ask("GET", "/v1/zip/sent").body, b"[1,2]")


@case
def compressed_bodies_that_are_none(pair):
    whole = gzip.compress(b'{"a":1}')
    with pair.client() as client:
        for body in (b"", b"{}", whole[:-1], whole + b"x", whole[:-8] + b"\0" * 8,
                     zlib.compress(b"{}"), b"\x1f\x8b"):
            check_problem(client.ask("PUT", "/v1/zip/bad", body, [*JSON, SENT]), 400)
        # what is in it may be wrong too: the offset counts what it expands to
        problem = check_problem(client.ask("PUT", "/v1/zip/bad", gzip.compress(b'{"a":1,}'),
                                           [*JSON, SENT]), 400)
        equal(problem["offset"], 7)
        for coding in ("br", "deflate", "gzip, gzip", "gzip, identity"):
            reply = client.ask("PUT", "/v1/zip/bad", whole, [*JSON, ("Content-Encoding", coding)])
            check_problem(reply, 415, "gzip")
            equal(reply.header("accept-encoding"), "gzip")
        check_problem(client.ask("GET", "/v1/zip/bad"), 404)


@case(server=["--max-body", "1MiB"])
def what_expands_too_far_is_413(pair):
    with pair.client() as client:
        fits = b'"' + b"x" * ((1 << 20) - 2) + b'"'
        for mode in ("inline", "rpc"):
            headers = [*JSON, SENT, ("Offloop-Mode", mode)]
            reply = client.ask("PUT", f"/v1/zip/{mode}", gzip.compress(fits), headers)
            equal(reply.status, 201)
            check_problem(client.ask("PUT", f"/v1/zip/{mode}",
                                     gzip.compress(fits[:-1] + b'x"'), headers), 413)
            bomb = gzip.compress(b" " * (200 << 20))
            check_problem(client.ask("PUT", f"/v1/zip/{mode}", bomb, headers), 413)
            check_problem(client.ask("PATCH", f"/v1/zip/{mode}", bomb, [
                ("Content-Type", "application/merge-patch+json"), SENT,
                ("Offloop-Mode", mode)]), 413)
            equal(client.ask("GET", f"/v1/zip/{mode}").body, fits)


@case
def nor_is_anything_expanded_or_compressed_on_the_loop(pair):
    """In auto mode, where small work may stay on the loop: 1 KB may expand to 1 MB."""
    before = pair.metric("offloop_front_codec_runs_total")
    for body in (gzip.compress(b"[1]"), gzip.compress(b"[1" + b" " * 1_000_000 + b"]")):
        reply = pair.ask("PUT", "/v1/zip/auto", body, [*JSON, SENT, ("Offloop-Mode", "auto")])
        assert reply.status in (200, 201), reply
    pair.put("/v1/zip/auto", "a" * 1100)
    between = pair.metric("offloop_front_codec_runs_total")
    for target in ("/v1/zip/auto", "/v1/zip"):
        reply = pair.ask("GET", target, headers=[GZIP, ("Offloop-Mode", "auto")])
        equal(reply.header("content-encoding"), "gzip")
    equal((between, pair.metric("offloop_front_codec_runs_total")), (before, before))


@case
def the_loop_does_not_compress(pair):
    """A 200 KB document and a collection, compressed: the front runs no codec, and its
    encode and decode phases stay empty."""
    random.seed(7)
    pair.put("/v1/zip/loop", [random.random() for _ in range(10_000)])
    fill(pair, "loop", 1000)

    def phases():
        fronts = pair.admin("/debug/loop").json()["fronts"]
        return sum(one["phases"][name] for one in fronts for name in ("encode", "decode"))

    before = phases(), pair.metric("offloop_front_codec_runs_total")
    with pair.client() as client:
        for _ in range(50):
            for target in ("/v1/zip/loop", "/v1/loop"):
                reply = client.ask("GET", target, headers=[GZIP, ("Offloop-Mode", "rpc")])
                equal(reply.header("content-encoding"), "gzip")
    equal((phases(), pair.metric("offloop_front_codec_runs_total")), before)
