/*
 * A seat: this worker's connection to one front process. Owns the PAIR0
 * socket, dials the front, reads its messages on nng's threads, gives jobs to
 * the runner and sends what comes of them.
 *
 * A socket is never closed: a seat whose front is gone is stopped and serves
 * another front later (closing an nng 1.5.2 socket can hang; issues 1543 and
 * 1813). Functions are the main thread's alone.
 */
#ifndef OFFLOOP_WORKER_LINK_SEAT_H
#define OFFLOOP_WORKER_LINK_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "worker/runner.h"

struct fastpath;
struct nng_tls_config;
struct seat;

/* What all seats of a process share; outlives them. */
struct seat_world {
    struct runner *runner;
    struct fastpath *fastpath;      /* NULL: none is taken */
    const struct wire_hello *hello; /* who we are */
    struct slice secret;            /* that fronts have to know too; empty for none */
    void (*on_lost)(void *arg);     /* a front hung up; any thread */
    void (*on_prompt)(void *arg);   /* a front says that there are others; any thread */
    void *arg;
};

/* A seat without a front. NULL, with a line in the log, where nng refuses. */
struct seat *seat_create(const struct seat_world *world);

/* Dials a front; with TLS where it is not NULL, which must outlive the seat. Returns -1
 * where the URL cannot be dialled; the seat is unused then. */
int seat_start(struct seat *seat, const struct wire_seat *front,
               struct nng_tls_config *tls) __attribute__((warn_unused_result));

/* Leaves the front; the seat may start again. */
void seat_stop(struct seat *seat);

/* True between start and stop. */
bool seat_is_used(const struct seat *seat);

/* True where the seat is that front's (the same process at the same address). */
bool seat_is_for(const struct seat *seat, const struct wire_seat *front);

/* True where the seat is that front process', which is at another address now: it has
   given up this connection, whatever the network says. */
bool seat_has_moved(const struct seat *seat, const struct wire_seat *front);

/* Leaves the front and hangs up. */
void seat_hang_up(struct seat *seat);

/* True while the front is connected. */
bool seat_is_connected(struct seat *seat);

/* Every second: keeps the dialer going and tells the front that this process lives. */
void seat_tick(struct seat *seat);

/* True where all that was sent has left for the front (or its connection is gone). */
bool seat_is_delivered(struct seat *seat);

/* Tells the front not to send new jobs; told again on every new connection. */
void seat_say_bye(struct seat *seat, enum wire_bye reason);

#endif
