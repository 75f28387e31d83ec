#include "server/workers/worker_join.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/credentials/credentials.h"
#include "proto/secret.h"
#include "server/workers/gate/gate_message.h"
#include "server/workers/memory/arena.h"
#include "server/workers/memory/descriptor_server.h"
#include "server/workers/memory/input_pool.h"
#include "server/workers/worker.h"
#include "server/workers/worker_send.h"

/* ---- the secret ---- */

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

static const char *take_ask(struct rpc_worker *worker, const struct wire_ask *ask)
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

static const char *take_proof(struct rpc_worker *worker, struct slice proof)
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

static bool knows_secret(const struct rpc_worker *worker)
{
    return worker->secret_state.is_proven || secret_of(worker).len == 0;
}

/* ---- what is offered ---- */

/* Has the worker map the front's pool too, if it can; the first one that can has it made.
 */
static void offer_pool(struct rpc_worker *worker)
{
    struct workers_shared *shared = worker->shared;

    if (!worker->can_pool || worker->arena == NULL)
        return;
    if (shared->pool == NULL && !shared->is_pool_impossible) {
        shared->pool = input_pool_create(shared->config->arena_bytes);
        shared->is_pool_impossible = shared->pool == NULL;
        if (shared->pool == NULL)
            log_warn("no memory that all workers can read: %m");
    }
    worker->is_offered_pool = shared->pool != NULL;
}

/* Makes an arena for the worker, if it can use one. */
static void offer_arena(struct rpc_worker *worker)
{
    const struct workers_shared *shared = worker->shared;

    assert(worker->arena == NULL);
    if (shared->descriptor_server == NULL || !worker->can_arena ||
        shared->config->arena_bytes == 0)
        return;
    worker->arena = arena_create(shared->config->arena_bytes);
    if (worker->arena == NULL)
        log_warn("no memory to share with worker process %llu: %m",
                 (unsigned long long)worker->pid);
}

/* Makes a fast path for the worker, if it can use one. */
static void offer_fastpath(struct rpc_worker *worker)
{
    assert(worker->fastpath == NULL);
    if (worker->shared->descriptor_server == NULL || !worker->can_fastpath)
        return;
    worker->fastpath = worker->shared->make_fastpath(worker);
    if (worker->fastpath == NULL)
        log_warn("no fast path to worker process %llu: %m",
                 (unsigned long long)worker->pid);
}

/* The token by which the worker gets what it is offered; without randomness nothing is
   offered. */
static void make_token(struct rpc_worker *worker)
{
    worker->has_open_offer = worker->arena != NULL || worker->fastpath != NULL;
    if (worker->arena != NULL)
        worker->token = worker->arena->token;
    else if (worker->has_open_offer &&
             getrandom(&worker->token, sizeof worker->token, 0) != sizeof worker->token)
        worker->has_open_offer = false;
}

static int send_welcome(struct rpc_worker *worker)
{
    struct wire_seat_welcome welcome = {.incarnation = worker->shared->incarnation};
    const char *path;

    offer_arena(worker);
    offer_pool(worker);
    offer_fastpath(worker);
    make_token(worker);
    if (worker->has_open_offer) {
        path = descriptor_server_name(worker->shared->descriptor_server);
        welcome.has_arena = true;
        welcome.arena_path = (struct slice){(const uint8_t *)path, strlen(path)};
        welcome.arena_bytes = worker->arena != NULL ? worker->arena->bytes : 0;
        welcome.arena_token = worker->token;
        welcome.pool_bytes =
            worker->is_offered_pool ? input_pool_bytes(worker->shared->pool) : 0;
        welcome.has_fastpath = worker->fastpath != NULL;
    }
    return worker_send_welcome(worker, &welcome);
}

/* ---- messages ---- */

static const char *take_seat_hello(struct rpc_worker *worker,
                                   const struct wire_seat_hello *hello)
{
    if (!gate_message_same_worker(&hello->worker, &worker->id))
        return "another worker's seat";
    if (!knows_secret(worker))
        return "it does not know the worker secret";
    if (hello->incarnation != worker->shared->incarnation) {
        worker->is_misled = true;
        return "another front's seat";
    }
    worker->has_greeted = true;
    return send_welcome(worker) == 0 ? NULL : "it does not read";
}

const char *worker_join_handle(struct rpc_worker *worker, struct slice bytes)
{
    struct wire_message decoded;
    const char *why;

    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    switch (decoded.type) {
    case WIRE_ASK: return take_ask(worker, &decoded.ask);
    case WIRE_PROOF: return take_proof(worker, decoded.proof);
    case WIRE_SEAT_HELLO: return take_seat_hello(worker, &decoded.seat_hello);
    default: return "its first message is no SEAT_HELLO";
    }
}
