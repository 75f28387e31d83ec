"""Redis as the store: what clients see when it dies, hangs or is full, and two servers over
one Redis. The other topics run over it too: OFFLOOP_E2E_STORE=redis."""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

import harness
from harness import (BUILD, JSON, SANITIZED, Client, Daemon, Pair, case, check_problem, equal,
                     eventually)

HERE = shutil.which("redis-server") is not None


@contextlib.contextmanager
def redis_pair(**options):
    """A pair over Redis, whatever the suite runs over."""
    if not HERE:
        raise harness.Skip("no redis-server here")
    before, harness.STORE = harness.STORE, "redis"
    try:
        pair = Pair(**options)
    finally:
        harness.STORE = before
    try:
        yield pair
        pair.stop()
    except BaseException:
        print("\n".join(f"     {line}" for line in pair.logs()))
        raise
    finally:
        pair.destroy()


def redis_case(**options):
    """A case with such a pair; the topic's own does nothing."""
    def register(one):
        def run(_):
            with redis_pair(**options) as pair:
                one(pair)
        run.__name__ = one.__name__
        return case(run)
    return register


def answers_503(pair, seconds=harness.WAIT):
    """Waits until the front knows that Redis is gone."""
    eventually(lambda: pair.ask("GET", "/v1/some/one").status == 503, "503", seconds)


@redis_case(server=["--processes", "2"])
def killed_under_load_and_started_again(pair):
    done, slow, stopping = [], [], threading.Event()

    def write(first):
        with Client(pair.port) as client:
            number = first
            while not stopping.is_set():
                number += 1
                began = time.monotonic()
                reply = client.ask("PUT", f"/v1/load/d{number}", b"[1]", JSON)
                took = time.monotonic() - began
                if reply.status in (200, 201):
                    done.append(number)
                else:
                    check_problem(reply, 503)
                    assert reply.header("retry-after"), reply
                    slow.append(took)

    threads = [threading.Thread(target=write, args=(part * 1_000_000,)) for part in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            have = len(done)
            eventually(lambda: len(done) > have + 100, "some are written")
            pair.redis.kill()
            have = len(slow)
            eventually(lambda: len(slow) > have + 100, "some are refused")
            pair.redis.start()
    finally:
        have = len(done)
        eventually(lambda: len(done) > have + 20, "writes go on")
        stopping.set()
        for thread in threads:
            thread.join()
    slow.sort()
    print(f"     {len(done)} written, {len(slow)} refused: half within "
          f"{slow[len(slow) // 2] * 1e3:.1f} ms, 99 % within "
          f"{slow[len(slow) * 99 // 100] * 1e3:.1f} ms")
    there = set(int(key.rsplit("d", 1)[1]) for key in
                pair.redis.ask("ZRANGE", "offloop:{load}:i", "0", "-1").split())
    lost = set(done) - there
    assert not lost, f"answered 2xx and lost: {sorted(lost)[:10]}"


@redis_case()
def a_hung_redis_is_503_and_comes_back(pair):
    pair.put("/v1/some/one", 1)
    os.kill(pair.redis.process.pid, signal.SIGSTOP)
    try:
        answers_503(pair, harness.WAIT + 10)
        reply = pair.admin("/readyz")
        equal(reply.status, 503)
        assert b"Redis" in reply.body or b"reply" in reply.body, reply
    finally:
        os.kill(pair.redis.process.pid, signal.SIGCONT)
    eventually(lambda: pair.ask("GET", "/v1/some/one").status == 200, "it is there again")


@redis_case()
def scripts_flushed_and_rights_lost(pair):
    pair.put("/v1/some/one", 1)
    equal(pair.redis.ask("SCRIPT", "FLUSH"), "OK")
    pair.put("/v1/some/one", 2)
    equal(pair.ask("GET", "/v1/some").body, b"[2]")
    equal(pair.redis.ask("REPLICAOF", "127.0.0.1", "1"), "OK")
    check_problem(pair.ask("PUT", "/v1/some/one", b"3", JSON), 503)
    equal(pair.ask("GET", "/v1/some/one").body, b"2")
    assert b"replica" in pair.admin("/readyz").body
    equal(pair.redis.ask("REPLICAOF", "NO", "ONE"), "OK")
    eventually(pair.ready, "it is a master again")
    pair.put("/v1/some/one", 4)


@redis_case()
def two_servers_over_one_redis(pair):
    other = Daemon("offloop-server", ["--listen", "127.0.0.1:0", "--admin", "off", "--mode",
                                      "inline", "--store", pair.store_url],
                   pair.folder / "run2", pair.folder)
    pair.daemons.append(other)
    port = int(other.wait_line(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
    with Client(port) as here, pair.client() as there:
        eventually(lambda: here.ask("GET", "/v1").status == 200, "the other serves")
        tag = here.ask("PUT", "/v1/shared/n", b"0", JSON).header("etag")
        for number in range(1, 100 if SANITIZED else 1000):
            first, second = (here, there) if number % 2 else (there, here)
            won = first.ask("PUT", "/v1/shared/n", b"%d" % number, [*JSON, ("If-Match", tag)])
            equal(won.status, 200)
            lost = second.ask("PUT", "/v1/shared/n", b"-1", [*JSON, ("If-Match", tag)])
            check_problem(lost, 412)
            tag = won.header("etag")
            equal(second.ask("GET", "/v1/shared/n").body, b"%d" % number)
    other.stop()


@redis_case()
def no_password_in_sight(pair):
    """Not in the log, not in --dump-config; but the children need it."""
    equal(pair.redis.ask("CONFIG", "SET", "requirepass", "s3cret-word"), "OK")
    url = pair.store_url.replace("://", "://:s3cret-word@")
    dump = subprocess.run([BUILD / "offloop-server", "--dump-config", "--store", url], text=True,
                          capture_output=True)
    assert "s3cret" not in dump.stdout and "***@" in dump.stdout, dump
    bad = subprocess.run([BUILD / "offloop-server", "--store", url + "?x"], text=True,
                         capture_output=True)
    equal(bad.returncode, 2)
    equal(len(bad.stderr.splitlines()), 1)
    assert "s3cret" not in bad.stderr, bad
    config = pair.folder / "server.conf"
    config.write_text(f"store = {url}\n")
    other = Daemon("offloop-server", ["--config", str(config), "--listen", "127.0.0.1:0",
                                      "--admin", "off", "--mode", "inline"],
                   pair.folder / "run2", pair.folder)
    pair.daemons.append(other)
    port = int(other.wait_line(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
    with Client(port) as client:
        eventually(lambda: client.ask("GET", "/v1").status == 200, "it serves")
    other.stop()
    assert not any("s3cret" in line for line in [*other.log, *other.lines])
    check = subprocess.run([BUILD / "offloop-server", "--check-store", "--store", url],
                           text=True, capture_output=True)
    equal((check.returncode, check.stderr), (0, ""))
    assert "s3cret" not in check.stdout, check


@redis_case()
def check_store_finds_what_is_damaged(pair):
    for number in range(30):
        pair.put(f"/v1/checked/d{number:02}", [number])
    pair.put("/v1/other/large", "x" * 300_000)

    def check():
        done = subprocess.run([BUILD / "offloop-server", "--check-store", "--store",
                               pair.store_url], text=True, capture_output=True)
        return done.returncode, done.stdout, done.stderr

    status, out, problems = check()
    equal((status, problems), (0, ""))
    assert "31 documents in 2 collections" in out, out
    for command, expected in (
            (("SET", "offloop:{checked}:d:d01", "junk"), "checked/d01: the document's head"),
            (("APPEND", "offloop:{checked}:d:d02", "x"), "checked/d02: the document's length"),
            (("SETRANGE", "offloop:{checked}:d:d03", "32", "\xff"), "checked/d03: the docum"),
            (("DEL", "offloop:{checked}:d:d04"), "checked/d04: is listed but not there"),
            (("ZREM", "offloop:{checked}:i", "d05"), "checked/d05: is there but not listed"),
            (("SET", "offloop:{other}:v", "1"), "other/large: the document's version"),
            (("ZREM", "offloop:collections", "other"), "other/large: its collection is not")):
        pair.redis.ask(*command)
        status, out, problems = check()
        equal(status, 1)
        assert expected in problems, (command, problems)


@redis_case()
def counters_and_reconnects(pair):
    pair.put("/v1/some/one", 1)
    pair.redis.kill()
    answers_503(pair)
    pair.redis.start()
    eventually(pair.ready, "it is ready again")
    equal(pair.ask("GET", "/v1/some/one").body, b"1")
