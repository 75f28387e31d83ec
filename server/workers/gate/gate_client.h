/*
 * A front's connection to its gate: hellos in, offers out. While the gate is
 * being restarted the connection waits in the backlog of the master's socket,
 * so that a new gate meets every front at once.
 *
 * Loop thread only; no call waits.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_CLIENT_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_CLIENT_H

#include "proto/wire.h"

struct ev_loop;
struct gate_client;

struct gate_client_events {
    void (*up)(void *ctx); /* connected (again): offers must be made anew */
    void (*hello)(void *ctx, const struct wire_hello *hello); /* a worker's; valid here */
    void (*prompt)(void *ctx); /* another front has come: workers are to say hello */
};

/* Connects to the socket that listens at gate_listen_fd (the address is asked of it), now
   and whenever the connection ends. Events come later, never from here. The caller ends
   it with gate_client_destroy(). */
struct gate_client *gate_client_create(struct ev_loop *loop, int gate_listen_fd,
                                       const struct gate_client_events *events,
                                       void *ctx);

/* Disconnects: the gate forgets the offers. NULL inside is allowed. */
void gate_client_destroy(struct gate_client **link);

/* Tells the gate of a seat; lost where there is no connection. */
void gate_client_offer(struct gate_client *link, const struct wire_id *worker,
                       const struct wire_seat *seat);

/* Tells the gate that the worker's seat is gone. */
void gate_client_gone(struct gate_client *link, const struct wire_id *worker);

#endif
