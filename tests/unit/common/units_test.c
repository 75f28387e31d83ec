/* Sizes, durations and plain numbers: what is read, what is refused, what is printed. */
#include "common/base/units.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct good {
    const char *text;
    uint64_t amount;
    const char *printed;
};

static const struct good good_sizes[] = {
    {"0", 0, "0"},
    {"0B", 0, "0"},
    {"0MiB", 0, "0"},
    {"1B", 1, "1B"},
    {"100B", 100, "100B"},
    {"1024B", 1024, "1KiB"},
    {"64KiB", 64 << 10, "64KiB"},
    {"16MiB", 16 << 20, "16MiB"},
    {"1025KiB", 1025 << 10, "1025KiB"},
    {"1GiB", 1 << 30, "1GiB"},
    {"007KiB", 7 << 10, "7KiB"},
    {"3TiB", UINT64_C(3) << 40, "3TiB"},
    {"18446744073709551615B", UINT64_MAX, "18446744073709551615B"},
};

static const struct good good_durations[] = {
    {"0", 0, "0"},
    {"0s", 0, "0"},
    {"200us", 200000, "200us"},
    {"500ms", 500000000, "500ms"},
    {"1500ms", 1500000000, "1500ms"},
    {"10s", UINT64_C(10000000000), "10s"},
    {"60s", UINT64_C(60000000000), "1m"},
    {"1m", UINT64_C(60000000000), "1m"},
    {"90m", UINT64_C(5400000000000), "90m"},
    {"1h", UINT64_C(3600000000000), "1h"},
    {"2d", UINT64_C(172800000000000), "2d"},
};

static const char *const bad_sizes[] = {
    "",
    "1",
    "64",
    "64M",
    "64MB",
    "64 MiB",
    " 64MiB",
    "64MiB ",
    "-1MiB",
    "+1B",
    "1.5GiB",
    "MiB",
    "64mib",
    "0x10B",
    "1KiBB",
    "1e3B",
    "64\n",
    "10s",
    /* one more than fits into 64 bits: the number, and the product */
    "18446744073709551616B",
    "16777216TiB",
    "99999999999999999999999TiB",
};

static const char *const bad_durations[] = {
    "",
    "1",
    "10",
    "10S",
    "10 s",
    "s",
    "-1s",
    "1.5s",
    "1ns",
    "10sec",
    "1h30m",
    "5MiB",
    "18446744073709551615us",
    "300000d",
};

static int printed_is(void (*print)(struct buf *, uint64_t), uint64_t amount,
                      const char *expected)
{
    struct buf out = BUF_INIT;
    int same;

    print(&out, amount);
    buf_append(&out, "", 1);
    same = out.len == strlen(expected) + 1 && memcmp(out.data, expected, out.len) == 0;
    if (!same)
        print_message("printed %s, expected %s\n", (char *)out.data, expected);
    buf_free(&out);
    return same;
}

static void reads_sizes(void **state)
{
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < COUNT(good_sizes); i++) {
        assert_int_equal(units_parse_size(good_sizes[i].text, &bytes), 0);
        assert_int_equal(bytes, good_sizes[i].amount);
        assert_true(printed_is(units_print_size, bytes, good_sizes[i].printed));
    }
}

static void reads_durations(void **state)
{
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < COUNT(good_durations); i++) {
        assert_int_equal(units_parse_duration(good_durations[i].text, &ns), 0);
        assert_int_equal(ns, good_durations[i].amount);
        assert_true(printed_is(units_print_duration, ns, good_durations[i].printed));
    }
}

static void refuses_bad_sizes(void **state)
{
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < COUNT(bad_sizes); i++)
        if (units_parse_size(bad_sizes[i], &bytes) == 0)
            fail_msg("\"%s\" was taken for a size", bad_sizes[i]);
}

static void refuses_bad_durations(void **state)
{
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < COUNT(bad_durations); i++)
        if (units_parse_duration(bad_durations[i], &ns) == 0)
            fail_msg("\"%s\" was taken for a duration", bad_durations[i]);
}

static void reads_plain_numbers(void **state)
{
    uint64_t number;

    (void)state;
    assert_int_equal(units_parse_number("0", &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(units_parse_number("18446744073709551615", &number), 0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(units_parse_number("18446744073709551616", &number), -1);
    assert_int_equal(units_parse_number("", &number), -1);
    assert_int_equal(units_parse_number("1s", &number), -1);
    assert_int_equal(units_parse_number("-1", &number), -1);
}

/* A printed value reads as the same value. */
static void round_trips(void **state)
{
    uint64_t amount, again;

    (void)state;
    for (unsigned shift = 0; shift < 50; shift++)
        for (uint64_t add = 0; add < 3; add++) {
            struct buf out = BUF_INIT;

            amount = (UINT64_C(1) << shift) + add;
            units_print_size(&out, amount);
            buf_append(&out, "", 1);
            assert_int_equal(units_parse_size((char *)out.data, &again), 0);
            assert_int_equal(again, amount);
            buf_free(&out);
        }
}

static void cuts_what_no_unit_can_say(void **state)
{
    (void)state;
    assert_true(printed_is(units_print_duration, 999, "0"));
    assert_true(printed_is(units_print_duration, 1999, "1us"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(refuses_bad_sizes),
        cmocka_unit_test(refuses_bad_durations),
        cmocka_unit_test(reads_plain_numbers),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(cuts_what_no_unit_can_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
