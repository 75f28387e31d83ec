"""The faults of scripts/chaos. Each is a function of a Run that starts the pairs it needs
and gives rows for the table: run.row(promise, measured, kept)."""
import os
import resource
import signal
import threading
import time

from harness import (Client, JSON, STORE, children, equal, eventually, open_fds, request, role_of,
                     run_ab)

from chaos import clients
from chaos.load import Load

FAULTS = []


def fault(name, store=None):
    """Registers a fault; store: only over that one."""
    def register(function):
        FAULTS.append((name, function, store))
        return function
    return register


def port_of(pair):
    return lambda: pair.port


# ---- processes that die, stop and change

def restart_server(pair):
    """kill -9 of the server's master; what it leaves ends by itself while a new one starts
    on the same port."""
    pair.server.process.kill()
    pair.server.wait()
    while True:
        try:
            pair.start_server(listen=f"127.0.0.1:{pair.port}")
            return
        except AssertionError:  # the old fronts have not let go of the port yet
            time.sleep(0.05)


def restart_worker(pair):
    pair.worker.process.kill()
    pair.worker.wait()
    pair.start_worker()


def kill_one(run, pair, turn):
    """One process, at random; each master once in fifty."""
    if turn % 50 == 20:
        restart_server(pair)
        return "server's master"
    if turn % 50 == 45:
        restart_worker(pair)
        return "worker's master"
    if STORE == "redis" and turn % 10 == 5:  # replicas would be another promise
        pair.redis.kill()
        pair.redis.start()
        return "redis-server"
    family = children(pair.server.pid) + children(pair.worker.pid)
    victim = run.random.choice(family)
    role = role_of(victim)
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return "nobody"
    return role


@fault("kill -9 of random processes, masters too, under writes")
def kill(run):
    count = 12 if run.quick else 200
    killed = {}
    pair = run.pair()
    load = Load(port_of(pair), writes=0.7)
    with load:
        for turn in range(count):
            eventually(lambda: load.counts.acknowledged > turn * 5 or run.quick, "writes go on")
            who = kill_one(run, pair, 20 if run.quick and turn == count // 2 else turn)
            killed[who] = killed.get(who, 0) + 1
            time.sleep(run.random.uniform(0.02, 0.3))
        pair.wait_ready()
        counts = load.stop()
    acknowledged, died = counts.acknowledged, sum(killed.values()) - killed.get("nobody", 0)
    load.check_all()
    run.note(f"killed: {killed}; {counts}")
    run.row("no acknowledged write lost, no wrong body",
            f"{died} kills: {len(counts.wrong)} wrong of {acknowledged} writes and "
            f"{counts.replies - acknowledged} reads", not counts.wrong)
    for one in counts.wrong[:5]:
        run.note(one)
    run.row("it serves again by itself", f"all {len(pair.server.fronts())} fronts and "
            f"{len(pair.worker.of_role('worker'))} workers are back",
            len(pair.server.fronts()) == 2 and len(pair.worker.of_role("worker")) == 2)
    run.end(pair)


@fault("SIGSTOP and SIGCONT of workers")
def stop(run):
    pair = run.pair()
    with Load(port_of(pair)) as load:
        for _ in range(2 if run.quick else 10):
            victim = run.random.choice(eventually(lambda: pair.worker.of_role("worker"), "one"))
            os.kill(victim, signal.SIGSTOP)
            time.sleep(run.random.uniform(0.2, 1.0 if run.quick else 3.0))
            os.kill(victim, signal.SIGCONT)
            time.sleep(0.3)
        counts = load.stop()
    run.row("no request fails: others do its work", str(counts), counts.failed() == 0)
    run.end(pair)


def serves(daemon):
    return sum(" serves" in line and "generation" in line for line in list(daemon.log))


def change(daemon, name):
    before = serves(daemon)
    daemon.send_signal(getattr(signal, f"SIG{name}"))
    eventually(lambda: serves(daemon) > before, f"a new generation after {name}")


@fault("20 HUPs and 10 USR2 upgrades under load")
def change_over(run):
    changes = ["HUP", "HUP", "USR2"] * (1 if run.quick else 10)
    requests = 1_000 if run.quick else 50_000
    pair = run.pair(mode="auto")
    pair.put("/v1/chaos/doc", [{"n": n, "text": "x" * 50} for n in range(30)])
    url, done = f"http://127.0.0.1:{pair.port}/v1/chaos/doc", []
    loads = [threading.Thread(target=lambda keep=keep: done.append(run_ab(url, requests, 5, keep)))
             for keep in (False, True)]
    with Load(port_of(pair), clients=2) as load:
        for one in loads:
            one.start()
        for name in changes:
            change(pair.server, name)
            time.sleep(0 if run.quick else 0.4)
        for one in loads:
            one.join()
        counts = load.stop()
    failed = sum(one["failed"] + one["non_2xx"] for one in done)
    total = sum(one["complete"] for one in done)
    run.row("no request fails", f"{failed:.0f} of {total:.0f} of ab, {counts}",
            failed == 0 and total == 2 * requests and counts.failed() == 0)
    run.note(f"longest request {counts.longest_s * 1000:.0f} ms")
    run.end(pair)


@fault("TERM drain of one of two servers")
def drain(run):
    """Clients change over by themselves when a connection is refused."""
    pairs = [run.pair(), run.pair()]
    for pair in pairs:
        pair.put("/v1/chaos/doc", {"the": "same"})
    counts = {"right": 0, "refused": 0, "failed": 0}
    stopping = threading.Event()

    def read(turn):
        client = None
        while not stopping.is_set():
            turn += 1
            try:
                client = client or Client(pairs[turn % 2].port)
                fresh = client.replies == 0
                reply = client.ask("GET", "/v1/chaos/doc")
                counts["right" if reply.status == 200 and reply.json() == {"the": "same"}
                       else "failed"] += 1
                if turn % 50 == 0 or reply.header("connection") == "close":
                    client.close()
                    client = None
            except ConnectionRefusedError:
                counts["refused"] += 1
                time.sleep(0.01)
            except (OSError, AssertionError):
                # closed while it was idle, before a byte came: a client asks again
                counts["failed"] += fresh or bool(client.buffer)
                client = None
    threads = [threading.Thread(target=read, args=(one,)) for one in range(6)]
    for one in threads:
        one.start()
    for turn in range(2 if run.quick else 10):
        pair = pairs[turn % 2]
        port = pair.port
        right = counts["right"]
        eventually(lambda: counts["right"] > right + 200, "requests go on")
        pair.server.stop()
        right = counts["right"]
        eventually(lambda: counts["right"] > right + 100, "the other one serves")
        pair.start_server(listen=f"127.0.0.1:{port}")
        pair.wait_ready()
    stopping.set()
    for one in threads:
        one.join()
    run.row("no request fails, refused connections aside",
            f"{counts['failed']} of {counts['right']}, {counts['refused']} refused",
            counts["failed"] == 0)
    for pair in pairs:
        run.end(pair)


def begin_write(pair):
    """A client whose PUT lacks its last bytes."""
    slow = Client(pair.port)
    slow.send(b"PUT /v1/chaos/late HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Content-Length: 3\r\n\r\n[")
    eventually(lambda: pair.metric("offloop_connections") == 1, "it is connected")
    return slow


def end_write(slow):
    """Its status, whether the connection ends with it, and how long the answer took."""
    started = time.monotonic()
    slow.send(b"1]")
    reply = slow.reply()
    slow.close()
    return reply.status, reply.header("connection") == "close", time.monotonic() - started


@fault("the writer dies while fronts drain", store="lmdb")
def writer_in_drain(run):
    """At the server's end, and the old one while an upgrade's old front still has a client."""
    pair = run.pair(fronts=1)
    slow = begin_write(pair)
    change(pair.server, "USR2")
    os.kill(min(pair.server.of_role("writer")), signal.SIGKILL)
    first = end_write(slow)
    eventually(lambda: len(pair.server.of_role("writer")) == 1, "the old ones are gone")
    slow = begin_write(pair)
    pair.server.send_signal(signal.SIGTERM)
    eventually(lambda: any("draining" in line for line in pair.server.log), "it drains")
    os.kill(pair.server.of_role("writer")[0], signal.SIGKILL)
    second = end_write(slow)
    status = pair.server.wait()
    run.row("the write is answered, 201 or 503, and its connection closed",
            f"after USR2 {first[0]} in {first[2]:.1f} s, after TERM {second[0]} in "
            f"{second[2]:.1f} s; the server exits {status}",
            all(one[0] in (201, 503) and one[1] for one in (first, second)) and status == 0)
    run.end(pair)


# ---- clients

@fault("slow clients")
def slow(run):
    count = clients.raise_fd_limit(200 if run.quick else 5_000)
    requests = 200 if run.quick else 10_000
    pair = run.pair(fronts=1)
    pair.put("/v1/chaos/doc", {"n": list(range(200))})
    url = f"http://127.0.0.1:{pair.port}/v1/chaos/doc"
    clients.p99_ms(url, requests)
    without, with_them = [], []
    for _ in range(1 if run.quick else 3):
        without.append(clients.p99_ms(url, requests))
        with clients.SlowHeaders(pair.port, count):
            with_them.append(clients.p99_ms(url, requests))
    before, during = min(without), min(with_them)
    run.row("good ones' p99 at most twice as long",
            f"{count} slow: {during:.2f} ms, without {before:.2f} ms",
            during <= 2 * before if not run.quick else None)
    run.end(pair)


@fault("RSTs in the middle of replies")
def resets(run):
    count = 300 if run.quick else 10_000
    pair = run.pair(fronts=1)
    pair.put("/v1/chaos/large", ["x" * 1000] * 300)
    fronts = pair.server.fronts()
    clients.reset_midway(pair.port, "/v1/chaos/large", count // 5)
    time.sleep(0.5)
    memory, fds = clients.rss_bytes(fronts), len(open_fds(fronts[0]))
    clients.reset_midway(pair.port, "/v1/chaos/large", count)
    eventually(lambda: pair.metric("offloop_connections") == 0, "all are gone")
    eventually(lambda: len(open_fds(fronts[0])) <= fds, "the descriptors are back", 10)
    grown = clients.rss_bytes(fronts) - memory
    run.row("no descriptor, no byte leaked",
            f"{count}: {len(open_fds(fronts[0])) - fds} descriptors, "
            f"{grown / count:.0f} bytes each ({grown >> 10} KiB in all)",
            grown < count * 64 if not run.quick else None)
    run.end(pair)


@fault("idle connections")
def idle(run):
    count = clients.raise_fd_limit(500 if run.quick else 10_000)
    pair = run.pair(fronts=1)
    fronts = pair.server.fronts()
    pair.ask("GET", "/v1")
    before = clients.rss_bytes(fronts)
    with clients.connections(pair.port, count, request("GET", "/v1")):
        eventually(lambda: pair.metric("offloop_connections") >= count, "they are there")
        each = (clients.rss_bytes(fronts) - before) / count
        run.row("at most 4 KiB of memory each", f"{count}: {each / 1024:.2f} KiB each",
                each <= 4096)
        equal(pair.ask("GET", "/v1").status, 200)
    run.end(pair)


@fault("no descriptors left")
def no_descriptors(run):
    pair = run.pair(fronts=1)
    pair.put("/v1/chaos/doc", 1)
    front = pair.server.fronts()[0]
    limit = len(open_fds(front)) + 20
    resource.prlimit(front, resource.RLIMIT_NOFILE, (limit, limit))
    with clients.connections(pair.port, 60):
        eventually(lambda: len(open_fds(front)) >= limit - 2, "they are used up")
        time.sleep(0.3)
        cpu, wall = clients.cpu_seconds([front]), time.monotonic()
        time.sleep(1 if run.quick else 4)
        share = (clients.cpu_seconds([front]) - cpu) / (time.monotonic() - wall)
    reply = pair.ask("GET", "/v1/chaos/doc")
    run.row("the loop uses under 5 % of a CPU, and serves again",
            f"{share * 100:.1f} %, then {reply.status}", share < 0.05 and reply.status == 200)
    run.end(pair)


# ---- stores

def fill(run, pair):
    """Until writes get 507; then reads, deletes, and a write again."""
    body, stored = b'"' + b"x" * 100_000 + b'"', 0
    with pair.client() as client:
        while (reply := client.ask("PUT", f"/v1/full/{stored}", body, JSON)).status == 201:
            stored += 1
            assert stored < 2000, "never full"
        full = reply.status
        right = sum(client.ask("GET", f"/v1/full/{one}").body == body for one in range(stored))
        deleted = sum(client.ask("DELETE", f"/v1/full/{one}").status == 204
                      for one in range(stored // 2))
        again = client.ask("PUT", "/v1/full/again", body, JSON).status
    run.row("507; reads and deletes go on; then writes again",
            f"{stored} stored, then {full}; {right} read, {deleted} deleted, then {again}",
            (full, right, deleted, again) == (507, stored, stored // 2, 201))
    run.end(pair)


@fault("a full store", store="lmdb")
def full_store(run):
    fill(run, run.pair(["--lmdb-max", "6MiB"]))


@fault("a full disk", store="lmdb")
def full_disk(run):
    if os.geteuid() != 0 or not (disk := run.small_disk("10m")):
        run.row("507; reads and deletes go on; then writes again", "needs root and mount", None)
        return
    fill(run, run.pair(["--store", f"lmdb:{disk}/data"]))
