#include "server/workers/gate/gate_secret.h"

#include <assert.h>
#include <string.h>

#include "common/base/clock.h"

#define LABEL_NONCE "offloop nonce"

/* From CHALLENGE to HELLO. */
#define GOOD_FOR_NS (10 * NS_PER_S)

#define TIME_BYTES 8

void gate_secret_init(struct gate_secret *secret_state, struct slice secret)
{
    secret_state->secret = secret;
    proof_make_nonce(&secret_state->key);
}

bool gate_secret_is_needed(const struct gate_secret *secret_state)
{
    return secret_state->secret.len > 0;
}

/* The nonce of that moment, worker and connection. */
static void make_nonce(const struct gate_secret *secret_state,
                       const struct wire_id *worker, uint32_t pipe, uint64_t made_ns,
                       struct proof *nonce_r)
{
    uint8_t time[TIME_BYTES];
    const struct slice parts[] = {{time, sizeof time},
                                  {(const uint8_t *)&pipe, sizeof pipe},
                                  {worker->bytes, sizeof worker->bytes}};
    struct proof seal;

    memcpy(time, &made_ns, sizeof time);
    proof_make(proof_slice(&secret_state->key), LABEL_NONCE, parts,
               sizeof parts / sizeof *parts, &seal);
    memcpy(nonce_r->bytes, time, sizeof time);
    memcpy(nonce_r->bytes + TIME_BYTES, seal.bytes, PROOF_BYTES - TIME_BYTES);
}

void gate_secret_put_challenge(const struct gate_secret *secret_state,
                               const struct wire_ask *ask, uint32_t pipe, uint64_t now_ns,
                               struct buf *out)
{
    struct wire_challenge challenge;
    struct proof nonce, proof;

    assert(gate_secret_is_needed(secret_state));
    make_nonce(secret_state, &ask->worker, pipe, now_ns, &nonce);
    secret_prove_gate(secret_state->secret, ask, &nonce, &proof);
    challenge = (struct wire_challenge){proof_slice(&nonce), proof_slice(&proof)};
    wire_put_challenge(out, &challenge);
}

const char *gate_secret_judge(const struct gate_secret *secret_state, struct slice bytes,
                              const struct wire_hello *hello, uint32_t pipe,
                              uint64_t now_ns)
{
    struct proof nonce, expected;
    uint64_t made_ns;

    if (hello->auth.len == 0)
        return "it does not know the worker secret";
    if (!secret_check_hello(secret_state->secret, bytes, hello, &nonce))
        return "it has another worker secret";
    memcpy(&made_ns, nonce.bytes, sizeof made_ns);
    make_nonce(secret_state, &hello->worker, pipe, made_ns, &expected);
    if (!proof_equals(&expected, proof_slice(&nonce)))
        return "its proof was made for another connection";
    if (made_ns > now_ns || now_ns - made_ns > GOOD_FOR_NS)
        return "its proof is too old";
    return NULL;
}
