"""--representation: what writes store, stores that hold both kinds, switching between."""
import gzip
import signal
import threading

from harness import JSON, MSGPACK, case, check_problem, equal, eventually

PACKED = [("Accept", "application/msgpack")]
PATCH = [("Content-Type", "application/merge-patch+json")]
AS_JSON = ["--representation", "json"]


def jobs(pair):
    return sum(value for _, value in pair.metrics("offloop_jobs_total"))


def restart(pair, *arguments):
    pair.server.stop()
    pair.server_arguments = list(arguments)
    pair.start_server()
    pair.wait_ready()


@case(server=AS_JSON)
def stored_json_is_sent_as_it_is(pair):
    body = b' { "b" : [1.50, 1e2, -0] , "a" : "\\u0041\\/" , "n" : 18446744073709551616 } '
    compact = b'{"b":[1.50,1e2,-0],"a":"A/","n":18446744073709551616}'
    with pair.client() as client:
        put = client.ask("PUT", "/v1/plain/a", body, JSON)
        equal(put.status, 201)
        client.ask("PUT", "/v1/plain/b", b"\x81\xa1x\x01", MSGPACK)
        before = jobs(pair), pair.metric("offloop_front_codec_runs_total")
        for mode in ("inline", "rpc", "auto"):
            mode = ("Offloop-Mode", mode)
            reply = client.ask("GET", "/v1/plain/a", headers=[mode])
            equal((reply.body, reply.header("etag")), (compact, put.header("etag")))
            equal(client.ask("GET", "/v1/plain/b", headers=[mode]).body, b'{"x":1}')
            equal(client.ask("GET", "/v1/plain", headers=[mode]).body,
                  b"[" + compact + b',{"x":1}]')
            # small: to take gzip costs no job either
            equal(client.ask("GET", "/v1/plain/b",
                             headers=[mode, ("Accept-Encoding", "gzip")]).body, b'{"x":1}')
            equal(client.ask("HEAD", "/v1/plain/a", headers=[mode]).header("content-length"),
                  str(len(compact)))
        equal((jobs(pair), pair.metric("offloop_front_codec_runs_total")), before)


@case(server=AS_JSON)
def stored_json_in_every_form(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/forms/a", b'{"a":[1,2],"b":"' + b"x" * 2000 + b'"}', JSON)
        equal(client.ask("GET", "/v1/forms/a?fields=a").body, b'{"a":[1,2]}')
        equal(client.ask("GET", "/v1/forms/a?fields=a&pretty").body,
              b'{\n  "a": [\n    1,\n    2\n  ]\n}')
        equal(client.ask("GET", "/v1/forms/a?fields=a", headers=PACKED).body,
              b"\x81\xa1a\x92\x01\x02")
        packed = client.ask("GET", "/v1/forms/a", headers=PACKED)
        equal(packed.body[:7], b"\x82\xa1a\x92\x01\x02\xa1")
        equal(client.ask("PUT", "/v1/forms/b", packed.body, MSGPACK).status, 201)
        equal(client.ask("GET", "/v1/forms/b").body, client.ask("GET", "/v1/forms/a").body)
        zipped = client.ask("GET", "/v1/forms/a", headers=[("Accept-Encoding", "gzip")])
        equal(zipped.header("content-encoding"), "gzip")
        equal(client.ask("PATCH", "/v1/forms/a?fields=a", b'{"a":null,"c":[]}', PATCH).body,
              b"{}")
        equal(client.ask("GET", "/v1/forms/a?fields=c").body, b'{"c":[]}')
        equal(client.ask("GET", "/v1/forms?fields=c", headers=PACKED).body,
              b"\xdd\x00\x00\x00\x02\x81\xa1c\x90\x80")


@case(server=AS_JSON)
def msgpack_may_come_compressed(pair):
    sent = [*MSGPACK, ("Content-Encoding", "gzip")]
    body = b"\x81\xa1a\xdc\x07\xd0" + b"\x07" * 2000
    expected = b'{"a":[' + b",".join([b"7"] * 2000) + b"]}"
    with pair.client() as client:
        for mode in ("inline", "threads", "rpc", "auto"):
            headers = [*sent, ("Offloop-Mode", mode)]
            equal(client.ask("PUT", f"/v1/zipped/{mode}", gzip.compress(body), headers).status,
                  201)
            made = client.ask("POST", "/v1/zipped", gzip.compress(body), headers)
            equal(made.status, 201)
            for path in (f"/v1/zipped/{mode}", made.header("location")):
                equal(client.ask("GET", path).body, expected)
            check_problem(client.ask("PUT", "/v1/zipped/bad", body, headers), 400, "gzip")
            check_problem(client.ask("PUT", "/v1/zipped/bad", gzip.compress(body[:-1]),
                                     headers), 400, "ends too early")


@case(server=[*AS_JSON, "--max-reply", "1KiB"])
def what_replies_may_be_does_not_limit_what_is_stored(pair):
    body = b"\xdc\x07\xd0" + b"\x07" * 2000
    equal(pair.ask("PUT", "/v1/limits/a", body, MSGPACK).status, 201)


@case(server=AS_JSON)
def what_is_stored_as_json_is_checked_as_well(pair):
    with pair.client() as client:
        equal(check_problem(client.ask("PUT", "/v1/bad/a", b"[1,]", JSON), 400)["offset"], 3)
        check_problem(client.ask("PUT", "/v1/bad/a", b"\xc4\x01x", MSGPACK), 400)
        check_problem(client.ask("PUT", "/v1/bad/a", b'"\xff"', JSON), 400)
        check_problem(client.ask("GET", "/v1/bad/a"), 404)


@case(own=True)
def a_store_switches_back_and_forth(pair):
    """Runs with either representation over one store: every document reads the same in all
    of them, in listings too, whatever it was written by."""
    def write(kind, numbers):
        with pair.client() as client:
            for number in numbers:
                body = b'{"n":%d,"by":"%s"}' % (number, kind)
                equal(client.ask("PUT", f"/v1/mix/{number:04}", body, JSON).status, 201)

    def expected(number):
        return {"n": number, "by": ("msgpack", "json")[number % 2]}

    def check():
        with pair.client() as client:
            whole = [expected(number) for number in range(1400)]
            equal(client.ask("GET", "/v1/mix").json(), whole)
            equal(client.ask("GET", "/v1/mix?pretty").json(), whole)
            equal(client.ask("GET", "/v1/mix?fields=n").json(),
                  [{"n": one["n"]} for one in whole])
            packed = client.ask("GET", "/v1/mix", headers=PACKED).body
            equal(packed[:5], b"\xdd\x00\x00\x05\x78")
            equal(packed.count(b"\xa1n"), 1400)
            for number in (6, 7):
                equal(client.ask("GET", f"/v1/mix/{number:04}").json(), expected(number))
                assert client.ask("GET", f"/v1/mix/{number:04}",
                                  headers=PACKED).body.startswith(b"\x82\xa1n")

    write(b"msgpack", range(0, 1400, 2))
    restart(pair, *AS_JSON)
    write(b"json", range(1, 1400, 2))
    check()
    restart(pair)
    check()
    with pair.client() as client:  # patched alike, replaced as the server now stores
        equal(client.ask("PATCH", "/v1/mix/0007", b'{"x":1}', PATCH).json(),
              {**expected(7), "x": 1})
        equal(client.ask("PATCH", "/v1/mix/0007", b'{"x":null}', PATCH).json(), expected(7))
    check()


@case(own=True)
def a_reload_switches_without_a_stop(pair):
    """HUP with another representation in the file: no request is lost meanwhile."""
    pair.server.stop()
    config = pair.folder / "server.conf"
    config.write_text("representation = msgpack\n")
    pair.server_arguments = ["--config", str(config)]
    pair.start_server()
    pair.wait_ready()
    pair.put("/v1/hup/a", {"by": "msgpack"})
    before, seen, done = set(pair.server.fronts()), [], threading.Event()

    def read():
        while not done.is_set():
            try:
                seen.append(pair.ask("GET", "/v1/hup/a").body)
            except Exception as problem:  # for the case to see
                seen.append(problem)

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: seen, "the reader reads")
    config.write_text("representation = json\n")
    pair.server.send_signal(signal.SIGHUP)
    eventually(lambda: not set(pair.server.fronts()) & before, "the old front is gone")
    done.set()
    reader.join()
    equal(set(seen), {b'{"by":"msgpack"}'})
    eventually(pair.ready, "the new front is ready")
    pair.put("/v1/hup/b", {"by": "json"})
    count = jobs(pair)
    equal(pair.ask("GET", "/v1/hup/b").json(), {"by": "json"})
    equal(jobs(pair), count)
    equal(pair.ask("GET", "/v1/hup").json(), [{"by": "msgpack"}, {"by": "json"}])
