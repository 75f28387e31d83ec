/* Ids of documents: the same for the same bytes however they are cut, different for
   others, and one fixed value, since both sides must agree for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/document_fingerprint.h"

#define LEN 100

static uint8_t bytes[LEN];

static struct wire_id id_of(size_t len, size_t cut)
{
    struct wire_id id;

    document_fingerprint_of((struct slice){bytes, cut},
                            (struct slice){bytes + cut, len - cut}, &id);
    return id;
}

static void fill(void)
{
    for (unsigned i = 0; i < LEN; i++)
        bytes[i] = (uint8_t)i;
}

static void cuts_do_not_matter(void **state)
{
    (void)state;
    fill();
    for (size_t len = 0; len <= LEN; len++) {
        struct wire_id whole = id_of(len, len);

        for (size_t cut = 0; cut < len; cut++) {
            struct wire_id other = id_of(len, cut);

            assert_true(document_fingerprint_is(&whole, &other));
        }
        assert_true(document_fingerprint_has_length(&whole, len));
        assert_false(document_fingerprint_has_length(&whole, len + 1));
    }
}

static void every_bit_matters(void **state)
{
    struct wire_id before, after;

    (void)state;
    fill();
    before = id_of(LEN, 3);
    for (unsigned bit = 0; bit < LEN * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        after = id_of(LEN, 3);
        assert_false(document_fingerprint_is(&before, &after));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(bytes, 0, LEN);
    before = id_of(8, 0);
    after = id_of(9, 0); /* nor do zeros at the end go unseen */
    assert_false(document_fingerprint_is(&before, &after));
}

/* SipHash-2-4's own test key is another, so this pins what is told in messages. */
static void the_id_is_fixed(void **state)
{
    static const uint8_t expected[WIRE_ID_BYTES] = {0, 0, 0, 0, 0, 0, 0, 15};
    struct wire_id id;

    (void)state;
    fill();
    id = id_of(15, 15);
    assert_memory_equal(id.bytes, expected, 8);
    assert_memory_not_equal(id.bytes + 8, expected, 8);
}

/* ---- long documents ---- */

#define LONG (DOCUMENT_FINGERPRINT_WHOLE_BYTES + 12345)

static struct wire_id id_of_long(const uint8_t *data, size_t len, size_t cut)
{
    struct wire_id id;

    document_fingerprint_of((struct slice){data, cut},
                            (struct slice){data + cut, len - cut}, &id);
    return id;
}

static uint8_t *make_long(void)
{
    uint8_t *data = malloc(LONG);

    assert_non_null(data);
    for (size_t i = 0; i < LONG; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    return data;
}

static void cuts_do_not_matter_in_long_ones(void **state)
{
    static const size_t cuts[] = {0,       1,     8,     65535,  65536,    65537,
                                  67000,   69632, 70001, 150000, LONG / 2, LONG - 65536,
                                  LONG - 3};
    uint8_t *data = make_long();
    struct wire_id whole = id_of_long(data, LONG, LONG);

    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct wire_id other = id_of_long(data, LONG, cuts[i]);

        assert_true(document_fingerprint_is(&whole, &other));
    }
    assert_true(document_fingerprint_has_length(&whole, LONG));
    free(data);
}

/* Both ends to their last byte, and the samples between; a change anywhere else goes
   unseen, which is why the rest of the id is the length. */
static void ends_and_samples_matter(void **state)
{
    size_t step =
        (LONG - 2 * DOCUMENT_FINGERPRINT_END_BYTES) / DOCUMENT_FINGERPRINT_SAMPLES;
    const size_t seen[] = {0,
                           DOCUMENT_FINGERPRINT_END_BYTES - 1,
                           DOCUMENT_FINGERPRINT_END_BYTES,
                           DOCUMENT_FINGERPRINT_END_BYTES + step,
                           DOCUMENT_FINGERPRINT_END_BYTES + 31 * step + 4095,
                           LONG - DOCUMENT_FINGERPRINT_END_BYTES,
                           LONG - 1};
    uint8_t *data = make_long();
    struct wire_id before = id_of_long(data, LONG, 99), after;

    (void)state;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        data[seen[i]] ^= 1;
        after = id_of_long(data, LONG, 99);
        assert_false(document_fingerprint_is(&before, &after));
        data[seen[i]] ^= 1;
    }
    data[DOCUMENT_FINGERPRINT_END_BYTES + DOCUMENT_FINGERPRINT_SAMPLE_BYTES] ^= 1;
    after = id_of_long(data, LONG, 99);
    assert_true(document_fingerprint_is(&before, &after));
    after = id_of_long(data, LONG - 1, 99);
    assert_false(document_fingerprint_is(&before, &after));
    free(data);
}

/* The longest that is hashed whole. */
static void every_byte_of_shorter_ones_matters(void **state)
{
    uint8_t *data = make_long();
    struct wire_id before = id_of_long(data, DOCUMENT_FINGERPRINT_WHOLE_BYTES, 99), after;

    (void)state;
    data[DOCUMENT_FINGERPRINT_END_BYTES + DOCUMENT_FINGERPRINT_SAMPLE_BYTES] ^= 1;
    after = id_of_long(data, DOCUMENT_FINGERPRINT_WHOLE_BYTES, 99);
    assert_false(document_fingerprint_is(&before, &after));
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(every_bit_matters),
        cmocka_unit_test(cuts_do_not_matter_in_long_ones),
        cmocka_unit_test(ends_and_samples_matter),
        cmocka_unit_test(every_byte_of_shorter_ones_matters),
        cmocka_unit_test(the_id_is_fixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
