"""Clients of scripts/chaos that are slow, rude or many, and what processes use meanwhile."""
import contextlib
import os
import pathlib
import re
import resource
import socket
import struct
import subprocess
import tempfile
import threading
import time

from harness import request

TICKS = os.sysconf("SC_CLK_TCK")


def raise_fd_limit(wanted):
    """As many descriptors as may be, for us and the daemons; how many of those wanted."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    many = hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (many, hard))
    return min(wanted, (many - 500) if many > 1000 else many // 2)


def cpu_seconds(pids):
    """User and system time of these processes so far."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_bytes(pids):
    """Anonymous memory of these processes."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


@contextlib.contextmanager
def connections(port, count, first=b""):
    """Many connections that sent the same first bytes and then lie still."""
    held = []
    try:
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port), 30)
            held.append(one)
            if first:
                one.sendall(first)
        yield held
    finally:
        for one in held:
            one.close()


class SlowHeaders:
    """Feeds one byte of a header to each of its connections, again and again; those that
    the server gave up are made anew."""

    def __init__(self, port, count):
        self.port = port
        self.stopping = threading.Event()
        self.held = [self._connect() for _ in range(count)]
        self.thread = threading.Thread(target=self._feed, daemon=True)

    def _connect(self):
        one = socket.create_connection(("127.0.0.1", self.port), 30)
        one.sendall(b"GET /v1/chaos HTTP/1.1\r\nHost: slow\r\nX-Slow: ")
        return one

    def _feed(self):
        while not self.stopping.is_set():
            for at, one in enumerate(self.held):
                if self.stopping.is_set():
                    return
                try:
                    one.sendall(b"a")
                except OSError:
                    one.close()
                    with contextlib.suppress(OSError):
                        self.held[at] = self._connect()
                time.sleep(0.0005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for one in self.held:
            one.close()


def reset_midway(port, target, count):
    """Asks for something large, takes its beginning, and resets the connection."""
    hard = struct.pack("ii", 1, 0)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 30) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(request("GET", target))
            one.recv(512)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)


def p99_ms(url, count):
    """Of so many requests of ab, four at a time; with fractions, as its -e tells."""
    with tempfile.NamedTemporaryFile() as table:
        done = subprocess.run(["ab", "-q", "-k", "-c", "4", "-n", str(count), "-e", table.name,
                               url], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0 and "Non-2xx" not in done.stdout, done.stdout
        found = re.search(r"^99,([\d.]+)$", pathlib.Path(table.name).read_text(), re.M)
    return float(found.group(1))
