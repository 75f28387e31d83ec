#include "common/codec/number/number.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "common/codec/number/number_shortest.h"

/* JavaScript's layout: a plain decimal while the point is between these positions. */
#define POINT_MIN (-5)
#define POINT_MAX 21

/* The most digits of a shortest double, and of a 64-bit integer. */
#define SHORTEST_DIGITS 17
#define INTEGER_DIGITS  20

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

/* The number of decimal digits of the value. */
static inline unsigned count_digits(uint64_t value)
{
    static const uint64_t powers[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};
    /* 1233 / 4096 is near enough to log10(2) for 64 bits. */
    unsigned least = (64 - (unsigned)__builtin_clzll(value | 1)) * 1233 >> 12;

    return least + (value >= powers[least]);
}

static inline void put_pair(uint8_t *out, uint64_t value)
{
    memcpy(out, pairs + 2 * value, 2);
}

/* A value below 10^8 as eight digits, the first one in the lowest byte. Halves, pairs and
   digits are split in parallel, by products instead of quotients. */
static inline uint64_t eight_digits(uint32_t value)
{
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (halves * 10486 >> 20) & UINT64_C(0x7f0000007f);
    uint64_t pairs_of = hundreds | (halves - 100 * hundreds) << 16;
    uint64_t tens = (pairs_of * 103 >> 10) & UINT64_C(0x000f000f000f000f);

    return tens | (pairs_of - 10 * tens) << 8;
}

static inline void store_digits(uint8_t *out, uint64_t digits)
{
    digits += UINT64_C(0x3030303030303030);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    digits = __builtin_bswap64(digits);
#endif
    memcpy(out, &digits, sizeof digits);
}

/* The digits of a number. More bytes than the digits may be read here, so that copies
   have a fixed length. */
struct digits {
    uint8_t text[64];
    const uint8_t *first; /* in text */
    unsigned count;
};

static inline void spread(uint64_t value, struct digits *digits)
{
    uint64_t top = value / 100000000;

    store_digits(digits->text + 16, eight_digits((uint32_t)(value % 100000000)));
    store_digits(digits->text + 8, eight_digits((uint32_t)(top % 100000000)));
    if (top >= 100000000)
        store_digits(digits->text, eight_digits((uint32_t)(top / 100000000)));
    digits->count = count_digits(value);
    digits->first = digits->text + 24 - digits->count;
}

/* Writes one or two digits; for one digit it may write a second byte too. */
static inline uint8_t *print_below_100(uint32_t value, uint8_t *out)
{
    unsigned one = value < 10;

    memcpy(out, pairs + 2 * value + one, 2);
    return out + 2 - one;
}

/* 10000 and more. */
static uint8_t *print_long(uint64_t value, uint8_t *out)
{
    struct digits digits;

    if (value < 100000000) {
        uint64_t eight = eight_digits((uint32_t)value);
        unsigned zeros = (unsigned)__builtin_ctzll(eight) / 8;

        eight >>= 8 * zeros;
        store_digits(out, eight);
        return out + 8 - zeros;
    }
    spread(value, &digits);
    memcpy(out, digits.first, INTEGER_DIGITS);
    return out + digits.count;
}

static inline uint8_t *print_integer(uint64_t value, uint8_t *out)
{
    uint32_t small = (uint32_t)value;

    if (value < 100)
        return print_below_100(small, out);
    if (value >= 10000)
        return print_long(value, out);
    out = print_below_100(small / 100, out);
    put_pair(out, small % 100);
    return out + 2;
}

size_t number_print_u64(uint64_t value, uint8_t *out)
{
    return (size_t)(print_integer(value, out) - out);
}

size_t number_print_i64(int64_t value, uint8_t *out)
{
    if (value >= 0)
        return number_print_u64((uint64_t)value, out);
    *out = '-';
    return 1 + number_print_u64(0 - (uint64_t)value, out + 1);
}

/* d.ddde+-x */
static size_t print_scientific(const struct digits *digits, int exp10, uint8_t *out)
{
    uint8_t *at = out + 1;

    *out = *digits->first;
    if (digits->count > 1) {
        *at = '.';
        memcpy(at + 1, digits->first + 1, SHORTEST_DIGITS);
        at += digits->count;
    }
    *at++ = 'e';
    *at++ = exp10 < 0 ? '-' : '+';
    at += number_print_u64((uint64_t)(exp10 < 0 ? -exp10 : exp10), at);
    return (size_t)(at - out);
}

/* Writes the digits with the point after the first `point` of them. The point may be
   before the first or after the last digit. */
static size_t print_plain(const struct digits *digits, int point, uint8_t *out)
{
    unsigned before = point > 0 ? (unsigned)point : 0;

    assert(point >= POINT_MIN && point <= POINT_MAX);
    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        memcpy(out + 2 - point, digits->first, SHORTEST_DIGITS);
        return (size_t)(2 - point) + digits->count;
    }
    memcpy(out, digits->first, SHORTEST_DIGITS);
    if (before >= digits->count) {
        memset(out + digits->count, '0', before - digits->count + 2);
        out[before] = '.';
        return before + 2;
    }
    out[before] = '.';
    memcpy(out + before + 1, digits->first + before, SHORTEST_DIGITS);
    return digits->count + 1;
}

/* Writes value * 10^-6 without zeros at the end, but with a digit on each side. */
static uint8_t *print_millionths(uint64_t value, uint8_t *out)
{
    uint32_t fraction = (uint32_t)(value % 1000000);

    out = print_integer(value / 1000000, out);
    *out++ = '.';
    put_pair(out, fraction / 10000);
    fraction %= 10000;
    if (fraction != 0) {
        out += 2;
        put_pair(out, fraction / 100);
        fraction %= 100;
        if (fraction != 0) {
            out += 2;
            put_pair(out, fraction);
        }
    }
    return out + 1 + (out[1] != '0');
}

/* Most doubles in documents have few decimals. Of all decimals of up to 15 digits, only
   one is near its double. So where one reads as the value (the division has one correct
   rounding), it is the shortest, apart from zeros at its end. */
static bool is_in_millionths(double magnitude, uint64_t *millionths_r)
{
    if (FLT_EVAL_METHOD != 0 || !(magnitude < 999999999))
        return false;
    *millionths_r = (uint64_t)(int64_t)(magnitude * 1e6 + 0.5);
    return (double)(int64_t)*millionths_r / 1e6 == magnitude;
}

static size_t print_shortest(double value, uint8_t *out)
{
    struct number_shortest shortest = number_shortest(value);
    struct digits digits;
    int point;

    spread(shortest.digits, &digits);
    assert(digits.count <= SHORTEST_DIGITS);
    point = (int)digits.count + shortest.exp10;
    if (point < POINT_MIN || point > POINT_MAX)
        return print_scientific(&digits, point - 1, out);
    return print_plain(&digits, point, out);
}

size_t number_print_double(double value, uint8_t *out)
{
    bool negative = __builtin_signbit(value);
    double magnitude = __builtin_fabs(value);
    uint64_t millionths;
    uint8_t *at = out + negative;

    *out = '-';
    if (is_in_millionths(magnitude, &millionths))
        return (size_t)(print_millionths(millionths, at) - out);
    return negative + print_shortest(magnitude, at);
}
