"""Where the codec runs: inline in the front, on its threads, in a worker (rpc), or where
it is cheapest (auto); and never a codec function in a front in rpc mode."""
import json

from harness import JSON, case, check_problem, equal

ALONE = True  # what auto chooses depends on how busy the machine is
DOCUMENT = json.dumps({"rows": [{"n": n, "text": f"row {n}"} for n in range(200)]},
                      separators=(",", ":")).encode()


def use(pair, mode):
    """Every kind of request that needs the codec."""
    chosen = [("Offloop-Mode", mode)] if mode else []
    with pair.client() as client:
        for number in range(20):
            reply = client.ask("PUT", f"/v1/modes/{number}", DOCUMENT, JSON + chosen)
            assert reply.status in (200, 201), reply
            equal(client.ask("GET", f"/v1/modes/{number}", headers=chosen).body, DOCUMENT)
        equal(len(client.ask("GET", "/v1/modes", headers=chosen).json()), 20)
        packed = client.ask("GET", "/v1/modes/0", headers=[("Accept", "application/msgpack")])
        reply = client.ask("PUT", "/v1/modes/0", packed.body,
                           [("Content-Type", "application/msgpack"), *chosen])
        equal(reply.status, 200)
        bad = client.ask("PUT", "/v1/modes/0", b"[1,]", JSON + chosen)
        equal(check_problem(bad, 400)["offset"], 3)


def jobs(pair, mode):
    return pair.metric("offloop_jobs_total", mode=mode) or 0


def codec_runs(pair):
    return pair.metric("offloop_front_codec_runs_total")


@case
def inline_runs_in_the_front(pair):
    before = codec_runs(pair), jobs(pair, "inline")
    use(pair, "inline")
    assert codec_runs(pair) >= before[0] + 40
    assert jobs(pair, "inline") >= before[1] + 40


@case
def rpc_runs_no_codec_in_the_front(pair):
    before = codec_runs(pair), jobs(pair, "rpc")
    use(pair, "rpc")
    equal(codec_runs(pair), before[0])
    assert jobs(pair, "rpc") >= before[1] + 40


@case
def threads_run_in_the_front_but_not_on_its_loop(pair):
    before = codec_runs(pair), jobs(pair, "threads")
    use(pair, "threads")
    assert codec_runs(pair) >= before[0] + 40
    assert jobs(pair, "threads") >= before[1] + 40


LARGE = json.dumps([f"row {n}" for n in range(200000)], separators=(",", ":")).encode()


@case(server=["--mode", "auto"])
def auto_keeps_small_work_and_sends_large_work_away(pair):
    before = jobs(pair, "inline"), jobs(pair, "rpc")
    use(pair, None)
    use(pair, "auto")
    assert jobs(pair, "inline") >= before[0] + 40
    before = jobs(pair, "rpc")
    equal(pair.ask("PUT", "/v1/modes/large", LARGE, JSON).status, 201)
    equal(pair.ask("GET", "/v1/modes/large").body, LARGE)
    equal(jobs(pair, "rpc"), before + 2)
    assert pair.metric("offloop_cost_codec_seconds", operation="encode") > 0


@case(server=["--mode", "auto"], workers=0)
def auto_takes_threads_where_no_worker_is(pair):
    pair.wait_ready()
    use(pair, None)
    equal(pair.ask("PUT", "/v1/modes/large", LARGE, JSON).status, 201)
    equal(pair.ask("GET", "/v1/modes/large").body, LARGE)
    assert jobs(pair, "threads") >= 2
    equal(jobs(pair, "rpc"), 0)


@case(server=["--mode", "threads"], workers=0)
def threads_need_no_worker(pair):
    pair.wait_ready()
    use(pair, None)
    assert jobs(pair, "threads") >= 40


@case
def an_unknown_mode_is_400(pair):
    pair.put("/v1/modes/0", 1)
    check_problem(pair.ask("GET", "/v1/modes/0", headers=[("Offloop-Mode", "magic")]), 400)


@case
def as_is_replies_need_no_codec(pair):
    pair.put("/v1/modes/packed", [1])
    before = codec_runs(pair), jobs(pair, "rpc"), jobs(pair, "inline")
    reply = pair.ask("GET", "/v1/modes/packed", headers=[("Accept", "application/msgpack")])
    equal(reply.body, b"\x91\x01")
    equal((codec_runs(pair), jobs(pair, "rpc"), jobs(pair, "inline")), before)


@case(server=["--mode", "inline"], workers=0)
def inline_needs_no_worker(pair):
    pair.wait_ready()
    use(pair, None)
    assert codec_runs(pair) >= 40


@case(server=["--mode", "rpc"])
def a_whole_life_in_rpc_mode_has_no_codec_run(pair):
    use(pair, None)
    equal(codec_runs(pair), 0)


@case(server=["--mode", "inline", "--mode-header=off"], workers=0)
def the_header_counts_only_where_allowed(pair):
    pair.wait_ready()
    pair.put("/v1/modes/0", 1)
    equal(pair.ask("GET", "/v1/modes/0", headers=[("Offloop-Mode", "rpc")]).status, 200)
    equal(jobs(pair, "rpc"), 0)


@case(workers=3)
def three_workers_share_the_work(pair):
    use(pair, "rpc")
    equal(pair.metric("offloop_worker_connections"), 3)


@case(server=["--processes", "2"], workers=2)
def two_fronts_and_two_workers(pair):
    for _ in range(10):
        use(pair, "rpc")
        use(pair, "inline")
    equal(len(pair.server.fronts()), 2)
    equal(pair.metric("offloop_worker_connections"), 4)  # each worker has a seat at each front
