"""What JSON is and is not, as a client sees it (API.md section 4). The codec's own tests
hold the long tables; here: the same verdicts come through the whole route."""
from harness import JSON, MSGPACK, case, check_problem, equal

SAME = [  # these come back byte for byte
    b"18446744073709551615", b"-9223372036854775808", b"9223372036854775807",
    b"18446744073709551616", b"-9223372036854775809", b"1" + b"0" * 400, b"1e999", b"-1E+999",
    b"1.0", b"-0.0", b"0.1", b"1.5", b"100.0", b"123456.789", b'"\\u0000"', b'{"\\u0000":1}',
    '"é漢😀"'.encode(), b'{"b":1,"a":2}', b'{"a":1,"a":2,"a":1}', b'[{"x":{}},[[]]]',
    b'"' + bytes(range(0x20, 0x22 - 1)) + b'"', b'"\x7f"',
]
WRITTEN = [  # text sent, text that comes back
    (b"-0", b"-0.0"), (b"1.50", b"1.5"), (b'"\\/"', b'"/"'), (b'"\\u0041"', b'"A"'),
    (b'"\\ud83d\\ude00"', '"😀"'.encode()), (b'"\\u001f\\b\\f\\n\\r\\t\\"\\\\"',
                                             b'"\\u001f\\b\\f\\n\\r\\t\\"\\\\"'),
    (b"[ 1 ,\t2\r\n]", b"[1,2]"),
]
BAD = [  # text, offset of its fault
    (b"", 0), (b" ", 1), (b"{", 1), (b"[1,]", 3), (b"[1 2]", 3), (b"{1:2}", 1), (b"nul", 3),
    (b"01", 1), (b"-", 1), (b"1.", 2), (b".5", 0), (b"+1", 0), (b"1e", 2), (b"NaN", 0),
    (b"[1]x", 3), (b"{}\"abc", 2), (b"[1]/*c*/", 3), (b"[1]\x0b", 3), (b"\x0c1", 0),
    (b"\xef\xbb\xbf1", 0), (b'"a\nb"', 2), (b'"abc', 4), (b'"\\x"', 2), (b'"\\u12g4"', 5),
    (b"'a'", 0), (b"[1]\0", 3), (b"[", 1), (b'{"a"}', 4), (b'{"a":1,}', 7),
]
REFUSED = [  # ill-formed UTF-8 and lone surrogates: refused wherever the fault is said to be
    b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"',
    b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'{"\xff":1}',
]


@case
def exact_values_come_back(pair):
    with pair.client() as client:
        for number, text in enumerate(SAME):
            reply = client.ask("PUT", f"/v1/exact/{number}", text, JSON)
            equal((text, reply.status), (text, 201))
            equal(client.ask("GET", f"/v1/exact/{number}").body, text)


@case
def equal_values_in_canonical_form(pair):
    with pair.client() as client:
        for text, expected in WRITTEN:
            assert client.ask("PUT", "/v1/exact/form", text, JSON).status in (200, 201), text
            equal((text, client.ask("GET", "/v1/exact/form").body), (text, expected))


@case
def bad_texts_are_400_with_their_offset(pair):
    with pair.client() as client:
        for text, offset in BAD:
            problem = check_problem(client.ask("PUT", "/v1/exact/bad", text, JSON), 400)
            equal((text, problem.get("offset")), (text, offset))


@case
def ill_formed_text_is_400(pair):
    with pair.client() as client:
        for text in REFUSED:
            problem = check_problem(client.ask("PUT", "/v1/exact/bad", text, JSON), 400)
            assert 0 <= problem["offset"] <= len(text), (text, problem)


@case
def nesting_512_but_not_513(pair):
    deep = b"[" * 512 + b"]" * 512
    mixed = b'{"a":[' * 256 + b"1" + b"]}" * 256
    with pair.client() as client:
        for text in (deep, mixed):
            assert client.ask("PUT", "/v1/exact/deep", text, JSON).status in (200, 201)
            equal(client.ask("GET", "/v1/exact/deep").body, text)
        for text in (b"[" + deep + b"]", b"[" + mixed + b"]", b"[" * 100_000):
            problem = check_problem(client.ask("PUT", "/v1/exact/deep", text, JSON), 400)
            assert problem["offset"] <= 1024 * 3, problem


@case
def inline_and_rpc_agree(pair):
    with pair.client() as client:
        for mode in ("inline", "rpc"):
            chosen = [("Offloop-Mode", mode)]
            for number, text in enumerate(SAME):
                client.ask("PUT", f"/v1/modes/{number}", text, JSON + chosen)
                equal(client.ask("GET", f"/v1/modes/{number}", headers=chosen).body, text)
            for text, offset in BAD:
                reply = client.ask("PUT", "/v1/modes/bad", text, JSON + chosen)
                equal((mode, text, check_problem(reply, 400)["offset"]), (mode, text, offset))


PRICES = b'{"price":12500.00,"rates":[0.10,1.50,1.5],"zero":-0,"far":1E400,"whole":100,"e":1e2}'
DOUBLES = (b'{"price":12500.0,"rates":[0.1,1.5,1.5],"zero":-0.0,"far":1E400,"whole":100,'
           b'"e":100.0}')
DIGITS = b"\x81\xa5price\xd7\x0112500.00"  # {"price":12500.00}, the number as ext type 1
FLOAT = b"\x81\xa5price\xcb\x40\xc8\x6a\0\0\0\0\0"
MODES = ("inline", "threads", "rpc", "auto")
MERGE = [("Content-Type", "application/merge-patch+json")]
LINES = [("Content-Type", "application/x-ndjson")]
PACKED = [("Accept", "application/msgpack")]


def check_kept(pair, packed):
    """Every number comes back as the text that was sent, whichever way it goes."""
    line = b'{"id":"%s","document":' + PRICES + b"}\n"
    with pair.client() as client:
        for mode in MODES:
            path, chosen = f"/v1/prices/{mode}", [("Offloop-Mode", mode)]
            equal(client.ask("PUT", path, PRICES, [*JSON, *chosen]).status, 201)
            equal(client.ask("GET", path, headers=chosen).body, PRICES)
            equal(client.ask("GET", path + "?fields=price,rates.0", headers=chosen).body,
                  b'{"price":12500.00,"rates":[0.10]}')
            assert b'"price": 12500.00,\n' in client.ask("GET", path + "?pretty",
                                                         headers=chosen).body
            equal(client.ask("GET", path + "?fields=price", headers=[*PACKED, *chosen]).body,
                  packed)
            equal(client.ask("PATCH", path, b'{"fee":1.250,"e":null}', [*MERGE, *chosen]).body,
                  PRICES[:-len(',"e":1e2}')] + b',"fee":1.250}')
            equal(client.ask("POST", "/v1/loaded", line % mode.encode(),
                             [*LINES, *chosen]).json()["stored"], 1)
            equal(client.ask("GET", f"/v1/loaded/{mode}").body, PRICES)
            equal(client.ask("PUT", path, DIGITS, [*MSGPACK, *chosen]).status, 200)
            equal(client.ask("GET", path, headers=chosen).body, b'{"price":12500.00}')
            equal(client.ask("GET", path, headers=[*PACKED, *chosen]).body, packed)
        equal(client.ask("GET", "/v1/loaded").body, b"[" + b",".join([PRICES] * 4) + b"]")
        equal(client.ask("GET", "/v1/loaded", headers=PACKED).body.count(packed[1:]), 4)


@case(server=["--numbers", "text"])
def numbers_keep_their_text(pair):
    check_kept(pair, DIGITS)


@case(server=["--numbers", "text", "--codec", "direct"], worker=["--codec", "direct"])
def numbers_keep_their_text_in_the_other_engine(pair):
    check_kept(pair, DIGITS)


@case(server=["--numbers", "text", "--representation", "json"])
def numbers_keep_their_text_in_stored_json(pair):
    check_kept(pair, DIGITS)


@case(server=["--representation", "json"])
def stored_json_always_keeps_them_and_gives_doubles_as_msgpack(pair):
    check_kept(pair, FLOAT)


@case
def numbers_are_doubles_by_default(pair):
    with pair.client() as client:
        for mode in MODES:
            path, chosen = f"/v1/doubles/{mode}", [("Offloop-Mode", mode)]
            equal(client.ask("PUT", path, PRICES, [*JSON, *chosen]).status, 201)
            equal(client.ask("GET", path, headers=chosen).body, DOUBLES)
            equal(client.ask("GET", path + "?fields=price", headers=[*PACKED, *chosen]).body,
                  FLOAT)
            equal(client.ask("PUT", path, DIGITS, [*MSGPACK, *chosen]).status, 200)
            equal(client.ask("GET", path, headers=chosen).body, b'{"price":12500.00}')
