/* The worker's side of the secret, against gates and fronts that know it and do not. */
#include "worker/link/secret_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#define INCARNATION 5

static const struct slice secret = {(const uint8_t *)"the secret of both sides", 24};
static const struct slice wrong = {(const uint8_t *)"the secret of another pair", 26};
static const struct wire_hello hello = {
    .worker = {{9}}, .credits = 1, .engine = {(const uint8_t *)"yajl", 4}};

static struct proof theirs, proof;

/* The ASK of a vouch; `message` keeps its bytes. */
static struct wire_ask ask(struct secret_exchange *secret_exchange, struct buf *bytes)
{
    static struct wire_message message;

    secret_exchange_ask(secret_exchange, &hello.worker, bytes);
    assert_int_equal(wire_decode(buf_slice(bytes), &message, NULL), WIRE_OK);
    assert_int_equal(message.type, WIRE_ASK);
    return message.ask;
}

static struct wire_challenge challenge(void)
{
    return (struct wire_challenge){proof_slice(&theirs), proof_slice(&proof)};
}

static void a_gate_that_knows_it_gets_the_hello(void **state)
{
    static struct wire_message message;
    struct secret_exchange secret_exchange = {.is_asked = false};
    struct buf asked = BUF_INIT, out = BUF_INIT;
    struct wire_ask question = ask(&secret_exchange, &asked);
    struct wire_challenge answer;
    struct proof nonce;

    (void)state;
    proof_make_nonce(&theirs);
    secret_prove_gate(secret, &question, &theirs, &proof);
    answer = challenge();
    assert_null(
        secret_exchange_answer_gate(&secret_exchange, secret, &answer, &hello, &out));
    assert_true(secret_exchange.is_answered);
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_OK);
    assert_true(secret_check_hello(secret, buf_slice(&out), &message.hello, &nonce));
    assert_memory_equal(nonce.bytes, theirs.bytes, sizeof nonce.bytes);
    assert_non_null(
        secret_exchange_answer_gate(&secret_exchange, secret, &answer, &hello, &out));
    buf_free(&asked);
    buf_free(&out);
}

static void a_front_that_knows_it_gets_the_proof(void **state)
{
    static struct wire_message message;
    struct secret_exchange secret_exchange = {.is_asked = false};
    struct buf asked = BUF_INIT, out = BUF_INIT;
    struct wire_ask question = ask(&secret_exchange, &asked);
    struct wire_challenge answer;
    struct proof expected;

    (void)state;
    proof_make_nonce(&theirs);
    secret_prove_front(secret, &question, &theirs, INCARNATION, &proof);
    answer = challenge();
    assert_null(secret_exchange_answer_front(&secret_exchange, secret, &answer,
                                             &hello.worker, INCARNATION, &out));
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_OK);
    assert_int_equal(message.type, WIRE_PROOF);
    secret_prove_worker(secret, &question, &theirs, INCARNATION, &expected);
    assert_true(proof_equals(&expected, message.proof));
    buf_free(&asked);
    buf_free(&out);
}

/* Whoever does not know it learns nothing, least of all a proof to show elsewhere. */
static void strangers_get_nothing(void **state)
{
    struct secret_exchange secret_exchange = {.is_asked = false};
    struct buf asked = BUF_INIT, out = BUF_INIT;
    struct wire_ask question = ask(&secret_exchange, &asked);
    struct wire_challenge answer;

    (void)state;
    proof_make_nonce(&theirs);
    secret_prove_front(wrong, &question, &theirs, INCARNATION, &proof);
    answer = challenge();
    assert_non_null(secret_exchange_answer_front(&secret_exchange, secret, &answer,
                                                 &hello.worker, INCARNATION, &out));
    assert_false(secret_exchange.is_answered);
    buf_free(&asked);
    question = ask(&secret_exchange, &asked);
    secret_prove_front(secret, &question, &theirs, INCARNATION + 1, &proof);
    assert_non_null(secret_exchange_answer_front(&secret_exchange, secret, &answer,
                                                 &hello.worker, INCARNATION, &out));
    buf_free(&asked);
    question = ask(&secret_exchange, &asked);
    secret_prove_worker(secret, &question, &theirs, INCARNATION, &proof); /* mirrored */
    assert_non_null(secret_exchange_answer_front(&secret_exchange, secret, &answer,
                                                 &hello.worker, INCARNATION, &out));
    buf_free(&asked);
    question = ask(&secret_exchange, &asked);
    secret_prove_front(secret, &question, &theirs, INCARNATION, &proof); /* of a seat */
    assert_non_null(
        secret_exchange_answer_gate(&secret_exchange, secret, &answer, &hello, &out));
    assert_int_equal(out.len, 0);
    buf_free(&asked);
}

static void old_challenges_are_void(void **state)
{
    struct secret_exchange secret_exchange = {.is_asked = false};
    struct buf asked = BUF_INIT, out = BUF_INIT;
    struct wire_ask question = ask(&secret_exchange, &asked);
    struct wire_challenge answer;

    (void)state;
    proof_make_nonce(&theirs);
    secret_prove_gate(secret, &question, &theirs, &proof);
    answer = challenge();
    buf_free(&asked);
    ask(&secret_exchange, &asked); /* another connection, another nonce */
    assert_non_null(
        secret_exchange_answer_gate(&secret_exchange, secret, &answer, &hello, &out));
    assert_int_equal(out.len, 0);
    buf_free(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_that_knows_it_gets_the_hello),
        cmocka_unit_test(a_front_that_knows_it_gets_the_proof),
        cmocka_unit_test(strangers_get_nothing),
        cmocka_unit_test(old_challenges_are_void),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
