"""The job socket: applications beside each other, good ones and bad ones, while workers are
killed, the configuration is read again and the daemon starts anew."""
import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import threading
import time

import harness
from harness import BUILD, SANITIZED, Daemon, alive, case, equal, eventually
from job_socket import (ARENA, BULK, CANCELLED, COMPACT, DECODE, ENCODE, EXPIRED, GREETING, GZIP,
                        INPUT_JSON, LOST, NO_WORKER, OVERLOADED, PATCH, PING, POISON, PROJECT,
                        RAN, SEALS, SEQUENCE, TAKES_ARENA, VALIDATE, Application, Client, cancel,
                        frame, hello, job, jobs, message, options, uint)

PAIR = {"workers": 0}
DOCUMENT = json.dumps([{"n": n, "text": "x" * 20} for n in range(50)]).encode()  # 2 KB
PLAIN = json.dumps(json.loads(DOCUMENT), separators=(",", ":")).encode()
LARGE = json.dumps([{"n": n, "text": "x" * 20} for n in range(5000)]).encode()  # 200 KB
LOAD = 1000 if SANITIZED else 10000


class Jobs(Daemon):
    """A worker daemon with a job socket and a runtime directory of its own."""
    made = 0

    def __init__(self, pair, *arguments, workers=2, name="offloop-worker", programs=None):
        Jobs.made += 1
        self.folder = pair.folder / f"jobs-{Jobs.made}"
        self.folder.mkdir()
        self.runtime = self.folder / "run"
        self.path = self.folder / "jobs.sock"
        self.arguments = ["--listen", f"unix:{self.path}", "--admin", "127.0.0.1:0",
                          "--processes", str(workers), *arguments]
        self.workers = workers
        self.pair = pair
        self.program, self.programs = name, programs
        super().__init__(name, self.arguments, self.runtime, self.folder, programs)
        self._wait()

    def _wait(self):
        self.pair.daemons.append(self)
        self.wait_line(r"applications on unix:")
        self.port = int(self.wait_line(r"operations on http://127\.0\.0\.1:(\d+)").group(1))
        eventually(lambda: self.get("/readyz")[0] == 200, "a worker has come")
        eventually(lambda: self.metric("offloop_worker_connections") == self.workers,
                   "all workers have come")

    def again(self):
        """A daemon started with the same arguments."""
        Daemon.__init__(self, self.program, self.arguments, self.runtime, self.folder,
                        self.programs)
        self._wait()

    def get(self, target):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("GET", target)
            reply = link.getresponse()
            return reply.status, reply.read().decode()
        finally:
            link.close()

    def metric(self, name, **labels):
        total = None
        for line in self.get("/metrics")[1].splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if not found:
                continue
            has = dict(re.findall(r'(\w+)="([^"]*)"', found.group(1) or ""))
            if all(has.get(key) == value for key, value in labels.items()):
                total = (total or 0) + float(found.group(2))
        return total

    def stop(self):
        super().stop()
        left = [one for one in self.folder.rglob("*") if not one.is_dir()]
        assert not left, f"the daemon leaves {left}"

    def log_has(self, text):
        return eventually(lambda: any(text in line for line in self.log),
                          f"the log says {text!r}")


@contextlib.contextmanager
def daemon(pair, *arguments, **more):
    one = Jobs(pair, *arguments, **more)
    yield one
    one.stop()


def ok(result, payload):
    equal((result.verdict, result.status), (RAN, 0))
    equal(result.payload, payload)


@case
def every_operation(pair):
    with daemon(pair) as host, Application(host.path) as app:
        stored = options(INPUT_JSON, 0, b"a")
        ok(app.run(DECODE, b'{"a":1}'), b"\x81\xa1a\x01")
        ok(app.run(ENCODE, b"\x81\xa1a\x01"), b'{"a":1}')
        ok(app.run(SEQUENCE, b"\x01\xc3", separator=44), b"1,true")
        ok(app.run(VALIDATE, b"\x81\xa1a\x01"), b"\x81\xa1a\x01")
        ok(app.run(COMPACT, b"[1 , 2]"), b"[1,2]")
        ok(app.run(PROJECT, b'{"a":1,"b":2}', more=stored), b"\x81\xa1a\x01")
        ok(app.run(PATCH, b'{"a":1}{"b":2}', more=options(INPUT_JSON, 7)), b'{"a":1,"b":2}')
        ok(app.run(BULK, b'{"id":"x","document":1}'), b"\x00\x01\0\0\0\x01x\x01")
        result = app.run(DECODE, b"[1,")
        equal((result.verdict, result.status, result.fault), (RAN, 2, 3))
        result = app.run(200, b"[1]")  # of a later version
        equal((result.verdict, result.status), (RAN, 14))
        result = app.run(COMPACT, b"[1]", more=b"\x94\xcd\x40\x00\x00\x00\xc4\x00")
        equal((result.verdict, result.status), (RAN, 14))  # an option of a later version
        packed = app.run(COMPACT, LARGE, more=options(GZIP)).payload
        equal(packed[:2], b"\x1f\x8b")
        ok(app.run(COMPACT, LARGE), json.dumps(json.loads(LARGE),
                                               separators=(",", ":")).encode())
        equal(app.welcome[0], 1)
        equal(app.welcome[4], "yajl")


@case
def a_ping_and_a_large_document(pair):
    with daemon(pair) as host, Application(host.path) as app:
        text = b"[" + b"1," * 5_000_000 + b"1]"
        app.submit([job(1, COMPACT, text)])
        app.send(message(PING, b"\x91" + uint(77)))
        ok(app.wait([1])[1], text)
        app.read_until(lambda: app.alive)
        equal(app.alive, [[77, 0, 0]])


@case
def only_the_group_may_connect(pair):
    with daemon(pair) as host:
        equal(stat.S_IMODE(os.stat(host.path).st_mode), 0o660)
        with Application(host.path, "named"):
            host.log_has(f"application named (pid {os.getpid()}, uid {os.getuid()}")
        with Application(host.path, "") as app:
            app.read_until(lambda: app.welcome)
        host.log_has("application python3 (pid")


BAD = {
    "another greeting": (False, b"GET / HTTP/1.1\r\n\r\n"),
    "no frame": (True, b"\x02" + b"\0" * 8 + b"x"),
    "an empty frame": (True, b"\x01" + b"\0" * 8),
    "a frame that is too long": (True, b"\x01" + b"\xff" * 8),
    "no message": (True, frame(b"what?")),
    "another hello": (True, hello("twice")),
    "a worker's message": (True, message(0x20, b"\x90")),
    "id 0": (True, jobs([job(0, COMPACT, b"1")])),
    "one id twice": (True, jobs([job(1, COMPACT, LARGE), job(1, COMPACT, LARGE)])),
    "a place in an arena": (True, jobs([(job(1, COMPACT, b"", offset=uint(0)))])),
    "room in an arena": (True, jobs([job(1, COMPACT, b"1", reply=b"\x92\x00\x10")])),
    "an unknown flag": (True, jobs([job(1, COMPACT, b"1", flags=2)])),
    "a payload too few": (True, frame(jobs([job(1, COMPACT, b"12345")])[9:-1])),
}


@case
def who_breaks_a_rule_is_left(pair):
    with daemon(pair) as host, Application(host.path, "good") as good:
        for name, (greets, data) in BAD.items():
            before = len([line for line in host.log if "is closed" in line])
            with Application(host.path, "bad", greet=greets) as app:
                app.send(data)
                app.wait_end()
            eventually(lambda: len([line for line in host.log if "is closed" in line]) ==
                       before + 1, f"one line of {name}")
            ok(good.run(COMPACT, b"[1 ]"), b"[1]")
        with Application(host.path, greet=False) as app:
            app.send(GREETING + hello("new", 2))
            app.wait_end()
            equal(app.refused[0], 1)
        with Application(host.path, greet=False) as app:
            app.send(GREETING + jobs([job(1, COMPACT, b"1")]))
            app.wait_end()
            equal(app.answers, {})


LARGE_PLAIN = json.dumps(json.loads(LARGE), separators=(",", ":")).encode()


def there(number, at, length, **more):
    """A job whose payload lies in the arena."""
    return job(number, COMPACT, b"", offset=uint(at), length=length, **more)


@case
def payloads_in_an_arena(pair):
    with daemon(pair) as host, Application(host.path) as app:
        memory = app.share()
        assert app.welcome[3] & TAKES_ARENA
        memory[4097:4097 + len(LARGE)] = LARGE
        app.submit([there(1, 4097, len(LARGE)), job(2, COMPACT, LARGE)])
        answers = app.wait([1, 2])
        ok(answers[1], LARGE_PLAIN)
        ok(answers[2], LARGE_PLAIN)
        equal(memory[:], bytes(4097) + LARGE + bytes(len(memory) - 4097 - len(LARGE)))
        memory[4097:4100] = b"[1,"
        app.submit([there(5, 4097, 3)])
        result = app.wait([5])[5]
        equal((result.verdict, result.status, result.fault, result.payload), (RAN, 2, 3, b""))
        app.submit([there(6, 4097, 0), there(7, (1 << 20) - 2, 2)])
        equal(app.wait([6, 7])[6].status, 2)
        memory[-2:] = b"17"
        app.submit([there(8, (1 << 20) - 2, 2)])
        ok(app.wait([8])[8], b"17")
        equal(host.metric("offloop_application_jobs_unanswered"), 0)


ARENAS = {
    "no seal": {"seals": 0},
    "it can shrink": {"seals": SEALS & ~fcntl.F_SEAL_SHRINK},
    "it can grow": {"seals": SEALS & ~fcntl.F_SEAL_GROW},
    "another size": {"told": 4096},
    "too large": {"told": 64 << 20},
    "no descriptor": {"pass_it": False},
    "a pipe": {"fd": os.pipe()[0]},
    "a file": {"fd": os.open(__file__, os.O_RDONLY)},
    "a folder": {"fd": os.open("/", os.O_RDONLY)},
    "a socket": {"fd": socket.socketpair()[0].fileno()},
}
PLACES = {
    "behind it": lambda: there(1, 1 << 20, 1),
    "beyond its end": lambda: there(1, (1 << 20) - 1, 2),
    "far behind it": lambda: there(1, (1 << 64) - 1, 2),
    "room for the result": lambda: there(1, 0, 1, reply=b"\x92" + uint(0) + uint(1)),
}


@case
def an_arena_that_is_none_is_refused(pair):
    with daemon(pair) as host, Application(host.path, "good") as good:
        broker = host.of_role("broker")
        for name, arguments in ARENAS.items():
            with Application(host.path, f"bad: {name}") as app:
                app.share(**arguments)
                app.wait_end()
            ok(good.run(COMPACT, b"[1 ]"), b"[1]")
        for name, place in PLACES.items():
            with Application(host.path, f"bad: {name}") as app:
                app.share()
                app.submit([place()])
                app.wait_end()
                equal(app.answers, {})
            ok(good.run(COMPACT, b"[1 ]"), b"[1]")
        with Application(host.path, "two") as app:
            app.share()
            app.share()
            app.wait_end()
        equal(host.of_role("broker"), broker)
        fds = len(os.listdir(f"/proc/{broker[0]}/fd"))
        for _ in range(50):
            with Application(host.path, "comes and goes") as app:
                app.share()
                ok(app.run(COMPACT, b"[1 ]"), b"[1]")
        eventually(lambda: len(os.listdir(f"/proc/{broker[0]}/fd")) <= fds, "descriptors are closed")


def lingering_socket(listener):
    """A connection with bytes that nobody takes, whose close() waits for an hour; and its peer."""
    end = socket.create_connection(listener.getsockname())
    peer = listener.accept()[0]
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    end.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            end.send(bytes(1 << 20))
    return end, peer


@case
def what_takes_long_to_close_holds_up_nobody(pair):
    with daemon(pair) as host, Application(host.path, "good") as good, \
            socket.create_server(("127.0.0.1", 0)) as listener:
        broker = host.of_role("broker")
        peers = []
        for kind in (PING, ARENA):  # left with it, and refused for it
            with Application(host.path, "bad") as bad:
                bad.read_until(lambda: bad.welcome)
                end, peer = lingering_socket(listener)
                peers.append(peer)
                text = message(kind, b"\x91" + uint(1 << 20))
                bad.send_with(text[:1], [end.fileno()])
                end.close()  # now the daemon's is the last one
                bad.send(text[1:])
                bad.read_until(lambda: bad.alive) if kind == PING else bad.wait_end()
            ok(good.run(COMPACT, b"[1 ]"), b"[1]")
        equal(host.of_role("broker"), broker)
        for peer in peers:
            peer.close()


@case
def more_descriptors_than_one_are_closed(pair):
    with daemon(pair) as host, Application(host.path) as app:
        app.read_until(lambda: app.welcome)
        broker = host.of_role("broker")[0]
        before = len(os.listdir(f"/proc/{broker}/fd"))
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(9)]
        for n in range(40):
            app.send_with(message(PING, b"\x91" + uint(n + 1)), fds[:2 + n % 8])
            app.read_until(lambda: len(app.alive) > n)
        after = len(os.listdir(f"/proc/{broker}/fd"))
        assert after <= before + 1, f"{before} descriptors of the broker have become {after}"


def scribble(app, memory, stop):
    """Changes what lies in the arena, punches holes into it, and tries to cut it."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while not stop.is_set():
        number += 1
        memory[:len(LARGE)] = LARGE if number % 2 else b"\xff" * len(LARGE)
        libc.fallocate(app.arena_fd, 1 | 2, ctypes.c_long(number % 40 * 4096), ctypes.c_long(65536))
        try:
            os.ftruncate(app.arena_fd, 0)
            raise AssertionError("it was cut")
        except PermissionError:
            pass


@case
def who_changes_its_arena_harms_nobody(pair):
    """Each job gets an answer, whatever it says, and nobody's process ends."""
    with daemon(pair) as host, Application(host.path, "bad", seconds=60) as bad, \
            Application(host.path, "good") as good:
        before = host.of_role("broker"), sorted(host.of_role("worker"))
        memory, stop = bad.share(), threading.Event()
        thread = threading.Thread(target=scribble, args=(bad, memory, stop))
        thread.start()
        try:
            for first in range(1, 300, 10):
                bad.submit([there(n, 0, len(LARGE)) for n in range(first, first + 10)])
                bad.wait(range(first, first + 10))
                ok(good.run(COMPACT, DOCUMENT), PLAIN)
        finally:
            stop.set()
            thread.join()
        equal({one.verdict for one in bad.answers.values()}, {RAN})
        equal((host.of_role("broker"), sorted(host.of_role("worker"))), before)
        bad.answers.clear()
        memory[:len(LARGE)] = LARGE
        bad.submit([there(1000, 0, len(LARGE))])
        ok(bad.wait([1000])[1000], LARGE_PLAIN)


@case
def who_dies_in_the_middle_of_a_frame(pair):
    with daemon(pair) as host, Application(host.path, "good") as good:
        whole = jobs([job(1, COMPACT, LARGE)])
        for cut in (1, 8, 9, 12, 40, 70_000, len(whole) - 1):
            with Application(host.path, "bad") as app:
                app.send(whole[:cut])
        ok(good.run(COMPACT, b"[1 ]"), b"[1]")
        eventually(lambda: host.metric("offloop_application_connections", application="bad") == 0,
                   "their connections are gone")
        equal(host.metric("offloop_application_jobs_unanswered"), 0)


@case
def what_is_unanswered_is_bounded(pair):
    with daemon(pair) as host, Application(host.path, "flood") as app:
        app.submit([job(n, COMPACT, DOCUMENT) for n in range(1, 5001)])
        answers = app.wait(range(1, 5001))
        ran = [one for one in answers.values() if one.verdict == RAN]
        over = [one for one in answers.values() if one.verdict == OVERLOADED]
        equal(len(ran) + len(over), 5000)
        assert len(ran) >= app.welcome[1], f"{len(ran)} ran"
        for one in ran:
            ok(one, PLAIN)
        equal(host.metric("offloop_application_jobs_total", application="flood",
                          result="overloaded") or 0, len(over))
        # Bytes count until the jobs are answered: no worker answers any while they stand still.
        # So does their master, which would kill them where this machine takes long.
        app.answers.clear()
        workers = host.of_role("worker")
        harness.freeze(host.process.pid)
        for worker in workers:
            harness.freeze(worker)
        app.submit([job(n, COMPACT, LARGE, deadline_ms=60_000) for n in range(1, 513)])
        app.submit([job(9999, COMPACT, b"[" + b"1," * (30 << 20) + b"1]")])
        equal(app.wait([9999])[9999].verdict, OVERLOADED)  # too many bytes
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        app.wait(range(1, 513))
        host.process.send_signal(signal.SIGCONT)


@case
def a_job_is_taken_back(pair):
    with daemon(pair, workers=1) as host, Application(host.path) as app:
        count = 400
        app.submit([job(n, COMPACT, LARGE) for n in range(1, count + 1)])
        app.send(cancel(list(range(count, 0, -1))[:300] + [123456]))
        answers = app.wait(range(1, count + 1))
        taken = [one for one in answers.values() if one.verdict == CANCELLED]
        equal(len(answers), count)
        assert taken, "none was taken back"
        equal({one.verdict for one in answers.values()} - {RAN, CANCELLED}, set())
        ok(app.run(COMPACT, b"[1 ]", number=7000), b"[1]")


@case
def no_worker_and_a_deadline(pair):
    """A worker that is stopped lets deadlines pass; where none is there half is waited."""
    with daemon(pair, workers=1) as host, Application(host.path) as app:
        worker = host.of_role("worker")[0]
        harness.freeze(worker)
        batch = [job(n, COMPACT, DOCUMENT, deadline_ms=300) for n in range(1, 601)]
        app.submit(batch)
        verdicts = {one.verdict for one in app.wait(range(1, 601)).values()}
        # A worker that is silent for half of a deadline counts as lost: then there is none.
        assert EXPIRED in verdicts and verdicts <= {EXPIRED, NO_WORKER}, verdicts
        gate = host.of_role("gate")[0]
        harness.freeze(gate)  # the next worker finds nobody
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: host.metric("offloop_worker_connections") == 0, "the worker is gone")
        app.answers.clear()
        app.submit([job(n, COMPACT, DOCUMENT, deadline_ms=1000) for n in range(1, 601)])
        equal({one.verdict for one in app.wait(range(1, 601)).values()}, {NO_WORKER})
        os.kill(gate, signal.SIGCONT)
        result = app.run(COMPACT, b"[1 ]", number=1000)
        ok(result, b"[1]")


@case
def a_flood_delays_nobody_else(pair):
    """A light job of another application passes what a flood has waiting."""
    with daemon(pair, workers=1) as host, Application(host.path, "flood") as flood, \
            Application(host.path, "other") as other:
        flood.submit([job(n, COMPACT, LARGE) for n in range(1, 501)])
        flood.read_until(lambda: len(flood.answers) > 5)
        for n in range(1, 11):
            before = len(flood.answers)
            ok(other.run(COMPACT, b"[1 ]", number=n), b"[1]")
            while before + 100 > len(flood.answers) and flood.socket in \
                    harness.select_readable([flood.socket]):
                flood.read_some()
            assert len(flood.answers) < before + 60, f"{len(flood.answers) - before} were before"
        assert len(flood.answers) < 500, "the flood was over too early"
        flood.wait(range(1, 501))


@case
def two_floods_share_the_workers(pair):
    """By what they cost: who sends more at a time gets no more."""
    with daemon(pair, workers=1) as host, Application(host.path, "many") as many, \
            Application(host.path, "few") as few:
        many.submit([job(n, COMPACT, LARGE) for n in range(1, 501)])
        few.submit([job(n, COMPACT, LARGE) for n in range(1, 51)])
        few.wait(range(1, 51))
        while many.socket in harness.select_readable([many.socket]):
            many.read_some()
        done = len(many.answers)
        assert done < 250, f"{done} of the one, 50 of the other"
        many.wait(range(1, 501))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def submit_and_cancel(app, stop):
    """Takes every job back once it has probably begun."""
    first = 1
    while not stop.is_set():
        numbers = range(first, first + 16)
        app.submit([job(n, COMPACT, LARGE) for n in numbers])
        time.sleep(0.002)
        app.send(cancel(list(numbers)))
        app.wait(numbers)
        app.answers.clear()
        first += 16


@case
def who_submits_and_cancels_is_served_no_more(pair):
    """What a worker has begun is its application's turn, whether anybody waits for it."""
    with daemon(pair, workers=1) as host, Application(host.path, "fickle") as fickle, \
            Application(host.path, "steady") as steady:
        stop = threading.Event()
        thread = threading.Thread(target=submit_and_cancel, args=(fickle, stop))
        worker = host.of_role("worker")[0]
        thread.start()
        try:
            before = cpu_seconds(worker)
            steady.submit([job(n, COMPACT, LARGE) for n in range(1, 151)])
            steady.wait(range(1, 151))
            worked = cpu_seconds(worker) - before
        finally:
            stop.set()
            thread.join()
        own = host.metric("offloop_application_codec_seconds_total", application="steady")
        assert own > worked / 3, f"{own:.2f} s of the worker's {worked:.2f} s"
        eventually(lambda: host.metric("offloop_jobs_in_flight") == 0, "all is answered")


@case
def the_broker_is_in_a_sandbox(pair):
    """A filter of system calls, unless it is switched off; tests/unit/sandbox says which."""
    for flags, mode in (([], "2"), (["--sandbox", "off"], "0")):
        with daemon(pair, *flags) as host, Application(host.path) as app:
            ok(app.run(COMPACT, LARGE), json.dumps(json.loads(LARGE),
                                                   separators=(",", ":")).encode())
            equal(host.get("/metrics")[0], 200)
            for pid in host.of_role("broker") + host.of_role("gate"):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                equal(re.search(r"Seccomp:\s+(\d)", status).group(1),
                      "0" if SANITIZED else mode)


@case
def who_reads_nothing_harms_nobody(pair):
    with daemon(pair) as host, Application(host.path, "deaf") as deaf, \
            Application(host.path, "good") as good:
        deaf.read_until(lambda: deaf.welcome)
        count = 80 if SANITIZED else 400  # 80 MB of answers
        batch = jobs([job(n, COMPACT, LARGE) for n in range(1, count + 1)])
        sender = threading.Thread(target=deaf.socket.sendall, args=(batch,))
        sender.start()
        for n in range(1, 51):  # a deaf application is left after 30 s
            ok(good.run(COMPACT, DOCUMENT, number=n), PLAIN)
        broker = host.of_role("broker")[0]

        def answered():
            return host.metric("offloop_application_jobs_total", application="deaf",
                               result="ok") or 0

        def stands_still():
            before = answered()
            time.sleep(0.5)
            return before == answered() > 0 and host.metric("offloop_jobs_in_flight") == 0

        # With enough answers untaken the broker begins no job and reads no more either, so
        # the rest of the batch waits in the broker or, where it was slow to come, outside.
        eventually(stands_still, "nothing is run for it")
        assert harness.memory_bytes(broker) < 400 << 20, harness.memory_bytes(broker)
        assert answered() < count / 2, answered()
        equal(len(deaf.wait(range(1, count + 1))), count)  # nothing is lost where it reads again
        sender.join()


@case
def sixty_four_applications(pair):
    """One floods, one sends nonsense, one is stopped; the others get what they asked for."""
    with daemon(pair) as host, contextlib.ExitStack() as stack:
        apps = [stack.enter_context(Application(host.path, f"app-{n}")) for n in range(64)]
        apps[0].submit([job(n, COMPACT, LARGE) for n in range(1, 301)])
        apps[1].send(frame(b"nonsense"))
        apps[2].socket.sendall(jobs([job(n, COMPACT, LARGE) for n in range(1, 3)]))  # never reads
        for round_number in range(1, 21):
            for app in apps[3:]:
                app.submit([job(round_number, COMPACT, DOCUMENT)])
            for app in apps[3:]:
                ok(app.wait([round_number])[round_number], PLAIN)
        apps[0].wait(range(1, 301))
        apps[1].wait_end()


@case
def more_applications_than_are_told_apart(pair):
    with daemon(pair) as host, contextlib.ExitStack() as stack:
        for n in range(80):
            app = stack.enter_context(Application(host.path, f'na"me\\{n}'))
            ok(app.run(COMPACT, b"[1 ]"), b"[1]")
        lines = [line for line in host.get("/metrics")[1].splitlines()
                 if line.startswith("offloop_application_jobs_total")]
        equal(len(lines), 65)
        assert all(re.fullmatch(r'[a-z_]+\{application="[^"\\]+",result="ok"\} \d+', line)
                   for line in lines), lines
        equal(host.metric("offloop_application_jobs_total", application="(others)"), 16)
        equal(host.get("/")[0], 200)
        equal(host.get("/healthz")[0], 200)


@case
def a_new_broker_counts_on(pair):
    with daemon(pair) as host:
        for total in (1, 2):
            with Application(host.path) as app:
                ok(app.run(COMPACT, b"[1 ]"), b"[1]")
                eventually(lambda: host.metric("offloop_connections_total") == total,
                           "connections before a broker's end count, too")
            for broker in host.of_role("broker"):
                os.kill(broker, signal.SIGKILL)
                eventually(lambda: broker not in host.of_role("broker"), "it ends")


def killer(host, role, done, stop):
    """Kills one process of that role after another."""
    while not stop.wait(0.2):
        for pid in host.of_role(role)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                done.append(pid)


def reloader(host, done, stop):
    while not stop.wait(0.2):
        before = sum("serves" in line for line in host.log)
        host.send_signal(signal.SIGHUP)
        end = time.monotonic() + harness.WAIT
        while sum("serves" in line for line in host.log) == before and time.monotonic() < end:
            time.sleep(0.02)
        done.append(before)


def run_load(host, disturb, *arguments, times=3, count=LOAD):
    """Jobs, at least so many and until the daemon has been disturbed so often."""
    done, stop = [], threading.Event()
    thread = threading.Thread(target=disturb, args=(host, *arguments, done, stop))
    client = Client(host.path, "load", seconds=60)
    first = 1
    thread.start()
    try:
        while first <= count or len(done) < times:
            results = client.run_all([(n, job(n, COMPACT, DOCUMENT))
                                      for n in range(first, first + 1000)])
            equal(sorted(results), list(range(first, first + 1000)))
            wrong = [one for one in results.values()
                     if (one.verdict, one.status, one.payload) != (RAN, 0, PLAIN)]
            assert not wrong, f"{len(wrong)} wrong, first {wrong[0]}"
            results.clear()
            first += 1000
    finally:
        stop.set()
        thread.join()
        client.close()
    return client


@case
def workers_are_killed(pair):
    """No answer is lost, none comes twice, none is wrong."""
    with daemon(pair) as host:
        client = run_load(host, killer, "worker", times=10)
        equal(client.connections, 1)


@case
def the_broker_is_killed(pair):
    with daemon(pair) as host:
        client = run_load(host, killer, "broker")
        assert client.connections > 1, "it was never killed"


@case
def the_configuration_is_read_again(pair):
    """Applications hear BYE and find another broker; no connection is refused."""
    with daemon(pair) as host:
        first = Application(host.path, "idle")
        first.read_until(lambda: first.welcome)
        client = run_load(host, reloader)
        assert client.connections > 1, "there was no reload"
        first.wait_end()
        assert first.said_bye
        first.close()
        equal([line for line in host.log if "warning" in line], [])


@case
def the_daemon_starts_anew(pair):
    """It answers what it has read; what it has not is sent to the next."""
    host = Jobs(pair)
    client = Client(host.path, "load", seconds=60)
    client.run_all([(n, job(n, COMPACT, DOCUMENT)) for n in range(1, 101)])
    host.send_signal(signal.SIGTERM)
    client.submit([(n, job(n, COMPACT, LARGE)) for n in range(101, 133)])
    with contextlib.suppress(AssertionError):
        client.seconds = 0.1  # there is nobody
        while client.unanswered:
            client.read_some()
    equal(host.wait(), 0)
    client.link, client.seconds = None, 60
    host.again()
    client.run_all([(n, job(n, COMPACT, DOCUMENT)) for n in range(201, 301)])
    equal(len(client.results), 232)
    equal({one.verdict for one in client.results.values()}, {RAN})
    client.close()
    host.stop()


CRASH = b'["crash the worker", %d]'


@case
def poison_is_refused(pair):
    """A document that crashes workers is refused; an application that varies it, too."""
    with daemon(pair, name="poison-worker", programs=BUILD / "tests") as host, \
            Application(host.path, "bad", seconds=120) as bad, \
            Application(host.path, "good", seconds=120) as good:
        equal(bad.run(COMPACT, CRASH % 0).verdict, POISON)
        equal(bad.run(COMPACT, CRASH % 0, number=2).verdict, POISON)
        ok(bad.run(COMPACT, b"[1 ]", number=3), b"[1]")
        equal(host.metric("offloop_application_crashes_total", application="bad"), 1)
        ok(good.run(COMPACT, DOCUMENT), PLAIN)
        for n in range(1, 8):
            result = bad.run(COMPACT, CRASH % n, number=10 + n)
            assert result.verdict in (POISON, LOST), result
            ok(good.run(COMPACT, DOCUMENT, number=10 + n), PLAIN)
        if host.metric("offloop_application_crashes_total", application="bad") >= 8:
            equal(bad.run(COMPACT, b"[1 ]", number=100).verdict, POISON)
        ok(good.run(COMPACT, DOCUMENT, number=100), PLAIN)


@case(own=True)
def a_server_and_applications(pair):
    """One daemon's workers serve both."""
    host = Jobs(pair, "--connect", f"ipc://{pair.runtime}/rpc.sock")
    eventually(pair.ready, "the server has workers")
    pair.put("/v1/jobs/doc", {"a": 1})
    equal(pair.ask("GET", "/v1/jobs/doc").body, b'{"a":1}')
    with Application(host.path) as app:
        ok(app.run(COMPACT, b"[1 ]"), b"[1]")
    pair.server.stop()
    with Application(host.path) as app:  # it is a matter of its own
        ok(app.run(COMPACT, b"[1 ]"), b"[1]")
    host.stop()
