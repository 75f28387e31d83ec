"""Reloads and upgrades under load, new binaries that are no good, hung processes, the
worker's cage and --user."""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import threading
import time

import harness
from harness import (BUILD, JSON, SANITIZED, Daemon, alive, case, children, descendants, equal,
                     eventually, role_of, run_ab)

REQUESTS = 1_000 if SANITIZED else 10_000  # of each of two ab
CHANGES = ("HUP", "HUP", "USR2")
DOCUMENT = json.dumps([{"n": n, "text": "x" * 50} for n in range(30)],
                      separators=(",", ":")).encode()


def put_document(pair):
    assert pair.ask("PUT", "/v1/life/doc", DOCUMENT, JSON).status in (200, 201)


def generation(daemon):
    """How many have come to serve."""
    return 1 + sum(" serves" in line and "generation" in line for line in daemon.log)


def change(daemon, name):
    before = generation(daemon)
    daemon.send_signal(getattr(signal, f"SIG{name}"))
    eventually(lambda: generation(daemon) > before, f"the next generation after {name}")


@case(own=True)
def ctrl_c_is_for_the_masters_to_decide(pair):
    """A terminal sends INT to all of its foreground: children go on until they are told."""
    put_document(pair)
    for daemon in (pair.server, pair.worker):
        family = [*descendants(daemon.pid), daemon.pid]  # the master last: the hardest order
        for pid in family:
            os.kill(pid, signal.SIGINT)
        equal(daemon.wait(), 0)
        assert not [line for line in daemon.log if "warning" in line or "again" in line], daemon.log
        assert not any(alive(pid) for pid in family)


def log_has(daemon, text):
    return eventually(lambda: any(text in line for line in daemon.log), f"the log says {text}")


@contextlib.contextmanager
def own_binary(pair):
    """The pair's server runs from a copy that a case may spoil; yields its path."""
    pair.server.stop()
    folder = pair.folder / "bin"
    folder.mkdir()
    shutil.copy(BUILD / "offloop-server", folder)
    harness.BUILD = folder
    try:
        pair.start_server()
    finally:
        harness.BUILD = BUILD
    pair.wait_ready()
    yield folder / "offloop-server"


def replace(binary, content):
    """As a package manager does: the running program keeps its file."""
    new = binary.with_suffix(".new")
    if isinstance(content, bytes):
        new.write_bytes(content)
    else:
        shutil.copy(content, new)
    new.chmod(0o755)
    new.rename(binary)


@case(workers=2, server=["--processes", "2"])
def hups_and_upgrades_under_load_lose_no_request(pair):
    put_document(pair)
    with own_binary(pair) as binary:
        pid, done = pair.server.pid, []
        url = f"http://127.0.0.1:{pair.port}/v1/life/doc"
        loads = [threading.Thread(target=lambda keep=keep: done.append(
            run_ab(url, REQUESTS, 10, keep))) for keep in (False, True)]
        for load in loads:
            load.start()
        for name in CHANGES * (1 if SANITIZED else 3):
            if name == "USR2":
                replace(binary, BUILD / "offloop-server")
            change(pair.server, name)
        for load in loads:
            load.join(300)
        equal([(one["complete"], one["failed"], one["non_2xx"]) for one in done],
              [(REQUESTS, 0, 0)] * 2)
        equal(pair.server.pid, pid)
        eventually(lambda: sorted(map(role_of, children(pid))) ==
               ["front", "front", "gate"] + ["writer"] * (pair.redis is None),
               "the old children are gone")


@case(own=True)
def writes_go_on_through_upgrades(pair):
    stored, wrong, stopping = [], [], threading.Event()

    def write():
        number = 0
        while not stopping.is_set():
            number += 1
            reply = pair.ask("PUT", f"/v1/life/{number:06}", b"[%d]" % number, JSON)
            (stored if reply.status == 201 else wrong).append(number)
    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        seen = len(stored)
        change(pair.server, "USR2")
        eventually(lambda: len(stored) > seen + 20, "writes go on")
    stopping.set()
    writer.join(60)
    equal(wrong, [])
    equal(pair.ask("GET", "/v1/life").json(), [[number] for number in stored])


@case(own=True)
def a_long_request_outlives_an_upgrade(pair):
    with pair.client() as slow:
        slow.send(b"PUT /v1/life/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 3\r\n\r\n[")
        eventually(lambda: pair.metric("offloop_connections") == 1, "it is connected")
        change(pair.server, "USR2")
        role = "front" if pair.redis else "writer"  # the old front still has its own
        equal(len(pair.server.of_role(role)), 2)
        slow.send(b"1]")
        equal(slow.reply().status, 201)
    eventually(lambda: len(pair.server.of_role(role)) == 1, "the old ones are gone")
    equal(pair.ask("GET", "/v1/life/slow").body, b"[1]")


@case(own=True)
def bad_binaries_change_nothing(pair):
    put_document(pair)
    with own_binary(pair) as binary:
        fronts, gates = pair.server.fronts(), pair.server.of_role("gate")
        for content in (b"#!/bin/sh\nexit 1\n", b"#!/bin/sh\nkill -SEGV $$\n", b"no program",
                        BUILD / "offloop-worker", None):
            if content is None:
                binary.unlink()
            else:
                replace(binary, content)
            before = sum("going on as before" in line for line in pair.server.log)
            pair.server.send_signal(signal.SIGUSR2)
            eventually(lambda: sum("going on as before" in line
                                   for line in pair.server.log) > before, f"undone: {content}")
            equal(pair.ask("GET", "/v1/life/doc").body, DOCUMENT)
        equal((pair.server.fronts(), pair.server.of_role("gate")), (fronts, gates))
        replace(binary, BUILD / "offloop-server")
        change(pair.server, "USR2")
        equal(pair.ask("GET", "/v1/life/doc").body, DOCUMENT)
        assert not set(fronts) & set(pair.server.fronts()) or eventually(
            lambda: not set(fronts) & set(pair.server.fronts()), "they have drained")


@case(own=True)
def hup_after_an_upgrade_reads_the_configuration_again(pair):
    file = pair.folder / "server.conf"
    file.write_text("max-body = 1KiB\n")
    pair.server.stop()
    pair.server_arguments += ["--config", str(file)]
    pair.start_server()
    pair.wait_ready()
    body = json.dumps("x" * 2000).encode()
    change(pair.server, "USR2")
    equal(pair.ask("PUT", "/v1/life/large", body, JSON).status, 413)
    file.write_text("max-body = 1MiB\n")
    change(pair.server, "HUP")
    eventually(lambda: len(pair.server.fronts()) == 1, "the old front is gone")
    equal(pair.ask("PUT", "/v1/life/large", body, JSON).status, 201)


@case(own=True)
def a_hung_worker_is_killed_and_replaced(pair):
    put_document(pair)
    victim = pair.worker.of_role("worker")[0]
    harness.freeze(victim)
    eventually(lambda: victim not in pair.worker.of_role("worker"), "its master kills it")
    log_has(pair.worker, "gives no sign of life and is killed")
    eventually(lambda: pair.ask("GET", "/v1/life/doc").body == DOCUMENT, "another serves")


@case(workers=2, worker=["--max-jobs", "1"])
def a_retired_worker_leaves_at_once(pair):
    workers = pair.worker.of_role("worker")
    put_document(pair)
    eventually(lambda: set(workers) != set(pair.worker.of_role("worker")), "one has retired",
               30 if SANITIZED else 5)


def status_of(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return line.split(":")[1].split()[0]
    return None


@case(own=True)
def workers_are_caged_unless_told_otherwise(pair):
    put_document(pair)
    caged = [(status_of(pid, "Seccomp"), status_of(pid, "NoNewPrivs"))
             for pid in pair.worker.of_role("worker")]
    equal(caged, [("0", "0") if SANITIZED else ("2", "1")])
    equal({status_of(pid, "NoNewPrivs") for pid in children(pair.server.pid)}, {"1"})
    equal({status_of(pid, "Seccomp") for pid in children(pair.server.pid)},
          {"0" if SANITIZED else "2"})
    pair.worker.stop()
    pair.worker_arguments += ["--sandbox", "off"]
    pair.start_worker()
    pair.wait_ready()
    equal([status_of(pid, "Seccomp") for pid in pair.worker.of_role("worker")], ["0"])
    equal(pair.ask("GET", "/v1/life/doc").body, DOCUMENT)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@case(workers=0)
def caged_workers_over_tcp_outlive_their_server(pair):
    url = f"tcp://127.0.0.1:{free_port()}"
    pair.server.stop()
    pair.server_arguments += ["--rpc", url]
    pair.start_server()
    pair.worker_arguments = ["--processes", "2", "--connect", url]
    pair.start_worker()
    pair.wait_ready()
    workers = pair.worker.of_role("worker")
    put_document(pair)
    for _ in range(2):
        pair.server.stop()
        pair.start_server()
        pair.wait_ready()
        equal(pair.ask("GET", "/v1/life/doc").body, DOCUMENT)
    equal(pair.worker.of_role("worker"), workers)


@case(workers=0)
def another_user_serves(pair):
    if os.geteuid() != 0:
        daemon = Daemon("offloop-server", ["--user", "root", "--listen", "127.0.0.1:0"],
                        pair.runtime, pair.folder)
        pair.daemons.append(daemon)
        equal(daemon.wait(), 1)
        log_has(daemon, "only root can become root")
        return
    nobody = pwd.getpwnam("nobody")
    pair.server.stop()
    pair.folder.chmod(0o755)
    # The build tree may be where nobody else can look (/root is): USR2 needs the file.
    pair.programs = pair.folder / "programs"
    pair.programs.mkdir()
    for program in ("offloop-server", "offloop-worker"):
        shutil.copy2(BUILD / program, pair.programs)
    shutil.rmtree(pair.store, ignore_errors=True)
    pair.server_arguments += ["--user", "nobody"]
    pair.worker_arguments = ["--processes", "1", "--user", "nobody"]
    pair.start_server()
    pair.start_worker()
    pair.wait_ready()
    put_document(pair)
    for name in ("HUP", "USR2"):
        change(pair.server, name)
        equal(pair.ask("GET", "/v1/life/doc").body, DOCUMENT)
    for daemon in (pair.server, pair.worker):
        for pid in (daemon.pid, *children(daemon.pid)):
            line = next(one for one in pathlib.Path(f"/proc/{pid}/status").read_text()
                        .splitlines() if one.startswith("Uid:"))
            equal(line.split()[1:], [str(nobody.pw_uid)] * 4)
    if pair.redis is None:
        equal(os.stat(pair.store).st_uid, nobody.pw_uid)


@case(workers=0)
def root_gives_nothing_behind_a_link(pair):
    """Whoever can put a link where root makes a directory must not get what it leads to."""
    if os.geteuid() != 0:
        raise harness.Skip("only root makes directories for another user")
    pair.folder.chmod(0o755)
    shadow, runtime = pair.folder / "shadow", pair.folder / "run2"
    for make in (shadow.touch, shadow.mkdir):
        make(mode=0o600)
        runtime.symlink_to(shadow)
        daemon = Daemon("offloop-server", ["--user", "nobody", "--listen", "127.0.0.1:0",
                                           "--admin", "off", "--store", f"lmdb:{pair.folder}/other"],
                        runtime, pair.folder)
        pair.daemons.append(daemon)
        eventually(lambda: any("is not given to nobody" in line for line in daemon.log),
                   "it says so")
        daemon.stop()
        equal(os.stat(shadow).st_uid, 0)
        runtime.unlink()
        shadow.rmdir() if shadow.is_dir() else shadow.unlink()


# Starts the daemon of its own name with so many descriptors that no option names that what
# it says of them takes longer than a signal.
STARTER = """#!/usr/bin/env python3
import os, sys
fd = os.open("/dev/null", os.O_RDONLY)
for number in range(3, 3 + {count}):
    os.dup2(fd, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="{count}")
os.execv("{program}", sys.argv)
"""


@case(workers=0)
def a_signal_while_it_starts_is_kept_for_later(pair):
    """HUP and TERM at the first word of a daemon that starts: it reloads, drains, exits 0."""
    folder = pair.folder / "starters"
    folder.mkdir()
    for name, arguments in (
            ("offloop-server", ["--listen", "127.0.0.1:0", "--store", f"lmdb:{pair.folder}/early"]),
            ("offloop-worker", ["--processes", "1", "--listen", f"unix:{pair.folder}/early.sock"])):
        starter = folder / name
        starter.write_text(STARTER.format(count=250, program=BUILD / name))
        starter.chmod(0o755)
        for _ in range(3):
            daemon = Daemon(name, [*arguments, "--admin", "off"], pair.folder / "early-run",
                            pair.folder, folder)
            pair.daemons.append(daemon)
            eventually(lambda: any("not used" in line for line in daemon.log), "it starts", pause=0)
            daemon.send_signal(signal.SIGHUP)
            daemon.stop()


@case(workers=0)
def an_unknown_user_is_one_clear_line(pair):
    daemon = Daemon("offloop-server", ["--user", "no-such-user", "--listen", "127.0.0.1:0",
                                       "--admin", "off", "--store", f"lmdb:{pair.folder}/other"],
                    pair.folder / "run2", pair.folder)
    pair.daemons.append(daemon)
    equal(daemon.wait(), 2)
    log_has(daemon, 'no-such-user" is not valid')
    equal(len(daemon.log), 1)
