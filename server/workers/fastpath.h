/*
 * The fast path to one worker on this host: a socket pair, of which the front
 * keeps one end and watches it with its own loop, and the worker is handed the
 * other with its arena. JOBS and RESULTS travel on it in frames (proto/frame.h)
 * without nng's threads; all other messages stay on the seat.
 *
 * What is sent is collected and leaves in one write per turn of the loop
 * (fastpath_flush()). Nothing waits: what the socket does not take stays in a
 * queue, and fastpath_is_full() says that no more should be added.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_FASTPATH_H
#define OFFLOOP_SERVER_WORKERS_FASTPATH_H

#include <stdbool.h>

#include "proto/frame.h"

struct ev_loop;
struct fastpath;

struct fastpath_events {
    /* One message; its memory may be taken by frame_reader_steal(). Returns NULL, or what
       is wrong with it (static text): then `ended` follows. Must not destroy the fast
       path. */
    const char *(*message)(void *ctx, struct slice message, struct frame_reader *reader);
    /* Something was received and all of it has been passed on. */
    void (*received)(void *ctx);
    /* The worker has hung up (NULL), or sent what is wrong. To destroy the fast path now
       is allowed, and nothing else is of use. */
    void (*ended)(void *ctx, const char *why);
};

/* Makes the pair. Returns NULL with errno. The caller ends it with fastpath_destroy(). */
struct fastpath *fastpath_create(struct ev_loop *loop,
                                 const struct fastpath_events *events, void *ctx);

/* Closes our end, and the worker's where that is still here; NULL inside is allowed. */
void fastpath_destroy(struct fastpath **fastpath);

/* The worker's end, to be handed over; -1 once fastpath_start() was called. */
int fastpath_peer_fd(const struct fastpath *fastpath);

/* The worker has its end: closes it here, and listens to the worker from now on. */
void fastpath_start(struct fastpath *fastpath);

/* True where the worker has not read what was sent, so that nothing should be added. */
bool fastpath_is_full(const struct fastpath *fastpath);

/* Adds a message: the head is copied, and where its other `bytes` go is returned, to be
   filled in at once. */
uint8_t *fastpath_add(struct fastpath *fastpath, struct slice head, size_t bytes)
    __attribute__((returns_nonnull));

/* Sends what was added, as far as the socket takes it now. */
void fastpath_flush(struct fastpath *fastpath);

/* Reads and passes on what the worker has sent before its connection ended; for a front
   that has learned of the end elsewhere. May call `ended`. */
void fastpath_drain(struct fastpath *fastpath);

/* Since when the worker has read nothing of what waits for it; 0 where nothing waits. */
uint64_t fastpath_stuck_since_ns(const struct fastpath *fastpath);

#endif
