#include "server/workers/worker_secret.h"

#include <assert.h>
#include <string.h>

#include "common/credentials/credentials.h"
#include "proto/secret.h"
#include "server/workers/gate/gate_message.h"
#include "server/workers/worker.h"
#include "server/workers/worker_send.h"

/* The secret; empty for none. */
static struct slice secret_of(const struct rpc_worker *worker)
{
    const struct credentials *credentials = worker->shared->config->credentials;

    return credentials == NULL ? (struct slice){NULL, 0}
                               : buf_slice(&credentials->secret);
}

/* What was asked, again. */
static struct wire_ask asked(const struct rpc_worker *worker)
{
    return (struct wire_ask){worker->id, proof_slice(&worker->secret_state.asked)};
}

const char *worker_secret_take_ask(struct rpc_worker *worker, const struct wire_ask *ask)
{
    struct worker_secret *secret_state = &worker->secret_state;
    struct wire_challenge challenge;
    struct proof proof;

    if (secret_of(worker).len == 0)
        return "it wants a worker secret, which this server has not";
    if (secret_state->is_asked)
        return "it asks twice";
    if (!gate_message_same_worker(&ask->worker, &worker->id))
        return "another worker's seat";
    assert(ask->nonce.len == sizeof secret_state->asked.bytes);
    secret_state->is_asked = true;
    memcpy(secret_state->asked.bytes, ask->nonce.data, sizeof secret_state->asked.bytes);
    proof_make_nonce(&secret_state->nonce);
    secret_prove_front(secret_of(worker), ask, &secret_state->nonce,
                       worker->shared->incarnation, &proof);
    challenge =
        (struct wire_challenge){proof_slice(&secret_state->nonce), proof_slice(&proof)};
    return worker_send_challenge(worker, &challenge) == 0 ? NULL : "it does not read";
}

const char *worker_secret_take_proof(struct rpc_worker *worker, struct slice proof)
{
    struct worker_secret *secret_state = &worker->secret_state;
    const struct wire_ask ask = asked(worker);
    struct proof expected;

    if (!secret_state->is_asked || secret_state->is_proven)
        return "a proof that nobody asked for";
    secret_prove_worker(secret_of(worker), &ask, &secret_state->nonce,
                        worker->shared->incarnation, &expected);
    secret_state->is_proven = proof_equals(&expected, proof);
    return secret_state->is_proven ? NULL : "it has another worker secret";
}

bool worker_secret_is_enough(const struct rpc_worker *worker)
{
    return worker->secret_state.is_proven || secret_of(worker).len == 0;
}
