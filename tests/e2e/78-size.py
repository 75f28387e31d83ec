"""scripts/size: the model's arithmetic, its plans, and that measuring works at all."""
import json
import subprocess
import sys

from harness import ROOT, SANITIZED, Skip, case, equal

sys.path.insert(0, str(ROOT / "scripts/lib/size"))
import model  # noqa: E402
import network  # noqa: E402

CONSTANTS = json.loads((ROOT / "scripts/lib/size/constants.json").read_text())
# A loop of 10 us, fronts of 20 us, workers of 100 us, whatever the size.
FLAT = {"ways": {way: {"loop_us": [(0, 10), (1000, 10)], "front_us": [(0, 20), (1000, 20)],
                       "worker_us": [(0, 100), (1000, 100)],
                       "wire_bytes": [(0, 0), (1000, 2000)]} for way in ("arena", "tcp", "tls")}}


def run(*arguments):
    return subprocess.run([ROOT / "scripts/size", *arguments], capture_output=True, text=True,
                          check=False, timeout=300)


@case(workers=0)
def costs_between_and_beyond_what_was_measured(pair):
    points = [(100, 10), (200, 20), (1000, 100), (2000, 300)]
    for size, cost in ((100, 10), (150, 15), (200, 20), (600, 60), (1500, 200), (3000, 500),
                       (0, 0)):
        equal(model.between(points, size), cost)
    equal(model.between([(100, 10), (200, 40)], 0), 0)
    for text, size in (("2KB", 2000), ("1.5MB", 1_500_000), ("300", 300), ("64KiB", 65536)):
        equal(model.parse_size(text), size)


@case(workers=0)
def plans_follow_from_the_costs(pair):
    one = model.plan(FLAT, [(1000, 10_000)], 8, 0.5, "tls")
    # 0.1 CPUs of loop, 0.2 of fronts and 1 of workers: all on one host
    equal((one["way"], one["hosts"], one["fronts"], one["workers"]), ("arena", 1, 1, 2))
    equal(one["needs"]["client_bits"], 10_000 * 1400 * 8)
    two = model.plan(FLAT, [(1000, 60_000)], 8, 0.5, "tls")
    # 1.2 + 6 CPUs are more than half of 8; 0.6 of loops want two fronts
    equal((two["way"], two["server_hosts"], two["worker_hosts"], two["fronts"], two["workers"]),
          ("tls", 1, 2, 2, 12))
    equal(two["needs"]["worker_bits"], 60_000 * 2000 * 8)
    many = model.plan(FLAT, [(1000, 600_000)], 8, 0.5, "tcp")
    equal((many["server_hosts"], many["worker_hosts"]), (3, 15))
    equal(model.Model(FLAT, "tcp").most(1000, 2, 1, 2), 2e6 / 120)
    equal(model.Model(FLAT, "tcp").most(1000, 64, 1, 2), 20_000)
    equal(model.Model(FLAT, "tcp").most(1000, 64, 1, 64), 100_000)


@case(workers=0)
def more_load_never_needs_less(pair):
    for size in (500, 20_000, 150_000, 1_000_000):
        before = None
        for rate in (10, 100, 1000, 10_000, 100_000):
            plan = model.plan(CONSTANTS, [(size, rate)], 8, 0.6, "tls")
            now = [plan["fronts"], plan["workers"], plan["hosts"], plan["needs"]["client_bits"]]
            assert before is None or all(a >= b for a, b in zip(now, before)), (size, rate, plan)
            before = now


@case(workers=0)
def the_script_says_it(pair):
    told = run("--reads", "2KB:20000", "--reads", "200KB:300", "--host-cpus", "8")
    equal(told.returncode, 0)
    for word in ("load", "needs", "fronts", "workers", "hosts", "clients"):
        assert f"\n{word}" in "\n" + told.stdout, told.stdout
    far = run("--reads", "200KB:20000", "--host-cpus", "4", "--plain").stdout
    assert "for servers" in far and "redis" in far and "tcp between them" in far, far
    for bad in ((), ("--reads", "2KB"), ("--reads", "x:1"), ("--reads", "1KB:1", "--use", "0")):
        equal(run(*bad).returncode, 2)


@case(workers=0)
def the_guide_shows_the_constants(pair):
    guide = (ROOT / "docs/SIZING.md").read_text()
    assert CONSTANTS["date"] in guide
    for way, costs in CONSTANTS["ways"].items():
        for name in model.COSTS:
            assert len(costs[name]) >= 2, (way, name)
        size, cost = costs["loop_us"][-1]
        assert f"| {way} | {size} | {cost:.1f} |" in guide, (way, size, cost)


@case(workers=0)
def measuring_works(pair):
    if SANITIZED:
        raise Skip("costs of a build with sanitizers mean nothing")
    if why := network.missing():
        raise Skip(why)
    measured = run("--measure", "--quick")
    assert measured.returncode == 0, measured.stderr
    for way in ("arena", "ipc", "tcp", "tls"):
        assert f"\n| {way} | " in measured.stdout, measured.stdout + measured.stderr
