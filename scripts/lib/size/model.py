"""The sizing model: what a read costs by its size, from measured constants, and what
follows for fronts, workers, hosts and networks."""
import math
import re

UNITS = {"B": 1, "KB": 1000, "MB": 1_000_000, "KIB": 1024, "MIB": 1 << 20}
# What a reply weighs beside its document on the clients' network: head, TCP, IP, Ethernet.
REPLY_EXTRA_BYTES = 400
COSTS = ("loop_us", "front_us", "worker_us", "wire_bytes")


def parse_size(text):
    found = re.fullmatch(r"([\d.]+)\s*([KM]?i?B)?", text.strip(), re.I)
    if not found:
        raise ValueError(f"{text!r} is no size: 2KB, 1.5MB, 300B")
    return float(found.group(1)) * UNITS[(found.group(2) or "B").upper()]


def between(points, size):
    """The cost at a size: on the line between the two nearest of [(size, cost)], which are
    in order; beyond the last, on as between the last two."""
    at = 1
    while at < len(points) - 1 and points[at][0] < size:
        at += 1
    (x0, y0), (x1, y1) = points[at - 1], points[at]
    return max(y0 + (y1 - y0) * (size - x0) / (x1 - x0), 0.0)


class Model:
    """Of one way between fronts and workers: arena, ipc, tcp or tls."""

    def __init__(self, constants, way):
        self.way = way
        self.costs = constants["ways"][way]

    def cost(self, name, size):
        return between(self.costs[name], size)

    def needs(self, reads):
        """Sums over [(size, per second)]: CPUs of loops, fronts and workers, bits/s."""
        sums = {name: sum(rate * self.cost(name, size) for size, rate in reads)
                for name in COSTS}
        return {"loop_cpus": sums["loop_us"] / 1e6, "front_cpus": sums["front_us"] / 1e6,
                "worker_cpus": sums["worker_us"] / 1e6,
                "worker_bits": sums["wire_bytes"] * 8,
                "client_bits": sum(rate * (size + REPLY_EXTRA_BYTES) * 8
                                   for size, rate in reads)}

    def most(self, size, cpus, fronts, workers, client_us=0.0):
        """Reads of one size a second that a machine can serve whose `cpus` do all of it,
        the clients (if they are there too) included."""
        each = self.cost("front_us", size) + self.cost("worker_us", size) + client_us
        return min(fronts * 1e6 / self.cost("loop_us", size),
                   workers * 1e6 / self.cost("worker_us", size), cpus * 1e6 / each)


def plan(constants, reads, host_cpus, use, remote_way):
    """How many of what, as {name: value}. `use` is the share of a CPU to be used at most."""
    near = Model(constants, "arena").needs(reads)
    fronts = max(1, math.ceil(near["loop_cpus"] / use))
    if near["front_cpus"] + near["worker_cpus"] <= host_cpus * use:
        return {"way": "arena", "hosts": 1, "server_hosts": 1, "worker_hosts": 0,
                "fronts": fronts, "workers": max(2, math.ceil(near["worker_cpus"] / use)),
                "needs": near}
    far = Model(constants, remote_way).needs(reads)
    server_hosts = max(1, math.ceil(far["front_cpus"] / (host_cpus * use)))
    worker_hosts = max(1, math.ceil(far["worker_cpus"] / (host_cpus * use)))
    return {"way": remote_way, "hosts": server_hosts + worker_hosts,
            "server_hosts": server_hosts, "worker_hosts": worker_hosts,
            "fronts": max(server_hosts, math.ceil(far["loop_cpus"] / use)),
            "workers": max(2 * worker_hosts, math.ceil(far["worker_cpus"] / use)),
            "needs": far}
