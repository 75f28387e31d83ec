/*
 * This worker's side of the shared secret, on one connection: it asks for a
 * challenge, checks that the other side knows the secret, and answers that it
 * does too. Used by one thread at a time.
 */
#ifndef OFFLOOP_WORKER_LINK_SECRET_EXCHANGE_H
#define OFFLOOP_WORKER_LINK_SECRET_EXCHANGE_H

#include <stdbool.h>

#include "proto/secret.h"

struct secret_exchange {
    struct proof nonce; /* ours, of the last ASK */
    bool is_asked;      /* it waits for a challenge */
    bool is_answered;   /* the other side knows the secret, and was told that we do */
};

/* Begins anew: appends an ASK with a fresh nonce. */
void secret_exchange_ask(struct secret_exchange *secret_exchange,
                         const struct wire_id *worker, struct buf *out);

/* A gate's CHALLENGE: appends the HELLO that answers it. Returns NULL, or what is wrong
   with it (static text). */
const char *secret_exchange_answer_gate(struct secret_exchange *secret_exchange,
                                        struct slice secret,
                                        const struct wire_challenge *challenge,
                                        const struct wire_hello *hello, struct buf *out);

/* A front's CHALLENGE: appends the PROOF that answers it. As above. */
const char *secret_exchange_answer_front(struct secret_exchange *secret_exchange,
                                         struct slice secret,
                                         const struct wire_challenge *challenge,
                                         const struct wire_id *worker,
                                         uint64_t incarnation, struct buf *out);

#endif
