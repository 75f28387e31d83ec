#include "server/workers/fastpath.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "proto/wire.h"
#include "server/stats/stats.h"

/* Beyond what the kernel keeps for a worker that does not read. */
#define FULL_BYTES ((size_t)256 << 10)

/* Memory that the queue may keep when it is empty. */
#define KEEP_BYTES ((size_t)1 << 20)

/* What is written in one call: the kernel copies it on the loop's time. */
#define WRITE_BYTES ((size_t)256 << 10)

/* Reads of a worker that has hung up, until the end comes. */
#define DRAIN_READS 64

struct fastpath {
    struct ev_loop *loop;
    struct fastpath_events events;
    void *ctx;
    int fd;
    int peer_fd;    /* -1 once it is handed over */
    bool is_broken; /* nothing can be written any more; reading tells of the end */
    ev_io readable;
    ev_io writable; /* active while the socket takes no more */
    uint64_t stuck_since_ns;
    struct frame_reader reader;
    struct buf out;
    size_t out_at; /* sent so far */
};

static enum frame_result pass_on(struct fastpath *fastpath, const char **why_r)
{
    struct slice message;
    enum frame_result result;

    while ((result = frame_reader_next(&fastpath->reader, &message)) == FRAME_MESSAGE) {
        *why_r = fastpath->events.message(fastpath->ctx, message, &fastpath->reader);
        if (*why_r != NULL)
            return FRAME_BAD;
    }
    if (result == FRAME_BAD)
        *why_r = "bytes on the fast path that are no frame";
    return result;
}

/* One read; false where there is nothing more for now, or `ended` was called. */
static bool receive(struct fastpath *fastpath)
{
    size_t room;
    uint8_t *space = frame_reader_space(&fastpath->reader, &room);
    ssize_t got = recv(fastpath->fd, space, room, MSG_DONTWAIT);
    const char *why = NULL;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got > 0) {
        frame_reader_add(&fastpath->reader, (size_t)got);
        if (pass_on(fastpath, &why) == FRAME_MORE) {
            fastpath->events.received(fastpath->ctx);
            return true;
        }
    }
    fastpath->events.ended(fastpath->ctx, why);
    return false;
}

/* One read in a turn: others have their turn too. */
static void on_readable(struct ev_loop *loop, ev_io *readable, int events)
{
    enum stats_phase before = stats_phase_enter(STATS_RPC);

    (void)loop;
    (void)events;
    (void)receive(container_of(readable, struct fastpath, readable));
    (void)stats_phase_enter(before);
}

static void on_writable(struct ev_loop *loop, ev_io *writable, int events)
{
    struct fastpath *fastpath = container_of(writable, struct fastpath, writable);
    enum stats_phase before = stats_phase_enter(STATS_RPC);

    ev_io_stop(loop, writable);
    (void)events;
    fastpath_flush(fastpath);
    (void)stats_phase_enter(before);
}

struct fastpath *fastpath_create(struct ev_loop *loop,
                                 const struct fastpath_events *events, void *ctx)
{
    struct fastpath *fastpath;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return NULL;
    fastpath = mem_zalloc(sizeof *fastpath);
    fastpath->loop = loop;
    fastpath->events = *events;
    fastpath->ctx = ctx;
    fastpath->fd = ends[0];
    fastpath->peer_fd = ends[1];
    frame_reader_init(&fastpath->reader, WIRE_MAX_FAST_BYTES);
    ev_io_init(&fastpath->readable, on_readable, fastpath->fd, EV_READ);
    ev_io_init(&fastpath->writable, on_writable, fastpath->fd, EV_WRITE);
    return fastpath;
}

static void close_peer_fd(struct fastpath *fastpath)
{
    if (fastpath->peer_fd >= 0)
        close(fastpath->peer_fd);
    fastpath->peer_fd = -1;
}

void fastpath_destroy(struct fastpath **fastpath)
{
    struct fastpath *f = *fastpath;

    if (f == NULL)
        return;
    *fastpath = NULL;
    ev_io_stop(f->loop, &f->readable);
    ev_io_stop(f->loop, &f->writable);
    close_peer_fd(f);
    close(f->fd);
    frame_reader_free(&f->reader);
    buf_free(&f->out);
    mem_free(f);
}

int fastpath_peer_fd(const struct fastpath *fastpath)
{
    return fastpath->peer_fd;
}

void fastpath_start(struct fastpath *fastpath)
{
    assert(fastpath->peer_fd >= 0);
    close_peer_fd(fastpath);
    ev_io_start(fastpath->loop, &fastpath->readable);
}

static size_t unsent_bytes(const struct fastpath *fastpath)
{
    return fastpath->out.len - fastpath->out_at;
}

bool fastpath_is_full(const struct fastpath *fastpath)
{
    return unsent_bytes(fastpath) >= FULL_BYTES;
}

uint8_t *fastpath_add(struct fastpath *fastpath, struct slice head, size_t bytes)
{
    uint8_t *at = buf_reserve(&fastpath->out, FRAME_HEAD_BYTES + head.len + bytes);

    assert(fastpath->peer_fd < 0);
    frame_put_head(at, head.len + bytes);
    memcpy(at + FRAME_HEAD_BYTES, head.data, head.len);
    fastpath->out.len += FRAME_HEAD_BYTES + head.len + bytes;
    return at + FRAME_HEAD_BYTES + head.len;
}

/* All is sent. */
static void reset_queue(struct fastpath *fastpath)
{
    fastpath->out.len = fastpath->out_at = 0;
    fastpath->stuck_since_ns = 0;
    if (fastpath->out.cap > KEEP_BYTES)
        buf_free(&fastpath->out);
}

/* The socket takes no more for now. What is sent makes room where it is most. */
static void wait_for_room(struct fastpath *fastpath)
{
    if (fastpath->stuck_since_ns == 0)
        fastpath->stuck_since_ns = clock_now_ns();
    if (fastpath->out_at > unsent_bytes(fastpath)) {
        buf_consume(&fastpath->out, fastpath->out_at);
        fastpath->out_at = 0;
    }
    ev_io_start(fastpath->loop, &fastpath->writable);
}

void fastpath_flush(struct fastpath *fastpath)
{
    size_t bytes = unsent_bytes(fastpath);
    ssize_t sent;

    if (bytes == 0 || fastpath->is_broken || ev_is_active(&fastpath->writable))
        return;
    sent = send(fastpath->fd, fastpath->out.data + fastpath->out_at,
                bytes < WRITE_BYTES ? bytes : WRITE_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fastpath->is_broken = true;
        return;
    }
    if (sent > 0) {
        fastpath->out_at += (size_t)sent;
        fastpath->stuck_since_ns = 0;
    }
    if (unsent_bytes(fastpath) == 0)
        reset_queue(fastpath);
    else
        wait_for_room(fastpath);
}

void fastpath_drain(struct fastpath *fastpath)
{
    for (unsigned i = 0; i < DRAIN_READS && receive(fastpath); i++)
        ;
}

uint64_t fastpath_stuck_since_ns(const struct fastpath *fastpath)
{
    return fastpath->stuck_since_ns;
}
