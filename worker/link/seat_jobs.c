/* A seat's jobs and their results, on the seat and on the fast path beside it. */
#include "worker/link/seat_state.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "worker/memory/arena.h"
#include "worker/link/fastpath.h"

/* What a batch of jobs lives in. */
struct seat_load {
    nng_msg *message; /* NULL where it came by the fast path, and is here: */
    struct buf frame;
    struct arena *arena; /* NULL for none */
};

/* ---- the runner's sink ---- */

static struct seat *seat_of_sink(struct runner_sink *sink)
{
    return container_of(sink, struct seat, sink);
}

/* A reference to the fast path of this peer; NULL for none. */
static struct fastpath_link *seat_fast(struct seat *seat, uint32_t peer)
{
    struct fastpath_link *fast = NULL;

    pthread_mutex_lock(&seat->lock);
    if (peer == seat->pipe.id)
        fast = fastpath_link_ref(seat->fast);
    pthread_mutex_unlock(&seat->lock);
    return fast;
}

/* The same as seat_send_message() by the fast path. */
static void seat_send_fast(struct seat *seat, uint32_t peer, struct buf *envelope,
                           struct slice payloads)
{
    struct fastpath_link *fast = seat_fast(seat, peer);

    if (fast && fastpath_link_send(fast, buf_slice(envelope), payloads) != 0) {
        fastpath_link_hang_up(fast);
        seat_drop_peer(seat, (nng_pipe){peer}, "it does not read the fast path");
    }
    fastpath_link_unref(&fast);
    buf_free(envelope);
}

static void seat_take_results(struct runner_sink *sink, uint32_t peer,
                              const struct wire_result *results, unsigned count,
                              struct slice payloads)
{
    struct buf envelope = BUF_INIT;
    bool is_fast = (peer & SEAT_FAST_PEER) != 0;

    wire_put_results(&envelope, results, count);
    if (is_fast && envelope.len + payloads.len <= WIRE_MAX_FAST_BYTES)
        seat_send_fast(seat_of_sink(sink), peer & ~SEAT_FAST_PEER, &envelope, payloads);
    else
        seat_send_message(seat_of_sink(sink), peer & ~SEAT_FAST_PEER, &envelope,
                          payloads);
}

static void seat_release(struct runner_sink *sink, void *message)
{
    struct seat_load *load = message;

    (void)sink;
    if (load->message)
        nng_msg_free(load->message);
    buf_free(&load->frame);
    arena_unref(&load->arena);
    mem_free(load);
}

struct runner_sink seat_make_sink(void)
{
    return (struct runner_sink){seat_take_results, seat_release};
}

/* ---- jobs ---- */

/* A reference to the arena that is shared with this peer; NULL for none. */
static struct arena *seat_arena(struct seat *seat, uint32_t peer)
{
    struct arena *arena = NULL;

    pthread_mutex_lock(&seat->lock);
    if (peer == seat->pipe.id)
        arena = arena_ref(seat->arena);
    pthread_mutex_unlock(&seat->lock);
    return arena;
}

/* Gives jobs to the runner, and with them the message, which is in one of the two.
   Returns NULL, or what is wrong: then both are the caller's still. */
static const char *seat_submit(struct seat *seat, uint32_t peer,
                               const struct wire_jobs *jobs, nng_msg *message,
                               struct buf frame)
{
    struct seat_load *load = mem_alloc(sizeof(*load));
    const char *why = NULL;
    uint8_t *data;

    *load = (struct seat_load){message, frame, seat_arena(seat, peer & ~SEAT_FAST_PEER)};
    data = load->arena ? arena_data(load->arena) : NULL;
    if (!arena_fits(load->arena, jobs))
        why = "a job outside the arena";
    else if (runner_submit(seat->world->runner, &seat->sink, peer, jobs, data, load) != 0)
        why = "more JOBS messages than it has credits";
    if (!why)
        return NULL;
    arena_unref(&load->arena);
    mem_free(load);
    return why;
}

const char *seat_take_jobs(struct seat *seat, uint32_t peer, const struct wire_jobs *jobs,
                           nng_msg **message)
{
    const char *why = seat_submit(seat, peer, jobs, *message, (struct buf)BUF_INIT);

    if (!why)
        *message = NULL;
    return why;
}

void seat_cancel(struct seat *seat, uint32_t peer, const struct wire_cancel *cancel)
{
    struct runner *runner = seat->world->runner;

    runner_cancel(runner, &seat->sink, peer, cancel);
    runner_cancel(runner, &seat->sink, peer | SEAT_FAST_PEER, cancel);
}

void seat_forget_jobs(struct seat *seat, uint32_t peer)
{
    runner_forget(seat->world->runner, &seat->sink, peer);
    runner_forget(seat->world->runner, &seat->sink, peer | SEAT_FAST_PEER);
}

/* ---- the fast path ---- */

/* Reads a message that lives in the buffer; clears *frame where the runner has it. */
static const char *seat_take_fast(struct seat *seat, uint32_t peer, struct slice bytes,
                                  struct buf *frame)
{
    struct wire_message decoded;
    const char *why;

    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    switch (decoded.type) {
    case WIRE_JOBS:
        why = seat_submit(seat, peer | SEAT_FAST_PEER, &decoded.jobs, NULL, *frame);
        if (!why)
            *frame = (struct buf)BUF_INIT;
        return why;
    case WIRE_CANCEL: seat_cancel(seat, peer, &decoded.cancel); return NULL;
    default: return "a message that does not travel on the fast path";
    }
}

/* The jobs may have to wait, so they get memory of their own. */
static const char *seat_on_fast_message(void *ctx, uint32_t peer, struct slice bytes,
                                        struct frame_reader *reader)
{
    struct buf frame = BUF_INIT;
    const char *why;

    if (!frame_reader_steal(reader, &frame)) {
        buf_append(&frame, bytes.data, bytes.len);
        bytes = buf_slice(&frame);
    }
    why = seat_take_fast(ctx, peer, bytes, &frame);
    buf_free(&frame);
    return why;
}

/* The seat ends with its fast path: the front has to be told that jobs may be lost. */
static void seat_on_fast_ended(void *ctx, uint32_t peer, const char *why)
{
    struct seat *seat = ctx;

    if (why)
        seat_drop_peer(seat, (nng_pipe){peer}, why);
    else
        nng_pipe_close((nng_pipe){peer});
}

/* Begins to read the fast path; the lock is held, so that nobody sees a job of it before
   its results can be sent. */
static void seat_open_fast(struct seat *seat, uint32_t peer, int fd)
{
    static const struct fastpath_events events = {seat_on_fast_message,
                                                  seat_on_fast_ended};

    seat->fast = fastpath_open(seat->world->fastpath, fd, &events, seat, peer);
    if (!seat->fast)
        log_info("front %s: no fast path: %m", seat->url);
}

void seat_take_offer(struct seat *seat, uint32_t peer,
                     const struct wire_seat_welcome *welcome)
{
    char url[sizeof seat->url];
    const struct arena_front front = {url, dial_is_here((nng_pipe){peer})};
    struct arena *arena;
    const char *why;
    int fast = -1;

    pthread_mutex_lock(&seat->lock);
    memcpy(url, seat->url, sizeof url);
    pthread_mutex_unlock(&seat->lock);
    arena = arena_fetch(&front, welcome, seat->world->fastpath ? &fast : NULL, &why);
    pthread_mutex_lock(&seat->lock);
    if (!arena && fast < 0)
        log_info("front %s: nothing shared: %s", seat->url, why);
    if (peer == seat->pipe.id && !seat->arena && !seat->fast) {
        seat->arena = arena;
        arena = NULL;
        if (fast >= 0)
            seat_open_fast(seat, peer, fast);
        fast = -1;
    }
    pthread_mutex_unlock(&seat->lock);
    if (fast >= 0)
        close(fast);
    arena_unref(&arena);
}
