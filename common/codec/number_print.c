#include "common/codec/number.h"

#include <assert.h>
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

/* Writes the digits so that the last one lies before `end`. */
static void print_backwards(uint64_t value, uint8_t *end)
{
    for (; value >= 100; value /= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (value % 100), 2);
    }
    if (value >= 10)
        memcpy(end - 2, pairs + 2 * value, 2);
    else
        end[-1] = (uint8_t)('0' + value);
}

size_t number_print_u64(uint64_t value, uint8_t *out)
{
    unsigned count = count_digits(value);

    print_backwards(value, out + count);
    return count;
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

size_t number_print_double(double value, uint8_t *out)
{
    struct number_shortest shortest;
    bool negative = __builtin_signbit(value);
    unsigned count;
    int point;

    *out = '-';
    out += negative;
    if (value == 0) {
        memcpy(out, "0.0", 3);
        return negative + 3;
    }
    shortest = number_shortest(value);
    count = count_digits(shortest.digits);
    point = (int)count + shortest.exp10;
    assert(count <= 17);
    if (point < POINT_MIN || point > POINT_MAX)
        return negative + print_scientific(shortest.digits, count, point - 1, out);
    return negative + print_plain(shortest.digits, count, point, out);
}
