#include "common/codec/number/number_shortest.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "common/codec/number/number_powers.h"

#define MANTISSA_BITS 52
#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)

/* floor(factor * power / 2^128), with its last bit set where bits were lost ("round to
   odd": later comparisons with whole numbers give the same result as the exact value). */
static uint64_t multiply_to_odd(uint64_t hi, uint64_t lo, uint64_t factor)
{
    unsigned __int128 upper = (unsigned __int128)hi * factor;

    upper += (uint64_t)(((unsigned __int128)lo * factor) >> 64);
    return (uint64_t)(upper >> 64) | ((uint64_t)upper > 1);
}

/* The interval of reals that read as the double, and the double itself, all times
   4 * 10^-exp10, rounded to odd. */
struct interval {
    uint64_t low;
    uint64_t value;
    uint64_t high;
    int exp10;
};

static void find_interval(uint64_t mantissa, int exp2, bool lower_is_closer,
                          struct interval *interval_r)
{
    /* floor(log10(2^exp2)), or of 3/4 of it: the largest power of ten inside. */
    int exp10 = (exp2 * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
    const struct number_power *power = number_power(-exp10);
    int shift = exp2 + number_power_exp2(-exp10) + 1;
    /* The method needs powers that are rounded up. */
    bool up = !number_power_is_exact(-exp10);
    uint64_t lo = power->lo + up, hi = power->hi + (up && lo == 0);

    assert(shift >= 1 && shift <= 4);
    interval_r->exp10 = exp10;
    interval_r->low =
        multiply_to_odd(hi, lo, (4 * mantissa - 2 + lower_is_closer) << shift);
    interval_r->value = multiply_to_odd(hi, lo, (4 * mantissa) << shift);
    interval_r->high = multiply_to_odd(hi, lo, (4 * mantissa + 2) << shift);
}

/* The shortest decimal of the interval. `open`: its ends are not part of it. */
static struct number_shortest choose(const struct interval *interval, bool open)
{
    uint64_t low = interval->low + open, high = interval->high - open;
    uint64_t digits = interval->value / 4, tens = digits / 10, middle;
    bool below, above;

    /* Takes one digit less, where exactly one neighbour with one digit less is inside. */
    below = low <= 40 * tens;
    above = 40 * tens + 40 <= high;
    if (below != above)
        return (struct number_shortest){tens + above, interval->exp10 + 1};
    below = low <= 4 * digits;
    above = 4 * digits + 4 <= high;
    if (below != above)
        return (struct number_shortest){digits + above, interval->exp10};
    /* Both are inside: the nearer one; of two equally near ones, the even one. */
    middle = 4 * digits + 2;
    above = interval->value > middle || (interval->value == middle && (digits & 1));
    return (struct number_shortest){digits + above, interval->exp10};
}

struct number_shortest number_shortest(double value)
{
    uint64_t bits, mantissa;
    int biased;
    struct interval interval;
    struct number_shortest shortest;

    memcpy(&bits, &value, sizeof bits);
    biased = (int)(bits >> MANTISSA_BITS) & 0x7ff;
    mantissa = bits & MANTISSA_MASK;
    assert(biased < 0x7ff && (biased > 0 || mantissa > 0));
    if (biased > 0)
        find_interval(mantissa | (MANTISSA_MASK + 1), biased - 1075,
                      mantissa == 0 && biased > 1, &interval);
    else
        find_interval(mantissa, -1074, false, &interval);
    shortest = choose(&interval, bits & 1);
    while (shortest.digits % 10 == 0) {
        shortest.digits /= 10;
        shortest.exp10++;
    }
    return shortest;
}
