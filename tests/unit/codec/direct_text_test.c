/*
 * The chunked primitives of engine direct against the obvious loops.
 * direct_text_portable_test.c runs the same without SSE2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/direct/direct_text.h"
#include "common/codec/utf8.h"

#define LONGEST_SEQUENCE 4

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static unsigned count_plain(const uint8_t *text)
{
    unsigned count = 0;

    while (count < DIRECT_CHUNK && is_plain(text[count]))
        count++;
    return count;
}

static void check_copy(const uint8_t *text)
{
    uint8_t out[DIRECT_CHUNK + 1];

    memset(out, 0xee, sizeof out);
    assert_int_equal(direct_copy_plain(out, text), count_plain(text));
    assert_memory_equal(out, text, DIRECT_CHUNK);
    assert_int_equal(out[DIRECT_CHUNK], 0xee);
}

/* Every byte at every place, with every kind of neighbour behind it. */
static void test_copy_stops_at_the_first_byte_that_is_not_plain(void **state)
{
    static const uint8_t behind[] = {'a',  '"',  '\\', 0x00, 0x1f, 0x20,
                                     0x7f, 0x80, 0xff, 0x21, 0x5d};
    uint8_t text[DIRECT_CHUNK];

    (void)state;
    for (unsigned place = 0; place < DIRECT_CHUNK; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            for (size_t i = 0; i < sizeof behind; i++) {
                memset(text, 'x', place);
                memset(text + place, behind[i], DIRECT_CHUNK - place);
                text[place] = (uint8_t)byte;
                check_copy(text);
            }
        }
    }
}

static unsigned count_digits(const uint8_t *text)
{
    unsigned count = 0;

    while (count < 8 && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

static void check_digits(const uint8_t *text)
{
    uint64_t word = direct_load8(text) ^ DIRECT_EACH('0');
    uint64_t other = direct_find_other(word), expected = 0;
    unsigned count = other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;

    assert_int_equal(count, count_digits(text));
    for (unsigned i = 0; i < count; i++)
        expected = expected * 10 + text[i] - '0';
    if (count > 0)
        assert_int_equal(direct_convert_digits(word, count), expected);
}

static void test_digits_are_found_and_converted(void **state)
{
    uint8_t text[8];

    (void)state;
    for (unsigned place = 0; place < 8; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            for (unsigned behind = 0; behind < 256; behind++) {
                for (unsigned i = 0; i < 8; i++)
                    text[i] = (uint8_t)('0' + (i * 7 + byte + place) % 10);
                text[place] = (uint8_t)byte;
                if (place < 7)
                    text[place + 1] = (uint8_t)behind;
                check_digits(text);
            }
        }
    }
}

/* The byte after a point is still found: the fast path for numbers needs it. */
static void test_a_second_byte_that_is_no_digit_is_found(void **state)
{
    uint8_t text[8];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t other;
        bool digit = byte >= '0' && byte <= '9';

        memcpy(text, "12.34567", 8);
        text[5] = (uint8_t)byte;
        other = direct_find_other(direct_load8(text) ^ DIRECT_EACH('0'));
        other &= ~(UINT64_C(0xff) << 16);
        assert_int_equal(other == 0 ? 8 : __builtin_ctzll(other) / 8, digit ? 8 : 5);
    }
}

static void check_sequence(const uint8_t *text)
{
    int cut;
    size_t expected = utf8_sequence(text, LONGEST_SEQUENCE, &cut);

    if (direct_sequence(text) != expected)
        fail_msg("%02x %02x %02x %02x", text[0], text[1], text[2], text[3]);
}

/* All first and second bytes, and third and fourth ones at the edges of what may follow.
 */
static void test_sequences_are_judged_as_utf8_does(void **state)
{
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    uint8_t text[LONGEST_SEQUENCE];

    (void)state;
    for (unsigned first = 0x80; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t i = 0; i < sizeof edges * sizeof edges; i++) {
                text[0] = (uint8_t)first;
                text[1] = (uint8_t)second;
                text[2] = edges[i / sizeof edges];
                text[3] = edges[i % sizeof edges];
                check_sequence(text);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_stops_at_the_first_byte_that_is_not_plain),
        cmocka_unit_test(test_digits_are_found_and_converted),
        cmocka_unit_test(test_a_second_byte_that_is_no_digit_is_found),
        cmocka_unit_test(test_sequences_are_judged_as_utf8_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
