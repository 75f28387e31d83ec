"""Programs that want to run for ever, to take all memory, or to hold the loop: in every mode each
ends with 4xx at its budget or gives a result, no process dies, and the loop goes on turning. (On a
machine that is too busy the job's deadline ends a program before its budget does: 504.)"""
import json
import urllib.parse

from harness import JSON, case, equal

ALONE = True
UNSANITIZED = True
JQ = [("Content-Type", "application/jq")]
LONG_US = 2000  # a turn of the loop that computes for longer is long: see 42-loop-time
LONG_TURNS = 10

HOSTILE = [
    # without end
    "def f: f; f", "def f: f | f; f", "repeat(.)", "[repeat(1)]", "repeat(empty)",
    "recurse(.) | empty", "[recurse(., .)] | length", "until(false; .)", "last(while(true; .))",
    "label $f | repeat(1 | if . > 1 then break $f else . end)", "last(range(1e18))",
    "[range(0; 1; 1e-300)]", "first(range(infinite) | select(. < 0))", "isempty(repeat(empty))",
    "any(repeat(1); . > 1)", "limit(1e9; repeat(1)) | empty", "[limit(1e9; repeat(.))] | length",
    "nth(1e9; repeat(1))", "skip(1e9; repeat(1))", "def f: try error catch f; f",
    "def f(g): f(g | g); f(.)", "def f($n): f($n + 1); f(0)", "def f: def g: f; g; f",
    "def f: f // f; f", "def f: reduce f as $x (0; 1); f", "foreach repeat(1) as $x (0; . + $x)",
    ". as [$a] ?// $a | repeat($a)", "path(repeat(.a))", "[paths(repeat(false))]", "walk(repeat(.))",
    "sort_by(repeat(1))", "group_by(range(1e12))", "to_entries | map(repeat(.))",
    # large
    "[range(1e9)]", ".[1e9] = 1", "null | .[1e9] = 1", "null | .[60000000] = 1", ".[0:0] = [range(1e9)]",
    '"x" * 1e12', '"xy" * 1e9 | length', 'reduce range(100) as $i ("x"; . + .)',
    "reduce range(100) as $i ([1]; . + .)", "reduce range(60) as $i (1; [., .]) | tojson",
    "reduce range(60) as $i (1; {a: ., b: .}) | [leaf_paths] | length",
    "reduce range(60) as $i (1; [., .]) | flatten", "reduce range(60) as $i (1; [., .]) | [..] | length",
    '[range(1e5)] | map("x" * 1000) | add', '"x" * 1e6 | [., .] | combinations(9)',
    "[range(99)] | [combinations(9)] | length", '"abc" * 300000 | explode | implode | explode',
    '[range(99)] | ["\\(.[])\\(.[])\\(.[])\\(.[])"]', "[range(30000)] | . - map(. + 0.5)",
    'reduce range(300000) as $i ({}; .["k\\($i)"] = $i)', "[range(200000)] | permutations?",
    "[range(200000)] | sort_by(-.) | group_by(. % 7) | map(add)", "setpath([range(1e5)]; 1)",
    "[range(3000)] | transpose", "[range(2000) | [range(2000)]] | transpose", "input", "env", "$ENV",
    # deep
    "def f: [f]; f", "def f: {a: f}; f", "reduce range(1e6) as $i (0; [.])", '"[" * 1e6 | fromjson',
    "null | setpath([range(3000) | tostring]; 1)", "reduce range(500) as $i (1; [.]) | [paths] | length",
    "reduce range(500) as $i (1; {a: .}) | contains(.), (. * .), tojson", "." + "[0]" * 5000,
    "(" * 2000 + "1" + ")" * 2000, "[" * 2000, "-" * 3000 + "1", "def f: " * 500, "." + "?" * 9000,
    # formats and texts
    '"<" * 1e6 | @html | @html | @html', '"é" * 1e6 | @uri | @uri | @base64 | @base32', '[range(1e6)] | @csv',
    '[range(1e6) | tostring] | @sh', '"x" * 1e6 | @json "\\(.)\\(.)\\(.)\\(.)\\(.)\\(.)\\(.)\\(.)"',
    '"a" * 1e6 | indices("a")', '"a" * 1e6 | indices("aaaaaaaaaaaaaaaaaaaaaaaaaaaaab")',
    '("a" * 100000 + "b") as $x | ("a" * 200000) | index($x)', '"a," * 500000 | split(",") | join(",")',
    '"%Y" * 30000 as $f | 0 | strftime($f)', '"1" * 1e6 | tonumber', '"9" * 100000 | tonumber | . + 1, . * ., floor',
    '"2015-03-05T23:51:47Z" | [range(1e6) as $i | fromdate]', "[range(1e6) | todate]", '"x" * 1e6 | ltrimstr("x" * 999999)',
    "test(\"(a+)+$\")", "$__loc__ | tojson | fromjson | repeat(.)", "1e1000, -1e1000 | ., . * 10",
    "[limit(100000; repeat(1))] | bsearch(2), (.[90000:] = []), del(.[range(0; 90000; 2)])",
    "[range(100000)] | del(.[range(0; 100000; 2)])", "[range(3000)] | [.[] as $x | .[] | . * $x] | unique | length",
    ".. |= [., .]", "(.. | numbers) |= repeat(.)", "[..] | map(tojson) | add | fromjson?", "tostream | tostring",
    "[splits(\"a\")]", "halt", "now", "@foo", "import \"a\" as a; 1", "$x", "|", "\"\\(", "\u0000",
]


def target(name, program):
    return f"/v1/hostile/{name}?jq={urllib.parse.quote(program, safe='')}"


def away(pair):
    found = json.loads(pair.admin("/debug/loop").body)["total"]["away_cpu_us"]
    return found, sum(count for bound, count in found["buckets"] if bound > LONG_US)


def ended(reply, program):
    """A result, or a 4xx that says what it is about."""
    assert reply.status in (200, 204, 504) or 400 <= reply.status < 500, \
        (program[:80], reply.status, reply.body[:300])
    if reply.status == 422:
        assert reply.json()["detail"], program


def attack(pair, names=("small", "large")):
    documents = {"small": [1, {"a": "b"}], "large": [{"n": n, "t": "x" * 80} for n in range(2000)]}
    for name, document in documents.items():
        assert pair.ask("PUT", f"/v1/hostile/{name}", json.dumps(document).encode(), JSON).status in (200, 201)
    pair.ask("GET", "/v1/hostile/large")
    processes = pair.server.fronts() + pair.worker.of_role("worker")
    _, before = away(pair)
    for program in HOSTILE:
        for name in names:
            ended(pair.ask("GET", target(name, program)), program)
        if "\0" not in program:
            reply = pair.ask("PATCH", "/v1/hostile/small", program.encode(), JQ)
            ended(reply, program)
            if reply.status == 200:
                pair.ask("PUT", "/v1/hostile/small", json.dumps(documents["small"]).encode(), JSON)
    found, after = away(pair)
    print(f"    {len(HOSTILE)} programs: loop away, CPU: p99 {found['p99']:.0f} us, max {found['max']:.0f} us, "
          f"{after - before} turns above {LONG_US} us")
    equal(pair.server.fronts() + pair.worker.of_role("worker"), processes)
    equal(pair.metric("offloop_workers_lost_total") or 0, 0)
    equal(pair.ask("GET", target("large", "length")).body, b"2000")
    return after - before


@case(server=["--mode", "auto", "--codec", "direct"])
def auto(pair):
    assert attack(pair) <= LONG_TURNS


@case(server=["--mode", "rpc"])
def rpc(pair):
    assert attack(pair) <= LONG_TURNS


@case(server=["--mode", "threads", "--codec", "direct"])
def threads(pair):
    assert attack(pair) <= LONG_TURNS


@case(server=["--mode", "inline", "--codec", "direct"])
def inline(pair):
    """Here the loop computes itself; what a program may take is bounded all the same."""
    attack(pair, ["small"])
