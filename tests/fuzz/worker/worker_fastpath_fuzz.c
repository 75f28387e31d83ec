/* A worker's end of the fast path takes any bytes from a front: what is no message ends
   it, and each end is told once. */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/wire.h"
#include "worker/link/fastpath.h"
#include "worker/runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sem_t ended;

static const char *on_message(void *ctx, uint32_t peer, struct slice bytes,
                              struct frame_reader *reader)
{
    static struct wire_message decoded;
    struct buf stolen = BUF_INIT;
    const char *why = NULL;

    (void)ctx;
    (void)peer;
    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    (void)frame_reader_steal(reader, &stolen);
    buf_free(&stolen);
    return NULL;
}

static void on_ended(void *ctx, uint32_t peer, const char *why)
{
    (void)ctx;
    (void)peer;
    (void)why;
    sem_post(&ended);
}

static void wake(void *arg)
{
    (void)arg;
}

static struct fastpath *start(void)
{
    const struct runner_config config = {
        .engine = "yajl", .memory_bytes = 1 << 20, .wake = wake};

    sem_init(&ended, 0, 0);
    return fastpath_start_thread(runner_create(&config));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fastpath_events events = {on_message, on_ended};
    static struct fastpath *fastpath;
    struct fastpath_link *link;
    int ends[2];

    if (fastpath == NULL)
        fastpath = start();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    link = fastpath_open(fastpath, ends[1], &events, NULL, 1);
    if (link == NULL)
        abort();
    while (size > 0) {
        ssize_t sent = send(ends[0], data, size, MSG_NOSIGNAL);

        if (sent < 0)
            break; /* it has hung up */
        data += sent;
        size -= (size_t)sent;
    }
    close(ends[0]);
    sem_wait(&ended);
    fastpath_link_unref(&link);
    return 0;
}
