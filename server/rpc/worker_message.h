/*
 * Messages between a front and a worker, above nng and below the scheduler:
 * what came is read strictly, what goes is encoded. Inside the rpc room; loop
 * thread only.
 */
#ifndef OFFLOOP_SERVER_RPC_WORKER_MESSAGE_H
#define OFFLOOP_SERVER_RPC_WORKER_MESSAGE_H

#include <nng/nng.h>

struct rpc_worker;

/* Deals with one message of a worker that has joined or is up; before it is up, only a
   SEAT_HELLO that fits is right (it is answered here). Clears *message where its memory
   was kept. Returns NULL, or what is wrong (static text): then the peer is to be
   dropped. */
const char *worker_message_handle(struct rpc_worker *worker, nng_msg **message);

#endif
