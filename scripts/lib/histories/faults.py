"""What is done to a pair while clients write its history. Each fault is a function of a
Run: it does its harm at once, leaves what must be undone later with run.later(), and
returns in a few words what it did, or None where it could do nothing.
"""
import contextlib
import ctypes
import os
import signal
import socket

from harness import alive, children, role_of

PIDFD_GETFD = 438  # a system call that Python does not know
LIBC = ctypes.CDLL(None, use_errno=True)

FAULTS = []  # (weight, stores, function)


def fault(weight, *stores):
    """Registers a fault: how often it is chosen, and over which stores (all)."""
    def register(function):
        FAULTS.append((weight, stores, function))
        return function
    return register


def choices(store):
    """[(function, weight)] over that store."""
    return [(function, weight) for weight, stores, function in FAULTS
            if not stores or store in stores]


def kill(pid, number):
    """False where it was gone already."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def child(run, *roles):
    """One of the children with such a role, at random."""
    found = [pid for master in run.masters() for pid in children(master)
             if role_of(pid) in roles]
    return run.random.choice(sorted(found)) if found else None


def kill_child(run, role):
    pid = child(run, role)
    return f"kill -9 of a {role}" if pid and kill(pid, signal.SIGKILL) else None


def stop(run, pid, what):
    """SIGSTOP, and SIGCONT after a while."""
    seconds = run.random.uniform(0.01, 0.3)
    if pid is None or not kill(pid, signal.SIGSTOP):
        return None
    run.later(seconds, lambda: kill(pid, signal.SIGCONT))
    return f"SIGSTOP of {what} for {seconds * 1000:.0f} ms"


# ---- processes

@fault(10)
def kill_front(run):
    return kill_child(run, "front")


@fault(10)
def kill_worker(run):
    return kill_child(run, "worker")


@fault(4)
def kill_gate(run):
    return kill_child(run, "gate")


@fault(14, "lmdb")
def kill_writer(run):
    return kill_child(run, "writer")


@fault(1)
def kill_server(run):
    run.restart_server()
    return "kill -9 of the server's master"


@fault(1)
def kill_workers_master(run):
    run.restart_worker()
    return "kill -9 of the worker daemon's master"


@fault(1)
def kill_everything(run):
    run.restart_all()
    return "kill -9 of every process of both daemons"


@fault(9)
def stop_front(run):
    return stop(run, child(run, "front"), "a front")


@fault(9)
def stop_worker(run):
    return stop(run, child(run, "worker"), "a worker")


@fault(3)
def stop_gate(run):
    return stop(run, child(run, "gate"), "the gate")


@fault(9, "lmdb")
def stop_writer(run):
    return stop(run, child(run, "writer"), "the writer")


@fault(3)
def stop_master(run):
    return stop(run, run.random.choice(run.masters()), "a master")


@fault(4)
def reload_server(run):
    run.pair.server.send_signal(signal.SIGHUP)
    return "HUP to the server"


@fault(2)
def reload_worker(run):
    run.pair.worker.send_signal(signal.SIGHUP)
    return "HUP to the worker daemon"


@fault(2)
def upgrade(run):
    run.pair.server.send_signal(signal.SIGUSR2)
    return "USR2 to the server"


# ---- links

def connected_sockets(pid):
    """Descriptors of sockets, but for what a child has from its master."""
    found = []
    with contextlib.suppress(OSError):
        for one in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if int(one) > 5 and os.readlink(f"/proc/{pid}/fd/{one}").startswith("socket:"):
                    found.append(int(one))
    return sorted(found)


def borrow(pid, number):
    """A socket of another process as ours too; None where there is no right to."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        ours = LIBC.syscall(PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    return socket.socket(fileno=ours) if ours >= 0 else None


def may_cut():
    """Whether this process may take other processes' sockets."""
    here, there = socket.socketpair()
    with here, there:
        pid = os.fork()
        if pid == 0:
            there.recv(1)
            os._exit(0)
        ours = borrow(pid, there.fileno())
        here.send(b".")
        os.waitpid(pid, 0)
        if ours is not None:
            ours.close()
    return ours is not None


def link_name(one):
    try:
        peer = one.getpeername()
    except OSError:
        return None
    if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    return "TCP" if isinstance(peer, tuple) else "local"


@fault(12)
def cut_link(run):
    """Both ends of a connection see its end: of a front with a client, the writer, a
    worker or Redis, of a worker with a front or the gate."""
    role = run.random.choice(["front", "front", "worker", "writer", "gate"])
    pid = child(run, role)
    numbers = connected_sockets(pid) if pid and run.may_cut else ()
    if not numbers:
        return None
    one = borrow(pid, run.random.choice(numbers))
    if one is None:
        return None
    with one:
        name = link_name(one)
        if name is None:
            return None
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
            return f"cut of a {role}'s {name} connection"
    return None


# ---- stores

@fault(8, "lmdb")
def fill_disk(run):
    """For a while there is no room on the store's disk."""
    if run.disk is None or run.is_full:
        return None
    ballast = run.disk / "ballast"
    seconds = run.random.uniform(0.02, 0.3)
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))

    def empty():
        run.is_full = False
        ballast.unlink(missing_ok=True)
    run.is_full = True
    run.later(seconds, empty)
    return f"a full disk for {seconds * 1000:.0f} ms"


def redis_servers(run):
    """Those that hold documents."""
    redis = run.pair.redis
    return getattr(redis, "servers", None) or getattr(redis, "nodes", None) or [redis]


@fault(5, "redis", "redis-cluster")
def kill_redis(run):
    """It starts again with what it had promised to keep."""
    one = run.random.choice(redis_servers(run))
    one.kill()
    one.start()
    return "kill -9 of a redis-server"


@fault(8, "redis", "redis-cluster")
def stop_redis(run):
    one = run.random.choice(redis_servers(run))
    return stop(run, one.process.pid, "a redis-server")


def ask_redis(run, *command):
    run.undo(True)  # one that is stopped would not answer
    one = run.random.choice([one for one in redis_servers(run) if alive(one.process.pid)])
    one.ask(*command)
    return f"{' '.join(command[:2])} of a redis-server"


@fault(5, "redis", "redis-cluster", "redis-sentinel")
def end_clients(run):
    return ask_redis(run, "CLIENT", "KILL", "TYPE", "normal")


@fault(2, "redis", "redis-cluster", "redis-sentinel")
def flush_scripts(run):
    return ask_redis(run, "SCRIPT", "FLUSH")


@fault(3, "redis-sentinel")
def stop_sentinel(run):
    one = run.random.choice(run.pair.redis.sentinels)
    return stop(run, one.process.pid, "a Sentinel")


@fault(3, "redis-sentinel")
def fail_over(run):
    return run.fail_over()
