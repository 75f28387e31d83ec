#include "worker/vouch.h"

#include <assert.h>
#include <string.h>

static const char *const unasked = "a challenge that nobody asked for";
static const char *const unknown = "it does not know our worker secret";

void vouch_ask(struct vouch *vouch, const struct wire_id *worker, struct buf *out)
{
    const struct wire_ask ask = {*worker, proof_slice(&vouch->nonce)};

    proof_make_nonce(&vouch->nonce);
    vouch->is_asked = true;
    vouch->is_answered = false;
    wire_put_ask(out, &ask);
}

static struct proof nonce_of(const struct wire_challenge *challenge)
{
    struct proof nonce;

    assert(challenge->nonce.len == sizeof nonce.bytes);
    memcpy(nonce.bytes, challenge->nonce.data, sizeof nonce.bytes);
    return nonce;
}

const char *vouch_answer_gate(struct vouch *vouch, struct slice secret,
                              const struct wire_challenge *challenge,
                              const struct wire_hello *hello, struct buf *out)
{
    const struct wire_ask ask = {hello->worker, proof_slice(&vouch->nonce)};
    const struct proof nonce = nonce_of(challenge);
    struct proof expected;

    if (!vouch->is_asked)
        return unasked;
    vouch->is_asked = false;
    trust_prove_gate(secret, &ask, &nonce, &expected);
    if (!proof_equals(&expected, challenge->proof))
        return unknown;
    vouch->is_answered = true;
    trust_put_hello(out, secret, hello, &nonce);
    return NULL;
}

const char *vouch_answer_front(struct vouch *vouch, struct slice secret,
                               const struct wire_challenge *challenge,
                               const struct wire_id *worker, uint64_t incarnation,
                               struct buf *out)
{
    const struct wire_ask ask = {*worker, proof_slice(&vouch->nonce)};
    const struct proof nonce = nonce_of(challenge);
    struct proof proof;

    if (!vouch->is_asked)
        return unasked;
    vouch->is_asked = false;
    trust_prove_front(secret, &ask, &nonce, incarnation, &proof);
    if (!proof_equals(&proof, challenge->proof))
        return unknown;
    vouch->is_answered = true;
    trust_prove_worker(secret, &ask, &nonce, incarnation, &proof);
    wire_put_proof(out, proof_slice(&proof));
    return NULL;
}
