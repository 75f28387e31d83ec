"""Bearer tokens (--auth-file), browsers' access (--cors), and what is logged without."""
import atexit
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from harness import BUILD, JSON, ROOT, case, check_problem, equal, eventually, lmdb_only

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="offloop-e2e-auth-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
ORIGIN = "https://app.example"


def line(token, rights, prefix):
    return f"{hashlib.sha256(token.encode()).hexdigest()} {rights} {prefix}\n"


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


FILE = FOLDER / "tokens"
FILE.write_text("# who may do what\n" + line("reader", "r", "*") + line("orders", "rw", "orders")
                + line("writer", "w", "in.") + line("patcher", "rw", "in."))

PAIR = {"server": ["--auth-file", str(FILE), "--cors", ORIGIN, "--cors", "http://localhost:3000"]}


@case
def without_a_token_is_401(pair):
    with pair.client() as client:
        for method, target in (("GET", "/v1"), ("GET", "/v1/orders"), ("GET", "/v1/orders/a"),
                               ("DELETE", "/v1/orders/a"), ("POST", "/v1/orders")):
            reply = client.ask(method, target, b"1" if method == "POST" else None)
            check_problem(reply, 401, "token")
            equal(reply.header("www-authenticate"), 'Bearer realm="offloop"')
        for value in ("Bearer wrong", "Bearer", "Basic cmVhZGVyOg==", "reader",
                      "Bearer reader extra"):
            reply = client.ask("GET", "/v1/orders", headers=[("Authorization", value)])
            check_problem(reply, 401)
            assert "invalid_token" in reply.header("www-authenticate")
        two = client.ask("GET", "/v1/orders", headers=bearer("reader") + bearer("reader"))
        check_problem(two, 401)
        equal(client.ask("HEAD", "/v1/orders").status, 401)


@case
def rights_and_prefixes(pair):
    with pair.client() as client:
        def status(token, method, target, body=None):
            headers = bearer(token) + (JSON if body else [])
            if method == "PATCH":
                headers = bearer(token) + [("Content-Type", "application/merge-patch+json")]
            return client.ask(method, target, body, headers).status

        for token, method, target, body, expected in (
                ("orders", "PUT", "/v1/orders/a", b"{}", 201),
                ("orders", "GET", "/v1/orders/a", None, 200),
                ("orders", "PUT", "/v1/orders.eu/a", b"{}", 201),
                ("orders", "POST", "/v1/orders", b"{}", 201),
                ("orders", "PATCH", "/v1/orders/a", b"{}", 200),
                ("orders", "GET", "/v1/%6frders", None, 200),  # the decoded name counts
                ("orders", "GET", "/v1/order", None, 403),
                ("orders", "PUT", "/v1/other/a", b"{}", 403),
                ("orders", "GET", "/v1", None, 403),  # needs a line with *
                ("reader", "GET", "/v1", None, 200),
                ("reader", "GET", "/v1/orders/a", None, 200),
                ("reader", "PUT", "/v1/orders/a", b"{}", 403),
                ("reader", "PATCH", "/v1/orders/a", b"{}", 403),
                ("reader", "DELETE", "/v1/orders/a", None, 403),
                ("writer", "PUT", "/v1/in.box/a", b"{}", 201),
                ("writer", "GET", "/v1/in.box/a", None, 403),
                ("writer", "PATCH", "/v1/in.box/a", b"{}", 403),  # its reply would show it
                ("patcher", "PATCH", "/v1/in.box/a", b"{}", 200),
                ("writer", "DELETE", "/v1/in.box/a", None, 204)):
            equal((token, method, target, status(token, method, target, body)),
                  (token, method, target, expected))
        check_problem(client.ask("DELETE", "/v1/orders/a", headers=bearer("reader")), 403)


VIEWS = FOLDER / "views"
VIEWS.mkdir()
(VIEWS / "more.jq").write_text(".n + 1")
ASKING = FOLDER / "asking"
ASKING.write_text("".join(line(rights, rights, "*") for rights in ("r", "rq", "rw", "rwq")))


@case(server=["--auth-file", str(ASKING), "--views", str(VIEWS), "--jq", "on"])
def programs_of_ones_own_need_a_right(pair):
    """q; a view is the operator's program and needs none. No program sees the environment."""
    def status(token, method, target, body=None, kind="application/json"):
        return pair.ask(method, target, body, bearer(token) + ([("Content-Type", kind)] if body else [])).status

    equal(status("rw", "PUT", "/v1/asking/a", b'{"n":1}'), 201)
    for token, own, changed in (("r", 403, 403), ("rq", 200, 403), ("rw", 403, 403), ("rwq", 200, 200)):
        for target in ("/v1/asking/a", "/v1/asking"):
            equal((token, target, status(token, "GET", f"{target}?jq=.n")), (token, target, own))
        equal((token, status(token, "GET", "/v1/asking/a?view=more")), (token, 200))
        equal((token, status(token, "PATCH", "/v1/asking/a", b".n = 1", "application/jq")), (token, changed))
    for program in ("env", "$ENV.PATH"):
        equal((program, status("rq", "GET", f"/v1/asking/a?jq={program}")), (program, 400))


@case
def a_stranger_s_body_is_not_read(pair):
    """The answer comes before the body, and no leave to send it."""
    with pair.client() as client:
        client.send(b"PUT /v1/orders/big HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n"
                    b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n")
        reply = client.reply("PUT", interim=True)
        check_problem(reply, 401)
        assert client.ended()
    with pair.client() as client:
        client.send(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                    b"Content-Type: application/x-ndjson\r\nExpect: 100-continue\r\n\r\n")
        check_problem(client.reply("POST", interim=True), 401)


@case
def operations_need_no_token(pair):
    for target in ("/healthz", "/readyz", "/metrics"):
        equal(pair.admin(target).status, 200)


@case(server=["--auth-file", str(FOLDER / "changing")], own=True)
def hup_reads_the_file_again(pair):
    file = FOLDER / "changing"

    def status(token):
        return pair.ask("GET", "/v1", headers=bearer(token)).status

    def reload(text):
        file.write_text(text)
        pair.server.send_signal(signal.SIGHUP)

    equal((status("first"), status("second")), (200, 401))
    reload(line("second", "r", "*"))
    eventually(lambda: (status("first"), status("second")) == (401, 200), "the new tokens count")
    before = len(pair.server.log)
    reload("nonsense\n")
    eventually(lambda: any("not reloaded" in one for one in pair.server.log[before:]),
               "the fault is logged")
    equal((status("first"), status("second")), (401, 200))
    file.write_text(line("second", "r", "*"))  # for what follows


(FOLDER / "changing").write_text(line("first", "r", "*"))


@case(server=["--auth-file", str(FOLDER / "broken")], own=True)
def a_fault_in_the_file_keeps_no_writer_from_starting(pair):
    lmdb_only("a writer is killed")

    def put(number):
        return pair.ask("PUT", f"/v1/fault/{number}", b"1", JSON + bearer("first")).status

    equal(put(0), 201)
    (FOLDER / "broken").write_text("nonsense\n")
    os.kill(pair.server.of_role("writer")[0], signal.SIGKILL)
    eventually(lambda: put(1) in (200, 201), "a new writer takes documents")


(FOLDER / "broken").write_text(line("first", "rw", "*"))


@case(server=[])
def check_config_reads_the_file(pair):
    def check(text):
        (FOLDER / "checked").write_text(text)
        done = subprocess.run([BUILD / "offloop-server", "--check-config", "--auth-file",
                               FOLDER / "checked"], capture_output=True, text=True)
        return done.returncode, done.stderr

    equal(check(line("x", "rw", "*")), (0, ""))
    for text, fault in (("", "no line"), ("x rw *\n", "line 1"),
                        (line("x", "rw", "*") + line("y", "x", "*"), "line 2")):
        status, error = check(text)
        equal(status, 2)
        equal(error.count("\n"), 1)
        assert "--auth-file" in error and fault in error, error
    done = subprocess.run([BUILD / "offloop-server", "--auth-file", FOLDER / "missing"],
                          capture_output=True, text=True)
    equal(done.returncode, 2)
    assert "No such file" in done.stderr, done.stderr
    assert pair is not None


@case(server=[])
def tokens_come_from_a_script(pair):
    made = FOLDER / "made"
    tool = ROOT / "scripts" / "new-token"
    token = subprocess.run([tool, "rw", "things", made], check=True, capture_output=True,
                           text=True).stdout.strip()
    equal(len(token), 64)
    equal(made.read_text(), line(token, "rw", "things"))
    equal(made.stat().st_mode & 0o777, 0o600)
    for bad in (["x", "*"], ["rw"], ["rw", "a/b"], []):
        equal(subprocess.run([tool, *bad], capture_output=True).returncode, 2)
    assert pair is not None


@case
def preflights_need_no_token(pair):
    with pair.client() as client:
        asked = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT"),
                 ("Access-Control-Request-Headers", "authorization,if-match")]
        reply = client.ask("OPTIONS", "/v1/orders/a", headers=asked)
        equal(reply.status, 204)
        equal(reply.header("access-control-allow-origin"), ORIGIN)
        equal(reply.header("access-control-allow-methods"), reply.header("allow"))
        allowed = reply.header("access-control-allow-headers").lower().split(", ")
        assert {"authorization", "if-match", "if-none-match", "content-type"} <= set(allowed)
        assert int(reply.header("access-control-max-age")) > 0
        equal(reply.header("vary"), "Origin")
        stranger = client.ask("OPTIONS", "/v1/orders/a",
                              headers=[("Origin", "https://evil.example"), *asked[1:]])
        equal(stranger.status, 204)
        equal([name for name, _ in stranger.headers if name.startswith("access-")], [])


@case
def scripts_may_read_replies_of_every_kind(pair):
    with pair.client() as client:
        def ask(method, target, body=None, *headers, origin=ORIGIN, token="orders"):
            return client.ask(method, target, body,
                              [("Origin", origin), *bearer(token), *JSON, *headers])

        put = ask("PUT", "/v1/orders/cors", b"{}")
        for reply in (put, ask("GET", "/v1/orders/cors"), ask("GET", "/v1/orders"),
                      ask("GET", "/v1/orders/cors", None,
                          ("If-None-Match", put.header("etag"))),
                      ask("POST", "/v1/orders", b"1"), ask("GET", "/v1", token="reader"),
                      ask("GET", "/v1/orders/none"), ask("GET", "/v1", token="wrong"),
                      ask("PUT", "/v1/orders/x", b"{"), ask("PUT", "/v1/other/x", b"1"),
                      ask("TRACE", "/v1/orders"), ask("GET", "/other"),
                      ask("DELETE", "/v1/orders/cors")):
            equal((reply, reply.header("access-control-allow-origin")), (reply, ORIGIN))
            exposed = reply.header("access-control-expose-headers").split(", ")
            assert {"ETag", "Link", "Location"} <= set(exposed)
            assert ("vary", "Origin") in reply.headers, reply
        other = ask("GET", "/v1/orders", origin="http://localhost:3000")
        equal(other.header("access-control-allow-origin"), "http://localhost:3000")
        for origin in ("https://evil.example", "null", ORIGIN + ".evil", ORIGIN.upper()):
            reply = ask("GET", "/v1/orders", origin=origin)
            equal((reply.status, reply.header("access-control-allow-origin")), (200, None))
            assert ("vary", "Origin") in reply.headers


@case(server=["--cors", "*"])
def any_origin(pair):
    reply = pair.ask("GET", "/v1", headers=[("Origin", "https://who.ever")])
    equal(reply.header("access-control-allow-origin"), "*")
    assert "Origin" not in (reply.header("vary") or ""), reply
    equal(pair.ask("GET", "/v1").header("access-control-allow-origin"), None)


@case(server=["--cors", "*", "--cors-headers", "traceparent,tracestate", "--cors-headers",
              "X-Request-ID"])
def header_fields_of_ones_own(pair):
    reply = pair.ask("OPTIONS", "/v1/orders/x", headers=[
        ("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "traceparent,x-request-id")])
    allowed = reply.header("access-control-allow-headers").replace(" ", "").split(",")
    assert {"traceparent", "tracestate", "X-Request-ID", "If-Match"} <= set(allowed), allowed


@case(server=[])
def off_by_default_and_silent_on_loopback(pair):
    reply = pair.ask("GET", "/v1", headers=[("Origin", ORIGIN)])
    equal(reply.status, 200)
    equal([name for name, _ in reply.headers if name.startswith("access-")], [])
    assert not any("--auth-file" in one for one in pair.server.log), pair.server.log


def open_address_warnings(pair, *arguments):
    pair.server.stop()
    pair.server_arguments = ["--listen", "0.0.0.0:0", *arguments]
    pair.start_server()
    return [one for one in pair.server.log if "other hosts" in one]


@case(server=[])
def an_open_address_is_warned_of(pair):
    equal(len(open_address_warnings(pair)), 1)
    equal(len(open_address_warnings(pair, "--auth-file", str(FILE))), 0)
