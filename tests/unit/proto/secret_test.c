/* The proofs of the shared secret: PROTOCOL.md's examples, and that nothing else passes.
 */
#include "proto/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INCARNATION 70000

static const char secret_text[] = "an example of a secret, 32 bytes";
static const struct slice secret = {(const uint8_t *)secret_text, sizeof secret_text - 1};
static const struct slice other_secret = {(const uint8_t *)"another secret of any length",
                                          28};

/* The bytes of the document's block "```hex NAME". */
static struct buf example(const char *name)
{
    FILE *file = fopen("proto/PROTOCOL.md", "r");
    struct buf bytes = BUF_INIT;
    char line[256], head[64];
    int in_block = 0;

    assert_non_null(file);
    snprintf(head, sizeof head, "```hex %s\n", name);
    while (fgets(line, sizeof line, file) != NULL && !(in_block && line[0] == '`')) {
        if (in_block)
            for (char *at = line; *at != '\0' && *at != '#' && *at != '\n'; at++)
                if (isxdigit((unsigned char)at[0])) {
                    uint8_t byte = (uint8_t)strtoul(at, &at, 16);

                    buf_append(&bytes, &byte, 1);
                }
        in_block = in_block || strcmp(line, head) == 0;
    }
    fclose(file);
    assert_true(bytes.len > 3);
    return bytes;
}

static void decode(const char *name, enum wire_type type, struct buf *bytes,
                   struct wire_message *message)
{
    const char *why = NULL;

    *bytes = example(name);
    if (wire_decode(buf_slice(bytes), message, &why) != WIRE_OK)
        fail_msg("%s: %s", name, why);
    assert_int_equal(message->type, type);
}

static struct proof nonce_of(const struct wire_message *message)
{
    struct proof nonce;

    memcpy(nonce.bytes, message->challenge.nonce.data, sizeof nonce.bytes);
    return nonce;
}

static void check_bytes(struct buf *made, struct buf *expected)
{
    assert_int_equal(made->len, expected->len);
    assert_memory_equal(made->data, expected->data, made->len);
    buf_free(made);
    buf_free(expected);
}

static void gate_example(void **state)
{
    static struct wire_message ask, challenge;
    struct buf ask_bytes, bytes, out = BUF_INIT;
    struct proof nonce, proof;

    (void)state;
    decode("ASK", WIRE_ASK, &ask_bytes, &ask);
    decode("CHALLENGE", WIRE_CHALLENGE, &bytes, &challenge);
    nonce = nonce_of(&challenge);
    secret_prove_gate(secret, &ask.ask, &nonce, &proof);
    assert_true(proof_equals(&proof, challenge.challenge.proof));
    wire_put_challenge(
        &out, &(struct wire_challenge){proof_slice(&nonce), proof_slice(&proof)});
    check_bytes(&out, &bytes);
    wire_put_ask(&out, &ask.ask);
    check_bytes(&out, &ask_bytes);
}

static void hello_example(void **state)
{
    static struct wire_message challenge, hello;
    struct buf challenge_bytes, bytes, out = BUF_INIT;
    struct proof nonce, found;

    (void)state;
    decode("CHALLENGE", WIRE_CHALLENGE, &challenge_bytes, &challenge);
    decode("HELLO-PROOF", WIRE_HELLO, &bytes, &hello);
    nonce = nonce_of(&challenge);
    assert_true(secret_check_hello(secret, buf_slice(&bytes), &hello.hello, &found));
    assert_memory_equal(found.bytes, nonce.bytes, sizeof nonce.bytes);
    secret_put_hello(&out, secret, &hello.hello, &nonce);
    check_bytes(&out, &bytes);
    buf_free(&challenge_bytes);
}

static void seat_example(void **state)
{
    static struct wire_message ask, challenge, answer;
    struct buf ask_bytes, challenge_bytes, bytes, out = BUF_INIT;
    struct proof nonce, proof;

    (void)state;
    decode("ASK", WIRE_ASK, &ask_bytes, &ask);
    decode("CHALLENGE-FRONT", WIRE_CHALLENGE, &challenge_bytes, &challenge);
    decode("PROOF", WIRE_PROOF, &bytes, &answer);
    nonce = nonce_of(&challenge);
    secret_prove_front(secret, &ask.ask, &nonce, INCARNATION, &proof);
    assert_true(proof_equals(&proof, challenge.challenge.proof));
    assert_false(proof_equals(&proof, answer.proof));
    secret_prove_worker(secret, &ask.ask, &nonce, INCARNATION, &proof);
    assert_true(proof_equals(&proof, answer.proof));
    wire_put_proof(&out, proof_slice(&proof));
    check_bytes(&out, &bytes);
    buf_free(&ask_bytes);
    buf_free(&challenge_bytes);
}

/* A hello is good as a whole or not at all: who says it, and the crashes it tells. */
static void any_other_byte_is_refused(void **state)
{
    static struct wire_message hello;
    struct buf bytes;
    struct proof nonce;
    unsigned decoded = 0;

    (void)state;
    decode("HELLO-PROOF", WIRE_HELLO, &bytes, &hello);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x01;
        if (wire_decode(buf_slice(&bytes), &hello, NULL) == WIRE_OK &&
            hello.type == WIRE_HELLO) {
            decoded++;
            assert_false(
                secret_check_hello(secret, buf_slice(&bytes), &hello.hello, &nonce));
        }
        bytes.data[i] ^= 0x01;
    }
    assert_true(decoded > 64);
    assert_int_equal(wire_decode(buf_slice(&bytes), &hello, NULL), WIRE_OK);
    assert_true(secret_check_hello(secret, buf_slice(&bytes), &hello.hello, &nonce));
    assert_false(
        secret_check_hello(other_secret, buf_slice(&bytes), &hello.hello, &nonce));
    buf_free(&bytes);
}

static void no_auth_is_no_proof(void **state)
{
    static struct wire_message hello;
    struct buf bytes;
    struct proof nonce;

    (void)state;
    decode("HELLO", WIRE_HELLO, &bytes, &hello);
    assert_false(secret_check_hello(secret, buf_slice(&bytes), &hello.hello, &nonce));
    buf_free(&bytes);
    decode("HELLO-CRASH", WIRE_HELLO, &bytes, &hello);
    assert_false(secret_check_hello(secret, buf_slice(&bytes), &hello.hello, &nonce));
    buf_free(&bytes);
}

/* Every part counts: a proof is of one worker, front, nonce and direction. */
static void proofs_differ(void **state)
{
    static const struct wire_id worker = {{1}}, other = {{2}};
    struct proof one = {{1}}, two = {{2}}, proofs[7];
    const struct wire_ask ask = {worker, proof_slice(&one)};
    const struct wire_ask ask_two = {worker, proof_slice(&two)};
    const struct wire_ask ask_other = {other, proof_slice(&one)};

    (void)state;
    secret_prove_front(secret, &ask, &two, 1, &proofs[0]);
    secret_prove_worker(secret, &ask, &two, 1, &proofs[1]);
    secret_prove_front(secret, &ask, &two, 2, &proofs[2]);
    secret_prove_front(secret, &ask_other, &two, 1, &proofs[3]);
    secret_prove_front(secret, &ask_two, &one, 1, &proofs[4]);
    secret_prove_front(other_secret, &ask, &two, 1, &proofs[5]);
    secret_prove_gate(secret, &ask, &two, &proofs[6]);
    for (unsigned i = 0; i < 7; i++)
        for (unsigned j = 0; j < i; j++)
            assert_false(proof_equals(&proofs[i], proof_slice(&proofs[j])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_example),
        cmocka_unit_test(hello_example),
        cmocka_unit_test(seat_example),
        cmocka_unit_test(any_other_byte_is_refused),
        cmocka_unit_test(no_auth_is_no_proof),
        cmocka_unit_test(proofs_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
