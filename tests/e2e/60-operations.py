"""The operations listener, and the daemons on the command line."""
import concurrent.futures
import itertools
import json
import os
import re
import socket
import subprocess
import threading

from harness import BUILD, JSON, Client, Daemon, case, check_problem, equal, eventually


def run(name, *arguments, **environment):
    return subprocess.run([BUILD / name, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment}, stdin=subprocess.DEVNULL)


@case
def healthz(pair):
    reply = pair.admin("/healthz")
    equal(reply.status, 200)


@case
def readyz(pair):
    equal(pair.admin("/readyz").status, 200)


@case(workers=0)
def readyz_gives_reasons(pair):
    reply = pair.admin("/readyz")
    equal(reply.status, 503)
    assert b"worker" in reply.body, reply
    equal(pair.admin("/healthz").status, 200)


@case(workers=0, server=["--mode", "auto"])
def readyz_is_degraded_without_workers(pair):
    """Mode auto serves without workers, on threads: that must not look healthy."""
    reply = pair.admin("/readyz")
    equal(reply.status, 200)
    said = json.loads(reply.body)
    equal((said["ready"], said["degraded"]), (True, True))
    assert "no worker" in said["reasons"][0], said
    pair.worker_arguments[1] = "1"
    pair.start_worker()
    eventually(lambda: json.loads(pair.admin("/readyz").body) ==
               {"ready": True, "degraded": False, "reasons": []}, "a worker ends that")


@case(workers=0)
def a_worker_says_that_no_server_is_there(pair):
    """A wrong --connect is in the log within seconds, not after most of a minute."""
    pair.worker_arguments[1] = "1"
    pair.worker_arguments += ["--connect", f"ipc://{pair.folder}/nowhere.sock"]
    pair.start_worker()
    eventually(lambda: any("nowhere.sock: no server has answered there" in line
                           for line in pair.worker.log), "the worker's log says so")


@case
def only_reading(pair):
    with Client(pair.admin_port) as client:
        for target in ("/healthz", "/readyz", "/metrics"):
            refused = client.ask("POST", target, b"")
            check_problem(refused, 405)
            assert "GET" in refused.header("allow")
            options = client.ask("OPTIONS", target)
            equal((options.status, options.body), (204, b""))
            equal(options.header("allow"), refused.header("allow"))
            head = client.ask("HEAD", target)
            equal((head.status, head.body), (200, b""))
        check_problem(client.ask("GET", "/nothing"), 404)
        check_problem(client.ask("GET", "/v1"), 404)


@case
def the_operations_paths_are_not_on_the_client_listener(pair):
    for target in ("/healthz", "/readyz", "/metrics"):
        equal(pair.ask("GET", target).status, 404)


@case
def metrics_are_prometheus_text(pair):
    reply = pair.admin("/metrics")
    equal(reply.status, 200)
    assert reply.header("content-type").startswith("text/plain; version=0.0.4"), reply
    described, sampled = set(), set()
    text = reply.body.decode()
    assert text.endswith("\n")
    for line in text.splitlines():
        if found := re.fullmatch(r"# (HELP|TYPE) (\w+) .+", line):
            described.add((found.group(1), found.group(2)))
            continue
        found = re.fullmatch(r'(\w+)(?:\{(\w+="[^"]*",?)+\})? (\d+(?:\.\d+)?(?:e[-+]?\d+)?)', line)
        assert found, f"metrics line {line!r}"
        sampled.add(found.group(1))
    for name in {re.sub("_(bucket|sum|count)$", "", one) for one in sampled}:
        assert ("TYPE", name) in described and ("HELP", name) in described, name
        assert name.startswith("offloop_"), name


def requests_counted(pair, status):
    return pair.metric("offloop_requests_total", code=status) or 0


@case
def metrics_count_requests_and_jobs(pair):
    pair.put("/v1/ops/one", [1])
    before = requests_counted(pair, "200"), requests_counted(pair, "404")
    jobs = pair.metric("offloop_jobs_total", operation="encode", result="ok") or 0
    for _ in range(7):
        pair.ask("GET", "/v1/ops/one")
        pair.ask("GET", "/v1/ops/none")
    eventually(lambda: requests_counted(pair, "404") >= before[1] + 7, "requests are counted")
    assert requests_counted(pair, "200") >= before[0] + 7
    assert pair.metric("offloop_jobs_total", operation="encode", result="ok") >= jobs + 7
    equal(pair.metric("offloop_queue_depth"), 0)
    equal(pair.metric("offloop_worker_connections"), 1)
    assert pair.metric("offloop_loop_phase_seconds_total", phase="poll") is not None
    assert pair.metric("offloop_loop_phase_seconds_total", phase="http") > 0


@case(server=["--processes", "2"])
def metrics_are_totals_over_all_fronts(pair):
    pair.put("/v1/ops/one", [1])
    for _ in range(40):  # each on a connection of its own: both fronts get some
        equal(pair.ask("GET", "/v1/ops/one").status, 200)
    eventually(lambda: requests_counted(pair, "200") >= 40, "all are counted")


@case(server=["--server-timing"])
def server_timing(pair):
    pair.put("/v1/ops/one", [1])
    timing = pair.ask("GET", "/v1/ops/one").header("server-timing")
    for name in ("store", "queue", "codec", "rpc"):
        assert re.search(rf"\b{name};dur=[\d.]+", timing), timing


@case
def server_timing_is_off_by_default(pair):
    equal(pair.ask("GET", "/v1/ops/one").header("server-timing"), None)


@case
def version_and_help(pair):
    for name in ("offloop-server", "offloop-worker"):
        done = run(name, "--version")
        assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout), done
        done = run(name, "--help")
        equal(done.returncode, 0)
        assert "--processes" in done.stdout and not done.stderr, done


@case
def files_that_cannot_be_written_end_the_start(pair):
    for flag in ("--access-log", "--profile"):
        done = run("offloop-server", "--listen", "127.0.0.1:0", "--admin", "off",
                   "--store", f"lmdb:{pair.folder}/unwritable",
                   "--rpc", f"ipc://{pair.folder}/unwritable.sock",
                   flag, "/no/such/directory/file")
        equal(done.returncode, 1)
        assert f"{flag}: cannot write /no/such/directory/file" in done.stderr, done.stderr
        assert "front" not in done.stderr, done.stderr


@case
def bad_values_are_one_line_and_exit_2(pair):
    for name, arguments in (("offloop-server", ["--listen", "nowhere"]),
                            ("offloop-server", ["--max-body", "12parsecs"]),
                            ("offloop-server", ["--mode", "magic"]),
                            ("offloop-server", ["--store", "ftp://x"]),
                            ("offloop-server", ["--no-such-flag"]),
                            ("offloop-server", ["stray"]),
                            ("offloop-worker", ["--connect", "nonsense"]),
                            ("offloop-worker", ["--processes", "-1"]),
                            ("offloop-worker", ["--codec", "abacus"])):
        done = run(name, *arguments)
        equal((arguments, done.returncode), (arguments, 2))
        equal((arguments, len(done.stderr.splitlines())), (arguments, 1))
        assert not done.stdout, done


@case
def configuration_from_file_environment_and_flags(pair):
    path = pair.folder / "server.conf"
    path.write_text("# comment\nmax-body = 1MiB\nqueue = 7\nmode = inline\n")
    flags = ["--config", str(path), "--mode", "rpc"]
    done = run("offloop-server", *flags, "--dump-config", OFFLOOP_SERVER_QUEUE="9")
    equal(done.returncode, 0)
    dumped = dict(re.findall(r"^([\w-]+) = (.*)$", done.stdout, re.M))
    equal((dumped["max-body"], dumped["queue"], dumped["mode"]), ("1MiB", "9", "rpc"))
    equal(run("offloop-server", *flags, "--check-config").returncode, 0)
    again = pair.folder / "again.conf"
    again.write_text(done.stdout)
    equal(run("offloop-server", "--config", str(again), "--dump-config").stdout, done.stdout)
    path.write_text("max-body = much\n")
    done = run("offloop-server", *flags, "--check-config")
    equal(done.returncode, 2)
    assert str(path) in done.stderr and len(done.stderr.splitlines()) == 1, done


@case
def a_unix_listener_beside_a_tcp_one(pair):
    path = pair.folder / "extra.sock"
    pair.server.stop()
    pair.server_arguments += ["--listen", f"unix:{path}"]
    pair.start_server()
    pair.wait_ready()
    pair.note_fds()
    pair.server.wait_line(rf"listening on unix:{path}")
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(path))
        plain.sendall(b"GET /v1 HTTP/1.0\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 200")
    equal(pair.ask("GET", "/v1").status, 200)


@case
def the_access_log_is_off_and_the_log_is_quiet(pair):
    for _ in range(5):
        pair.ask("GET", "/v1/ops/one")
    noise = [line for line in pair.server.log if "/v1/ops/one" in line]
    equal(noise, [])


@case
def sockets_are_for_owner_and_group(pair):
    modes = {one.name: one.stat().st_mode & 0o777 for one in pair.runtime.iterdir() if one.is_socket()}
    assert "rpc.sock" in modes and len(modes) >= 2, modes  # the gate's, and one of a front
    equal(set(modes.values()), {0o660})


@case(server=["--access-log", "access.log"])
def the_access_log_has_a_line_per_request(pair):
    pair.put("/v1/ops/logged", [1])
    pair.ask("GET", "/v1/ops/logged", headers=[("User-Agent", 'a "quoted" one')])
    pair.ask("GET", "/v1/ops/none")
    path = pair.folder / "access.log"
    eventually(lambda: path.exists() and len(path.read_text().splitlines()) == 3, "three lines")
    lines = path.read_text().splitlines()
    for line, method, status in zip(lines, ("PUT", "GET", "GET"), ("201", "200", "404")):
        found = re.match(r'127\.0\.0\.1 - - \[[^]]+\] "(\w+) /v1/ops/\w+ HTTP/1\.1" (\d+) ', line)
        assert found and found.groups() == (method, status), line
        # mode, codec time, time in the queue
        assert re.search(r'" (rpc|-) \d+ \d+$', line), line


@case(server=["--access-log", "access.log"])
def what_clients_send_is_escaped_in_the_access_log(pair):
    """A client ends neither a field nor a line of it, and sends nothing to a terminal."""
    evil = 'a" 200 7 "-" \\ \t\xff'
    pair.ask("GET", "/v1/ops/none", headers=[("User-Agent", evil), ("Referer", evil)])
    with pair.client() as client:
        client.send(b'GET /v1/\x1b[2J"\xff HTTP/1.1\r\nHost: a\r\nUser-Agent: "\r\n\r\n')
        equal(client.reply().status, 400)
    path = pair.folder / "access.log"
    eventually(lambda: path.exists() and len(path.read_bytes().splitlines()) == 2, "two lines")
    log = path.read_bytes()
    assert all(0x20 <= byte < 0x7f or byte == 0x0a for byte in log), log
    shown = r'a\x22 200 7 \x22-\x22 \x5c \x09\xff'
    served, refused = log.decode().splitlines()
    assert '" 404 ' in served and f' "{shown}" "{shown}" ' in served, served
    assert r'"GET /v1/\x1b[2J\x22\xff HTTP/1.1" 400 ' in refused, refused
    for line in (served, refused):
        equal(line.count('"'), 6)


@case
def check_store(pair):
    pair.put("/v1/ops/checked", [1])
    done = run("offloop-server", "--check-store", "--store", pair.store_url)  # beside ours
    equal((done.returncode, done.stderr), (0, ""))
    # While another client inserts, it judges one state of the store, not parts of several.
    lines = b"".join(b'{"id":"%05d","document":[%d]}\n' % (n, n) for n in range(30_000))
    bulk = [("Content-Type", "application/x-ndjson")]
    equal(pair.ask("POST", "/v1/checked", lines, bulk).status, 200)
    ended = threading.Event()

    def insert():
        with pair.client() as client:
            for n in itertools.count():
                if ended.is_set():
                    return n
                equal(client.ask("PUT", f"/v1/checked/{n % 30_000:05d}.{n}", b"[1]", JSON).status, 201)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        inserted = pool.submit(insert)
        try:
            for _ in range(3):
                done = run("offloop-server", "--check-store", "--store", pair.store_url)
                equal((done.returncode, done.stderr), (0, ""))
        finally:
            ended.set()
        assert inserted.result() > 0
    empty = pair.folder / "not-a-store"
    empty.mkdir()
    (empty / "data.mdb").write_bytes(b"rubbish" * 5000)
    done = run("offloop-server", "--check-store", "--store", f"lmdb:{empty}")
    equal(done.returncode, 1)
    assert done.stderr, done


@case
def without_an_operations_listener(pair):
    other = Daemon("offloop-server", ["--listen", "127.0.0.1:0", "--admin", "off", "--mode",
                                      "inline", "--store", f"lmdb:{pair.folder}/other"],
                   pair.folder / "run2", pair.folder)
    pair.daemons.append(other)
    port = int(other.wait_line(r"listening on http://127\.0\.0\.1:(\d+)").group(1))
    with Client(port) as client:
        eventually(lambda: client.ask("GET", "/v1").status == 200, "it serves")
    other.stop()
    assert not any("operations" in line for line in other.lines), other.lines
