#include "server/rpc/worker_trust.h"

#include <assert.h>
#include <string.h>

#include "common/credentials/credentials.h"
#include "proto/trust.h"
#include "server/rpc/gate_note.h"
#include "server/rpc/worker.h"
#include "server/rpc/worker_send.h"

/* The secret; empty for none. */
static struct slice secret_of(const struct rpc_worker *worker)
{
    const struct credentials *credentials = worker->room->config->credentials;

    return credentials == NULL ? (struct slice){NULL, 0}
                               : buf_slice(&credentials->secret);
}

/* What was asked, again. */
static struct wire_ask asked(const struct rpc_worker *worker)
{
    return (struct wire_ask){worker->id, proof_slice(&worker->trust.asked)};
}

const char *worker_trust_take_ask(struct rpc_worker *worker, const struct wire_ask *ask)
{
    struct worker_trust *trust = &worker->trust;
    struct wire_challenge challenge;
    struct proof proof;

    if (secret_of(worker).len == 0)
        return "it wants a worker secret, which this server has not";
    if (trust->is_asked)
        return "it asks twice";
    if (!gate_note_same_worker(&ask->worker, &worker->id))
        return "another worker's seat";
    assert(ask->nonce.len == sizeof trust->asked.bytes);
    trust->is_asked = true;
    memcpy(trust->asked.bytes, ask->nonce.data, sizeof trust->asked.bytes);
    proof_make_nonce(&trust->nonce);
    trust_prove_front(secret_of(worker), ask, &trust->nonce, worker->room->incarnation,
                      &proof);
    challenge = (struct wire_challenge){proof_slice(&trust->nonce), proof_slice(&proof)};
    return worker_send_challenge(worker, &challenge) == 0 ? NULL : "it does not read";
}

const char *worker_trust_take_proof(struct rpc_worker *worker, struct slice proof)
{
    struct worker_trust *trust = &worker->trust;
    const struct wire_ask ask = asked(worker);
    struct proof expected;

    if (!trust->is_asked || trust->is_proven)
        return "a proof that nobody asked for";
    trust_prove_worker(secret_of(worker), &ask, &trust->nonce, worker->room->incarnation,
                       &expected);
    trust->is_proven = proof_equals(&expected, proof);
    return trust->is_proven ? NULL : "it has another worker secret";
}

bool worker_trust_is_enough(const struct rpc_worker *worker)
{
    return worker->trust.is_proven || secret_of(worker).len == 0;
}
