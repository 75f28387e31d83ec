/*
 * Messages from a front to a worker: what goes is encoded, and large payloads
 * take their time. Inside the workers room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_WORKER_SEND_H
#define OFFLOOP_SERVER_WORKERS_WORKER_SEND_H

#include "server/workers/worker_message.h"

struct transfer;

/* Sends a SEAT_WELCOME. Returns -1 where the worker does not read. */
int worker_send_welcome(struct rpc_worker *worker,
                        const struct wire_seat_welcome *welcome)
    __attribute__((warn_unused_result));

/* Sends a CHALLENGE. Returns -1 where the worker does not read. */
int worker_send_challenge(struct rpc_worker *worker,
                          const struct wire_challenge *challenge)
    __attribute__((warn_unused_result));

/* Asks the worker to say hello at the gate now; one that is not connected, cannot be
   asked or does not read will within a second anyhow. */
void worker_send_prompt(struct rpc_worker *worker);

/* All bytes of a message are in place, or all its jobs were forgotten: sends it, or
   answers for the worker. Takes the transfer over. Returns as worker_message_handle(). */
const char *worker_send_finished(struct rpc_worker *worker, struct transfer *transfer);

/* Sends finished messages that nng would not take before. */
void worker_send_again(struct rpc_worker *worker);

#endif
