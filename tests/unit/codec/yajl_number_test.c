/* The fast paths give the same results as number.h. Nothing calls the C library, which
   would follow the locale. */
#include "common/codec/yajl/yajl_number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/codec/codec_random.h"
#include "tests/unit/codec/codec_run.h"

#define ROUNDS 300000

static bool same_number(const struct number *a, const struct number *b)
{
    return a->kind == b->kind && (a->kind == NUMBER_TEXT || a->u == b->u);
}

static void check_text(const char *text)
{
    /* Any bytes may be before a number. */
    uint8_t bytes[80] = "99999999";
    const uint8_t *at = bytes + 8;
    size_t len = strlen(text), sign = text[0] == '-';
    struct number expected = {.u = 0}, got = {.u = 0};
    uint64_t digits;
    int decimals;

    memcpy(bytes + 8, text, len);
    number_parse(at, len, &expected);
    yajl_number_parse(at, len, &got);
    if (!same_number(&got, &expected))
        fail_msg("%s", text);
    if (len - sign > 8)
        return;
    decimals = yajl_number_short(at + len, len - sign, &digits);
    if (decimals == 0 && (digits != 0 || !sign)) {
        assert_true(expected.kind == (sign ? NUMBER_INT : NUMBER_UINT));
        assert_true((sign ? -digits : digits) == expected.u);
    } else if (decimals > 0) {
        assert_int_equal(expected.kind, NUMBER_DOUBLE);
        assert_true((sign ? -expected.d : expected.d) ==
                    (double)digits / pow(10, decimals));
    } else if (decimals < 0) {
        assert_non_null(strpbrk(text, "eE"));
    }
}

static void test_known_texts(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0",
        "0.0",
        "1e5",
        "1E5",
        "1.5e3",
        "1e+5",
        "1e-5",
        "12345678",
        "-12345678",
        "123456789",
        "1.234567",
        "1234567.8",
        "0.000001",
        "99999999",
        "-9999.999",
        "0.1",
        "999999999999999999",
        "9999999999999999999",
        "-999999999999999999",
        "9007199254740993.5",
        "0.30000000000000004",
        "123456789012345.67",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_text(texts[i]);
}

static void test_random_texts(void **state)
{
    struct random random = {99};
    char text[64];

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t whole = random_below(&random, 1u << (1 + random_below(&random, 30)));
        const char *sign = random_below(&random, 2) ? "-" : "";

        switch (random_below(&random, 4)) {
        case 0: snprintf(text, sizeof(text), "%s%u", sign, whole); break;
        case 1: snprintf(text, sizeof(text), "%s%u.%u", sign, whole % 1000, whole); break;
        case 2:
            snprintf(text, sizeof(text), "%s%u.%0*u", sign, whole,
                     1 + (int)random_below(&random, 8), random_below(&random, 100));
            break;
        default:
            snprintf(text, sizeof(text), "%s%ue%u", sign, whole % 100,
                     random_below(&random, 100));
        }
        check_text(text);
    }
}

static void check_double(double value)
{
    uint8_t expected[NUMBER_DOUBLE_MAX], got[NUMBER_DOUBLE_MAX];
    size_t len = number_print_double(value, expected);

    if (yajl_number_print_double(value, got) != len || memcmp(got, expected, len) != 0)
        fail_msg("%.17g", value);
}

static void test_printing(void **state)
{
    static const double scales[] = {1,     2,      3,     10,  100, 1000,
                                    10000, 100000, 16384, 1e7, 1e-9};
    struct random random = {5};
    uint8_t expected[NUMBER_DOUBLE_MAX], got[NUMBER_DOUBLE_MAX];

    (void)state;
    check_double(0.0);
    check_double(-0.0);
    check_double(1e11 - 0.0001);
    check_double(99999999999.9999);
    check_double(100000000000.0);
    check_double(0.00005);
    check_double(0.00009999);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t n = random_below(&random, 1u << (1 + random_below(&random, 30)));
        size_t len = number_print_u64(n, expected);

        check_double((double)n / scales[random_below(&random, 11)]);
        check_double(-(double)n / scales[random_below(&random, 11)]);
        assert_int_equal(yajl_number_print_uint(n, got), len);
        assert_memory_equal(got, expected, len);
    }
}

/* These replace the C library's functions, for yajl too: a call of one fails the test. */
static int library_calls;

double strtod(const char *text, char **end)
{
    library_calls++;
    *end = (char *)(uintptr_t)text;
    return 0;
}

static void test_the_locale_is_not_asked(void **state)
{
    static const char text[] = "[1.5,-2.25e10,123456789012345678901234567890,1e400,"
                               "0.1,3.141592653589793,1e-7,7,-7,18446744073709551615]";
    static const char again[] =
        "[1.5,-22500000000.0,123456789012345678901234567890,1e400,"
        "0.1,3.141592653589793,1e-7,7,-7,18446744073709551615]";

    (void)state;
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        struct codec *codec = codec_create(*name);
        struct buf packed = BUF_INIT, out = BUF_INIT;

        library_calls = 0;
        assert_int_equal(run_text(codec, CODEC_OP_DECODE, text, &packed).status,
                         CODEC_OK);
        assert_int_equal(run_buf(codec, CODEC_OP_ENCODE, &packed, &out).status, CODEC_OK);
        assert_int_equal(out.len, strlen(again));
        assert_memory_equal(out.data, again, out.len);
        assert_int_equal(library_calls, 0);
        codec_destroy(&codec);
        buf_free(&packed);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_the_locale_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
