/*
 * The proofs by which server and worker show each other that they know the
 * shared secret: what of a message goes into which. PROTOCOL.md, section 5, is
 * the same in prose, with an example that a test reads.
 *
 * Pure functions; any thread may call. A secret is never empty here.
 */
#ifndef OFFLOOP_PROTO_SECRET_H
#define OFFLOOP_PROTO_SECRET_H

#include "common/credentials/proof.h"
#include "proto/wire.h"

/* What a gate answers to an ASK with: that it knows the secret. */
void secret_prove_gate(struct slice secret, const struct wire_ask *ask,
                       const struct proof *nonce, struct proof *proof_r);

/* What a front answers to an ASK with. The incarnation is its own. */
void secret_prove_front(struct slice secret, const struct wire_ask *ask,
                        const struct proof *nonce, uint64_t incarnation,
                        struct proof *proof_r);

/* What a worker answers to a front's CHALLENGE with, of which `nonce` is the nonce. */
void secret_prove_worker(struct slice secret, const struct wire_ask *ask,
                         const struct proof *nonce, uint64_t incarnation,
                         struct proof *proof_r);

/* Appends a HELLO (whose auth is not looked at) that proves to the gate with that nonce
   that the worker knows the secret. */
void secret_put_hello(struct buf *out, struct slice secret,
                      const struct wire_hello *hello, const struct proof *nonce);

/* Checks the proof of a HELLO: the bytes as they came, and what they decode to. True
   where it is good for the nonce that it names, which *nonce_r is then. */
bool secret_check_hello(struct slice secret, struct slice bytes,
                        const struct wire_hello *hello, struct proof *nonce_r)
    __attribute__((warn_unused_result));

#endif
