/*
 * Messages from a worker to a front, above nng and below the scheduler: what
 * came is read strictly. Inside the workers room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_WORKER_MESSAGE_H
#define OFFLOOP_SERVER_WORKERS_WORKER_MESSAGE_H

#include <nng/nng.h>

#include "common/base/blob.h"
#include "proto/wire.h"

struct frame_reader;
struct rpc_worker;
struct transfer;

/* Where the bytes of the result are that is being handed to its receiver. */
struct rpc_message {
    struct blob *ready;      /* in here, where not NULL; cleared once it is taken */
    const uint8_t *in_arena; /* else here, where not NULL: may only be copied */
    nng_msg **message; /* else in here, where not NULL; cleared once a blob has it */
    struct frame_reader *reader; /* else in here, which may give its memory away */
    struct blob *kept; /* that blob: what else is in the message is still read */
    size_t bytes;      /* of the message */
};

/* Handles one message of a worker that is up. Clears *message where its memory was kept.
   Returns NULL, or what is wrong (static text): then the peer is to be dropped. */
const char *worker_message_handle(struct rpc_worker *worker, nng_msg **message);

/* The same with one message of the fast path of a worker that is up: results only. */
const char *worker_message_handle_fast(struct rpc_worker *worker, struct slice bytes,
                                       struct frame_reader *reader);

/* All bytes of a large result have been copied: hands it on. Takes the transfer over.
   Returns as worker_message_handle(). */
const char *worker_message_finished(struct rpc_worker *worker, struct transfer *transfer);

/* Hands a result to its receiver; what the job has in the arena is free then. Returns as
   worker_message_handle(). */
const char *worker_message_deliver(struct rpc_worker *worker,
                                   const struct wire_result *result,
                                   struct rpc_message *message);

#endif
