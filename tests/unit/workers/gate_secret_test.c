/* The gate's challenges: good for one worker, one connection and ten seconds. */
#include "server/workers/gate/gate_secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define NOW_NS (1000 * NS_PER_S)
#define PIPE   77u

static const struct slice secret = {(const uint8_t *)"the secret of both sides", 24};
static const struct wire_id worker = {{1, 2, 3}}, other = {{1, 2, 4}};

/* What a worker with that secret answers to a challenge that came on that connection at
   that time. */
static struct buf answer(const struct gate_secret *gate, struct slice its_secret,
                         uint32_t pipe, uint64_t at_ns)
{
    static struct wire_message message;
    struct wire_hello hello = {
        .worker = worker, .credits = 2, .engine = {(const uint8_t *)"yajl", 4}};
    struct proof mine, nonce, expected;
    const struct wire_ask ask = {worker, proof_slice(&mine)};
    struct buf challenge = BUF_INIT, out = BUF_INIT;

    proof_make_nonce(&mine);
    gate_secret_put_challenge(gate, &ask, pipe, at_ns, &challenge);
    assert_int_equal(wire_decode(buf_slice(&challenge), &message, NULL), WIRE_OK);
    assert_int_equal(message.type, WIRE_CHALLENGE);
    memcpy(nonce.bytes, message.challenge.nonce.data, sizeof nonce.bytes);
    secret_prove_gate(gate->secret, &ask, &nonce, &expected);
    assert_true(proof_equals(&expected, message.challenge.proof));
    secret_put_hello(&out, its_secret, &hello, &nonce);
    buf_free(&challenge);
    return out;
}

static const char *judge(const struct gate_secret *gate, const struct buf *bytes,
                         uint32_t pipe, uint64_t now_ns)
{
    static struct wire_message message;

    assert_int_equal(wire_decode(buf_slice(bytes), &message, NULL), WIRE_OK);
    return gate_secret_judge(gate, buf_slice(bytes), &message.hello, pipe, now_ns);
}

static void who_knows_it_comes_in(void **state)
{
    struct gate_secret gate;
    struct buf hello;

    (void)state;
    gate_secret_init(&gate, secret);
    assert_true(gate_secret_is_needed(&gate));
    hello = answer(&gate, secret, PIPE, NOW_NS);
    assert_null(judge(&gate, &hello, PIPE, NOW_NS));
    assert_null(judge(&gate, &hello, PIPE, NOW_NS + 10 * NS_PER_S));
    buf_free(&hello);
    gate_secret_init(&gate, (struct slice){NULL, 0});
    assert_false(gate_secret_is_needed(&gate));
}

static void a_repeated_hello_is_refused(void **state)
{
    struct gate_secret gate, next_gate;
    struct buf hello;

    (void)state;
    gate_secret_init(&gate, secret);
    gate_secret_init(&next_gate, secret);
    hello = answer(&gate, secret, PIPE, NOW_NS);
    assert_non_null(judge(&gate, &hello, PIPE + 1, NOW_NS));
    assert_non_null(judge(&gate, &hello, PIPE, NOW_NS + 10 * NS_PER_S + 1));
    assert_non_null(judge(&gate, &hello, PIPE, NOW_NS - 1));
    assert_non_null(judge(&next_gate, &hello, PIPE, NOW_NS));
    buf_free(&hello);
}

static void another_secret_is_refused(void **state)
{
    static const struct slice wrong = {(const uint8_t *)"the secret of both side", 23};
    struct gate_secret gate;
    struct buf hello;

    (void)state;
    gate_secret_init(&gate, secret);
    hello = answer(&gate, wrong, PIPE, NOW_NS);
    assert_string_equal(judge(&gate, &hello, PIPE, NOW_NS),
                        "it has another worker secret");
    buf_free(&hello);
}

/* A worker that knows the secret cannot take another's challenge either. */
static void a_challenge_is_of_one_worker(void **state)
{
    struct wire_hello hello = {
        .worker = other, .credits = 2, .engine = {(const uint8_t *)"yajl", 4}};
    struct gate_secret gate;
    struct buf good, stolen = BUF_INIT;
    struct wire_message message;
    struct proof nonce;

    (void)state;
    gate_secret_init(&gate, secret);
    good = answer(&gate, secret, PIPE, NOW_NS);
    assert_int_equal(wire_decode(buf_slice(&good), &message, NULL), WIRE_OK);
    memcpy(nonce.bytes, message.hello.auth.data, sizeof nonce.bytes);
    secret_put_hello(&stolen, secret, &hello, &nonce);
    assert_non_null(judge(&gate, &stolen, PIPE, NOW_NS));
    buf_free(&good);
    buf_free(&stolen);
}

static void a_hello_without_proof_is_refused(void **state)
{
    const struct wire_hello hello = {
        .worker = worker, .credits = 2, .engine = {(const uint8_t *)"yajl", 4}};
    struct gate_secret gate;
    struct buf bytes = BUF_INIT;

    (void)state;
    gate_secret_init(&gate, secret);
    wire_put_hello(&bytes, &hello);
    assert_string_equal(judge(&gate, &bytes, PIPE, NOW_NS),
                        "it does not know the worker secret");
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_it_comes_in),
        cmocka_unit_test(a_repeated_hello_is_refused),
        cmocka_unit_test(another_secret_is_refused),
        cmocka_unit_test(a_challenge_is_of_one_worker),
        cmocka_unit_test(a_hello_without_proof_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
