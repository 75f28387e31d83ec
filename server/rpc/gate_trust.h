/*
 * The gate's side of the shared secret: challenges that it can recognise again
 * without keeping them. A nonce is the time and a seal over it, the connection
 * and the worker, by a key that dies with the gate: so it is good for ten
 * seconds, for that worker, and on that connection only, and whoever repeats
 * what he has overheard on a connection of his own is refused.
 *
 * Loop thread only; no state but the key.
 */
#ifndef OFFLOOP_SERVER_RPC_GATE_TRUST_H
#define OFFLOOP_SERVER_RPC_GATE_TRUST_H

#include "proto/trust.h"

struct gate_trust {
    struct slice secret; /* of the configuration; empty where there is none */
    struct proof key;    /* random */
};

/* Starts with a secret (empty for none), which must outlive it. */
void gate_trust_init(struct gate_trust *trust, struct slice secret);

/* True where workers have to know the secret. */
bool gate_trust_is_needed(const struct gate_trust *trust);

/* Appends the CHALLENGE that answers an ASK which came on that connection. */
void gate_trust_put_challenge(const struct gate_trust *trust, const struct wire_ask *ask,
                              uint32_t pipe, uint64_t now_ns, struct buf *out);

/* NULL where the HELLO that came on that connection proves that its sender knows the
   secret; else what is wrong (static text). */
const char *gate_trust_judge(const struct gate_trust *trust, struct slice bytes,
                             const struct wire_hello *hello, uint32_t pipe,
                             uint64_t now_ns) __attribute__((warn_unused_result));

#endif
