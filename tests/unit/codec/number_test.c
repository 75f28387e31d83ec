/*
 * Numbers against the C library in the C locale, on random bit patterns and on the hard
 * cases: halfway points, subnormals, powers, the ends of every range.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/number/number.h"
#include "common/codec/number/number_decimal.h"
#include "common/codec/number/number_powers.h"
#include "common/codec/number/number_shortest.h"
#include "tests/unit/codec/codec_run.h"

#define RANDOM_RUNS   200000
#define SHORTEST_RUNS 40000
#define HALFWAY_RUNS  3000
#define TEXT_BYTES    1400

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static struct number parse(const char *text)
{
    struct number number;
    size_t len = strlen(text);

    assert_int_equal(number_scan((const uint8_t *)text, len), len);
    number_parse((const uint8_t *)text, len, &number);
    return number;
}

/* The text as double must be what strtod() says, or keep its digits beyond the range. */
static void check_fraction(const char *text)
{
    double expected = strtod(text, NULL);
    struct number number = parse(text);

    if (isinf(expected) ||
        (expected == 0 && strpbrk(text, "123456789") < strchr(text, 'e') &&
         strpbrk(text, "123456789") != NULL)) {
        if (number.kind != NUMBER_TEXT)
            fail_msg("%s is beyond double range", text);
        return;
    }
    if (number.kind != NUMBER_DOUBLE || bits_of(number.d) != bits_of(expected))
        fail_msg("%s is read as %a, not %a", text, number.d, expected);
}

/* The double as text must be JSON, not too long, and read back as the same. */
static void check_print(double value)
{
    char text[NUMBER_DOUBLE_MAX + 1];
    size_t len = number_print_double(value, (uint8_t *)text);

    assert_in_range(len, 3, 25);
    text[len] = '\0';
    if (bits_of(strtod(text, NULL)) != bits_of(value))
        fail_msg("%a is printed as %s", value, text);
    if (strpbrk(text, ".e") == NULL)
        fail_msg("%s looks like an integer", text);
    check_fraction(text);
}

/* Significant digits without leading and closing zeros. */
static int significant_digits(const char *text)
{
    int count = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (count == 0 && *text == '0'))
            continue;
        count++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

/* No rounded text with fewer digits reads back as the same double. (At powers of two,
   whose neighbour below is nearer, a shorter text than any rounded one can exist.) */
static void check_shortest(double value)
{
    char text[NUMBER_DOUBLE_MAX + 1], reference[64];
    int precision = 0;

    text[number_print_double(value, (uint8_t *)text)] = '\0';
    do {
        snprintf(reference, sizeof reference, "%.*e", precision++, value);
    } while (strtod(reference, NULL) != value);
    if (significant_digits(text) > significant_digits(reference))
        fail_msg("%s is not as short as %s", text, reference);
}

/* Any bits, subnormals, few mantissa bits, and decimals as people write them. */
static double random_double(unsigned kind)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e9};
    uint64_t bits = next_random();

    switch (kind % 4) {
    case 1: bits &= 0x800fffffffffffffu; break;
    case 2: bits &= ~UINT64_C(0xffffffffff); break;
    case 3: return (double)(bits % 100000000000u) / powers[bits % COUNT(powers)];
    default: break;
    }
    return double_of(bits);
}

static void test_random_doubles_come_back_from_shortest_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_RUNS; i++) {
        double value = random_double(i);

        if (!isfinite(value))
            continue;
        check_print(value);
        /* Its reference is slow. */
        if (i < SHORTEST_RUNS)
            check_shortest(value);
    }
}

static void test_random_decimals_are_read_as_strtod_does(void **state)
{
    char text[TEXT_BYTES];

    (void)state;
    for (unsigned i = 0; i < RANDOM_RUNS; i++) {
        double value = random_double(i);

        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.*e", (int)(next_random() % 26) + 1, value);
        check_fraction(text);
        snprintf(text, sizeof text, "%llu.%lluE%d",
                 (unsigned long long)next_random() >> 20,
                 (unsigned long long)next_random(), (int)(next_random() % 700) - 350);
        text[strcspn(text, "E")] = 'e';
        check_fraction(text);
    }
}

/* Writes "digits...e exponent" with other last digits: just below or above. */
static void check_nearby(const char *halfway, const char *tail)
{
    char text[TEXT_BYTES + 64];
    size_t digits = strcspn(halfway, "e");

    snprintf(text, sizeof text, "%.*s%s%s", (int)digits, halfway, tail, halfway + digits);
    check_fraction(text);
}

static void test_halfway_points_go_to_even(void **state)
{
    char text[TEXT_BYTES];

    (void)state;
    for (unsigned i = 0; i < HALFWAY_RUNS; i++) {
        double value = fabs(random_double(i)), next = nextafter(value, INFINITY);
        int digits = i % 2 ? 770 : 780;

        if (!isfinite(next))
            continue;
        snprintf(text, sizeof text, "%.*Le", digits, ((long double)value + next) / 2);
        check_fraction(text);
        check_nearby(text, "000000000000000000000000000000000000000000000000000000001");
        check_nearby(text, "0000");
        text[800 < strlen(text) ? 800 : 17] = text[17];
        check_fraction(text);
    }
}

static const char *const hard_fractions[] = {
    "0.0",
    "-0.0",
    "0e0",
    "0e999999999999999999999",
    "-0.000e-99999999999999999999",
    "1e0",
    "1E5",
    "1e+5",
    "1e-5",
    "0.1",
    "0.2",
    "0.3",
    "1.1",
    "123.456",
    "1e22",
    "1e23",
    "8.5e22",
    "9007199254740993.0",
    "9007199254740993.00000000000000000000000000000001",
    "9007199254740991.5",
    "0.500000000000000166533453693773481063544750213623046875",
    "2.2250738585072011e-308",
    "2.2250738585072012e-308",
    "2.2250738585072014e-308",
    "4.9406564584124654e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "5e-324",
    "3e-324",
    "2e-324",
    "1e-324",
    "1e-400",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1.7976931348623159e308",
    "1e308",
    "1e309",
    "2e308",
    "179769313486231580793728971405301e276",
    "1e400",
    "-1e400",
    "6.9294956446009195e15",
    "3.7455744005952583e15",
    "5.0e-22",
    "7.2057594037927933e16",
    "1e9999999999999999999999999999",
    "1e-9999999999999999999999999999",
    "0."
    "00000000000000000000000000000000000000000000000000000000000000000000000000001e6"
    "0",
    "123456789012345678901234567890.0",
    "18446744073709551615.0",
    "18446744073709551616.0",
    "18446744073709551615e-19",
    "9999999999999999999e-19",
    "0.99999999999999994448884876874217297881841659545898437500000000000001"};

static void test_hard_fractions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hard_fractions); i++)
        check_fraction(hard_fractions[i]);
}

/* A run of zeros as long as a body must not overflow any count: the exponent undoes it.
 */
static void test_long_runs_of_zeros(void **state)
{
    enum { ZEROS = 100000 };
    char *text = malloc(ZEROS + 32);

    (void)state;
    assert_non_null(text);
    memset(text, '0', ZEROS);
    text[1] = '.';
    strcpy(text + ZEROS, "15e100000");
    assert_true(parse(text).d == strtod(text, NULL) && parse(text).d > 0);
    memset(text + 1, '0', 1);
    text[0] = '1';
    strcpy(text + ZEROS, "e-99999");
    assert_true(parse(text).kind == NUMBER_DOUBLE && parse(text).d == 1);
    free(text);
}

static void test_every_power_of_two_and_ten(void **state)
{
    char text[32];

    (void)state;
    for (int exp2 = -1074; exp2 <= 1023; exp2++) {
        double value = ldexp(1, exp2);

        check_print(value);
        check_shortest(value);
        check_print(nextafter(value, 0) > 0 ? nextafter(value, 0) : value);
        check_print(nextafter(value, INFINITY));
    }
    for (int exp10 = -400; exp10 <= 400; exp10++) {
        snprintf(text, sizeof text, "1e%d", exp10);
        check_fraction(text);
        snprintf(text, sizeof text, "18446744073709551615e%d", exp10);
        check_fraction(text);
    }
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        enum number_kind kind;
        uint64_t value;
    } rows[] = {
        {"0", NUMBER_UINT, 0},
        {"7", NUMBER_UINT, 7},
        {"9999999999999999999", NUMBER_UINT, 9999999999999999999u},
        {"10000000000000000000", NUMBER_UINT, 10000000000000000000u},
        {"18446744073709551615", NUMBER_UINT, UINT64_MAX},
        {"18446744073709551616", NUMBER_TEXT, 0},
        {"18446744073709551620", NUMBER_TEXT, 0},
        {"99999999999999999999", NUMBER_TEXT, 0},
        {"100000000000000000000", NUMBER_TEXT, 0},
        {"-1", NUMBER_INT, UINT64_MAX},
        {"-9223372036854775808", NUMBER_INT, UINT64_C(1) << 63},
        {"-9223372036854775809", NUMBER_TEXT, 0},
        {"-18446744073709551616", NUMBER_TEXT, 0},
        {"-0", NUMBER_DOUBLE, UINT64_C(1) << 63},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct number number = parse(rows[i].text);

        if (number.kind != rows[i].kind)
            fail_msg("%s is of kind %d", rows[i].text, (int)number.kind);
        if (number.kind != NUMBER_TEXT && number.u != rows[i].value)
            fail_msg("%s is read as %llx", rows[i].text, (unsigned long long)number.u);
    }
}

static void test_scan_takes_the_longest_number(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        {"", 0},      {"-", 0},    {"+1", 0},       {".5", 0},     {"a", 0},
        {"-a", 0},    {"NaN", 0},  {"Infinity", 0}, {"0", 1},      {"01", 1},
        {"-01", 2},   {"1.", 1},   {"1.e5", 1},     {"1.5", 3},    {"1.5.", 3},
        {"1e", 1},    {"1e+", 1},  {"1e+5", 4},     {"1E-05x", 5}, {"1.5e", 3},
        {"12,13", 2}, {"0x10", 1}, {"1e5e5", 3},    {"-0.0e0", 6}, {"1 ", 1},
        {"1_000", 1}, {"00", 1},   {"0e", 1},       {"0.", 1},     {"-.1", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);

        if (number_scan((const uint8_t *)rows[i].text, len) != rows[i].len)
            fail_msg("\"%s\"", rows[i].text);
    }
}

/* JavaScript's layout, where fractions stay fractions. */
static void test_layout(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1, "-1.0"},
        {10, "10.0"},
        {0.1, "0.1"},
        {0.25, "0.25"},
        {-2.05, "-2.05"},
        {99.5, "99.5"},
        {100.01, "100.01"},
        {1234.5678, "1234.5678"},
        {12345.000001, "12345.000001"},
        {999999998.5, "999999998.5"},
        {999999999.5, "999999999.5"},
        {123456789012.5, "123456789012.5"},
        {1e15, "1000000000000000.0"},
        {1e20, "100000000000000000000.0"},
        {123456789012345680000.0, "123456789012345680000.0"},
        {1e21, "1e+21"},
        {1.5e21, "1.5e+21"},
        {1e300, "1e+300"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0.000001, "0.000001"},
        {0.0000015, "0.0000015"},
        {0.000009999999999999999, "0.000009999999999999999"},
        {0.0000001, "1e-7"},
        {-1.5e-7, "-1.5e-7"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {0.1 + 0.2, "0.30000000000000004"},
        {9007199254740993.0, "9007199254740992.0"},
        {5e22, "5e+22"},
        {2e-44, "2e-44"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[NUMBER_DOUBLE_MAX + 1];

        text[number_print_double(rows[i].value, (uint8_t *)text)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void check_integer(uint64_t value)
{
    char text[NUMBER_INT_MAX + 1], expected[NUMBER_INT_MAX + 1];

    text[number_print_u64(value, (uint8_t *)text)] = '\0';
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
    assert_string_equal(text, expected);
    text[number_print_i64((int64_t)value, (uint8_t *)text)] = '\0';
    snprintf(expected, sizeof expected, "%lld", (long long)value);
    assert_string_equal(text, expected);
}

static void test_print_integers(void **state)
{
    (void)state;
    for (uint64_t power = 1; power < 10000000000000000000u; power *= 10) {
        check_integer(power - 1);
        check_integer(power);
        check_integer(0 - power);
    }
    check_integer(UINT64_MAX);
    check_integer(UINT64_C(1) << 63);
    for (uint64_t i = 0; i < 20000; i++) {
        check_integer(i);
        check_integer(next_random() >> (i % 64));
    }
}

static void test_from_decimal(void **state)
{
    (void)state;
    assert_true(number_from_decimal(12345, -2, false) == 123.45);
    assert_true(number_from_decimal(12345, -2, true) == -123.45);
    assert_true(number_from_decimal(1, 23, false) == 1e23);
    assert_true(number_from_decimal(1, 400, true) == -INFINITY);
    assert_true(number_from_decimal(1, -400, false) == 0);
    assert_true(number_from_decimal(UINT64_MAX, -343, false) == 0);
    assert_true(number_from_decimal(UINT64_MAX, INT64_MAX, false) == INFINITY);
    assert_true(number_from_decimal(UINT64_MAX, INT64_MIN / 2, false) == 0);
    assert_int_equal(bits_of(number_from_decimal(0, 5, true)), UINT64_C(1) << 63);
    /* Exactly between two doubles: found by the exact comparison. */
    assert_true(number_from_decimal(9007199254740993, 0, false) == 9007199254740992.0);
    assert_true(number_from_decimal(9007199254740995, 0, false) == 9007199254740996.0);
}

/* Where the product of 128 bits cannot decide, it must say so, and be right below. */
static void test_rounding_is_sure_or_says_so(void **state)
{
    char text[48];

    (void)state;
    for (unsigned i = 0; i < RANDOM_RUNS; i++) {
        uint64_t digits = next_random() >> (i % 60);
        int exp10 = (int)(next_random() % 660) - 342;
        struct number_rounded rounded = number_decimal_round(digits, exp10);
        uint64_t expected;

        snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exp10);
        expected = bits_of(strtod(text, NULL));
        if (rounded.bits != expected && !(rounded.unsure && rounded.bits + 1 == expected))
            fail_msg("%s", text);
    }
}

static void test_exact_comparison(void **state)
{
    /* 2^53 + 1 lies halfway between two doubles. */
    static const uint8_t half[] = {9, 0, 0, 7, 1, 9, 9, 2, 5, 4, 7, 4, 0, 9, 9, 3, 0};
    uint8_t digits[sizeof half];
    uint64_t below = bits_of(9007199254740992.0);

    (void)state;
    memcpy(digits, half, sizeof digits);
    assert_int_equal(number_decimal_compare(digits, sizeof digits, 16, below), 0);
    digits[16] = 1;
    assert_true(number_decimal_compare(digits, sizeof digits, 16, below) > 0);
    digits[15] = 2;
    assert_true(number_decimal_compare(digits, sizeof digits, 16, below) < 0);
}

static void test_powers_are_cut_off_not_rounded(void **state)
{
    (void)state;
    for (int exp10 = NUMBER_POWERS_MIN; exp10 <= NUMBER_POWERS_MAX; exp10++) {
        const struct number_power *power = number_power(exp10);
        long double reference = ldexpl(powl(10.0L, exp10), 63 - number_power_exp2(exp10));

        assert_true(power->hi >> 63);
        assert_true(fabsl((long double)power->hi - reference) < 4096);
        if (number_power_is_exact(exp10) && exp10 <= 27)
            assert_int_equal(power->lo, 0);
    }
    assert_int_equal(number_power(0)->hi, UINT64_C(1) << 63);
    assert_int_equal(number_power(-1)->lo, UINT64_C(0xcccccccccccccccc));
}

static void test_shortest_has_no_closing_zeros(void **state)
{
    struct number_shortest shortest = number_shortest(-123000.0);

    (void)state;
    assert_int_equal(shortest.digits, 123);
    assert_int_equal(shortest.exp10, 3);
    shortest = number_shortest(5e-324);
    assert_int_equal(shortest.digits, 5);
    assert_int_equal(shortest.exp10, -324);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_doubles_come_back_from_shortest_text),
        cmocka_unit_test(test_random_decimals_are_read_as_strtod_does),
        cmocka_unit_test(test_halfway_points_go_to_even),
        cmocka_unit_test(test_hard_fractions),
        cmocka_unit_test(test_long_runs_of_zeros),
        cmocka_unit_test(test_every_power_of_two_and_ten),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_scan_takes_the_longest_number),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_print_integers),
        cmocka_unit_test(test_from_decimal),
        cmocka_unit_test(test_rounding_is_sure_or_says_so),
        cmocka_unit_test(test_exact_comparison),
        cmocka_unit_test(test_powers_are_cut_off_not_rounded),
        cmocka_unit_test(test_shortest_has_no_closing_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
