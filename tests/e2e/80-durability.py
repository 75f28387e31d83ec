"""A 2xx to a write means that it is there, whatever dies next."""
import contextlib
import os
import shutil
import signal
import threading

from harness import JSON, SANITIZED, Client, case, equal, eventually, lmdb_only

WRITES = 200 if SANITIZED else 1000


def write(pair, first, count, done):
    """PUTs count documents over one connection; notes each that was answered 2xx."""
    with contextlib.suppress(OSError, AssertionError), Client(pair.port) as client:
        for number in range(first, first + count):
            reply = client.ask("PUT", f"/v1/durable/d{number:05}", b"[%d]" % number, JSON)
            if reply.status in (200, 201):
                done.append(number)


def written(pair):
    return [one[0] for one in pair.ask("GET", "/v1/durable").json()]


@case(own=True)
def a_thousand_puts_then_kill_9_of_every_process(pair):
    done = []
    threads = [threading.Thread(target=write, args=(pair, part * WRITES // 10, WRITES // 10, done))
               for part in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pair.server.kill_all()
    pair.worker.kill_all()
    equal(len(done), WRITES)
    pair.start_server()
    pair.start_worker()
    pair.wait_ready()
    equal(written(pair), sorted(done))
    equal(pair.ask("GET", "/v1").json(), [{"name": "durable", "documents": WRITES}])


@case(own=True)
def kill_9_in_the_middle_of_writing(pair):
    done, first = [], 0
    for _ in range(2 if SANITIZED else 6):
        threads = [threading.Thread(target=write, args=(pair, first + part * 1000, 1000, done))
                   for part in range(4)]
        first += 4000
        have = len(done)
        for thread in threads:
            thread.start()
        eventually(lambda: len(done) > have + 100, "some are written")
        pair.server.kill_all()
        for thread in threads:
            thread.join()
        pair.start_server()
        pair.wait_ready()
        lost = set(done) - set(written(pair))
        assert not lost, f"answered 2xx and lost: {sorted(lost)[:10]}"


@case(own=True)
def kill_9_of_the_writer_in_the_middle_of_writing(pair):
    lmdb_only("Redis needs no writer")
    done = []
    threads = [threading.Thread(target=write, args=(pair, part * 1000, 500, done))
               for part in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        have = len(done)
        eventually(lambda: len(done) > have + 50 or len(done) >= 1500, "some are written")
        with contextlib.suppress(IndexError, ProcessLookupError):
            os.kill(pair.server.of_role("writer")[0], signal.SIGKILL)
    for thread in threads:
        thread.join()
    lost = set(done) - set(written(pair))
    assert not lost, f"answered 2xx and lost: {sorted(lost)[:10]}"
    equal(pair.ask("PUT", "/v1/durable/last", b"[99999]", JSON).status, 201)


@case(own=True)
def an_orderly_restart_keeps_everything(pair):
    pair.put("/v1/durable/one", {"a": 1})
    tag = pair.ask("GET", "/v1/durable/one").header("etag")
    pair.server.stop()
    pair.start_server()
    pair.wait_ready()
    reply = pair.ask("GET", "/v1/durable/one")
    equal((reply.body, reply.header("etag")), (b'{"a":1}', tag))


@case(own=True)
def versions_go_on_after_a_crash(pair):
    tags = set()
    for _ in range(3):
        pair.put("/v1/durable/one", 1)
        tags.add(pair.ask("GET", "/v1/durable/one").header("etag"))
        pair.server.kill_all()
        pair.start_server()
        pair.wait_ready()
    equal(len(tags), 3)


@case(own=True)
def grouped_commits_from_many_clients(pair):
    done = []
    threads = [threading.Thread(target=write, args=(pair, part * 100, 25, done))
               for part in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(len(done), 800)
    equal(written(pair), sorted(done))


@case(own=True)
def a_tag_from_before_a_restore_never_matches_after_it(pair):
    lmdb_only("a backup of Redis is Redis' own")
    path, store = "/v1/restored/doc", pair.store
    files = [store / name for name in ("data.mdb", "lock.mdb")]

    def put(text, *headers):
        return pair.ask("PUT", path, text, [*JSON, *headers])

    put(b'"first"')
    pair.server.stop()
    backup = shutil.copytree(store, pair.folder / "backup")
    pair.start_server()
    pair.wait_ready()
    seen = [put(b'"second"').header("etag"), put(b'"third"').header("etag")]
    equal(pair.ask("DELETE", path).status, 204)
    seen.append(put(b'"fourth"').header("etag"))
    pair.server.stop()
    for file in files:
        file.unlink()
    shutil.copytree(backup, store, dirs_exist_ok=True)
    pair.start_server()
    pair.wait_ready()
    equal(pair.ask("GET", path).body, b'"first"')
    for text in (b'"fifth"', b'"sixth"', b'"seventh"'):
        equal(put(text).status, 200)
        for tag in seen:
            equal(pair.ask("GET", path, headers=[("If-None-Match", tag)]).status, 200)
            equal(put(b'"lost"', ("If-Match", tag)).status, 412)
            equal(pair.ask("DELETE", path, headers=[("If-Match", tag)]).status, 412)
