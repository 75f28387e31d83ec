/*
 * The first messages on a seat, before the worker is up. Where the server has a
 * secret, the peer asks for a challenge (ASK) and answers it (PROOF); only then may
 * it say which worker it is (SEAT_HELLO). The front answers with a SEAT_WELCOME,
 * which offers memory to share and a fast path. A nonce is for one connection.
 * Inside the workers room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_WORKER_JOIN_H
#define OFFLOOP_SERVER_WORKERS_WORKER_JOIN_H

#include <stdbool.h>

#include "common/credentials/proof.h"
#include "proto/wire.h"

struct rpc_worker;

/* How far a connection has come. Starts as zeros. */
struct worker_secret {
    bool is_asked;      /* the challenge is out */
    bool is_proven;     /* the peer has answered it */
    struct proof asked; /* the peer's nonce */
    struct proof nonce; /* ours */
};

/* Handles one message of a worker that has joined and is not up yet. Returns NULL, or
   what is wrong (static text): then the peer is to be dropped. */
const char *worker_join_handle(struct rpc_worker *worker, struct slice bytes);

#endif
