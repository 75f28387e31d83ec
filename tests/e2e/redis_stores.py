"""Redis in its other shapes, for a pair of its own: by TLS, a master that three Sentinels
watch, and a cluster of three nodes. All on loopback, all ended with the pair."""
import contextlib
import subprocess

import harness
from harness import Redis, eventually, free_port

NODES = 3


def openssl(folder, *command):
    subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """ca.crt, and server.crt and server.key for localhost and 127.0.0.1."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", "/CN=e2e-ca",
            "-keyout", "ca.key", "-out", "ca.crt")
    openssl(folder, "req", *key, "-subj", "/CN=e2e-server", "-keyout", "server.key",
            "-out", "server.csr")
    (folder / "server.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.crt")


class RedisTls(Redis):
    def __init__(self, folder):
        make_certificates(folder)
        self.port = free_port()
        self.flags = ["--tls-port", str(self.port), "--tls-auth-clients", "no",
                      "--tls-cert-file", str(folder / "server.crt"),
                      "--tls-key-file", str(folder / "server.key"),
                      "--tls-ca-cert-file", str(folder / "ca.crt")]
        self.server_arguments = ["--tls-ca", str(folder / "ca.crt")]
        super().__init__(folder)
        self.url = f"rediss://127.0.0.1:{self.port}"


class Node(Redis):
    """One of several, with a port and a socket."""

    def __init__(self, folder, name, flags):
        self.port = free_port()
        self.flags = ["--port", str(self.port), *flags]
        super().__init__(folder / name)


class Sentinel:
    def __init__(self, folder, name, master_port):
        self.port = free_port()
        path = folder / f"{name}.conf"
        path.write_text(f"""port {self.port}
bind 127.0.0.1
dir {folder}
sentinel monitor main 127.0.0.1 {master_port} 2
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 2000
""")
        self.process = subprocess.Popen(["redis-server", path, "--sentinel"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def info(self):
        return self.ask("INFO", "sentinel")

    def ask(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.port), *command], text=True,
                              capture_output=True, timeout=harness.WAIT).stdout

    def set_down_after(self, milliseconds):
        self.ask("SENTINEL", "SET", "main", "down-after-milliseconds", str(milliseconds))

    def epoch(self):
        """How many failovers there have been."""
        fields = self.ask("SENTINEL", "MASTER", "main").split("\n")
        return int(fields[fields.index("config-epoch") + 1])

    def kill(self):
        self.process.kill()
        self.process.wait()


class Several:
    """What a pair knows of its Redis, for more than one process."""
    server_arguments = ()

    def __init__(self):
        self.parts = []

    def add(self, part):
        self.parts.append(part)
        return part

    def kill(self):
        for part in self.parts:
            if part.process.poll() is None:
                part.kill()


class RedisSentinel(Several):
    def __init__(self, folder):
        super().__init__()
        self.servers = []
        try:
            self.master = self.add(Node(folder, "one", []))
            self.servers = [self.master, self.add(Node(
                folder, "two", ["--replicaof", f"127.0.0.1 {self.master.port}"]))]
            self.sentinels = [self.add(Sentinel(folder, f"sentinel{i}", self.master.port))
                              for i in range(NODES)]
        except BaseException:
            self.kill()
            raise
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        self.url = f"redis+sentinel://{places}/main"
        self.process = self.master.process

    def wait_whole(self):
        """Until every Sentinel knows the others and the replica, which has all there is."""
        eventually(lambda: all(f"slaves=1,sentinels={NODES}" in one.info()
                               for one in self.sentinels), "the Sentinels know each other")
        eventually(lambda: any("master_link_status:up" in one.ask("INFO", "replication")
                               for one in self.servers), "the replica follows")

    def ask(self, *command):
        """To the master as it is now."""
        for one in self.servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if one.process.poll() is None and one.ask("ROLE").startswith("master"):
                    return one.ask(*command)
        return ""


class RedisCluster(Several):
    def __init__(self, folder):
        super().__init__()
        self.nodes = []
        try:
            for i in range(NODES):
                self.nodes.append(self.add(Node(folder, f"node{i}", [
                    "--cluster-enabled", "yes", "--cluster-port", str(free_port()),
                    "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"])))
            self.join()
        except BaseException:
            self.kill()
            raise
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{one.port}" for one in self.nodes)
        self.process = self.nodes[0].process

    def join(self):
        first = self.nodes[0]
        for i, node in enumerate(self.nodes):
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(16384 * i // NODES),
                     str(16384 * (i + 1) // NODES - 1))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(i + 1))
        for node in self.nodes[1:]:
            bus = node.flags[node.flags.index("--cluster-port") + 1]
            first.ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        eventually(self.is_whole, "the cluster is whole")

    def is_whole(self):
        wanted = ("cluster_state:ok", "cluster_slots_assigned:16384",
                  f"cluster_known_nodes:{NODES}")
        return all(all(one in node.ask("CLUSTER", "INFO") for one in wanted)
                   for node in self.nodes)

    def ask(self, *command):
        """To the node that has the key."""
        alive = next(one for one in self.nodes if one.process.poll() is None)
        return subprocess.run(["redis-cli", "-c", "-p", str(alive.port), *command], text=True,
                              capture_output=True, timeout=harness.WAIT).stdout.strip()


KINDS = {"redis": Redis, "redis-tls": RedisTls, "redis-sentinel": RedisSentinel,
         "redis-cluster": RedisCluster}
