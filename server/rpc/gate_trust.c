#include "server/rpc/gate_trust.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"

#define LABEL_NONCE "offloop nonce"

/* From CHALLENGE to HELLO. */
#define GOOD_FOR_NS (10 * NS_PER_S)

#define TIME_BYTES 8

void gate_trust_init(struct gate_trust *trust, struct slice secret)
{
    trust->secret = secret;
    proof_make_nonce(&trust->key);
}

bool gate_trust_is_needed(const struct gate_trust *trust)
{
    return trust->secret.len > 0;
}

/* The nonce of that moment, worker and connection. */
static void make_nonce(const struct gate_trust *trust, const struct wire_id *worker,
                       uint32_t pipe, uint64_t made_ns, struct proof *nonce_r)
{
    uint8_t time[TIME_BYTES];
    const struct slice parts[] = {{time, sizeof time},
                                  {(const uint8_t *)&pipe, sizeof pipe},
                                  {worker->bytes, sizeof worker->bytes}};
    struct proof seal;

    memcpy(time, &made_ns, sizeof time);
    proof_make(proof_slice(&trust->key), LABEL_NONCE, parts, sizeof parts / sizeof *parts,
               &seal);
    memcpy(nonce_r->bytes, time, sizeof time);
    memcpy(nonce_r->bytes + TIME_BYTES, seal.bytes, PROOF_BYTES - TIME_BYTES);
}

void gate_trust_put_challenge(const struct gate_trust *trust, const struct wire_ask *ask,
                              uint32_t pipe, uint64_t now_ns, struct buf *out)
{
    struct wire_challenge challenge;
    struct proof nonce, proof;

    assert(gate_trust_is_needed(trust));
    make_nonce(trust, &ask->worker, pipe, now_ns, &nonce);
    trust_prove_gate(trust->secret, ask, &nonce, &proof);
    challenge = (struct wire_challenge){proof_slice(&nonce), proof_slice(&proof)};
    wire_put_challenge(out, &challenge);
}

const char *gate_trust_judge(const struct gate_trust *trust, struct slice bytes,
                             const struct wire_hello *hello, uint32_t pipe,
                             uint64_t now_ns)
{
    struct proof nonce, expected;
    uint64_t made_ns;

    if (hello->auth.len == 0)
        return "it does not know the worker secret";
    if (!trust_check_hello(trust->secret, bytes, hello, &nonce))
        return "it has another worker secret";
    memcpy(&made_ns, nonce.bytes, sizeof made_ns);
    make_nonce(trust, &hello->worker, pipe, made_ns, &expected);
    if (!proof_equals(&expected, proof_slice(&nonce)))
        return "its proof was made for another connection";
    if (made_ns > now_ns || now_ns - made_ns > GOOD_FOR_NS)
        return "its proof is too old";
    return NULL;
}
