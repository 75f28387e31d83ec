/*
 * The gate's side of the shared secret: challenges that it can recognise again
 * without keeping them. A nonce is the time and a seal over it, the connection
 * and the worker, by a key that dies with the gate: so it is good for ten
 * seconds, for that worker, and on that connection only, and whoever repeats
 * what he has overheard on a connection of his own is refused.
 *
 * Loop thread only; no state but the key.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_SECRET_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_SECRET_H

#include "proto/secret.h"

struct gate_secret {
    struct slice secret; /* of the configuration; empty where there is none */
    struct proof key;    /* random */
};

/* Starts with a secret (empty for none), which must outlive it. */
void gate_secret_init(struct gate_secret *secret_state, struct slice secret);

/* True where workers have to know the secret. */
bool gate_secret_is_needed(const struct gate_secret *secret_state);

/* Appends the CHALLENGE that answers an ASK which came on that connection. */
void gate_secret_put_challenge(const struct gate_secret *secret_state,
                               const struct wire_ask *ask, uint32_t pipe, uint64_t now_ns,
                               struct buf *out);

/* NULL where the HELLO that came on that connection proves that its sender knows the
   secret; else what is wrong (static text). */
const char *gate_secret_judge(const struct gate_secret *secret_state, struct slice bytes,
                              const struct wire_hello *hello, uint32_t pipe,
                              uint64_t now_ns) __attribute__((warn_unused_result));

#endif
