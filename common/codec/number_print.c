#include "common/codec/number.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "common/codec/number_shortest.h"

/* JavaScript's layout: a plain decimal while the point lies from here to here. */
#define POINT_MIN (-5)
#define POINT_MAX 21

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

/* How many decimal digits the value has. */
static unsigned count_digits(uint64_t value)
{
    unsigned count = 1;

    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

static inline void put_pair(uint8_t *out, uint64_t value)
{
    memcpy(out, pairs + 2 * value, 2);
}

/* Writes the digits so that the last one lies before `end`. */
static void print_backwards(uint64_t value, uint8_t *end)
{
    for (; value >= 100; value /= 100) {
        end -= 2;
        put_pair(end, value % 100);
    }
    if (value >= 10)
        put_pair(end - 2, value);
    else
        end[-1] = (uint8_t)('0' + value);
}

/* Writes one or two digits; may write a second byte also for one. */
static inline uint8_t *print_below_100(uint32_t value, uint8_t *out)
{
    unsigned one = value < 10;

    memcpy(out, pairs + 2 * value + one, 2);
    return out + 2 - one;
}

static inline uint8_t *print_integer(uint64_t value, uint8_t *out)
{
    uint32_t small = (uint32_t)value;
    unsigned count;

    if (value < 100)
        return print_below_100(small, out);
    if (value < 10000) {
        out = print_below_100(small / 100, out);
        put_pair(out, small % 100);
        return out + 2;
    }
    count = count_digits(value);
    print_backwards(value, out + count);
    return out + count;
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
static size_t print_scientific(uint64_t digits, unsigned count, int exp10, uint8_t *out)
{
    uint8_t *at = out + 1;

    print_backwards(digits, out + count + 1);
    out[0] = out[1];
    if (count > 1) {
        *at = '.';
        at += count;
    }
    *at++ = 'e';
    *at++ = exp10 < 0 ? '-' : '+';
    at += number_print_u64((uint64_t)(exp10 < 0 ? -exp10 : exp10), at);
    return (size_t)(at - out);
}

/* digits with the point after the first `point` of them (which may be before the first
   or beyond the last). */
static size_t print_plain(uint64_t digits, unsigned count, int point, uint8_t *out)
{
    unsigned before = point > 0 ? (unsigned)point : 0;

    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        print_backwards(digits, out + 2 - point + count);
        return (size_t)(2 - point) + count;
    }
    if (before >= count) {
        print_backwards(digits, out + count);
        memset(out + count, '0', before - count + 2);
        out[before] = '.';
        return before + 2;
    }
    print_backwards(digits, out + count + 1);
    memmove(out, out + 1, before);
    out[before] = '.';
    return count + 1;
}

/* Writes value * 10^-6 without closing zeros, but at least one digit each side. */
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

/* Most doubles in documents have few decimals. A decimal of up to 15 digits is the only
   such one near its double, so where one reads back as the value (the division is exact
   but for the one correct rounding) it is the shortest, but for closing zeros. */
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
    unsigned count = count_digits(shortest.digits);
    int point = (int)count + shortest.exp10;

    assert(count <= 17);
    if (point < POINT_MIN || point > POINT_MAX)
        return print_scientific(shortest.digits, count, point - 1, out);
    return print_plain(shortest.digits, count, point, out);
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
