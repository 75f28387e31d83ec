"""One document: PUT, GET, HEAD, DELETE, OPTIONS, names, types, ETags."""
from harness import JSON, MSGPACK, case, check_problem, equal

DOCUMENT = b'{"a":[1,2.5,"x"],"b":{"c":null,"d":true}}'
# The same, as MessagePack.
PACKED = (b"\x82\xa1a\x93\x01\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xa1x"
          b"\xa1b\x82\xa1c\xc0\xa1d\xc3")


def check_vary(reply):
    """Caches are told what else the reply depends on."""
    assert "accept" in reply.header("vary").lower().replace(" ", "").split(","), reply


@case
def put_creates_then_replaces(pair):
    with pair.client() as client:
        first = client.ask("PUT", "/v1/things/one", DOCUMENT, JSON)
        equal(first.status, 201)
        equal(first.header("location"), "/v1/things/one")
        equal(first.body, b"")
        equal(first.header("content-length"), "0")
        second = client.ask("PUT", "/v1/things/one", b"[]", JSON)
        equal(second.status, 200)
        equal(second.header("location"), None)
        equal(second.body, b"")
        assert first.header("etag") != second.header("etag")
        equal(client.ask("GET", "/v1/things/one").body, b"[]")


@case
def get_gives_compact_json_and_headers(pair):
    with pair.client() as client:
        spaced = b' {"a" : [1, 2.5,\t"x"],\r\n "b": {"c": null, "d": true} } \n'
        put = client.ask("PUT", "/v1/things/two", spaced, JSON)
        reply = client.ask("GET", "/v1/things/two")
        equal(reply.status, 200)
        equal(reply.body, DOCUMENT)
        equal(reply.header("content-type"), "application/json")
        equal(reply.header("content-length"), str(len(DOCUMENT)))
        equal(reply.header("etag"), put.header("etag"))
        equal(reply.header("vary"), "Accept, Accept-Encoding")


@case
def get_of_what_is_not_there(pair):
    with pair.client() as client:
        check_problem(client.ask("GET", "/v1/things/none"), 404)
        check_problem(client.ask("GET", "/v1/no-such-collection/none"), 404)
        check_problem(client.ask("GET", "/"), 404)
        check_problem(client.ask("GET", "/v2/things/one"), 404)
        check_problem(client.ask("GET", "/v1/things/one/more"), 404)


@case
def every_json_value_is_a_document(pair):
    with pair.client() as client:
        for text in (b"null", b"true", b"false", b"0", b"-1", b"1.5", b'""', b'"x"', b"[]",
                     b"{}", b"[[],{}]", b'{"":0}'):
            assert client.ask("PUT", "/v1/things/any", text, JSON).status in (200, 201), text
            equal(client.ask("GET", "/v1/things/any").body, text)


@case
def content_type_may_have_parameters(pair):
    with pair.client() as client:
        for content_type in ("application/json; charset=utf-8", "APPLICATION/JSON",
                             "application/json;charset=UTF-8"):
            reply = client.ask("PUT", "/v1/things/typed", b"1", [("Content-Type", content_type)])
            assert reply.status in (200, 201), content_type


@case
def other_types_are_415(pair):
    with pair.client() as client:
        for content_type in ("text/plain", "application/xml", "application/jsonx",
                             "application/x-www-form-urlencoded", "nonsense"):
            check_problem(client.ask("PUT", "/v1/things/typed", b"1",
                                     [("Content-Type", content_type)]), 415)


@case
def writing_without_a_type_is_415(pair):
    """A page of another site can have a browser send such without asking first."""
    pair.put("/v1/things/untyped", 1)
    with pair.client() as client:
        for method, target in (("PUT", "/v1/things/untyped"), ("POST", "/v1/things"),
                               ("PATCH", "/v1/things/untyped")):
            for headers in ([], [("Content-Type", "")]):
                check_problem(client.ask(method, target, b"2", headers), 415,
                              "a Content-Type is needed")
        equal(client.ask("GET", "/v1/things/untyped").body, b"1")
        check_problem(client.ask("PUT", "/v1/things/untyped"), 411)


@case
def a_refused_charset_is_named(pair):
    with pair.client() as client:
        for method, target, media in (("PUT", "/v1/things/latin", "application/json"),
                                      ("POST", "/v1/things", "application/json"),
                                      ("POST", "/v1/things", "application/x-ndjson"),
                                      ("PATCH", "/v1/things/latin",
                                       "application/merge-patch+json")):
            check_problem(client.ask(method, target, b"{}",
                                     [("Content-Type", f"{media}; charset=latin1")]), 415,
                          "charset latin1 is not accepted")


@case
def json_goes_by_other_names(pair):
    geo = [("Content-Type", "application/geo+json")]
    with pair.client() as client:
        equal(client.ask("PUT", "/v1/named/a", b'{"type":"Point"}', geo).status, 201)
        equal(client.ask("POST", "/v1/named", b"1",
                         [("Content-Type", "application/vnd.api+json")]).status, 201)
        for target in ("/v1/named/a", "/v1/named", "/v1", "/openapi.json"):
            for accept, media in (("application/geo+json", "application/geo+json"),
                                  ("application/geo+json, */*;q=0.5", "application/geo+json"),
                                  ("application/json, application/problem+json",
                                   "application/json"),
                                  (",", "application/json"), (" , ,", "application/json"),
                                  ("*/*", "application/json")):
                reply = client.ask("GET", target, headers=[("Accept", accept)])
                equal((target, accept, reply.status, reply.header("content-type")),
                      (target, accept, 200, media))
                reply.json()
        reply = client.ask("PATCH", "/v1/named/a", b'{"id":7}',
                           [("Content-Type", "application/merge-patch+json"),
                            ("Accept", "application/geo+json")])
        equal((reply.header("content-type"), reply.body),
              ("application/geo+json", b'{"type":"Point","id":7}'))
        check_problem(client.ask("GET", "/v1/named/a",
                                 headers=[("Accept", "text/geo+json")]), 406)


@case
def a_slash_at_the_end_is_told(pair):
    pair.put("/v1/things/slash", 1)
    with pair.client() as client:
        for target in ("/v1/", "/v1/things/", "/v1/things/slash/"):
            check_problem(client.ask("GET", target), 404, "ends in a slash")
        check_problem(client.ask("POST", "/v1/things/", b"1", JSON), 400, "ends in a slash")
        check_problem(client.ask("PUT", "/v1/things/slash/", b"1", JSON), 400,
                      "ends in a slash")
        check_problem(client.ask("DELETE", "/v1/things/slash/"), 400, "ends in a slash")


@case
def problems_of_what_is_negotiated_tell_caches_so(pair):
    pair.put("/v1/things/vary", 1)
    both, accept = "Accept, Accept-Encoding", "Accept"
    for target, vary in (("/v1/things/vary", both), ("/v1/things/missing", both),
                         ("/v1/things", both), ("/v1/things?limit=0", both),
                         ("/v1/bad%20name", both), ("/v1", accept), ("/openapi.json", accept)):
        for method in ("GET", "HEAD"):
            with pair.client() as client:
                for headers in ([], [("Accept", "text/html")]):
                    reply = client.ask(method, target, headers=headers)
                    equal((method, target, headers, reply.header("vary")),
                          (method, target, headers, vary))
                    assert not headers or reply.status in (400, 404, 406), reply
    equal(pair.ask("GET", "/elsewhere").header("vary"), None)
    equal(pair.ask("DELETE", "/v1/things/missing").header("vary"), None)


@case
def what_is_there_in_json_alone(pair):
    for target in ("/v1", "/openapi.json"):
        reply = pair.ask("GET", target,
                         headers=[("Accept", "application/msgpack, application/json;q=0.1")])
        equal((reply.status, reply.header("content-type")), (200, "application/json"))
        check_problem(pair.ask("GET", target, headers=[("Accept", "application/msgpack")]),
                      406, "the server offers application/json")


@case
def msgpack_in_and_out(pair):
    accept = [("Accept", "application/msgpack")]
    with pair.client() as client:
        equal(client.ask("PUT", "/v1/packed/in", PACKED, MSGPACK).status, 201)
        as_json = client.ask("GET", "/v1/packed/in")
        equal(as_json.body, DOCUMENT)
        as_msgpack = client.ask("GET", "/v1/packed/in", headers=accept)
        equal(as_msgpack.body, PACKED)
        equal(as_msgpack.header("content-type"), "application/msgpack")
        equal(as_msgpack.header("vary"), "Accept, Accept-Encoding")
        assert as_json.header("etag") != as_msgpack.header("etag"), "representations differ"
        client.ask("PUT", "/v1/packed/out", DOCUMENT, JSON)
        equal(client.ask("GET", "/v1/packed/out", headers=accept).body, PACKED)


@case
def msgpack_that_json_lacks_is_400_with_offset(pair):
    with pair.client() as client:
        for body, offset in ((b"\x92\x01\xc4\x01x", 2),  # bin
                             (b"\x91\xd6\xff\0\0\0\0", 1),  # timestamp
                             (b"\x91\xcb\x7f\xf0\0\0\0\0\0\0", 1),  # infinity
                             (b"\x81\x01\x02", 1),  # a key that is no string
                             (b"\x91\xc1", 1),  # never used
                             (b"\x92\x01", 2),  # ends too early
                             (b"\x01\x01", 1)):  # bytes follow
            problem = check_problem(client.ask("PUT", "/v1/packed/bad", body, MSGPACK), 400)
            equal((body, problem.get("offset")), (body, offset))
        check_problem(client.ask("GET", "/v1/packed/bad"), 404)


@case
def msgpack_our_own_number_ext_round_trips(pair):
    text = b"[123456789012345678901234567890,1e999]"
    accept = [("Accept", "application/msgpack")]
    with pair.client() as client:
        client.ask("PUT", "/v1/packed/number", text, JSON)
        packed = client.ask("GET", "/v1/packed/number", headers=accept).body
        assert client.ask("PUT", "/v1/packed/again", packed, MSGPACK).status == 201
        equal(client.ask("GET", "/v1/packed/again").body, text)
        bad = b"\x91\xd5\x011}"  # not a number's text: would be an injection
        check_problem(client.ask("PUT", "/v1/packed/bad", bad, MSGPACK), 400)


@case
def accept_chooses_or_406(pair):
    pair.put("/v1/things/choice", [1])
    with pair.client() as client:
        for accept, expected in (
                ("*/*", "application/json"), ("application/*", "application/json"),
                ("application/json", "application/json"),
                ("application/msgpack", "application/msgpack"),
                ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
                ("application/json;q=0.1, application/msgpack", "application/msgpack"),
                ("application/msgpack;q=0.5, application/json;q=0.9", "application/json"),
                ("application/msgpack;q=0, */*", "application/json"),
                ("application/json;q=0, application/*", "application/msgpack")):
            reply = client.ask("GET", "/v1/things/choice", headers=[("Accept", accept)])
            equal((accept, reply.status, reply.header("content-type")), (accept, 200, expected))
        for accept in ("text/html", "application/xml", "image/*", "application/json;q=0",
                       "*/*;q=0"):
            check_problem(client.ask("GET", "/v1/things/choice", headers=[("Accept", accept)]),
                          406)


@case
def head_is_get_without_body(pair):
    pair.put("/v1/things/head", {"x": 1})
    with pair.client() as client:
        got = client.ask("GET", "/v1/things/head")
        head = client.ask("HEAD", "/v1/things/head")
        equal(head.status, 200)
        equal(head.body, b"")
        for name in ("content-type", "content-length", "etag", "vary"):
            equal((name, head.header(name)), (name, got.header(name)))
        missing = client.ask("HEAD", "/v1/things/none")
        equal((missing.status, missing.body), (404, b""))
        # the connection is in step: nothing of a body was sent
        equal(client.ask("GET", "/v1/things/head").body, b'{"x":1}')


@case
def delete_204_then_404(pair):
    pair.put("/v1/things/gone", 1)
    with pair.client() as client:
        equal(client.ask("DELETE", "/v1/things/gone").status, 204)
        check_problem(client.ask("DELETE", "/v1/things/gone"), 404)
        check_problem(client.ask("GET", "/v1/things/gone"), 404)
        equal(client.ask("PUT", "/v1/things/gone", b"2", JSON).status, 201)


@case
def options_and_405_name_the_methods(pair):
    with pair.client() as client:
        for target, needed in (("/v1/things/one", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
                               ("/v1/things", {"GET", "HEAD", "OPTIONS"}),
                               ("/v1", {"GET", "HEAD", "OPTIONS"})):
            options = client.ask("OPTIONS", target)
            equal((target, options.status), (target, 204))
            allowed = {one.strip() for one in options.header("allow").split(",")}
            assert needed <= allowed, (target, allowed)
            refused = client.ask("TRACE", target)
            check_problem(refused, 405)
            equal(refused.header("allow"), options.header("allow"))
            equal((target, options.header("accept-patch")),
                  (target, "application/merge-patch+json, application/jq" if "PATCH" in allowed else None))
        check_problem(client.ask("PUT", "/v1/things", b"1", JSON), 405)
        check_problem(client.ask("DELETE", "/v1"), 405)
        check_problem(client.ask("DELETE", "/v1/things/a%20b"), 400)
        equal(client.ask("OPTIONS", "*").status, 204)


@case
def names(pair):
    with pair.client() as client:
        every = "AZaz09._~:@-"
        target = f"/v1/{every}/{every}"
        equal(client.ask("PUT", target, b"1", JSON).status, 201)
        encoded = "".join(f"%{ord(one):02X}" for one in every)
        lower = encoded.replace("%4", "%4").lower()
        for other in (encoded, lower):
            equal(client.ask("PUT", f"/v1/{other}/{other}", b"2", JSON).status, 200)
        equal(client.ask("GET", target).body, b"2")
        longest = "x" * 255
        equal(client.ask("PUT", f"/v1/{longest}/{longest}", b"3", JSON).status, 201)
        equal(client.ask("GET", f"/v1/{longest}/{longest}").body, b"3")
        equal(client.ask("DELETE", f"/v1/{longest}/{longest}").status, 204)


@case
def bad_names_404_on_reading_400_on_writing(pair):
    with pair.client() as client:
        for bad in ("x" * 256, "a%20b", "a%2Fb", "a%00b", "caf%C3%A9", "a%zz", "a%4", "a%", "a!",
                    "a+b", "a*b", "a$b", ".", "..", "%2e", ".%2E"):
            for target in (f"/v1/things/{bad}", f"/v1/{bad}/one"):
                check_problem(client.ask("GET", target), 404)
                check_problem(client.ask("PUT", target, b"1", JSON), 400)
            check_problem(client.ask("GET", f"/v1/{bad}"), 404)
        check_problem(client.ask("GET", "/v1//one"), 404)
        check_problem(client.ask("PUT", "/v1//one", b"1", JSON), 400)


@case
def location_is_usable(pair):
    with pair.client() as client:
        reply = client.ask("PUT", "/v1/loc%61tion/a%3Ab", b'"here"', JSON)
        equal(reply.status, 201)
        equal(client.ask("GET", reply.header("location")).body, b'"here"')


@case
def etag_and_if_none_match(pair):
    with pair.client() as client:
        put = client.ask("PUT", "/v1/things/tagged", b"1", JSON)
        tag = put.header("etag")
        assert tag.startswith('"') and tag.endswith('"') and "-" in tag, tag
        for condition in (tag, f"W/{tag}", f'"other", {tag}', "*", f'"a,b" , W/{tag}'):
            reply = client.ask("GET", "/v1/things/tagged",
                               headers=[("If-None-Match", condition)])
            equal((condition, reply.status), (condition, 304))
            equal(reply.header("etag"), tag)
            equal(reply.header("vary"), "Accept, Accept-Encoding")
        for condition in ('"other"', tag.strip('"'), '""'):
            reply = client.ask("GET", "/v1/things/tagged",
                               headers=[("If-None-Match", condition)])
            equal((condition, reply.status), (condition, 200))
        head = client.ask("HEAD", "/v1/things/tagged", headers=[("If-None-Match", tag)])
        equal(head.status, 304)
        client.ask("PUT", "/v1/things/tagged", b"2", JSON)
        changed = client.ask("GET", "/v1/things/tagged", headers=[("If-None-Match", tag)])
        equal((changed.status, changed.body), (200, b"2"))


@case
def a_version_is_never_used_again(pair):
    tags = set()
    with pair.client() as client:
        for _ in range(5):
            tags.add(client.ask("PUT", "/v1/things/again", b"1", JSON).header("etag"))
            tags.add(client.ask("PUT", "/v1/things/other", b"1", JSON).header("etag"))
            client.ask("DELETE", "/v1/things/again")
    equal(len(tags), 10)


@case
def bad_json_changes_nothing(pair):
    pair.put("/v1/things/kept", {"good": True})
    with pair.client() as client:
        problem = check_problem(client.ask("PUT", "/v1/things/kept", b'{"a":1,}', JSON), 400)
        equal(problem["offset"], 7)
        equal(client.ask("GET", "/v1/things/kept").body, b'{"good":true}')


@case
def a_put_without_a_body(pair):
    with pair.client() as client:
        reply = client.ask("PUT", "/v1/things/empty", b"", JSON)
        equal(check_problem(reply, 400)["offset"], 0)
        check_problem(client.ask("GET", "/v1/things/empty"), 404)


@case
def query_parameters_without_a_meaning_are_ignored(pair):
    pair.put("/v1/things/query", [1])
    for query in ("what=ever&x", "limit=abc", "after=a/b&ids", "=&&_"):
        equal(pair.ask("GET", f"/v1/things/query?{query}").body, b"[1]")
        equal(pair.ask("GET", f"/v1?{query}").status, 200)
        equal(pair.ask("GET", f"/openapi.json?{query}").status, 200)
    with pair.client() as client:
        for query in ("fields=,,", "limit=0&what=ever"):
            equal(client.ask("PUT", f"/v1/things/query?{query}", b"[2]", JSON).status, 200)
            equal(client.ask("POST", f"/v1/things?{query}", b"[2]", JSON).status, 201)
        equal(client.ask("DELETE", "/v1/things/query?fields=,,").status, 204)
        equal(client.ask("GET", "/v1?fields=,,").status, 200)


@case
def large_documents(pair):
    for size in (70_000, 1_000_000, 8_000_000):
        body = b'["' + b"x" * size + b'",1]'
        equal(pair.ask("PUT", f"/v1/large/{size}", body, JSON).status, 201)
        reply = pair.ask("GET", f"/v1/large/{size}")
        assert reply.body == body, f"{size}: {len(reply.body)} bytes came back"
        equal(pair.ask("DELETE", f"/v1/large/{size}").status, 204)


@case
def conditional_writes(pair):
    with pair.client() as client:
        def put(body, *condition):
            return client.ask("PUT", "/v1/things/cond", body, [*JSON, *condition])

        check_problem(put(b"0", ("If-Match", "*")), 412)  # nothing is there
        created = put(b"1", ("If-None-Match", "*"))
        equal(created.status, 201)
        check_problem(put(b"2", ("If-None-Match", "*")), 412)
        tag = created.header("etag")
        changed = put(b"3", ("If-Match", tag))
        equal(changed.status, 200)
        check_problem(put(b"4", ("If-Match", tag)), 412)  # it has another version now
        equal(client.ask("GET", "/v1/things/cond").body, b"3")
        check_problem(client.ask("DELETE", "/v1/things/cond", headers=[("If-Match", tag)]), 412)
        equal(client.ask("DELETE", "/v1/things/cond",
                         headers=[("If-Match", changed.header("etag"))]).status, 204)
        check_problem(client.ask("DELETE", "/v1/things/cond", headers=[("If-Match", "*")]), 404)


@case
def documents_in_msgpack_by_version_match_in_json_too(pair):
    pair.put("/v1/things/both", [1])
    with pair.client() as client:
        packed = client.ask("GET", "/v1/things/both", headers=[("Accept", "application/msgpack")])
        reply = client.ask("PUT", "/v1/things/both", b"[2]",
                           [*JSON, ("If-Match", packed.header("etag"))])
        equal(reply.status, 200)  # If-Match compares the version, not the representation
