"""Redis as the store: what clients see when it dies, hangs or is full, when a Sentinel's master
or a cluster's node goes, and two servers over one Redis. The other topics run over it too:
OFFLOOP_E2E_STORE=redis, redis-tls, redis-sentinel, redis-cluster."""
import contextlib
import json
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
def redis_pair(store="redis", **options):
    """A pair over Redis, whatever the suite runs over."""
    if not HERE:
        raise harness.Skip("no redis-server here")
    before, harness.STORE = harness.STORE, store
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


class Writers:
    """Clients that write one document after another, each to collections of its own, and note
    what was answered. As a context: they stop at its end."""

    def __init__(self, port, collections=("load",), clients=8):
        self.done, self.slow = {}, []
        self.collections, self.stopping, self.port = collections, threading.Event(), port
        self.threads = [threading.Thread(target=self.write, args=(part * 1_000_000,))
                        for part in range(clients)]
        self.wrong = []

    def write(self, first):
        try:
            with Client(self.port) as client:
                number = first
                while not self.stopping.is_set():
                    number += 1
                    self.write_one(client, number)
        except Exception as problem:  # a thread's own would only be printed
            self.wrong.append(problem)

    def write_one(self, client, number):
        collection = self.collections[number % len(self.collections)]
        began = time.monotonic()
        reply = client.ask("PUT", f"/v1/{collection}/d{number}", b"[1]", JSON)
        took = time.monotonic() - began
        if reply.status in (200, 201):
            self.done[number] = collection
        else:
            check_problem(reply, 503)
            assert reply.header("retry-after"), reply
            self.slow.append(took)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def more_done(self, count, what):
        have = len(self.done)
        eventually(lambda: self.wrong or len(self.done) > have + count, what)

    def more_slow(self, count, what):
        have = len(self.slow)
        eventually(lambda: self.wrong or len(self.slow) > have + count, what)

    def check(self, pair):
        """Every document that was answered is there."""
        assert not self.wrong, self.wrong[0]
        slow = sorted(self.slow)
        if slow:
            print(f"     {len(self.done)} written, {len(slow)} refused: half within "
                  f"{slow[len(slow) // 2] * 1e3:.1f} ms, 99 % within "
                  f"{slow[len(slow) * 99 // 100] * 1e3:.1f} ms")
        there = set()
        for collection in self.collections:
            listed = pair.redis.ask("ZRANGE", f"offloop:{{{collection}}}:i", "0", "-1")
            there |= {int(key.rsplit("d", 1)[1]) for key in listed.split()}
        lost = set(self.done) - there
        assert not lost, f"answered 2xx and lost: {sorted(lost)[:10]}"


def killed_under_load(pair):
    with Writers(pair.port) as writers:
        for _ in range(3):
            writers.more_done(100, "some are written")
            pair.redis.kill()
            writers.more_slow(100, "some are refused")
            pair.redis.start()
        writers.more_done(20, "writes go on")
    writers.check(pair)
    # and over a restart of the server, which keeps nothing itself
    pair.server.stop()
    pair.redis.kill()
    pair.redis.start()
    pair.start_server()
    pair.wait_ready()
    writers.check(pair)
    some = next(iter(writers.done))
    equal(pair.ask("GET", f"/v1/load/d{some}").body, b"[1]")


@redis_case(server=["--processes", "2"])
def killed_under_load_and_started_again(pair):
    killed_under_load(pair)


@redis_case(store="redis-tls")
def killed_under_load_by_tls(pair):
    killed_under_load(pair)


@redis_case(store="redis-sentinel")
def a_master_killed_under_load(pair):
    """Its replica takes over: 503 until then, and what the replica had is there."""
    pair.redis.wait_whole()
    master = pair.redis.master
    # What it has answered its replica has, but for what is on its way when it dies.
    equal(master.ask("CONFIG", "SET", "min-replicas-to-write", "1"), "OK")
    pair.put("/v1/some/one", 1)
    equal(master.ask("WAIT", "1", "5000"), "1")
    with Writers(pair.port, clients=2) as writers:
        writers.more_done(50, "some are written")
        os.kill(master.process.pid, signal.SIGKILL)
        master.process.wait()
        writers.more_slow(50, "some are refused")
        began = time.monotonic()
        writers.more_done(20, "writes go on")
        print(f"     the next master after {time.monotonic() - began:.1f} s")
    assert not writers.wrong, writers.wrong[0]
    equal(pair.ask("GET", "/v1/some/one").body, b"1")
    eventually(pair.ready, "it is ready")
    lost = len(writers.done) - len(pair.redis.ask("ZRANGE", "offloop:{load}:i", "0",
                                                  "-1").split())
    print(f"     of {len(writers.done)} writes {max(lost, 0)} were lost by replication")
    assert lost <= 50, lost


@redis_case(store="redis-cluster")
def a_node_killed_under_load(pair):
    """Its collections are 503, the others go on; then it is there again."""
    names = [f"load{i}" for i in range(12)]
    dead = pair.redis.nodes[0]
    for name in names:  # each one's node is asked for the list of collections once
        pair.put(f"/v1/{name}/d0", 0)
    with Writers(pair.port, names) as writers:
        writers.more_done(200, "some are written")
        dead.kill()
        writers.more_slow(50, "some are refused")
        writers.more_done(200, "others are written")
        equal(pair.admin("/readyz").status, 200)
        dead.start()
        eventually(pair.redis.is_whole, "the cluster is whole again")
        writers.more_done(200, "writes go on")
    writers.check(pair)
    assert len({item["name"] for item in json.loads(pair.ask("GET", "/v1").body)}) == len(names)


@redis_case(store="redis-cluster")
def slots_moved_under_load(pair):
    """redis-cli reshards, one node gives all of its slots away; nothing is lost."""
    names = [f"load{i}" for i in range(12)]
    source, target = pair.redis.nodes[0], pair.redis.nodes[1]
    with Writers(pair.port, names, clients=4) as writers:
        writers.more_done(200, "some are written")
        moved = subprocess.run(
            ["redis-cli", "--cluster", "reshard", f"127.0.0.1:{target.port}", "--cluster-from",
             source.ask("CLUSTER", "MYID"), "--cluster-to", target.ask("CLUSTER", "MYID"),
             "--cluster-slots", "5462", "--cluster-yes"], text=True, capture_output=True,
            timeout=harness.WAIT * 10)
        equal(moved.returncode, 0)
        writers.more_done(200, "writes go on")
    writers.check(pair)
    equal(source.ask("DBSIZE"), "0")


@redis_case()
def a_hung_redis_is_503_and_comes_back(pair):
    pair.put("/v1/some/one", 1)
    harness.freeze(pair.redis.process.pid)
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
