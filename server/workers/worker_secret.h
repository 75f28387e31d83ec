/*
 * A front's side of the shared secret: what comes on a seat before its peer is
 * believed to be the worker. Where the server has a secret, the peer asks for
 * a challenge, answers it, and only then may say who it is; a nonce is of one
 * connection. Inside the rpc room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_WORKER_SECRET_H
#define OFFLOOP_SERVER_WORKERS_WORKER_SECRET_H

#include <stdbool.h>

#include "common/credentials/proof.h"
#include "proto/wire.h"

struct rpc_worker;

/* How far a connection has come. Starts as zeros. */
struct worker_secret {
    bool is_asked;      /* the challenge is out */
    bool is_proven;     /* and was answered */
    struct proof asked; /* the peer's nonce */
    struct proof nonce; /* ours */
};

/* Answers an ASK with a CHALLENGE. Returns NULL, or what is wrong (static text). */
const char *worker_secret_take_ask(struct rpc_worker *worker, const struct wire_ask *ask);

/* Judges a PROOF; returns as above. */
const char *worker_secret_take_proof(struct rpc_worker *worker, struct slice proof);

/* True where the peer may say who it is: it has proven that it knows the secret, or there
   is none. */
bool worker_secret_is_enough(const struct rpc_worker *worker);

#endif
