/*
 * The fast paths of one worker process: the sockets that fronts on this host
 * have handed over, on which JOBS come and RESULTS leave without nng's threads
 * (PROTOCOL.md section 4). One thread, made before the sandbox closes, reads all
 * of them and runs the jobs itself, a batch at a time, so that a job which
 * finds it asleep costs one wake-up and no other thread's.
 *
 * Nothing waits for a front: what a socket does not take is queued, and a front
 * that does not read at all is left. While a job runs nothing is read; a CANCEL
 * is, before the next batch.
 */
#ifndef OFFLOOP_WORKER_LINK_FASTPATH_H
#define OFFLOOP_WORKER_LINK_FASTPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

struct fastpath;      /* the thread */
struct fastpath_link; /* one socket; counted */
struct runner;

/* What the owner of a socket is told; on the fast path's thread. */
struct fastpath_events {
    /* One message from `peer`, whose memory may be taken by frame_reader_steal(). Returns
       NULL, or what is wrong with it (static text): then `ended` follows. */
    const char *(*message)(void *ctx, uint32_t peer, struct slice message,
                           struct frame_reader *reader);
    /* The front has hung up (NULL), or sent what is wrong: the last event. */
    void (*ended)(void *ctx, uint32_t peer, const char *why);
};

/* Starts the thread, which runs what comes with that runner; both live as long as the
   process. Returns NULL with errno. */
struct fastpath *fastpath_start_thread(struct runner *runner);

/* Takes a socket over and reads it from now on. Returns NULL, with the socket closed,
   where that cannot be. One reference, the caller's. Any thread. */
struct fastpath_link *fastpath_open(struct fastpath *fastpath, int fd,
                                    const struct fastpath_events *events, void *ctx,
                                    uint32_t peer);

/* One more reference; NULL is allowed. Any thread. */
struct fastpath_link *fastpath_link_ref(struct fastpath_link *link);

/* Gives up *link's reference (NULL is allowed) and clears the pointer. Any thread. */
void fastpath_link_unref(struct fastpath_link **link);

/* Hangs up; `ended` may still come. Any thread. */
void fastpath_link_hang_up(struct fastpath_link *link);

/* Sends one message, which is the head and the payloads behind it. Returns -1 where too
   much waits already: the front does not read. Any thread. */
int fastpath_link_send(struct fastpath_link *link, struct slice head,
                       struct slice payloads) __attribute__((warn_unused_result));

/* True where all that was sent is with the front, or the front is gone. Any thread. */
bool fastpath_link_is_delivered(struct fastpath_link *link);

#endif
