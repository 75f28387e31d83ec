/*
 * The seats of one server: what its gate's latest list names, and older ones
 * whose fronts still drain. Main thread only.
 */
#ifndef OFFLOOP_WORKER_LINK_SEATS_H
#define OFFLOOP_WORKER_LINK_SEATS_H

#include <stdbool.h>

#include "proto/wire.h"
#include "worker/link/seat.h"

struct nng_tls_config;
struct seats;

/* No seats yet. They live as long as the process; see seat.h. `gate_url` is the server's
   and must live as long; `tls` is for tls+tcp:// URLs, NULL without. */
struct seats *seats_create(const struct seat_world *world, const char *gate_url,
                           struct nng_tls_config *tls);

/* Takes the gate's list: dials fronts that are new in it, and leaves those that are not
   in it any more once they have hung up. Fronts at addresses to which that gate must not
   send a worker (front_address.h) are passed over, with a line in the log. */
void seats_update(struct seats *seats, const struct wire_welcome *welcome);

/* Every second; see seat_tick(). Also leaves fronts that hung up since. */
void seats_tick(struct seats *seats);

/* True where seat_is_delivered() of every seat. */
bool seats_are_delivered(const struct seats *seats);

/* Tells every front not to send new jobs. */
void seats_say_bye(struct seats *seats, enum wire_bye reason);

/* How many fronts are connected. */
unsigned seats_connected(const struct seats *seats);

#endif
