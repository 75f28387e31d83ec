#include "worker/link/secret_exchange.h"

#include <assert.h>
#include <string.h>

static const char *const unasked = "a challenge that nobody asked for";
static const char *const unknown = "it does not know our worker secret";

void secret_exchange_ask(struct secret_exchange *secret_exchange,
                         const struct wire_id *worker, struct buf *out)
{
    const struct wire_ask ask = {*worker, proof_slice(&secret_exchange->nonce)};

    proof_make_nonce(&secret_exchange->nonce);
    secret_exchange->is_asked = true;
    secret_exchange->is_answered = false;
    wire_put_ask(out, &ask);
}

static struct proof nonce_of(const struct wire_challenge *challenge)
{
    struct proof nonce;

    assert(challenge->nonce.len == sizeof nonce.bytes);
    memcpy(nonce.bytes, challenge->nonce.data, sizeof nonce.bytes);
    return nonce;
}

const char *secret_exchange_answer_gate(struct secret_exchange *secret_exchange,
                                        struct slice secret,
                                        const struct wire_challenge *challenge,
                                        const struct wire_hello *hello, struct buf *out)
{
    const struct wire_ask ask = {hello->worker, proof_slice(&secret_exchange->nonce)};
    const struct proof nonce = nonce_of(challenge);
    struct proof expected;

    if (!secret_exchange->is_asked)
        return unasked;
    secret_exchange->is_asked = false;
    secret_prove_gate(secret, &ask, &nonce, &expected);
    if (!proof_equals(&expected, challenge->proof))
        return unknown;
    secret_exchange->is_answered = true;
    secret_put_hello(out, secret, hello, &nonce);
    return NULL;
}

const char *secret_exchange_answer_front(struct secret_exchange *secret_exchange,
                                         struct slice secret,
                                         const struct wire_challenge *challenge,
                                         const struct wire_id *worker,
                                         uint64_t incarnation, struct buf *out)
{
    const struct wire_ask ask = {*worker, proof_slice(&secret_exchange->nonce)};
    const struct proof nonce = nonce_of(challenge);
    struct proof proof;

    if (!secret_exchange->is_asked)
        return unasked;
    secret_exchange->is_asked = false;
    secret_prove_front(secret, &ask, &nonce, incarnation, &proof);
    if (!proof_equals(&proof, challenge->proof))
        return unknown;
    secret_exchange->is_answered = true;
    secret_prove_worker(secret, &ask, &nonce, incarnation, &proof);
    wire_put_proof(out, proof_slice(&proof));
    return NULL;
}
