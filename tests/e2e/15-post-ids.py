"""POST to a collection: ids that the server makes, sorted by time, unique across fronts."""
import json
import os
import re
import subprocess
import threading

from harness import JSON, MSGPACK, SANITIZED, Skip, case, check_problem, equal

UUID7 = r"/v1/made/([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"


def post(client, body=b"1"):
    reply = client.ask("POST", "/v1/made", body, JSON)
    equal(reply.status, 201)
    return re.fullmatch(UUID7, reply.header("location")).group(1), reply


@case
def a_post_is_a_put_with_an_id(pair):
    with pair.client() as client:
        ident, reply = post(client, b' {"a" : 1}')
        equal((reply.json(), reply.header("content-type")), ({"id": ident}, "application/json"))
        got = client.ask("GET", reply.header("location"))
        equal((got.body, got.header("etag")), (b'{"a":1}', reply.header("etag")))
        packed = client.ask("POST", "/v1/made", b"\x91\x05", MSGPACK)
        equal(client.ask("GET", packed.header("location")).body, b"[5]")
        assert packed.header("location") > f"/v1/made/{ident}"


@case
def one_client_s_ids_are_sorted(pair):
    with pair.client() as client:
        made = [post(client, str(number).encode())[0] for number in range(300)]
        equal(made, sorted(set(made)))
        listed = client.ask("GET", f"/v1/made?after={made[0]}").json()
        equal(listed, list(range(1, 300)))


@case(server=["--processes", "2"])
def ids_of_several_fronts_are_unique(pair):
    made, problems = [], []

    def work():
        try:
            for _ in range(5):
                with pair.client() as client:  # connections spread over the fronts
                    mine = [post(client)[0] for _ in range(20)]
                    equal(mine, sorted(mine))
                    made.extend(mine)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[0]
    equal(len(set(made)), 800)
    equal(len(pair.ask("GET", "/v1/made").json()), 800)


@case
def what_a_post_refuses(pair):
    with pair.client() as client:
        equal(check_problem(client.ask("POST", "/v1/refused", b"{", JSON), 400)["offset"], 1)
        check_problem(client.ask("POST", "/v1/refused", b"x",
                                 [("Content-Type", "text/plain")]), 415)
        check_problem(client.ask("POST", "/v1/bad%20name", b"1", JSON), 400)
        check_problem(client.ask("POST", "/v1/refused/id", b"1", JSON), 405)
        check_problem(client.ask("POST", "/v1", b"1", JSON), 405)
        check_problem(client.ask("POST", "/v1/refused", b"1",
                                 [*JSON, ("If-Match", '"1-json"')]), 412)
        check_problem(client.ask("POST", "/v1/refused", b"1",
                                 [*JSON, ("If-None-Match", "*")]), 412)
        equal(json.loads(client.ask("GET", "/v1/refused").body), [])
        assert "POST" in client.ask("OPTIONS", "/v1/refused").header("allow")


@case
def a_location_below_an_encoded_collection(pair):
    with pair.client() as client:
        reply = client.ask("POST", "/v1/m%61de", b'"here"', JSON)
        equal(client.ask("GET", reply.header("location")).body, b'"here"')


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *t)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, t);

    if (id == CLOCK_REALTIME)
        t->tv_sec -= 3600;
    return rc;
}
"""


@case(own=True)
def ids_stay_in_order_when_the_clock_goes_back_over_a_restart(pair):
    if SANITIZED:
        raise Skip("the sanitizers' library comes first")
    (pair.folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"],
                   cwd=pair.folder, check=True)
    with pair.client() as client:
        made = [post(client)[0] for _ in range(3)]
    pair.server.stop()
    os.environ["LD_PRELOAD"] = str(pair.folder / "shim.so")
    try:
        pair.start_server()
    finally:
        del os.environ["LD_PRELOAD"]
    pair.wait_ready()
    with pair.client() as client:
        made += [post(client)[0] for _ in range(3)]
    equal(made, sorted(set(made)))
