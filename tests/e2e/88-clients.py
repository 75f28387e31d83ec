"""The Python and the node client against a real worker daemon: every operation, compressed
replies, cancelling, many processes at one socket, workers that are killed, and a daemon that
is absent, late, reloaded or restarted."""
import gzip
import json
import re
import shutil
import signal
import struct
import subprocess

from harness import BUILD, SANITIZED, Skip, case, equal
from job_daemon import Driver, JobDaemon, require_node

PAIR = {"workers": 0}
LANGUAGES = ("python", "node")
NOTHING_LOST = {"lost": 0, "wrong": 0, "errors": []}
PACKED = b"\x82\xa1a\x93\x01\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1b\x81\xa1c\xc0"
TEXT = b'{"a":[1,2.5,18446744073709551615],"b":{"c":null}}'
LARGE = b"[" + b" 1234567,\n" * 20000 + b"1]"

CALLS = [  # method, arguments, options, what comes back
    ("encode", [PACKED], {}, TEXT),
    ("encode", [b"\x81\xa1a\x01"], {"pretty": True}, b'{\n  "a": 1\n}'),
    ("decode", [b' {"a": [1, 2.5, 18446744073709551615], "b": {"c": null}} '], {}, PACKED),
    ("compact", [b' { "a" : [ 1 , 2.5 ] } '], {}, b'{"a":[1,2.5]}'),
    ("compact", [b"[12500.00, 1e2]"], {}, b"[12500.00,1e2]"),
    ("project", [PACKED, "b.c"], {}, b'{"b":{"c":null}}'),
    ("project", [TEXT, "a"], {}, b'{"a":[1,2.5,18446744073709551615]}'),
    ("patch", [b'{"a":1,"b":2}', b'{"a":null,"c":3}'], {}, b'{"b":2,"c":3}'),
    ("patch", [b"\x82\xa1a\x01\xa1b\x02", b'{"a":null,"c":3}'], {}, b"\x82\xa1b\x02\xa1c\x03"),
    ("validate", [PACKED], {}, None),
    ("validate", [TEXT], {}, None),
    ("validate", [b"[1,]"], {}, ("syntax", 3)),
    ("validate", [b"\x91\xc1"], {}, ("msgpack", 1)),
    ("decode", [b"[1, 2"], {}, ("truncated", 5)),
    ("decode", [b'["\xff"]'], {}, ("utf8", 2)),
    ("compact", [b"[1] 2"], {}, ("trailing", 4)),
    ("encode", [b"\x91\xc4\x00"], {}, ("type", 1)),
    ("patch", [b"{}", b'{"a":1,"a":2}'], {}, ("duplicate", None)),
    ("jq", [TEXT, ".b"], {}, b'{"c":null}'),
    ("jq", [PACKED, ".a[] | [., $n]", {"n": 2}], {}, b"[1,2]\n[2.5,2]\n[18446744073709551615,2]"),
    ("jq", [TEXT, "empty"], {}, b""),
]


def each_language(function):
    """Registers a case for each language."""
    for language in LANGUAGES:
        def run(pair, language=language):
            function(language)
        run.__name__ = f"{function.__name__}_{language}"
        case(run)


def packed_call(method, arguments, options):
    wanted = [{"hex": one.hex()} if isinstance(one, bytes) else one for one in arguments]
    return json.dumps({"method": method, "arguments": wanted, "options": options}) + "\n"


def ask(language, path, calls, **more):
    """What a driver answers to calls, each (method, arguments, options)."""
    driver = Driver(language, path, "calls", **more)
    answers = []
    try:
        for one in calls:
            driver.process.stdin.write(packed_call(*one))
            driver.process.stdin.flush()
            answers.append(json.loads(driver.line()))
    finally:
        driver.destroy()
    return answers


def check_call(one, answer, has_jq):
    method, arguments, options, expected = one
    if method == "jq" and not has_jq:
        equal((answer.get("status"), answer.get("error")), ("unsupported", "JobError"))
    elif isinstance(expected, tuple):
        equal((answer.get("error"), answer.get("status"), answer.get("offset")), ("JobError", *expected))
    elif expected is None:
        assert not answer.get("error"), (one, answer)
    else:
        assert "hex" in answer, (one, answer)
        equal(bytes.fromhex(answer["hex"]), expected)


@each_language
def every_operation(language):
    with JobDaemon(1) as daemon:
        has_jq = "error" not in ask(language, daemon.path, [("jq", [b"[1]", "."], {})])[0]
        answers = ask(language, daemon.path, [one[:3] for one in CALLS])
        for one, answer in zip(CALLS, answers):
            check_call(one, answer, has_jq)


@each_language
def compressed_results(language):
    small = b"[ 1 ]"
    with JobDaemon(1) as daemon:
        packed, plain, zstd = ask(language, daemon.path, [
            ("compact", [LARGE], {"gzip": True}), ("compact", [small], {"gzip": True}),
            ("compact", [LARGE], {"zstd": True})])
    wanted = LARGE.replace(b"\n", b"").replace(b" ", b"")
    equal(gzip.decompress(bytes.fromhex(packed["hex"])), wanted)
    equal(bytes.fromhex(plain["hex"]), b"[1]")
    if shutil.which("zstd"):
        equal(subprocess.run(["zstd", "-dc"], input=bytes.fromhex(zstd["hex"]), capture_output=True,
                             check=True).stdout, wanted)
    assert zstd["hex"].startswith("28b52ffd"), zstd["hex"][:20]


@each_language
def a_job_is_taken_back(language):
    with JobDaemon(1) as daemon:
        said = json.loads(Driver(language, daemon.path, "cancel").end())
    equal(said, {"long": "cancelled", "short": "[1]"})


@case
def many_processes_of_both_languages_at_one_socket(pair):
    require_node()
    with JobDaemon(2) as daemon:
        drivers = [Driver(language, daemon.path, "load", 60, 4) for language in LANGUAGES
                   for _ in range(4 if SANITIZED else 32)]
        try:
            for driver in drivers:
                equal(json.loads(driver.end()), NOTHING_LOST)
        finally:
            for driver in drivers:
                driver.destroy()


@each_language
def workers_are_killed_under_load(language):
    with JobDaemon(2) as daemon:
        driver = Driver(language, daemon.path, "load", 2000 if SANITIZED else 20000, 16)
        kills = 0
        try:
            while driver.process.poll() is None:
                try:
                    driver.process.wait(0.2)
                except subprocess.TimeoutExpired:
                    kills += daemon.kill_a_worker()
            equal(json.loads(driver.end()), NOTHING_LOST)
        finally:
            driver.destroy()
        assert kills >= 1, f"only {kills} workers were killed: the load was too short"


@each_language
def a_daemon_that_starts_late(language):
    with JobDaemon(1, start=False) as daemon:
        driver = Driver(language, daemon.path, "load", 200, 4)
        try:
            daemon.start()
            equal(json.loads(driver.end()), NOTHING_LOST)
        finally:
            driver.destroy()


@each_language
def a_daemon_that_is_reloaded_and_restarted(language):
    """HUP puts other processes in place, TERM and a start another daemon, kill -9 too."""
    with JobDaemon(2) as daemon:
        driver = Driver(language, daemon.path, "load", 4000 if SANITIZED else 20000, 8)

        def reload():
            daemon.daemon.send_signal(signal.SIGHUP)

        def restart():
            daemon.stop()
            daemon.start()

        def crash():
            daemon.daemon.kill_all()
            daemon.start()

        try:
            for change in (reload, restart, crash, reload):
                driver.line()
                change()
            equal(json.loads(driver.end()), NOTHING_LOST)
        finally:
            driver.destroy()


NUMBERS = ("0 -0 0.0 -0.0 1e2 1E+2 12500.00 0.000001 1e-7 123456789012345680000 1e21 1e22 5e-324 1e400 1e-400 "
           "0e999 1.7976931348623157e308 9007199254740993 9223372036854775808 18446744073709551615 "
           "18446744073709551616 -9223372036854775808 -9223372036854775809 -33 -128 -129 32768 4294967296 "
           "0.1 100.0 1.5 -1.5e-10 123.456e5 340282346638528860000000000000000000000.0").split()
TEXTS = [rb'""', rb'"\u0000\u001f\/\b\f\n\r\t\"\\"', '"žluť \U0001f600 \u2028"'.encode(), rb'"\ud83d\ude00"',
         b'"' + b"a" * 40 + b'"', b'"' + b"b" * 300 + b'"', b'"\x7f"']


def many_calls():
    """Valid documents of all kinds, and what is wrong with others."""
    rows = b'{"a":[{"b":1,"c":{"d":[1,2,{"e":null}]},"b":2},[],{}],"":true,"x.y":{"z":false},"n":1e2}'
    for number in NUMBERS:
        yield "decode", [b"[ " + number.encode() + b" ]"], {}
        yield "compact", [b"[ " + number.encode() + b" ]"], {}
    for one in (*TEXTS, b"[" + b" , ".join(TEXTS) + b"]", rows, b" null ", b"[" * 200 + b"]" * 200):
        yield "decode", [one], {}
        yield "compact", [one], {}
    for fields in ("a", "a.0.c.d.2,n", "%", "x%2ey", "a.1,a.2,a.7", "a.0.b.q", "nothing"):
        yield "project", [rows, fields], {"pretty": fields == "a"}
    for patch in (b'{"a":null,"new":{"p":null,"q":[null]}}', b'{"x.y":{"z":null,"w":1.50}}', b"[1]", b"7", b'{"n":{"m":{}}}'):
        yield "patch", [rows, patch], {}
    for number in NUMBERS:  # of the double, and of the text that such a number keeps
        if re.search("[.eE]", number) and 0 < abs(float(number)) < float("inf"):
            yield "encode", [b"\xcb" + struct.pack(">d", float(number))], {}
        yield "encode", [bytes((0xC7, len(number), 1)) + number.encode()], {}
    for raw in (b"\x92\xca\x3f\xc0\x00\x00\xd3\xff\xff\xff\xff\xff\xff\xff\x00", b"\xdc\x00\x02\xd9\x01a\xdb\x00\x00\x00\x00",
                b"\xdf\x00\x00\x00\x01\xa1k\xd4\x017", b"\xc7\x03\x011e2", b"\xdd\x00\x00\x00\x00", b"\xd1\xff\x00"):
        yield "encode", [raw], {}
        yield "encode", [raw], {"pretty": True}
        yield "validate", [raw], {}
    for wrong in (b"[1,]", b"[1] x", b'["a', b'["\x01"]', b'["\xff"]', b"{1:2}", b"nul", b"[NaN]", b"\xef\xbb\xbf[]", b"[1\x0b]",
                  b'["\\ud800"]', b"[" * 513 + b"]" * 513, b"", b"[01]", b"[Infinity]"):
        yield "decode", [wrong], {}
    for wrong in (b"\xc1", b"\x91", b"\x91\xc4\x01a", b"\x81\x01\x02", b"\xcb\x7f\xf0" + bytes(6), b"\x01\x01", b"\xa1\xff",
                  b"\xd4\x02\x00", b"\xd6\x01+1.0", b"\x91" * 513 + b"\xc0", b"\xd9\x05ab"):
        yield "encode", [wrong], {}


@each_language
def without_a_daemon_the_slow_path_gives_the_same(language):
    """In the language itself, without liboffloop: the same bytes, and refusals of the same documents."""
    calls = [*many_calls(), *(one[:3] for one in CALLS if one[0] != "jq")]
    with JobDaemon(1) as daemon:
        wanted = ask(language, daemon.path, calls)
        daemon.stop()
        got = ask(language, daemon.path, calls, environment={"OFFLOOP_LIBRARY": "/nonexistent"})
        for call, one, other in zip(calls, wanted, got):
            assert one.get("hex") == other.get("hex") and one.get("error") == other.get("error"), (call, one, other)
        packed, = ask(language, daemon.path, [("compact", [LARGE], {"gzip": True})],
                      environment={"OFFLOOP_LIBRARY": "/nonexistent"})
        assert gzip.decompress(bytes.fromhex(packed["hex"])).startswith(b"[1234567,")
        driver = Driver(language, daemon.path, "load", 300, 8, environment={"OFFLOOP_LIBRARY": "/nonexistent"})
        equal(json.loads(driver.end()), NOTHING_LOST)
        daemon.start()


@case
def python_without_a_daemon_uses_liboffloop(pair):
    """The same bytes, on the loop and on threads; no job fails."""
    library = BUILD / "liboffloop.so"
    if not library.exists():
        raise Skip("no liboffloop in this build")
    if SANITIZED:
        raise Skip("a sanitized library cannot be loaded into Python")
    with JobDaemon(1, start=False) as daemon:
        more = {"environment": {"OFFLOOP_LIBRARY": str(library)}}
        calls = [one for one in CALLS if one[0] != "jq"]
        answers = ask("python", daemon.path, [one[:3] for one in calls], **more)
        for one, answer in zip(calls, answers):
            check_call(one, answer, True)
        packed, = ask("python", daemon.path, [("compact", [LARGE], {"gzip": True})], **more)
        assert gzip.decompress(bytes.fromhex(packed["hex"])).startswith(b"[1234567,")
        said = Driver("python", daemon.path, "load", 2000, 16, **more).end()
        equal(json.loads(said), NOTHING_LOST)


@case
def the_python_client_on_uvloop(pair):
    program = next((one for one in ("python3", "/usr/bin/python3") if subprocess.run(
        [one, "-c", "import uvloop"], capture_output=True).returncode == 0), None)
    if program is None:
        raise Skip("no uvloop (Debian: python3-uvloop)")
    with JobDaemon(1) as daemon:
        uvloop = {"environment": {"OFFLOOP_TEST_UVLOOP": "1"}, "program": program}
        said = Driver("python", daemon.path, "load", 1000, 16, **uvloop).end()
        equal(json.loads(said), NOTHING_LOST)
        said = Driver("python", daemon.path, "cancel", **uvloop).end()
        equal(json.loads(said), {"long": "cancelled", "short": "[1]"})
