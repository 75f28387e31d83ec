#!/usr/bin/env python3
"""An open-loop prober: asks for one URL at fixed times, whatever the server does.

    prober.py URL RATE SECONDS [HEADER]...

It opens its connections, asks once on each, and prints "ready". A line on its input starts
the measurement; then it prints {"latencies_us": [...], …}, and closes the connections when
its input ends. So the caller can read the server's counters at moments at which the server
does nothing for the prober but answer: accepting and closing 64 connections are long turns
of a loop, and without any other load they were its p99.

A request's time counts from the moment at which it was due, not from when it was sent: so
one that had to wait for a slow predecessor, on the client's side too, is counted with its
wait, and a server that stands still for a second shows as a second for each request that
was due in it. Threads keep connections open, as many as are needed at once.
"""
import json
import socket
import ssl
import sys
import threading
import time
import urllib.parse

CONNECTIONS = 64
TIMEOUT_S = 30


def tls_context():
    """Like ab: whatever certificate there is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Probe:
    """One kept-alive connection."""

    def __init__(self, parts, headers, context):
        self.parts, self.context = parts, context
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc.split('@')[-1]}", *headers]
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.socket = None

    def connect(self):
        port = self.parts.port or (443 if self.parts.scheme == "https" else 80)
        self.socket = socket.create_connection((self.parts.hostname, port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.parts.scheme == "https":
            self.socket = self.context.wrap_socket(self.socket, server_hostname=self.parts.hostname)

    def ask(self):
        """The status of one reply, read whole."""
        if self.socket is None:
            self.connect()
        self.socket.sendall(self.request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, body = data.split(b"\r\n\r\n", 1)
        fields = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
        if b"content-length" not in fields:
            raise ValueError("the light route must have a Content-Length")
        left = int(fields[b"content-length"]) - len(body)
        while left > 0:
            left -= len(self.more())
        if fields.get(b"connection", b"").strip() == b"close":
            self.socket.close()
            self.socket = None
        return int(head.split(b" ", 2)[1])

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the connection ended in the middle of a reply")
        return data


class Schedule:
    """When requests are due; threads take the next one each."""

    def __init__(self, rate, seconds):
        self.period = 1 / rate
        self.count = int(rate * seconds)
        self.next = 0
        self.lock = threading.Lock()
        self.start = time.monotonic() + 0.05
        self.latencies_us = []
        self.statuses = {}
        self.problem = None

    def take(self):
        """When the next request is due; None at the end."""
        with self.lock:
            if self.next == self.count or self.problem:
                return None
            self.next += 1
            return self.start + (self.next - 1) * self.period

    def note(self, due, status):
        latency_us = (time.monotonic() - due) * 1e6
        with self.lock:
            self.latencies_us.append(latency_us)
            self.statuses[status] = self.statuses.get(status, 0) + 1


def run(schedule, probe):
    while (due := schedule.take()) is not None:
        time.sleep(max(0, due - time.monotonic()))
        try:
            schedule.note(due, probe.ask())
        except (OSError, ValueError) as problem:
            schedule.problem = str(problem)


def connect(url, rate, seconds, headers=()):
    """Probes with open connections, each of which has been used: a client of the light route
    is connected already. OSError or ValueError where the server is not there."""
    parts = urllib.parse.urlsplit(url)
    context = tls_context() if parts.scheme == "https" else None
    probes = [Probe(parts, headers, context) for _ in range(min(CONNECTIONS, int(rate * seconds)))]
    for probe in probes:
        probe.ask()
    return probes


def measure(probes, rate, seconds):
    schedule = Schedule(rate, seconds)
    threads = [threading.Thread(target=run, args=(schedule, probe)) for probe in probes]
    sys.setswitchinterval(0.0005)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"latencies_us": [round(one) for one in schedule.latencies_us],
            "statuses": schedule.statuses, "problem": schedule.problem}


def main():
    url, rate, seconds, headers = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    try:
        probes = connect(url, rate, seconds, headers)
    except (OSError, ValueError) as problem:
        print(json.dumps({"latencies_us": [], "statuses": {}, "problem": str(problem)}))
        return
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(measure(probes, rate, seconds)), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
