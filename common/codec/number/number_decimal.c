#include "common/codec/number/number_decimal.h"

#include <assert.h>
#include <string.h>

#include "common/codec/number/number_powers.h"

#define MANTISSA_BITS 52
#define INFINITY_BITS (UINT64_C(0x7ff) << MANTISSA_BITS)
#define EXPONENT_BIAS 1023

/* The largest integers: 801 digits, or 55 bits times 5^1145. */
#define BIG_LIMBS 48

/* An unsigned integer, least limb first, no zero limb on top. */
struct big {
    uint64_t limbs[BIG_LIMBS];
    size_t count;
};

/* The upper 128 bits of (normalised digits) * (a power's 128 bits), and about the rest.
 */
struct product {
    uint64_t hi;
    uint64_t lo;
    bool inexact; /* the true product is above hi:lo */
    bool unsure;  /* the true product may be hi:lo + 1 or above */
};

static struct product multiply(uint64_t digits, int exp10, uint64_t dropped_mask)
{
    const struct number_power *power = number_power(exp10);
    unsigned __int128 upper = (unsigned __int128)digits * power->hi;
    struct product product = {(uint64_t)(upper >> 64), (uint64_t)upper, true, false};

    /* The rest adds less than `digits` to lo, so at most 1 to hi. That matters only where
       the carry could pass through all bits that are dropped. */
    if (number_power_is_exact(exp10) || (product.hi & dropped_mask) == dropped_mask) {
        unsigned __int128 lower = (unsigned __int128)digits * power->lo;
        uint64_t low = (uint64_t)lower;

        upper += (uint64_t)(lower >> 64);
        product.hi = (uint64_t)(upper >> 64);
        product.lo = (uint64_t)upper;
        product.inexact = !number_power_is_exact(exp10) || low != 0;
        product.unsure = !number_power_is_exact(exp10) && product.lo == UINT64_MAX &&
                         low + digits < low;
    }
    return product;
}

/* Rounds hi:lo, whose top bit stands for 2^exp2, to the nearest double. */
static struct number_rounded round_product(const struct product *product, int exp2)
{
    int biased = exp2 + EXPONENT_BIAS;
    int drop = 10 + (int)(product->hi >> 63);
    uint64_t mantissa, half, below;
    struct number_rounded rounded = {0, false};

    if (biased > 2046)
        return (struct number_rounded){INFINITY_BITS, false};
    if (biased <= 0) {
        drop += 1 - biased;
        biased = 1;
    }
    if (drop > 64) {
        rounded.unsure = drop == 65 && product->unsure && product->hi == UINT64_MAX;
        return rounded;
    }
    half = UINT64_C(1) << (drop - 1);
    mantissa = drop == 64 ? 0 : product->hi >> drop;
    below = product->hi & (half - 1);
    rounded.bits = ((uint64_t)(biased - 1) << MANTISSA_BITS) + mantissa;
    if (product->hi & half)
        rounded.bits +=
            below != 0 || product->lo != 0 || product->inexact || (mantissa & 1);
    else
        rounded.unsure = product->unsure && below == half - 1;
    return rounded;
}

struct number_rounded number_decimal_round(uint64_t digits, int64_t exp10)
{
    struct product product;
    int shift, exp2;

    /* Outside these limits, a 64-bit integer times the power is beyond every double. */
    if (digits == 0 || exp10 < NUMBER_POWERS_MIN)
        return (struct number_rounded){0, false};
    if (exp10 > 308)
        return (struct number_rounded){INFINITY_BITS, false};
    shift = __builtin_clzll(digits);
    product = multiply(digits << shift, (int)exp10, 0x1ff);
    exp2 = number_power_exp2((int)exp10) - shift + 63 + (int)(product.hi >> 63);
    return round_product(&product, exp2);
}

/* big = big * factor + addend. */
static void big_multiply(struct big *big, uint64_t factor, uint64_t addend)
{
    unsigned __int128 carry = addend;

    for (size_t i = 0; i < big->count; i++) {
        carry += (unsigned __int128)big->limbs[i] * factor;
        big->limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry != 0) {
        assert(big->count < BIG_LIMBS);
        big->limbs[big->count++] = (uint64_t)carry;
    }
}

static void big_multiply_5(struct big *big, unsigned times)
{
    const unsigned most = 27; /* 5^27 is the largest below 2^64 */
    uint64_t factor = 1;

    for (unsigned i = 0; i < most; i++)
        factor *= 5;
    for (; times >= most; times -= most)
        big_multiply(big, factor, 0);
    for (; times > 0; times--)
        big_multiply(big, 5, 0);
}

static void big_shift(struct big *big, unsigned bits)
{
    size_t limbs = bits / 64;

    assert(big->count + limbs <= BIG_LIMBS);
    big_multiply(big, UINT64_C(1) << (bits % 64), 0);
    assert(big->count + limbs <= BIG_LIMBS);
    memmove(big->limbs + limbs, big->limbs, big->count * sizeof *big->limbs);
    memset(big->limbs, 0, limbs * sizeof *big->limbs);
    big->count += limbs;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (size_t i = a->count; i-- > 0;) {
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    }
    return 0;
}

int number_decimal_compare(const uint8_t *digits, size_t count, int64_t point,
                           uint64_t bits)
{
    int exp10 = (int)(point - (int64_t)count);
    int biased = (int)(bits >> MANTISSA_BITS);
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    struct big number = {{0}, 0}, half = {{0}, 0};
    int shift;

    assert(count > 0 && count <= NUMBER_DECIMAL_DIGITS + 1 && bits < INFINITY_BITS);
    if (biased > 0)
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    else
        biased = 1;
    for (size_t i = 0; i < count; i++)
        big_multiply(&number, 10, digits[i]);
    big_multiply(&half, 0, 2 * mantissa + 1);
    big_multiply_5(exp10 < 0 ? &half : &number, (unsigned)(exp10 < 0 ? -exp10 : exp10));
    /* The halfway point is (2 * mantissa + 1) * 2^(biased - 1076). */
    shift = biased - 1076 - exp10;
    big_shift(shift > 0 ? &half : &number, (unsigned)(shift > 0 ? shift : -shift));
    return big_compare(&number, &half);
}
