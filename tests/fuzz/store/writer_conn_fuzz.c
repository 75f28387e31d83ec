/* Bytes from a front as the writer reads them, in pieces whose sizes the input chooses.
   No input may crash or leak, and the pieces must make no difference. */
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "server/store/lmdb/lmdb_layout.h"
#include "server/store/writer/writer_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The result of a run. */
struct outcome {
    int rc;
    uint64_t writes;
    uint64_t bytes;
};

static struct ev_loop *loop;

static struct outcome feed(const uint8_t *data, size_t size, size_t piece)
{
    struct writer_shared shared = {.loop = loop};
    struct outcome outcome = {0, 0, 0};
    struct writer_conn *conn;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    list_init(&shared.conns);
    list_init(&shared.group);
    conn = writer_conn_create(&shared, pair[0]);
    for (size_t at = 0; at < size && outcome.rc == 0; at += piece)
        outcome.rc =
            writer_conn_take(conn, data + at, size - at < piece ? size - at : piece);
    outcome.writes = shared.group_writes;
    outcome.bytes = shared.group_bytes;
    for (struct list *at = shared.group.next; at != &shared.group; at = at->next) {
        struct writer_op *op = container_of(at, struct writer_op, link);
        struct store_key name = writer_op_key(op);
        uint8_t key[LAYOUT_KEY_MAX];

        if (layout_put_key(key, name) != name.collection.len + 1 + name.id.len)
            abort();
    }
    writer_conn_close_all(&shared);
    close(pair[1]);
    return outcome;
}

static void read_layout(const uint8_t *data, size_t size)
{
    struct layout_value value;
    struct store_key key;
    uint64_t number;

    if (layout_read_key((struct slice){data, size}, &key) == 0 &&
        key.collection.len + 1 + key.id.len != size)
        abort();
    if (layout_read_value((struct slice){data, size}, &value) == 0 &&
        value.bytes.len + LAYOUT_HEAD_BYTES != size)
        abort();
    if (layout_read_number((struct slice){data, size}, &number) == 0 && size != 8)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;

    if (loop == NULL)
        loop = ev_loop_new(0);
    if (size < 1)
        return 0;
    read_layout(data + 1, size - 1);
    whole = feed(data + 1, size - 1, size);
    pieces = feed(data + 1, size - 1, (size_t)data[0] % 64 + 1);
    if (whole.rc != pieces.rc || whole.writes != pieces.writes ||
        whole.bytes != pieces.bytes)
        abort();
    return 0;
}
