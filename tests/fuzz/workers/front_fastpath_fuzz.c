/* A front's end of the fast path takes any bytes from a worker: what is no message ends
   it, what is one is read to its end, and the loop is never kept. */
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/wire.h"
#include "server/workers/fastpath.h"

/* More than any input's messages. */
#define MAX_TURNS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fastpath *fastpath;
static unsigned messages;

static const char *on_message(void *ctx, struct slice bytes, struct frame_reader *reader)
{
    static struct wire_message decoded;
    struct buf stolen = BUF_INIT;
    const char *why = NULL;

    (void)ctx;
    messages++;
    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    (void)frame_reader_steal(reader, &stolen);
    buf_free(&stolen);
    return NULL;
}

static void on_received(void *ctx)
{
    (void)ctx;
}

static void on_ended(void *ctx, const char *why)
{
    (void)ctx;
    (void)why;
    fastpath_destroy(&fastpath);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fastpath_events events = {on_message, on_received, on_ended};
    struct ev_loop *loop = ev_default_loop(0);
    int peer;

    messages = 0;
    fastpath = fastpath_create(loop, &events, NULL);
    if (fastpath == NULL)
        abort();
    peer = dup(fastpath_peer_fd(fastpath));
    fastpath_start(fastpath);
    while (size > 0 && fastpath != NULL) {
        ssize_t sent = send(peer, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0)
            data += sent, size -= (size_t)sent;
        ev_run(loop, EVRUN_NOWAIT);
    }
    close(peer);
    for (unsigned i = 0; i < MAX_TURNS && fastpath != NULL; i++)
        ev_run(loop, EVRUN_NOWAIT);
    if (fastpath != NULL)
        abort(); /* its end was not seen */
    return 0;
}
