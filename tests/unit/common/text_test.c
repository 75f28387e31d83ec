/* Hex digits, and what texts and slices begin with. */
#include "common/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void every_byte_as_a_hex_digit(void **state)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        const char *at = byte != 0 ? strchr(digits, byte) : NULL;
        int expected = at == NULL ? -1 : (int)(at - digits);

        assert_int_equal(hex_digit_value((uint8_t)byte),
                         expected > 15 ? expected - 6 : expected);
    }
}

static void two_digits_are_a_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[3];

        snprintf(text, sizeof text, byte % 2 ? "%02x" : "%02X", byte);
        assert_int_equal(hex_byte_value((uint8_t)text[0], (uint8_t)text[1]), byte);
    }
    assert_int_equal(hex_byte_value('g', '0'), -1);
    assert_int_equal(hex_byte_value('0', 'g'), -1);
    assert_int_equal(hex_byte_value('0', 0), -1);
}

static void a_prefix_is_found_or_not(void **state)
{
    static const struct {
        const char *text, *prefix, *after; /* NULL where it does not begin so */
    } cases[] = {
        {"tcp://a", "tcp://", "a"},
        {"tcp://", "tcp://", ""},
        {"tcp:/", "tcp://", NULL},
        {"", "a", NULL},
        {"a", "", "a"},
        {"", "", ""},
        {"b", "a", NULL},
        {"Tcp", "tcp", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text, *prefix = cases[i].prefix;
        const char *after = cases[i].after;
        struct slice rest = slice_after(text_slice(text), prefix);

        assert_int_equal(text_starts_with(text, prefix), after != NULL);
        assert_int_equal(slice_starts_with(text_slice(text), prefix), after != NULL);
        assert_ptr_equal(rest.data, text_after(text, prefix));
        if (after == NULL)
            continue;
        assert_string_equal(text_after(text, prefix), after);
        assert_int_equal(rest.len, strlen(after));
    }
}

static void a_slice_is_a_text_as_a_whole(void **state)
{
    (void)state;
    assert_true(slice_is(text_slice("cpu"), "cpu"));
    assert_false(slice_is(text_slice("cpus"), "cpu"));
    assert_false(slice_is(text_slice("cp"), "cpu"));
    assert_false(slice_is(text_slice("cpU"), "cpu"));
    assert_false(slice_is((struct slice){NULL, 0}, "cpu"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_as_a_hex_digit),
        cmocka_unit_test(two_digits_are_a_byte),
        cmocka_unit_test(a_prefix_is_found_or_not),
        cmocka_unit_test(a_slice_is_a_text_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
