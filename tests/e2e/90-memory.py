"""Memory stays bounded however large what goes through: only meaningful without
sanitizers, which keep freed memory back."""
import socket
import threading

from harness import JSON, SANITIZED, Client, case, eventually, memory_bytes, request

ALONE = True
UNSANITIZED = True  # what it is about is memory
MIB = 1 << 20
LIMIT = 64 * MIB


class Watch:
    """The largest growth of any front over what it had at first, sampled."""

    def __init__(self, pair):
        self.before = {pid: memory_bytes(pid) for pid in pair.server.fronts()}
        self.most = 0

    def look(self):
        for pid, idle in self.before.items():
            self.most = max(self.most, memory_bytes(pid) - idle)

    def check(self, what):
        assert self.most <= LIMIT, f"{what}: a front grew by {self.most / MIB:.1f} MiB"
        print(f"     {what}: a front grew by at most {self.most / MIB:.1f} MiB")


def fill(pair, collection, documents, size, connections=32):
    """PUTs documents over many connections, so that commits come in groups."""
    def put(part):
        with pair.client() as client:
            for number in range(part, documents, connections):
                text = b'{"n":%d,"text":"%b"}' % (number, b"x" * size)
                reply = client.ask("PUT", f"/v1/{collection}/{number:07}", text, JSON)
                assert reply.status == 201, reply

    threads = [threading.Thread(target=put, args=(part,)) for part in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_watched(pair, target, watch, headers=(), pause=0):
    """Reads a whole collection, watching; returns its length."""
    length, step = 0, 0
    with Client(pair.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.send(request("GET", target, headers=headers, version="1.0"))
        assert client.head()[0] == 200
        length = len(client.buffer)
        while data := client.socket.recv(MIB):
            length += len(data)
            step += 1
            if step % 20 == 0:
                watch.look()
    watch.look()
    return length


if not SANITIZED:
    @case
    def a_100_mb_collection(pair):
        fill(pair, "big", 25_000, 4000)
        watch = Watch(pair)
        for mode in ("inline", "rpc"):
            length = read_watched(pair, "/v1/big", watch, [("Offloop-Mode", mode)])
            assert length > 100_000_000, length
            watch.check(f"{length / 1e6:.0f} MB collection, {mode}")

    @case
    def a_reader_that_stands_still(pair):
        watch = Watch(pair)
        clients = []
        for _ in range(8):
            client = Client(pair.port)
            client.send(request("GET", "/v1/big"))
            client.socket.recv(1000)
            clients.append(client)
        eventually(lambda: pair.metric("offloop_connections") >= 8, "they are served")
        read_watched(pair, "/v1/big", watch)
        watch.check("eight readers that stand still and one that reads")
        for client in clients:
            client.close()

    @case
    def several_readers_at_once(pair):
        watch = Watch(pair)
        lengths = []
        threads = [threading.Thread(target=lambda: lengths.append(
            read_watched(pair, "/v1/big", watch))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(lengths) == 4 and min(lengths) > 100_000_000, lengths
        watch.check("four readers of 100 MB")

    @case
    def a_collection_of_large_documents(pair):
        fill(pair, "huge", 12, 4 * MIB)
        watch = Watch(pair)
        length = read_watched(pair, "/v1/huge", watch)
        assert length > 48 * MIB, length
        watch.check("48 MB of 4 MB documents")
else:
    @case
    def a_collection_larger_than_the_buffers(pair):
        fill(pair, "big", 2000, 4000)
        watch = Watch(pair)
        assert read_watched(pair, "/v1/big", watch) > 8_000_000
