/*
 * A server's gate: where this worker says hello every second and is told the
 * seats of the server's fronts. Owns the REQ socket and dials.
 *
 * The answer arrives on an nng thread, which only keeps it and wakes the main
 * thread; the functions are the main thread's. Like a seat, a gate lives as
 * long as the process.
 */
#ifndef OFFLOOP_WORKER_LINK_GATE_H
#define OFFLOOP_WORKER_LINK_GATE_H

#include <stdbool.h>

#include "proto/wire.h"

struct gate;
struct nng_tls_config;

/* How a server is reached and believed; outlives the gate. */
struct gate_server {
    const char *url;            /* its --rpc URL */
    struct nng_tls_config *tls; /* for tls+tcp://; NULL for others */
    struct slice secret;        /* that both sides have to know; empty for none */
};

/* Dials the server. `wake` is called by nng's threads when there is an
   answer, or a new connection to ask on. NULL, with a line in the log, where the URL
   cannot be dialled. */
struct gate *gate_create(const struct gate_server *server, const struct wire_hello *hello,
                         void (*wake)(void *arg), void *arg);

/* Every second and when woken: says hello, unless the last one is still on its way. */
void gate_tick(struct gate *gate);

/* Says the next hello at the next tick, however short ago the last one was. */
void gate_hurry(struct gate *gate);

/* Takes the latest list of seats, if one came since the last call; false otherwise. The
   slices live until the next call. A refusal or a bad answer is logged and gives none. */
bool gate_take_welcome(struct gate *gate, struct wire_welcome *welcome_r);

#endif
