"""Two hosts and the wire between them, on one machine: network namespaces, and a program
that carries frames from one to the other with delay and loss, or drops them all.

    with Network() as net:          # this thread is on the server's host from here on
        with net.on_worker():       # what is started here is on the worker's
            ...
        net.wire("delay 20", "loss 0.02")
        net.wire("cut"); net.wire("heal")

The wire is of our own (AF_PACKET), not tc netem: kernels without that module are common,
and it hears a command at once. Needs root, as making interfaces does."""
import contextlib
import ctypes
import heapq
import os
import pathlib
import random
import selectors
import shutil
import socket
import subprocess
import sys
import time

SERVER, WORKER = "10.77.0.1", "10.77.0.2"

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
ETH_P_ALL = 3
LIBC = ctypes.CDLL(None, use_errno=True)


def missing():
    """Why there can be no network here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip (package iproute2) is missing"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "this machine does not let us make network namespaces"
    return None


def enter(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Network:
    """`wire` False: a cable instead, as fast as this machine can; wire() is not there."""

    def __init__(self, wire=True):
        self.has_wire = wire
        self.stack = contextlib.ExitStack()

    def _host(self):
        """A process whose network is a new one."""
        process = self.stack.enter_context(subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        self.stack.callback(process.stdin.close)
        process.stdout.readline()
        return process, self.stack.enter_context(open(f"/proc/{process.pid}/ns/net"))

    def __enter__(self):
        with contextlib.ExitStack() as failed:
            failed.callback(self.stack.close)
            self._build()
            failed.pop_all()
        return self

    def _build(self):
        self.home = self.stack.enter_context(open("/proc/thread-self/ns/net"))
        (server, self.server), (worker, self.worker) = self._host(), self._host()
        self.stack.callback(enter, self.home.fileno())
        if self.has_wire:
            self._lay_wire(server.pid, worker.pid)
        else:
            enter(self.server.fileno())
            ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
               "netns", str(worker.pid))
        for namespace, address in ((self.worker, WORKER), (self.server, SERVER)):
            enter(namespace.fileno())
            ip("link", "set", "lo", "up")
            ip("addr", "add", f"{address}/24", "dev", "eth0")
            ip("link", "set", "eth0", "up")

    def _lay_wire(self, server_pid, worker_pid):
        _, namespace = self._host()
        enter(namespace.fileno())
        for name, pid in (("left", server_pid), ("right", worker_pid)):
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
            ip("link", "set", name, "up")
        self.carrier = self.stack.enter_context(subprocess.Popen(
            [sys.executable, pathlib.Path(__file__), "left", "right"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self.stack.callback(self.carrier.stdin.close)
        assert self.carrier.stdout.readline() == "ready\n"

    def __exit__(self, *_):
        self.stack.close()

    @contextlib.contextmanager
    def on_worker(self):
        enter(self.worker.fileno())
        try:
            yield
        finally:
            enter(self.server.fileno())

    def wire(self, *commands):
        """"delay MS", "loss SHARE", "cut", "heal"; in force when this returns."""
        for command in commands:
            print(command, file=self.carrier.stdin, flush=True)
            assert self.carrier.stdout.readline() == "done\n", command


# ---- the carrier

class Wire:
    """Frames from each of two interfaces to the other. With each comes what the kernel
    knows of it (PACKET_VNET_HDR): checksums and segments are left to be made later."""

    def __init__(self, names):
        self.sockets = [self._open(name) for name in names]
        self.delay_s = self.loss = 0.0
        self.cut = False
        self.waiting = []  # (due, order, socket, frame)
        self.order = 0
        self.chance = random.Random(1)

    @staticmethod
    def _open(name):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        one.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        one.bind((name, ETH_P_ALL))
        one.setblocking(False)
        return one

    def command(self, line):
        verb, *value = line.split()
        if verb == "delay":
            self.delay_s = float(value[0]) / 1000
        elif verb == "loss":
            self.loss = float(value[0])
        else:
            self.cut = verb == "cut"
            if self.cut:
                self.waiting.clear()
        print("done", flush=True)

    def carry(self, source, target):
        for _ in range(64):
            try:
                frame, address = source.recvfrom(1 << 17)
            except BlockingIOError:
                return
            except OSError:  # the interface is not up yet
                return
            if address[2] == PACKET_OUTGOING or self.cut or self.chance.random() < self.loss:
                continue
            if self.delay_s == 0 and not self.waiting:
                self.send(target, frame)
            else:
                self.order += 1
                heapq.heappush(self.waiting, (time.monotonic() + self.delay_s, self.order,
                                              target, frame))

    @staticmethod
    def send(target, frame):
        with contextlib.suppress(OSError):  # a full queue is a loss, as on any wire
            target.send(frame)

    def deliver(self):
        """Sends what is due; until when to sleep."""
        while self.waiting:
            left = self.waiting[0][0] - time.monotonic()
            if left > 0:
                return left
            self.send(*heapq.heappop(self.waiting)[2:])
        return None

    def run(self):
        left, right = self.sockets
        selector = selectors.DefaultSelector()
        for one in (left, right, sys.stdin):
            selector.register(one, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select(self.deliver()):
                if key.fileobj is sys.stdin:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.command(line)
                elif key.fileobj is left:
                    self.carry(left, right)
                else:
                    self.carry(right, left)


if __name__ == "__main__":
    Wire(sys.argv[1:]).run()
