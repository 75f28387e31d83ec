/*
 * The state of a seat, and what its three files call of each other: seat.c connects and
 * keeps the connection, seat_jobs.c takes jobs and sends results, seat_send.c sends
 * messages and hangs up. For these three files alone.
 */
#ifndef OFFLOOP_WORKER_LINK_SEAT_STATE_H
#define OFFLOOP_WORKER_LINK_SEAT_STATE_H

#include <pthread.h>

#include <nng/nng.h>

#include "common/base/list.h"
#include "worker/nng_faults/pipe_order.h"
#include "worker/nng_faults/dialer.h"
#include "common/base/log.h"
#include "worker/link/seat.h"
#include "worker/link/secret_exchange.h"

struct arena;
struct fastpath_link;

/* In the peer that a batch of jobs is from: it came by the fast path. nng's ids are
   below. */
#define SEAT_FAST_PEER (UINT32_C(1) << 31)

struct seat {
    struct runner_sink sink;
    const struct seat_world *world;
    nng_socket socket;
    nng_aio *receiving; /* always armed */
    nng_aio *sending;   /* belongs to whoever set is_sending */
    struct dial dial;   /* main thread */

    pthread_mutex_t lock; /* over all below; the main thread alone writes these two: */
    char url[WIRE_MAX_TEXT_BYTES + 1]; /* what was dialled last */
    uint64_t incarnation;              /* of the front there */
    nng_pipe pipe;                     /* of the connected front; id 0 for none */
    struct arena *arena;               /* shared with it; NULL for none */
    struct fastpath_link *fast;        /* to it; NULL for none */
    struct pipe_order pipe_order;
    struct secret_exchange secret_exchange; /* where there is a secret */
    uint32_t greeted; /* id of the last pipe that we have said hello on */
    bool is_sending;
    struct list unsent;
    unsigned unsent_count;
    unsigned bye; /* enum wire_bye once said, else 0 */
    struct log_limited faults_log;
};

/* seat_send.c: sends envelope and payloads to the connection `peer`, or nothing where
   that is gone. Any thread, no lock held. */
void seat_send_message(struct seat *seat, uint32_t peer, struct buf *envelope,
                       struct slice payloads);

/* seat_send.c: nng calls it when a message was sent, or its connection is gone. */
void seat_on_sent(void *arg);

/* seat_send.c: frees messages that were taken out of seat->unsent. */
void seat_free_unsent(struct list *unsent);

/* seat_send.c: hangs up on a peer that sent what is wrong. */
void seat_drop_peer(struct seat *seat, nng_pipe pipe, const char *why);

/* seat_jobs.c: where results of a seat's jobs go; to be its `sink`. */
struct runner_sink seat_make_sink(void);

/* seat_jobs.c: gives jobs that came on the seat to the runner, and with them the message.
   Returns NULL, or what is wrong. */
const char *seat_take_jobs(struct seat *seat, uint32_t peer, const struct wire_jobs *jobs,
                           nng_msg **message);

/* seat_jobs.c: marks jobs, whichever way they came. */
void seat_cancel(struct seat *seat, uint32_t peer, const struct wire_cancel *cancel);

/* seat_jobs.c: forgets the jobs of a peer that is gone. */
void seat_forget_jobs(struct seat *seat, uint32_t peer);

/* seat_jobs.c: fetches what the front offers: memory to share, a fast path.
   What cannot be had is done without. */
void seat_take_offer(struct seat *seat, uint32_t peer,
                     const struct wire_seat_welcome *welcome);

#endif
