#include "proto/secret.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"

/* No proof of one kind is one of another. */
#define LABEL_GATE   "offloop gate"
#define LABEL_HELLO  "offloop hello"
#define LABEL_FRONT  "offloop front"
#define LABEL_WORKER "offloop worker"

/* The auth of a HELLO: the gate's nonce, then the proof. */
#define AUTH_BYTES (2 * PROOF_BYTES)

_Static_assert(AUTH_BYTES <= WIRE_MAX_AUTH_BYTES && PROOF_BYTES == WIRE_PROOF_BYTES,
               "a nonce and a proof fit");

static struct slice id_slice(const struct wire_id *id)
{
    return (struct slice){id->bytes, sizeof id->bytes};
}

void secret_prove_gate(struct slice secret, const struct wire_ask *ask,
                       const struct proof *nonce, struct proof *proof_r)
{
    const struct slice parts[] = {ask->nonce, proof_slice(nonce), id_slice(&ask->worker)};

    proof_make(secret, LABEL_GATE, parts, sizeof parts / sizeof *parts, proof_r);
}

/* What both sides of a seat put in. */
static void prove_seat(struct slice secret, const char *label, const struct wire_ask *ask,
                       const struct proof *nonce, uint64_t incarnation,
                       struct proof *proof_r)
{
    uint8_t number[8];
    const struct slice parts[] = {
        ask->nonce, proof_slice(nonce), id_slice(&ask->worker), {number, sizeof number}};

    for (unsigned i = 0; i < sizeof number; i++)
        number[i] = (uint8_t)(incarnation >> (56 - 8 * i));
    proof_make(secret, label, parts, sizeof parts / sizeof *parts, proof_r);
}

void secret_prove_front(struct slice secret, const struct wire_ask *ask,
                        const struct proof *nonce, uint64_t incarnation,
                        struct proof *proof_r)
{
    prove_seat(secret, LABEL_FRONT, ask, nonce, incarnation, proof_r);
}

void secret_prove_worker(struct slice secret, const struct wire_ask *ask,
                         const struct proof *nonce, uint64_t incarnation,
                         struct proof *proof_r)
{
    prove_seat(secret, LABEL_WORKER, ask, nonce, incarnation, proof_r);
}

/* Over the whole of a HELLO, but for the proof itself: up to it and from behind it. */
static void prove_hello(struct slice secret, struct slice bytes, const uint8_t *proof,
                        struct proof *proof_r)
{
    size_t before = (size_t)(proof - bytes.data);
    const struct slice parts[] = {
        {bytes.data, before}, {proof + PROOF_BYTES, bytes.len - before - PROOF_BYTES}};

    assert(before + PROOF_BYTES <= bytes.len);
    proof_make(secret, LABEL_HELLO, parts, sizeof parts / sizeof *parts, proof_r);
}

void secret_put_hello(struct buf *out, struct slice secret,
                      const struct wire_hello *hello, const struct proof *nonce)
{
    struct wire_message *decoded = mem_alloc(sizeof *decoded);
    uint8_t auth[AUTH_BYTES] = {0};
    struct wire_hello sealed = *hello;
    size_t from = out->len, at;
    struct slice bytes;
    struct proof proof;
    enum wire_error error;

    memcpy(auth, nonce->bytes, sizeof nonce->bytes);
    sealed.auth = (struct slice){auth, sizeof auth};
    wire_put_hello(out, &sealed);
    bytes = (struct slice){out->data + from, out->len - from};
    error = wire_decode(bytes, decoded, NULL);
    assert(error == WIRE_OK && decoded->hello.auth.len == AUTH_BYTES);
    (void)error;
    at = (size_t)(decoded->hello.auth.data - out->data) + PROOF_BYTES;
    prove_hello(secret, bytes, out->data + at, &proof);
    memcpy(out->data + at, proof.bytes, sizeof proof.bytes);
    mem_free(decoded);
}

bool secret_check_hello(struct slice secret, struct slice bytes,
                        const struct wire_hello *hello, struct proof *nonce_r)
{
    struct proof expected;
    const uint8_t *proof;

    if (hello->auth.len != AUTH_BYTES)
        return false;
    proof = hello->auth.data + PROOF_BYTES;
    prove_hello(secret, bytes, proof, &expected);
    memcpy(nonce_r->bytes, hello->auth.data, sizeof nonce_r->bytes);
    return proof_equals(&expected, (struct slice){proof, PROOF_BYTES});
}
