/*
 * Proofs that a peer knows the shared secret: HMAC-SHA256 over what both sides of a
 * connection know. So the secret itself is never sent, and a proof is valid for one
 * connection only. proto/PROTOCOL.md, section 5, says what each proof covers.
 *
 * Pure functions; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_PROOF_H
#define OFFLOOP_COMMON_CREDENTIALS_PROOF_H

#include <stdbool.h>

#include "common/base/buf.h"

/* The length of a proof, and of the random bytes that make each proof new. */
#define PROOF_BYTES 32

struct proof {
    uint8_t bytes[PROOF_BYTES];
};

/* HMAC-SHA256 of the label and the parts, one after another. The label's NUL is included,
   so that proofs of two kinds are never equal. */
void proof_make(struct slice secret, const char *label, const struct slice *parts,
                unsigned count, struct proof *proof_r);

/* True where both are the same. Takes the same time where they are not. */
bool proof_equals(const struct proof *proof, struct slice given)
    __attribute__((warn_unused_result));

/* Random bytes. Ends the process where the kernel gives none. */
void proof_make_nonce(struct proof *nonce_r);

/* The proof's bytes. */
static inline struct slice proof_slice(const struct proof *proof)
{
    return (struct slice){proof->bytes, sizeof proof->bytes};
}

#endif
