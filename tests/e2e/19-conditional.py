"""Conditional requests (RFC 9110 section 13) and what is deliberately not offered."""
from harness import JSON, case, check_problem, equal

MATCH, NONE = "If-Match", "If-None-Match"


class Document:
    """A document with a known tag, for one request at a time."""

    def __init__(self, client, present=True):
        self.client, self.path = client, "/v1/cond/doc"
        client.ask("DELETE", self.path)
        self.tag = client.ask("PUT", self.path, b"0", JSON).header("etag") if present else None

    def ask(self, method, *headers):
        body = b"1" if method == "PUT" else None
        return self.client.ask(method, self.path, body, [*(JSON if body else []), *headers])


def outcomes(client, rows, present=True):
    """Each row: method, conditions with {tag} in them, status."""
    for method, conditions, status in rows:
        document = Document(client, present)
        headers = [(name, value.replace("{tag}", document.tag or ""))
                   for name, value in conditions]
        reply = document.ask(method, *headers)
        equal((method, conditions, reply.status), (method, conditions, status))
        after = client.ask("GET", document.path)
        changed = status in (200, 201, 204) and method in ("PUT", "DELETE")
        if not changed and present:
            equal((method, conditions, after.body), (method, conditions, b"0"))


@case
def on_a_document_that_is_there(pair):
    other, weak = '"1-json"', "W/{tag}"
    with pair.client() as client:
        outcomes(client, [
            ("PUT", [(MATCH, "*")], 200),
            ("PUT", [(MATCH, "{tag}")], 200),
            ("PUT", [(MATCH, f'{other}, "x", {{tag}}')], 200),
            ("PUT", [(MATCH, other), (MATCH, "{tag}")], 200),  # two lines are one list
            ("PUT", [(MATCH, other)], 412),
            ("PUT", [(MATCH, '"x", "y"')], 412),
            ("PUT", [(MATCH, weak)], 412),
            ("PUT", [(MATCH, f"{weak}, {other}")], 412),
            ("PUT", [(MATCH, ", ".join([other] * 40 + ["{tag}"]))], 200),
            ("PUT", [(NONE, "*")], 412),
            ("PUT", [(NONE, "{tag}")], 412),
            ("PUT", [(NONE, weak)], 412),
            ("PUT", [(NONE, f"{other}, {weak}")], 412),
            ("PUT", [(NONE, other)], 200),
            ("PUT", [(NONE, '"x", "y"')], 200),
            ("PUT", [(MATCH, "{tag}"), (NONE, other)], 200),
            ("PUT", [(MATCH, "{tag}"), (NONE, "{tag}")], 412),
            ("PUT", [(MATCH, other), (NONE, other)], 412),
            ("PUT", [(MATCH, "*"), (NONE, "*")], 412),
            ("PUT", [(MATCH, "junk")], 400),
            ("PUT", [(MATCH, "")], 400),
            ("PUT", [(NONE, "junk")], 400),
            ("PUT", [(NONE, "*, {tag}")], 400),
            ("DELETE", [(MATCH, "{tag}")], 204),
            ("DELETE", [(MATCH, f"{other}, {{tag}}")], 204),
            ("DELETE", [(MATCH, other)], 412),
            ("DELETE", [(MATCH, weak)], 412),
            ("DELETE", [(NONE, "*")], 412),
            ("DELETE", [(NONE, "{tag}")], 412),
            ("DELETE", [(NONE, other)], 204),
            ("GET", [(MATCH, "{tag}")], 200),
            ("GET", [(MATCH, other)], 412),
            ("GET", [(MATCH, "*"), (NONE, "{tag}")], 304),
            ("GET", [(MATCH, other), (NONE, "{tag}")], 412),  # If-Match comes first
            ("HEAD", [(NONE, "{tag}")], 304),
        ])


@case
def on_a_document_that_is_not_there(pair):
    with pair.client() as client:
        outcomes(client, [
            ("PUT", [(MATCH, "*")], 412),
            ("PUT", [(MATCH, '"1-json"')], 412),
            ("PUT", [(MATCH, '"x", "y"')], 412),
            ("PUT", [(MATCH, "*"), (NONE, "*")], 412),
            ("PUT", [(NONE, "*")], 201),
            ("PUT", [(NONE, '"1-json", "x"')], 201),
            ("DELETE", [(MATCH, "*")], 404),
            ("DELETE", [(MATCH, '"x"')], 404),
            ("DELETE", [(NONE, '"1-json"')], 404),
            ("GET", [(MATCH, '"x"')], 404),
            ("GET", [(NONE, "*")], 404),
        ], present=False)


@case
def bad_bodies_come_before_conditions(pair):
    """A condition counts only where the request would succeed (section 13.2.1)."""
    with pair.client() as client:
        Document(client)
        check_problem(client.ask("PUT", "/v1/cond/doc", b"{", [*JSON, (MATCH, '"x"')]), 400)
        check_problem(client.ask("PUT", "/v1/cond/doc", b"x", [
            ("Content-Type", "text/plain"), (MATCH, '"x"')]), 415)


@case
def dates_are_ignored(pair):
    with pair.client() as client:
        document = Document(client)
        past, future = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
        equal(document.ask("GET").header("last-modified"), None)
        for date in (past, future, "nonsense"):
            equal(document.ask("GET", ("If-Modified-Since", date)).status, 200)
            equal(document.ask("GET", ("If-Unmodified-Since", date)).status, 200)
        equal(document.ask("PUT", ("If-Unmodified-Since", past)).status, 200)


@case
def ranges_are_not_offered(pair):
    with pair.client() as client:
        pair.put("/v1/cond/range", "0123456789")
        for value in ("bytes=0-3", "bytes=-2", "bytes=100-", "bytes=0-1,3-4", "lines=1-2", "x"):
            reply = client.ask("GET", "/v1/cond/range", headers=[("Range", value)])
            equal((value, reply.status, reply.body), (value, 200, b'"0123456789"'))
            equal(reply.header("accept-ranges"), "none")
        equal(client.ask("GET", "/v1/cond/range",
                         headers=[("Range", "bytes=0-3"), ("If-Range", '"x"')]).status, 200)
        check_problem(client.ask("PUT", "/v1/cond/range", b"1",
                                 [*JSON, ("Content-Range", "bytes 0-0/1")]), 400, "part")


@case
def many_writers_one_winner(pair):
    """Of writers with the same tag only the first succeeds, with a list of tags too."""
    with pair.client() as client:
        tag = Document(client).tag
        first = client.ask("PUT", "/v1/cond/doc", b"2", [*JSON, (MATCH, f'"x", {tag}')])
        equal(first.status, 200)
        for _ in range(3):
            check_problem(client.ask("PUT", "/v1/cond/doc", b"3",
                                     [*JSON, (MATCH, f'"x", {tag}')]), 412)
        equal(client.ask("GET", "/v1/cond/doc").body, b"2")


@case
def tags_that_proxies_changed_are_told(pair):
    """Comparison stays strong (RFC 9110 section 13.1.1), but the reply says why it fails."""
    tag = pair.put("/v1/cond/proxied", 1).header("etag")
    weak, marked = f"W/{tag}", tag[:-1] + '-br"'
    merge = [("Content-Type", "application/merge-patch+json")]
    with pair.client() as client:
        for sent, words in ((weak, "weak tag"), (f'"x", {weak}', "weak tag"),
                            (marked, "an end that offloop did not give")):
            for method, body, headers in (("PUT", b"2", JSON), ("PATCH", b"2", merge),
                                          ("DELETE", None, []), ("GET", None, [])):
                check_problem(client.ask(method, "/v1/cond/proxied", body,
                                         [*headers, (MATCH, sent)]), 412, words)
        check_problem(client.ask("PUT", "/v1/cond/proxied", b"2", [*JSON, (MATCH, '"4-json"')]),
                      412, "condition")
        equal(client.ask("GET", "/v1/cond/proxied", headers=[(NONE, f",{weak}")]).status, 304)
        equal(client.ask("PUT", "/v1/cond/proxied", b"2",
                         [*JSON, (MATCH, f", {tag},")]).status, 200)
