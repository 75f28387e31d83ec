"""Collections: the whole array, pages, counts, HTTP/1.0."""
import json
import re

from harness import JSON, Client, case, check_problem, equal, eventually


def fill(pair, collection, documents):
    with pair.client() as client:
        for ident, document in documents:
            reply = client.ask("PUT", f"/v1/{collection}/{ident}",
                               json.dumps(document, separators=(",", ":")).encode(), JSON)
            assert reply.status in (200, 201), reply


@case
def none_is_an_empty_array(pair):
    reply = pair.ask("GET", "/v1/nothing-here")
    equal((reply.status, reply.body), (200, b"[]"))
    equal(reply.header("content-type"), "application/json")
    equal(pair.ask("GET", "/v1/nothing-here?limit=5").body, b"[]")
    equal(pair.ask("GET", "/v1/nothing-here?after=zzz").body, b"[]")


@case
def documents_in_id_order_as_chunks(pair):
    fill(pair, "order", [("b", 2), ("a", 1), ("C", 0), ("b.1", 3), ("b:1", 4), ("~", 9)])
    reply = pair.ask("GET", "/v1/order")
    equal(reply.body, b"[0,1,2,3,4,9]")  # byte order: C a b b.1 b:1 ~
    equal(reply.framing, "chunked")
    equal(reply.header("link"), None)


@case
def one_collection_does_not_show_in_another(pair):
    fill(pair, "near", [("x", 1)])
    fill(pair, "nea", [("x", 2)])
    fill(pair, "near.", [("x", 3)])
    equal(pair.ask("GET", "/v1/near").body, b"[1]")
    equal(pair.ask("GET", "/v1/nea").body, b"[2]")


@case
def paging_with_limit_after_and_link(pair):
    fill(pair, "pages", [(f"id{number:03}", number) for number in range(25)])
    seen, target = [], "/v1/pages?limit=10"
    lengths = []
    while target:
        reply = pair.ask("GET", target)
        equal(reply.status, 200)
        lengths.append(len(reply.json()))
        seen += reply.json()
        link = reply.header("link")
        target = None
        if link:
            found = re.fullmatch(r'<([^>]+)>; ?rel="next"', link)
            assert found, link
            target = found.group(1)
    equal(seen, list(range(25)))
    equal(lengths, [10, 10, 5])


@case
def a_page_that_just_fits_has_no_link(pair):
    fill(pair, "fits", [("a", 1), ("b", 2)])
    for limit, body, cut in ((1, b"[1]", True), (2, b"[1,2]", False), (3, b"[1,2]", False)):
        reply = pair.ask("GET", f"/v1/fits?limit={limit}")
        equal((limit, reply.body, reply.header("link") is not None), (limit, body, cut))
    equal(pair.ask("GET", "/v1/fits?after=a").body, b"[2]")
    equal(pair.ask("GET", "/v1/fits?after=b").body, b"[]")
    equal(pair.ask("GET", "/v1/fits?after=aa&limit=1").body, b"[2]")
    equal(pair.ask("GET", "/v1/fits?after=%61").body, b"[2]")


@case
def pages_are_stable_while_documents_come_and_go(pair):
    fill(pair, "moving", [(f"k{number:02}", number) for number in range(0, 20, 2)])
    first = pair.ask("GET", "/v1/moving?limit=3")
    equal(first.json(), [0, 2, 4])
    fill(pair, "moving", [("k01", 1), ("k07", 7)])
    equal(pair.ask("DELETE", "/v1/moving/k04").status, 204)
    rest = pair.ask("GET", re.search("<(.*)>", first.header("link")).group(1))
    equal(rest.json(), [6, 7, 8])


@case
def bad_paging_is_400(pair):
    for query in ("limit=0", "limit=-1", "limit=x", "limit=", "limit=1.5",
                  "limit=99999999999999999999", "after=a%20b", "after=" + "x" * 256):
        check_problem(pair.ask("GET", f"/v1/fits?{query}"), 400)
    for limit in ("0", "18446744073709551616"):
        check_problem(pair.ask("GET", f"/v1/fits?limit={limit}"), 400,
                      "from 1 to 18446744073709551615; leave it out for all")
    equal(pair.ask("GET", "/v1/fits?limit=18446744073709551615").json(), [1, 2])


@case
def parameters_that_a_collection_does_not_know_are_400(pair):
    for method in ("GET", "HEAD"):
        for query, name in (("status=new", "status"), ("limits=1", "limits"),
                            ("pretty&Limit=1", "Limit"), ("a%20b=1", "a%20b")):
            for collection in ("fits", "not-there"):
                reply = pair.ask(method, f"/v1/{collection}?{query}")
                equal((query, reply.status), (query, 400))
                if method == "GET":
                    assert f'no parameter "{name}"' in reply.json()["detail"], reply
    for query in ("_=1730000000", "_status=new&_x", "&&pretty=0&"):
        equal(pair.ask("GET", f"/v1/fits?{query}").body, b"[1,2]")


@case
def every_kind_of_document_in_one_array(pair):
    documents = [None, True, 0, -1.5, "x", [], {}, {"a": [1, {"b": None}]}]
    fill(pair, "kinds", [(f"{number}", one) for number, one in enumerate(documents)])
    equal(pair.ask("GET", "/v1/kinds").json(), documents)


@case
def to_http_1_0_until_the_close(pair):
    fill(pair, "old", [("a", 1), ("b", 2)])
    with pair.client() as client:
        reply = client.ask("GET", "/v1/old", version="1.0",
                           headers=[("Connection", "keep-alive")])
        equal((reply.status, reply.body, reply.framing), (200, b"[1,2]", "close"))


@case
def head_of_a_collection(pair):
    fill(pair, "head", [("a", 1)])
    with pair.client() as client:
        head = client.ask("HEAD", "/v1/head")
        equal((head.status, head.body), (200, b""))
        equal(client.ask("GET", "/v1/head").body, b"[1]")


@case
def collection_not_acceptable(pair):
    check_problem(pair.ask("GET", "/v1/head", headers=[("Accept", "text/html")]), 406)


@case
def many_small_and_some_large(pair):
    documents = [(f"n{number:05}", {"n": number}) for number in range(3000)]
    documents[1000] = ("n01000", {"n": 1000, "text": "x" * 300_000})
    documents[2000] = ("n02000", {"n": 2000, "text": "y" * 70_000})
    fill(pair, "many", documents)
    for mode in ("inline", "rpc"):
        reply = pair.ask("GET", "/v1/many", headers=[("Offloop-Mode", mode)])
        equal([one["n"] for one in reply.json()], list(range(3000)))
        equal(reply.json()[1000], documents[1000][1])


@case
def a_client_that_leaves_midway_leaves_nothing(pair):
    for _ in range(20):
        client = Client(pair.port)
        client.send(b"GET /v1/many HTTP/1.1\r\nHost: x\r\n\r\n")
        client.socket.recv(1000)
        client.close()
    eventually(lambda: pair.metric("offloop_connections") == 0, "connections are closed")
    equal(len(pair.ask("GET", "/v1/many").json()), 3000)


@case
def a_slow_reader_gets_it_all(pair):
    with pair.client() as client:
        client.send(b"GET /v1/many HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(50):
            client.buffer += client.socket.recv(200)
        equal(len(client.reply().json()), 3000)


@case
def the_list_of_collections(pair):
    reply = pair.ask("GET", "/v1")
    equal((reply.status, reply.header("content-type")), (200, "application/json"))
    listed = reply.json()
    names = [one["name"] for one in listed]
    equal(names, sorted(names))
    assert {"name": "many", "documents": 3000} in listed, listed
    assert {"name": "near", "documents": 1} in listed, listed
    equal(set(listed[0]), {"name", "documents"})


@case
def a_collection_ends_with_its_last_document(pair):
    pair.put("/v1/short/a", 1)
    assert {"name": "short", "documents": 1} in pair.ask("GET", "/v1").json()
    pair.put("/v1/short/a", 2)
    assert {"name": "short", "documents": 1} in pair.ask("GET", "/v1").json()
    equal(pair.ask("DELETE", "/v1/short/a").status, 204)
    assert "short" not in [one["name"] for one in pair.ask("GET", "/v1").json()]


@case(own=True, server=("--base-path", "/data/api"))
def behind_a_path_that_a_proxy_takes_off(pair):
    base = "/data/api/v1/based"
    with pair.client() as client:
        for ident in ("a", "b", "c"):
            reply = client.ask("PUT", f"/v1/based/{ident}", b"1", JSON)
            equal((reply.status, reply.header("location")), (201, f"{base}/{ident}"))
        reply = client.ask("POST", "/v1/based", b"1", JSON)
        equal(reply.header("location"), f"{base}/{reply.json()['id']}")
        reply = client.ask("GET", "/v1/based?limit=1&pretty")
        first = client.ask("GET", "/v1/based?limit=1&ids").json()[0]["id"]
        equal(reply.header("link"), f'<{base}?limit=1&after={first}&pretty>; rel="next"')
        check_problem(client.ask("GET", f"{base}/a"), 404)  # the proxy takes it off


@case(own=True)
def an_empty_store_lists_nothing(pair):
    equal(pair.ask("GET", "/v1").body, b"[]")
