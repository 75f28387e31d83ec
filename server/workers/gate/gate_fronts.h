/*
 * The gate's side of the internal socket: the fronts that are connected and
 * the seats that they offer. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_FRONTS_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_FRONTS_H

#include <stdbool.h>

#include "proto/wire.h"

struct ev_loop;
struct gate_fronts;

struct gate_fronts_events {
    void (*came)(void *ctx);    /* a front has connected */
    void (*changed)(void *ctx); /* an offer came, or a front went */
    void (*left)(void *ctx);    /* a front's connection is closed */
};

/* Accepts fronts (of our own user, or root) on the listening SOCK_SEQPACKET socket, which
   stays the caller's. The caller ends it with gate_fronts_destroy(). */
struct gate_fronts *gate_fronts_create(struct ev_loop *loop, int listen_fd,
                                       const struct gate_fronts_events *events,
                                       void *ctx);

/* Closes the connections; NULL inside is allowed. */
void gate_fronts_destroy(struct gate_fronts **fronts);

/* Passes a worker's hello, as it came, on to every front. */
void gate_fronts_tell(struct gate_fronts *fronts, struct slice hello);

/* Has every front prompt its workers: one has come that they do not know. */
void gate_fronts_prompt(struct gate_fronts *fronts);

/* True where no front is connected. */
bool gate_fronts_is_empty(const struct gate_fronts *fronts);

/* Fills in the seats that the fronts offer to the worker; slices are valid until the next
   event. Returns true where there are fronts and every one has made its offer. */
bool gate_fronts_seats(const struct gate_fronts *fronts, const struct wire_id *worker,
                       struct wire_welcome *welcome);

#endif
