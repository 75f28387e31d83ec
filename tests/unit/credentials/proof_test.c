/* HMAC-SHA256 as in RFC 4231, from several parts; and comparing. */
#include "common/credentials/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

static struct slice text(const char *bytes)
{
    return (struct slice){(const uint8_t *)bytes, strlen(bytes)};
}

/* Made by another implementation (Python's hmac), from RFC 4231's second key and text. */
static void known_value(void **state)
{
    static const uint8_t expected[PROOF_BYTES] = {
        0xe8, 0x64, 0xb6, 0x7e, 0x2d, 0xed, 0x97, 0xfe, 0xc1, 0x41, 0xf0,
        0xb8, 0xfb, 0xd6, 0x5f, 0x9f, 0x9b, 0xea, 0x3a, 0xa0, 0xb6, 0xac,
        0xa3, 0x6d, 0xb1, 0x1a, 0xce, 0x8a, 0xfe, 0xcc, 0xa9, 0x8c};
    const struct slice parts[] = {text("what do ya want "), text("for nothing?")};
    struct proof proof;

    (void)state;
    proof_make(text("Jefe"), "label", parts, 2, &proof);
    assert_memory_equal(proof.bytes, expected, sizeof expected);
}

static void cuts_do_not_count(void **state)
{
    const struct slice one[] = {text("abcdef")}, two[] = {text("abc"), text("def")};
    struct proof a, b;

    (void)state;
    proof_make(text("key"), "l", one, 1, &a);
    proof_make(text("key"), "l", two, 2, &b);
    assert_true(proof_equals(&a, proof_slice(&b)));
    proof_make(text("key"), "la", (const struct slice[]){text("bcdef")}, 1, &b);
    assert_false(proof_equals(&a, proof_slice(&b)));
}

static void comparing(void **state)
{
    struct proof proof = {{0}}, other = {{0}};

    (void)state;
    assert_true(proof_equals(&proof, proof_slice(&other)));
    for (unsigned i = 0; i < PROOF_BYTES; i++) {
        other.bytes[i] = 0x80;
        assert_false(proof_equals(&proof, proof_slice(&other)));
        other.bytes[i] = 0;
    }
    assert_false(proof_equals(&proof, (struct slice){proof.bytes, PROOF_BYTES - 1}));
    assert_false(proof_equals(&proof, (struct slice){NULL, 0}));
}

static void nonces_differ(void **state)
{
    struct proof one, two;

    (void)state;
    proof_make_nonce(&one);
    proof_make_nonce(&two);
    assert_false(proof_equals(&one, proof_slice(&two)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_value),
        cmocka_unit_test(cuts_do_not_count),
        cmocka_unit_test(comparing),
        cmocka_unit_test(nonces_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
