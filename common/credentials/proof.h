/*
 * Proofs that one knows the shared secret: HMAC-SHA256 over what both sides of
 * a connection know, so that nothing of the secret is sent and no proof is
 * good anywhere else. proto/PROTOCOL.md, section 5, says what is in each.
 *
 * Pure functions; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_PROOF_H
#define OFFLOOP_COMMON_CREDENTIALS_PROOF_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Of a proof, and of the random bytes that make one fresh. */
#define PROOF_BYTES 32

struct proof {
    uint8_t bytes[PROOF_BYTES];
};

/* HMAC-SHA256 of the label (its NUL included, so that no two kinds of proof meet) and the
   parts one after another. */
void proof_make(struct slice secret, const char *label, const struct slice *parts,
                unsigned count, struct proof *proof_r);

/* True where they are the same; takes as long where they are not. */
bool proof_equals(const struct proof *proof, struct slice given)
    __attribute__((warn_unused_result));

/* Fresh random bytes; ends the process where the kernel gives none. */
void proof_make_nonce(struct proof *nonce_r);

/* The proof's bytes. */
static inline struct slice proof_slice(const struct proof *proof)
{
    return (struct slice){proof->bytes, sizeof proof->bytes};
}

#endif
