#include "common/codec/number/number.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "common/codec/number/number_decimal.h"

#define SIGN_BIT      (UINT64_C(1) << 63)
#define INFINITY_BITS (UINT64_C(0x7ff) << 52)

/* So many digits always fit into 64 bits. */
#define DIGITS_MAX 19

/* Larger exponents are cut to this: it is beyond every double even after 2^55 digits. */
#define EXPONENT_MAX (INT64_C(1) << 60)

/* The parts of a JSON number: +-digits * 10^exp10, with its leading digits. */
struct decimal {
    uint64_t digits;
    int64_t exp10;
    size_t count; /* significant digits in the text */
    bool negative;
    bool integer; /* neither fraction nor exponent */
};

static bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

static size_t scan_digits(const uint8_t *text, size_t len, size_t at)
{
    while (at < len && is_digit(text[at]))
        at++;
    return at;
}

/* The end of the optional exponent that starts at `at`. */
static size_t scan_exponent(const uint8_t *text, size_t len, size_t at)
{
    size_t end = at, first;

    if (at == len || (text[at] | 0x20) != 'e')
        return at;
    first = at + 1;
    if (first < len && (text[first] == '+' || text[first] == '-'))
        first++;
    end = scan_digits(text, len, first);
    return end > first ? end : at;
}

size_t number_scan(const uint8_t *text, size_t len)
{
    size_t at = len > 0 && text[0] == '-', end;

    if (at == len || !is_digit(text[at]))
        return 0;
    at = text[at] == '0' ? at + 1 : scan_digits(text, len, at);
    if (at < len && text[at] == '.') {
        end = scan_digits(text, len, at + 1);
        if (end == at + 1)
            return at;
        at = end;
    }
    return scan_exponent(text, len, at);
}

/* Adds a run of digits. Significant ones after DIGITS_MAX are only counted. */
static const uint8_t *take_digits(const uint8_t *at, const uint8_t *end,
                                  struct decimal *decimal)
{
    for (; at < end && is_digit(*at); at++) {
        if (decimal->count < DIGITS_MAX)
            decimal->digits = decimal->digits * 10 + (uint64_t)(*at - '0');
        else
            decimal->exp10++;
        decimal->count += decimal->count > 0 || *at != '0';
    }
    return at;
}

static int64_t read_exponent(const uint8_t *at, const uint8_t *end)
{
    bool negative = *at == '-';
    int64_t value = 0;

    for (at += *at == '-' || *at == '+'; at < end; at++) {
        if (value < EXPONENT_MAX / 10)
            value = value * 10 + (*at - '0');
    }
    return negative ? -value : value;
}

static void take_apart(const uint8_t *text, size_t len, struct decimal *decimal)
{
    const uint8_t *at = text, *end = text + len;

    *decimal = (struct decimal){.negative = *at == '-', .integer = true};
    at = take_digits(at + decimal->negative, end, decimal);
    if (at < end && *at == '.') {
        const uint8_t *fraction = at + 1;

        at = take_digits(fraction, end, decimal);
        decimal->exp10 -= at - fraction;
        decimal->integer = false;
    }
    if (at < end) {
        assert(*at == 'e' || *at == 'E');
        decimal->exp10 += read_exponent(at + 1, end);
        decimal->integer = false;
    }
}

/* The significant digits of the text for number_decimal_compare(). Digits after its limit
   become one 1, unless all are zeros. Returns the number of digits. */
static size_t collect_digits(const uint8_t *text, size_t len, uint8_t *digits)
{
    size_t count = 0;

    for (size_t i = 0; i < len && (text[i] | 0x20) != 'e'; i++) {
        if (!is_digit(text[i]) || (count == 0 && text[i] == '0'))
            continue;
        if (count == NUMBER_DECIMAL_DIGITS && text[i] != '0') {
            digits[count++] = 1;
            break;
        }
        if (count < NUMBER_DECIMAL_DIGITS)
            digits[count++] = text[i] - '0';
    }
    return count;
}

/* Compares all digits to choose between the double of `bits` and the next larger one. */
static uint64_t decide(const uint8_t *text, size_t len, int64_t point, uint64_t bits)
{
    uint8_t digits[NUMBER_DECIMAL_DIGITS + 1];
    size_t count = collect_digits(text, len, digits);
    int order = number_decimal_compare(digits, count, point, bits);

    return bits + (order > 0 || (order == 0 && (bits & 1)));
}

static double make_double(uint64_t bits, bool negative)
{
    double value;

    bits |= negative ? SIGN_BIT : 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* 10^0 to 10^22 are exact doubles. So one correctly rounded operation of the processor
   with an integer below 2^53 gives the nearest double. */
static bool convert_directly(uint64_t digits, int64_t exp10, double *value_r)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (FLT_EVAL_METHOD != 0 || digits >> 53 != 0 || exp10 < -22 || exp10 > 22)
        return false;
    *value_r =
        exp10 < 0 ? (double)digits / powers[-exp10] : (double)digits * powers[exp10];
    return true;
}

double number_from_decimal(uint64_t digits, int64_t exp10, bool negative)
{
    struct number_rounded rounded;
    double value;

    if (convert_directly(digits, exp10, &value))
        return negative ? -value : value;
    rounded = number_decimal_round(digits, exp10);
    if (rounded.unsure) {
        uint8_t text[NUMBER_INT_MAX];
        size_t len = number_print_u64(digits, text);

        rounded.bits = decide(text, len, (int64_t)len + exp10, rounded.bits);
    }
    return make_double(rounded.bits, negative);
}

/* As number_from_decimal() for a text of more than DIGITS_MAX digits. */
static double convert_long(const uint8_t *text, size_t len, const struct decimal *decimal)
{
    struct number_rounded low = number_decimal_round(decimal->digits, decimal->exp10);
    struct number_rounded high =
        number_decimal_round(decimal->digits + 1, decimal->exp10);

    assert(decimal->count > DIGITS_MAX);
    if (low.unsure || high.unsure || low.bits != high.bits)
        low.bits = decide(text, len, DIGITS_MAX + decimal->exp10, low.bits);
    return make_double(low.bits, decimal->negative);
}

static void parse_fraction(const uint8_t *text, size_t len, const struct decimal *decimal,
                           struct number *number_r)
{
    double value =
        decimal->count > DIGITS_MAX
            ? convert_long(text, len, decimal)
            : number_from_decimal(decimal->digits, decimal->exp10, decimal->negative);
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits &= ~SIGN_BIT;
    number_r->d = value;
    number_r->kind = bits == INFINITY_BITS || (bits == 0 && decimal->digits != 0)
                         ? NUMBER_TEXT
                         : NUMBER_DOUBLE;
}

static void parse_integer(const uint8_t *text, size_t len, const struct decimal *decimal,
                          struct number *number_r)
{
    uint64_t value = decimal->digits;

    number_r->kind = NUMBER_TEXT;
    if (decimal->count > DIGITS_MAX + 1)
        return;
    if (decimal->count == DIGITS_MAX + 1 &&
        (__builtin_mul_overflow(value, 10, &value) ||
         __builtin_add_overflow(value, (uint64_t)(text[len - 1] - '0'), &value)))
        return;
    if (!decimal->negative) {
        number_r->kind = NUMBER_UINT;
        number_r->u = value;
    } else if (value == 0) {
        number_r->kind = NUMBER_DOUBLE;
        number_r->d = -0.0;
    } else if (value <= SIGN_BIT) {
        number_r->kind = NUMBER_INT;
        number_r->i = (int64_t)(0 - value);
    }
}

void number_parse(const uint8_t *text, size_t len, struct number *number_r)
{
    struct decimal decimal;

    assert(len > 0);
    take_apart(text, len, &decimal);
    if (decimal.integer)
        parse_integer(text, len, &decimal, number_r);
    else
        parse_fraction(text, len, &decimal, number_r);
}

/* True for a fraction that is certainly printed as the same text. Of all decimals of up
   to 15 digits, only one reads as a given double, so that one is the shortest. Two
   exceptions remain: zeros at the end, and numbers below 1e-6, which are printed with an
   exponent. */
static bool is_plain_fraction(const uint8_t *text, size_t len)
{
    const uint8_t *point = memchr(text, '.', len);
    size_t first = *text == '-', decimals;

    if (point == NULL || len > 16 || !is_digit(text[len - 1]))
        return false;
    decimals = (size_t)(text + len - point) - 1;
    for (const uint8_t *at = point + 1; at < text + len; at++)
        if (!is_digit(*at))
            return false; /* an exponent */
    return text[first] == '0' ? decimals == 1 || (decimals <= 6 && text[len - 1] != '0')
                              : decimals == 1 || text[len - 1] != '0';
}

void number_keep_text(const uint8_t *text, size_t len, struct number *number)
{
    uint8_t printed[NUMBER_DOUBLE_MAX];
    size_t printed_len;

    if (number->kind != NUMBER_DOUBLE || is_plain_fraction(text, len))
        return;
    printed_len = number_print_double(number->d, printed);
    if (printed_len != len || memcmp(printed, text, len) != 0)
        number->kind = NUMBER_TEXT;
}
