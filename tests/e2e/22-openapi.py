"""GET /openapi.json: that it is OpenAPI 3.1, and that the server does what it says.

The checks of form are our own: a subset of the specification's rules, those that what we
use of it can break. Schemas are also checked by python3-jsonschema where it is there.
"""
import json
import re
import subprocess

import harness
from harness import BUILD, JSON, MSGPACK, ROOT, case, check_problem, equal

METHODS = {"get", "head", "put", "post", "patch", "delete", "options"}
KEYS = {  # object: the fields it may have, and those it must
    "document": ({"openapi", "info", "servers", "security", "tags", "paths", "components"},
                 {"openapi", "info", "paths"}),
    "info": ({"title", "version", "summary", "description", "license"}, {"title", "version"}),
    "path": (METHODS | {"parameters", "summary", "description"}, set()),
    "operation": ({"operationId", "tags", "summary", "description", "parameters", "security",
                   "requestBody", "responses"}, {"operationId", "responses", "summary"}),
    "parameter": ({"name", "in", "description", "required", "schema", "example",
                   "allowEmptyValue"}, {"name", "in", "schema"}),
    "body": ({"required", "description", "content"}, {"content"}),
    "response": ({"description", "headers", "content"}, {"description"}),
    "header": ({"description", "required", "schema"}, {"schema"}),
    "media": ({"schema", "example"}, {"schema"}),
    "components": ({"securitySchemes", "parameters", "headers", "responses", "schemas"}, set()),
    "scheme": ({"type", "scheme", "description", "bearerFormat"}, {"type", "scheme"}),
}


class Description:
    """The description, with what is found wrong with its form."""

    def __init__(self, document):
        self.document = document
        self.faults = []
        self.used = set()
        self.ids = []

    def fault(self, where, what):
        self.faults.append(f"{where}: {what}")

    def resolve(self, one, where):
        """What a reference stands for; the thing itself where it is none."""
        if "$ref" not in one:
            return one
        if set(one) != {"$ref"}:
            self.fault(where, "a reference with other fields beside it")
        self.used.add(one["$ref"])
        found = self.document
        for part in one["$ref"].removeprefix("#/").split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            self.fault(where, f"{one['$ref']} leads nowhere")
        return found or {}

    def keys(self, kind, one, where):
        allowed, needed = KEYS[kind]
        if set(one) - allowed:
            self.fault(where, f"{kind} with {set(one) - allowed}")
        if needed - set(one):
            self.fault(where, f"{kind} without {needed - set(one)}")

    def schema(self, one, where):
        one = self.resolve(one, where)
        for part in [one["items"]] if "items" in one else []:
            self.schema(part, f"{where}.items")
        for name, part in one.get("properties", {}).items():
            self.schema(part, f"{where}.{name}")

    def content(self, one, where):
        for media, body in one.items():
            if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", media):
                self.fault(where, f"{media} is no media type")
            self.keys("media", body, where)
            self.schema(body.get("schema", {}), where)

    def parameter(self, one, where):
        one = self.resolve(one, where)
        self.keys("parameter", one, where)
        if one.get("in") not in ("path", "query", "header"):
            self.fault(where, f"in {one.get('in')}")
        if one.get("in") == "path" and one.get("required") is not True:
            self.fault(where, "a path parameter that is not required")
        if one.get("allowEmptyValue") is not None and one.get("in") != "query":
            self.fault(where, "allowEmptyValue is for the query")
        self.schema(one.get("schema", {}), where)
        return one.get("in"), one.get("name")

    def parameters(self, several, where):
        found = [self.parameter(one, where) for one in several]
        if len(set(found)) != len(found):
            self.fault(where, "a parameter twice")
        return set(found)

    def response(self, status, one, where):
        if not re.fullmatch(r"[1-5]\d\d", status):
            self.fault(where, f"status {status}")
        one = self.resolve(one, where)
        self.keys("response", one, where)
        for name, header in one.get("headers", {}).items():
            header = self.resolve(header, where)
            self.keys("header", header, f"{where} {name}")
        self.content(one.get("content", {}), where)

    def operation(self, method, one, outer, where):
        self.keys("operation", one, where)
        self.ids.append(one.get("operationId"))
        inner = self.parameters(one.get("parameters", []), where)
        if "requestBody" in one:
            if method in ("get", "head", "delete", "options"):
                self.fault(where, "a body that means nothing")
            self.keys("body", one["requestBody"], where)
            self.content(one["requestBody"]["content"], where)
        for status, response in one["responses"].items():
            self.response(status, response, f"{where} {status}")
        if not any(status.startswith("2") for status in one["responses"]):
            self.fault(where, "no success")
        self.security(one.get("security", []), where)
        for tag in one.get("tags", []):
            if tag not in [known["name"] for known in self.document["tags"]]:
                self.fault(where, f"unknown tag {tag}")
        return {name for place, name in inner | outer if place == "path"}

    def security(self, several, where):
        for requirement in several:
            for name in requirement:
                if name not in self.document["components"]["securitySchemes"]:
                    self.fault(where, f"unknown security scheme {name}")

    def check(self):
        document = self.document
        self.keys("document", document, "document")
        self.keys("info", document["info"], "info")
        self.keys("components", document["components"], "components")
        self.security(document.get("security", []), "document")
        if not re.fullmatch(r"3\.1\.\d+", document["openapi"]):
            self.fault("document", f"openapi {document['openapi']}")
        for path, item in document["paths"].items():
            self.keys("path", item, path)
            outer = self.parameters(item.get("parameters", []), path)
            for method in METHODS & set(item):
                named = self.operation(method, item[method], outer, f"{method} {path}")
                if named != set(re.findall(r"{([^{}]+)}", path)):
                    self.fault(path, f"its parameters are {named}")
        if len(set(self.ids)) != len(self.ids):
            self.fault("document", "an operationId twice")
        for scheme in document["components"]["securitySchemes"].values():
            self.keys("scheme", scheme, "securitySchemes")
        for kind in ("parameters", "headers", "responses", "schemas"):
            for name, one in document["components"][kind].items():
                if kind == "schemas":
                    self.schema(one, name)
                if f"#/components/{kind}/{name}" not in self.used:
                    self.fault(name, "used nowhere")
        return self.faults


def fetch(pair):
    reply = pair.ask("GET", "/openapi.json")
    equal((reply.status, reply.header("content-type")), (200, "application/json"))
    return reply.json()


@case
def it_is_openapi_3_1(pair):
    equal(Description(fetch(pair)).check(), [])


@case
def the_check_can_fail(pair):
    """Each of these changes breaks a rule that the check must see."""
    def spoil(change):
        document = fetch(pair)
        change(document)
        assert Description(document).check(), change

    document_path = "/v1/{collection}/{id}"
    for change in (
            lambda one: one.update(openapi="3.0.0"),
            lambda one: one.update(extra=1),
            lambda one: one["info"].pop("version"),
            lambda one: one["paths"]["/v1"]["get"].pop("responses") and
            one["paths"]["/v1"]["get"].update(responses={}),
            lambda one: one["paths"]["/v1"]["get"].update(operationId="describe"),
            lambda one: one["paths"]["/v1"]["get"].update(tags=["unknown"]),
            lambda one: one["paths"]["/v1"]["get"].update(security=[{"basic": []}]),
            lambda one: one["paths"][document_path].pop("parameters"),
            lambda one: one["components"]["schemas"].pop("Name"),
            lambda one: one["components"]["schemas"].update(Unused={}),
            lambda one: one["components"]["parameters"]["id"].update(required=False),
            lambda one: one["components"]["parameters"]["id"].update({"in": "cookies"})):
        spoil(change)


@case
def its_schemas_are_schemas_and_hold(pair):
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise harness.Skip("python3-jsonschema is not installed") from None
    document = fetch(pair)

    def check(name, instance, array=False):
        schema = {"$ref": f"#/components/schemas/{name}",
                  "components": document["components"]}
        if array:
            schema = {"type": "array", "items": {"$ref": schema.pop("$ref")}, **schema}
        Draft202012Validator(schema).validate(instance)

    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    pair.put("/v1/held/a", 1)
    check("Collection", pair.ask("GET", "/v1").json(), array=True)
    check("Document", pair.ask("GET", "/v1/held").json(), array=True)
    check("Problem", pair.ask("GET", "/v1/held/none").json())
    check("Problem", pair.ask("PUT", "/v1/held/b", b"{", JSON).json())
    check("BulkReport", pair.ask("POST", "/v1/held", b'{"id":"x","document":1}\nbad\n',
                                 [("Content-Type", "application/x-ndjson")]).json())


@case
def its_methods_are_those_there_are(pair):
    for path, item in fetch(pair)["paths"].items():
        target = path.replace("{collection}", "held").replace("{id}", "a")
        allowed = pair.ask("OPTIONS", target).header("allow").lower().split(", ")
        equal((path, set(allowed)), (path, METHODS & set(item)))


NDJSON = [("Content-Type", "application/x-ndjson")]
PATCH = [("Content-Type", "application/merge-patch+json")]
DOCUMENT, COLLECTION = "/v1/{collection}/{id}", "/v1/{collection}"
ASKED = [  # path, method, target, body, headers, status
    ("/v1", "GET", "/v1", None, [], 200),
    ("/v1", "HEAD", "/v1", None, [], 200),
    ("/v1", "OPTIONS", "/v1", None, [], 204),
    ("/v1", "GET", "/v1", None, [("Accept", "image/png")], 406),
    ("/openapi.json", "GET", "/openapi.json", None, [], 200),
    ("/openapi.json", "HEAD", "/openapi.json", None, [], 200),
    ("/openapi.json", "GET", "/openapi.json", None, [("Accept", "text/html")], 406),
    (COLLECTION, "GET", "/v1/asked", None, [], 200),
    (COLLECTION, "GET", "/v1/asked", None, [("Accept", "application/x-ndjson")], 200),
    (COLLECTION, "GET", "/v1/asked", None, [("Accept", "application/msgpack")], 200),
    (COLLECTION, "GET", "/v1/asked?limit=0", None, [], 400),
    (COLLECTION, "GET", "/v1/a%20b", None, [], 404),
    (COLLECTION, "POST", "/v1/asked", b"1", JSON, 201),
    (COLLECTION, "POST", "/v1/asked", b"\xc1", MSGPACK, 400),
    (COLLECTION, "POST", "/v1/asked", b"1", [("Content-Type", "text/csv")], 415),
    (COLLECTION, "POST", "/v1/asked", b'{"id":"x","document":1}\n', NDJSON, 200),
    (DOCUMENT, "PUT", "/v1/asked/a", b"{}", JSON, 201),
    (DOCUMENT, "PUT", "/v1/asked/a", b"{}", JSON, 200),
    (DOCUMENT, "PUT", "/v1/asked/a", b"{", JSON, 400),
    (DOCUMENT, "PUT", "/v1/asked/a", b"{}", [*JSON, ("If-None-Match", "*")], 412),
    (DOCUMENT, "PUT", "/v1/asked/a", None, JSON, 411),
    (DOCUMENT, "GET", "/v1/asked/a", None, [], 200),
    (DOCUMENT, "HEAD", "/v1/asked/a", None, [], 200),
    (DOCUMENT, "GET", "/v1/asked/a", None, [("If-None-Match", "*")], 304),
    (DOCUMENT, "GET", "/v1/asked/a", None, [("If-Match", '"x"')], 412),
    (DOCUMENT, "GET", "/v1/asked/none", None, [], 404),
    (DOCUMENT, "GET", "/v1/asked/a", None, [("Accept", "text/html")], 406),
    (DOCUMENT, "PATCH", "/v1/asked/a", b'{"b":1}', PATCH, 200),
    (DOCUMENT, "PATCH", "/v1/asked/none", b"{}", PATCH, 404),
    (DOCUMENT, "PATCH", "/v1/asked/a", b"{}", JSON, 415),
    (DOCUMENT, "DELETE", "/v1/asked/a", None, [("If-Match", '"x"')], 412),
    (DOCUMENT, "DELETE", "/v1/asked/a", None, [], 204),
    (DOCUMENT, "DELETE", "/v1/asked/a", None, [], 404),
    (DOCUMENT, "OPTIONS", "/v1/asked/a", None, [], 204),
]


@case
def what_is_answered_is_described(pair):
    document = fetch(pair)
    description = Description(document)
    for path, method, target, body, headers, status in ASKED:
        where = (method, target, headers)
        with pair.client() as client:
            reply = client.ask(method, target, body, headers)
        equal((where, reply.status), (where, status))
        described = document["paths"][path][method.lower()]["responses"]
        assert str(status) in described, (where, status)
        response = description.resolve(described[str(status)], "")
        if reply.body:
            assert reply.header("content-type") in response["content"], (where, reply)
        for name in response.get("headers", {}):
            if name not in ("Accept-Encoding", "Content-Encoding", "Link", "Vary"):
                assert reply.header(name), (where, name)


@case
def it_is_this_version(pair):
    program = subprocess.run([BUILD / "offloop-server", "--version"], check=True,
                             capture_output=True, text=True).stdout
    assert fetch(pair)["info"]["version"] in program, program
    served = pair.ask("GET", "/openapi.json").body
    file = (ROOT / "server/api/openapi.json").read_bytes()
    assert served == file, "the program was built with another openapi.json"
    assert served == (json.dumps(json.loads(served), indent=2) + "\n").encode()


@case(own=True)
def it_can_be_read_without_a_token(pair):
    tokens = pair.folder / "tokens"
    tokens.write_text("0" * 64 + " rw *\n")
    pair.server.stop()
    pair.server_arguments = ["--auth-file", str(tokens)]
    pair.start_server()
    equal(pair.ask("GET", "/openapi.json").status, 200)
    check_problem(pair.ask("GET", "/v1"), 401)
    check_problem(pair.ask("PUT", "/openapi.json", b"1"), 405)
    check_problem(pair.ask("GET", "/openapi.jso"), 404, "/openapi.json")
