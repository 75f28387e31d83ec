"""HTTP as clients see it: framing, connections, limits. The long table of malformed
requests is the parser's own test; here a few of each kind come through the socket."""
import socket

from harness import JSON, Client, case, check_problem, equal, request

PAIR = {"server": ["--max-body", "1MiB"]}


@case
def keep_alive_serves_many_requests(pair):
    with pair.client() as client:
        for number in range(100):
            assert client.ask("PUT", "/v1/http/kept", b"%d" % number, JSON).status in (200, 201)
            equal(client.ask("GET", "/v1/http/kept").body, b"%d" % number)


@case
def connection_close_is_honoured(pair):
    with pair.client() as client:
        reply = client.ask("GET", "/v1", headers=[("Connection", "close")])
        equal((reply.status, reply.header("connection")), (200, "close"))
        assert client.ended()


@case
def http_1_0(pair):
    pair.put("/v1/http/old", [1])
    with pair.client() as client:
        reply = client.ask("GET", "/v1/http/old", version="1.0")
        equal((reply.status, reply.body, reply.framing), (200, b"[1]", "length"))
        assert client.ended(), "1.0 closes unless asked to stay"
    with pair.client() as client:
        for _ in range(3):
            reply = client.ask("GET", "/v1/http/old", version="1.0",
                               headers=[("Connection", "Keep-Alive")])
            equal((reply.body, reply.header("connection").lower()), (b"[1]", "keep-alive"))
    with pair.client() as client:
        client.send(b"GET /v1/http/old HTTP/1.0\r\n\r\n")  # Host may be missing there
        equal(client.reply().body, b"[1]")


@case
def pipelined_requests_are_answered_in_order(pair):
    pair.put("/v1/http/piped", "before")
    with pair.client() as client:
        parts = [request("GET", "/v1/http/piped")]
        for number in range(12):
            parts.append(request("PUT", "/v1/http/piped", b"%d" % number, JSON))
            parts.append(request("GET", "/v1/http/piped"))
        parts.append(request("GET", "/v1/http/not-there"))
        client.send(b"".join(parts))
        equal(client.reply().body, b'"before"')
        for number in range(12):
            equal(client.reply().status, 200)
            equal(client.reply().body, b"%d" % number)
        equal(client.reply().status, 404)


@case
def a_long_pipeline(pair):
    with pair.client() as client:
        client.send(request("GET", "/v1/http/piped") * 200)
        for _ in range(200):
            equal(client.reply().status, 200)


@case
def requests_byte_by_byte(pair):
    with pair.client() as client:
        for one in request("PUT", "/v1/http/slow", b"[true]", JSON):
            client.send(bytes([one]))
        equal(client.reply().status, 201)
        for one in request("GET", "/v1/http/slow"):
            client.send(bytes([one]))
        equal(client.reply().body, b"[true]")


@case
def chunked_upload(pair):
    head = request("PUT", "/v1/http/chunked", headers=[*JSON, ("Transfer-Encoding", "chunked")])
    with pair.client() as client:
        client.send(head + b"3\r\n[1,\r\nA;ext=\"x\"\r\n2,3,4,5,6,\r\n2\r\n7]\r\n0\r\n"
                           b"Trailer: x\r\n\r\n")
        equal(client.reply().status, 201)
        equal(client.ask("GET", "/v1/http/chunked").body, b"[1,2,3,4,5,6,7]")


@case
def bad_chunks_are_400_and_close(pair):
    head = request("PUT", "/v1/http/chunked", headers=[*JSON, ("Transfer-Encoding", "chunked")])
    for body in (b"x\r\n", b"-1\r\n", b"0x1\r\n1\r\n0\r\n\r\n", b"1\n1\n0\n\n",
                 b"1\r\n12\r\n0\r\n\r\n", b"11111111111111111\r\n", b" 1\r\n1\r\n0\r\n\r\n"):
        with pair.client() as client:
            client.send(head + body)
            check_problem(client.reply(), 400)
            assert client.ended(), body


@case
def expect_100_continue(pair):
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/expected",
                            headers=[*JSON, ("Expect", "100-continue"), ("Content-Length", "3")]))
        equal(client.reply(interim=True).status, 100)
        client.send(b"[1]")
        equal(client.reply().status, 201)
        equal(client.ask("GET", "/v1/http/expected").body, b"[1]")


@case
def expect_is_not_continued_when_refused(pair):
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/expected",
                            headers=[("Content-Type", "text/plain"), ("Expect", "100-continue"),
                                     ("Content-Length", "3")]))
        equal(client.reply(interim=True).status, 415)
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/expected",
                            headers=[*JSON, ("Expect", "100-continue"),
                                     ("Content-Length", str(2 << 20))]))
        equal(client.reply(interim=True).status, 413)


@case
def expect_something_else_is_417(pair):
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/expected", b"1", [*JSON, ("Expect", "a-miracle")]))
        check_problem(client.reply(), 417)


@case
def too_large_bodies_are_413_that_can_be_read(pair):
    body = b"[" + b" " * (3 << 20) + b"]"
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/large", body, JSON))  # all of it is sent first
        check_problem(client.reply(), 413)
        assert client.ended()
    with pair.client() as client:
        client.send(request("PUT", "/v1/http/large",
                            headers=[*JSON, ("Transfer-Encoding", "chunked")]))
        for _ in range(48):
            client.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        check_problem(client.reply(), 413)
    check_problem(pair.ask("GET", "/v1/http/large"), 404)
    just = b"[" + b" " * ((1 << 20) - 2) + b"]"
    equal(pair.ask("PUT", "/v1/http/just", just, JSON).status, 201)


@case
def long_targets_and_headers(pair):
    with pair.client() as client:
        client.send(b"GET /v1/" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        check_problem(client.reply(), 414)
    with pair.client() as client:
        client.send(b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40000 + b"\r\n\r\n")
        check_problem(client.reply(), 431)
    with pair.client() as client:
        client.send(b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20000 + b"\r\n\r\n")
        equal(client.reply().status, 200)


MALFORMED = [
    (b"GET /v1 HTTP/1.1\r\n\r\n", 400),  # no Host
    (b"GET /v1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET /v1 HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET /v1 HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    (b"GET /v1 HTTP/1.1\nHost: a\n\n", 400),
    (b"GET /v1 HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    (b"GET /v1 HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    (b"GET  /v1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET v1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /v1\r\n\r\n", 400),
    (b"GET /v1 HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /v1 HTTX/1.1\r\nHost: a\r\n\r\n", 400),
    (b"PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1", 400),
    (b"PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n1", 400),
    (b"PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"PUT /v1/a/b HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS to a plain port
]


@case
def malformed_requests_are_refused_and_closed(pair):
    for text, status in MALFORMED:
        with pair.client() as client:
            # what follows a refused request must not be taken for another one
            client.send(text + request("GET", "/v1/http/canary"))
            reply = client.reply()
            equal((text, check_problem(reply, status)["status"]), (text, status))
            equal(reply.header("connection"), "close")
            assert client.ended(), text


@case
def a_refused_reply_tells_the_framing_of_nothing_else(pair):
    with pair.client() as client:
        # a 404 leaves the connection in step, the body of the PUT is read past
        client.send(request("PUT", "/nowhere", b"x" * 1000, JSON) + request("GET", "/v1"))
        check_problem(client.reply(), 404)
        equal(client.reply().status, 200)


@case
def half_closed_clients_are_answered(pair):
    with pair.client() as client:
        client.send(request("GET", "/v1/http/old"))
        client.socket.shutdown(socket.SHUT_WR)
        equal(client.reply().body, b"[1]")
        assert client.ended()


@case
def an_absolute_target(pair):
    with pair.client() as client:
        equal(client.ask("GET", "http://test/v1/http/old").body, b"[1]")


@case
def upgrade_is_ignored(pair):
    reply = pair.ask("GET", "/v1/http/old", headers=[("Connection", "Upgrade"),
                                                     ("Upgrade", "websocket")])
    equal((reply.status, reply.body), (200, b"[1]"))


@case
def many_connections_at_once(pair):
    clients = [Client(pair.port) for _ in range(200)]
    for client in clients:
        client.send(request("GET", "/v1/http/old"))
    for client in clients:
        equal(client.reply().body, b"[1]")
        client.close()


@case
def clients_that_vanish_leave_nothing(pair):
    for text in (b"", b"GET", b"PUT /v1/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1",
                 request("GET", "/v1/http/old"), request("PUT", "/v1/http/x", b"[1]", JSON)):
        for reset in (False, True):
            client = Client(pair.port)
            if reset:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         b"\1\0\0\0\0\0\0\0")
            client.send(text)
            client.close()
    equal(pair.ask("GET", "/v1/http/old").status, 200)


@case
def slow_clients_are_408(pair):
    """The limits are ten seconds: a head that does not end, a body under 1 KB/s."""
    with pair.client() as head, pair.client() as body:
        head.send(b"GET /v1 HTTP/1.1\r\nHost:")
        body.send(request("PUT", "/v1/http/slow", headers=[*JSON, ("Content-Length", "100000")]))
        body.send(b"[")
        for client in (head, body):
            check_problem(client.reply(), 408)
            assert client.ended()
