"""?fields and ?pretty, on documents and collections, JSON and MessagePack."""
import json

from harness import JSON, MSGPACK, case, check_problem, equal

DOCUMENT = (b'{"a":1,"b":{"c":[{"d":1,"e":2},{"d":3}],"f":null},"items":[{"d":1,"x":2},7,[8]],'
            b'"x y":true}')
MSGPACK_ACCEPT = ("Accept", "application/msgpack")
KEPT = [  # fields, what is left of DOCUMENT
    ("a", b'{"a":1}'),
    ("x%20y,a", b'{"a":1,"x y":true}'),
    ("a%2Cb.f", b'{"a":1,"b":{"f":null}}'),  # as libraries encode it
    ("a%252Cb", b"{}"),  # one name, with a comma in it
    ("b", b'{"b":{"c":[{"d":1,"e":2},{"d":3}],"f":null}}'),
    ("b.c.0.d", b'{"b":{"c":[{"d":1}]}}'),
    ("b.c.1", b'{"b":{"c":[{"d":3}]}}'),
    ("items.0.d,items.2.0", b'{"items":[{"d":1},[8]]}'),
    ("none", b"{}"),
]


@case
def fields_of_a_document(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/fields/one", DOCUMENT, JSON)
        for fields, expected in KEPT:
            for mode in ("inline", "rpc"):
                reply = client.ask("GET", f"/v1/fields/one?fields={fields}",
                                   headers=[("Offloop-Mode", mode)])
                equal((fields, reply.status), (fields, 200))
                equal((fields, reply.body), (fields, expected))
            head = client.ask("HEAD", f"/v1/fields/one?fields={fields}")
            equal(head.header("content-length"), str(len(reply.body)))


KUBERNETES = (b'{"metadata":{"name":"x","annotations":{"a.b/c":1,"a":{"b/c":2},"d,e":3,"~":4}},'
              b'"items":[{"a.b":[5,6]}]}')
NAMED = [  # fields, what is left of KUBERNETES: names that hold what divides names
    ("/metadata/annotations/a.b~1c", b'{"metadata":{"annotations":{"a.b/c":1}}}'),
    ("%2Fmetadata%2Fannotations%2Fa.b~1c", b'{"metadata":{"annotations":{"a.b/c":1}}}'),
    ("metadata.annotations.a%252Eb/c", b'{"metadata":{"annotations":{"a.b/c":1}}}'),
    ("metadata.annotations.a%2Eb%2Fc", b'{"metadata":{"annotations":{"a.b/c":1}}}'),
    ("metadata.annotations.a.b/c", b'{"metadata":{"annotations":{"a":{"b/c":2}}}}'),
    ("/metadata/annotations/~0,metadata.name",
     b'{"metadata":{"name":"x","annotations":{"~":4}}}'),
    ("/metadata/annotations/d%252Ce%2C/metadata/name",
     b'{"metadata":{"name":"x","annotations":{"d,e":3}}}'),
    ("/items/0/a.b/1", b'{"items":[{"a.b":[6]}]}'),
    ("/metadata/annotations/a/b", b'{"metadata":{"annotations":{"a":{}}}}'),
]


@case
def names_with_dots_and_pointers(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/kubernetes/one", KUBERNETES, JSON)
        client.ask("PUT", "/v1/kubernetes/two", KUBERNETES, JSON)
        for fields, expected in NAMED:
            equal((fields, client.ask("GET", f"/v1/kubernetes/one?fields={fields}").body),
                  (fields, expected))
            page = client.ask("GET", f"/v1/kubernetes?limit=1&fields={fields}")
            equal((fields, page.body), (fields, b"[" + expected + b"]"))
            more = page.header("link").split(">")[0].lstrip("<")
            equal((fields, client.ask("GET", more).body), (fields, b"[" + expected + b"]"))
        for fields in ("/a~2", "/a~", "a,/~"):
            check_problem(client.ask("GET", f"/v1/kubernetes/one?fields={fields}"), 400,
                          "JSON Pointer")


RFC_6901 = (b'{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,'
            b'"k\\"l":6," ":7,"m~n":8}')
EXAMPLES = [  # of its section 5, as in a URI; what is left
    ("/foo", b'{"foo":["bar","baz"]}'), ("/foo/0", b'{"foo":["bar"]}'), ("/", b'{"":0}'),
    ("/a~1b", b'{"a/b":1}'), ("/c%25d", b'{"c%d":2}'), ("/e%5Ef", b'{"e^f":3}'),
    ("/g%7Ch", b'{"g|h":4}'), ("/i%5Cj", b'{"i\\\\j":5}'), ("/k%22l", b'{"k\\"l":6}'),
    ("/%20", b'{" ":7}'), ("/m~0n", b'{"m~n":8}'), ("/,/%20,foo.1", b'{"foo":["baz"],"":0," ":7}'),
]


@case
def the_examples_of_rfc_6901(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/pointers/one", RFC_6901, JSON)
        for pointer, expected in EXAMPLES:
            for form in (pointer, pointer.replace("/", "%2F")):
                equal((form, client.ask("GET", f"/v1/pointers/one?fields={form}").body),
                      (form, expected))


@case
def what_fields_cannot_be(pair):
    pair.put("/v1/fields/bad", {"a": 1})
    for fields in ("", ",", "a,,b", ".a", "a..b", "a.", "a%2C", "%zz", "%", "a.%", "/a%",
                   "x" * 8200):
        target = f"/v1/fields/bad?fields={fields}"
        status = pair.ask("GET", target).status
        assert status in (400, 414), (fields[:20], status)
    check_problem(pair.ask("GET", "/v1/fields/bad?fields="), 400, "fields")


@case
def fields_that_are_none_are_400_whatever_is_there(pair):
    """Before conditions and the store are looked at, in every mode and form."""
    etag = pair.put("/v1/none/one", {"a": 1}).header("etag")
    patch = [("Content-Type", "application/merge-patch+json")]
    with pair.client() as client:
        for fields in (",,", ".", "a..b", "a,", "%zz", ",".join("n" * 1025)):
            for target in ("/v1/none/one", "/v1/none/missing", "/v1/none", "/v1/not-there"):
                for headers in ([], [("If-None-Match", etag)], [("If-Match", '"9-json"')],
                                [MSGPACK_ACCEPT], [("Offloop-Mode", "inline")]):
                    reply = client.ask("GET", f"{target}?fields={fields}", headers=headers)
                    check_problem(reply, 400, "fields must be names separated by , and .")
                equal(client.ask("HEAD", f"{target}?fields={fields}").status, 400)
            reply = client.ask("PATCH", f"/v1/none/one?fields={fields}", b'{"b":2}', patch)
            check_problem(reply, 400, "fields")
        equal(client.ask("GET", "/v1/none/one").body, b'{"a":1}')


@case
def fields_in_msgpack(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/packed/one", b'{"a":1,"b":[1,2]}', JSON)
        reply = client.ask("GET", "/v1/packed/one?fields=b",
                           headers=[("Accept", "application/msgpack")])
        equal(reply.body, b"\x81\xa1b\x92\x01\x02")
        equal(client.ask("PUT", "/v1/packed/two", reply.body, MSGPACK).status, 201)
        equal(client.ask("GET", "/v1/packed?fields=b.0",
                         headers=[("Accept", "application/msgpack")]).body,
              b"\xdd\x00\x00\x00\x02" + b"\x81\xa1b\x91\x01" * 2)


@case
def fields_of_a_collection(pair):
    with pair.client() as client:
        for number in range(700):  # more than one run
            client.ask("PUT", f"/v1/wide/{number:03}",
                       json.dumps({"n": number, "pad": "x" * 50}).encode(), JSON)
        reply = client.ask("GET", "/v1/wide?fields=n")
        equal(reply.json(), [{"n": number} for number in range(700)])
        page = client.ask("GET", "/v1/wide?limit=2&fields=n&pretty")
        equal(page.body, b'[\n  {\n    "n": 0\n  },\n  {\n    "n": 1\n  }\n]')
        following = page.header("link").split(">")[0].lstrip("<")
        equal(client.ask("GET", following).json(), [{"n": 2}, {"n": 3}])


@case
def pretty(pair):
    with pair.client() as client:
        client.ask("PUT", "/v1/pretty/a", b'{"a":[1,{"b":[]}],"c":"x"}', JSON)
        client.ask("PUT", "/v1/pretty/b", b"7", JSON)
        client.ask("PUT", "/v1/pretty/c", b"[]", JSON)
        document = client.ask("GET", "/v1/pretty/a").json()
        for query in ("pretty", "pretty=1", "pretty=true", "x&pretty"):
            equal(client.ask("GET", f"/v1/pretty/a?{query}").body,
                  json.dumps(document, indent=2).encode())
        for query in ("pretty=0", "pretty=false", "prettyy"):
            equal(client.ask("GET", f"/v1/pretty/a?{query}").body,
                  b'{"a":[1,{"b":[]}],"c":"x"}')
        for mode in ("inline", "rpc"):
            reply = client.ask("GET", "/v1/pretty?pretty", headers=[("Offloop-Mode", mode)])
            equal(reply.body, json.dumps([document, 7, []], indent=2).encode())
        equal(client.ask("GET", "/v1/nothing?pretty").body, b"[]")


@case
def a_large_pretty_collection_is_one_array(pair):
    with pair.client() as client:
        for number in range(1200):
            client.ask("PUT", f"/v1/runs/{number:04}", b'{"n":[%d]}' % number, JSON)
        reply = client.ask("GET", "/v1/runs?pretty")
        equal(reply.body, json.dumps([{"n": [number]} for number in range(1200)],
                                     indent=2).encode())
