#include "common/codec/yajl/yajl_number.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A text of this length has at most 18 digits after a sign: no overflow. */
#define QUICK_LEN_MAX 18

/* Integers up to this one, and powers of ten up to 10^22, are exact doubles. So their
   quotient is rounded only once, and is the nearest double. */
#define EXACT_INT_MAX (UINT64_C(1) << 53)

/* Different decimals of up to so many digits are different doubles. So only one of them
   is a given double, and it is the shortest text. */
#define UNIQUE_MAX UINT64_C(1000000000000000)

#define FRACTION       4
#define FRACTION_SCALE 10000

static const double powers[QUICK_LEN_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                 1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                 1e14, 1e15, 1e16, 1e17, 1e18};

/* Reads digits from *p on and moves *p behind them. */
static inline uint64_t digits(const uint8_t **p, const uint8_t *end, uint64_t value)
{
    const uint8_t *at = *p;

    for (; at < end && (uint8_t)(*at - '0') < 10; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *p = at;
    return value;
}

static inline void set_int(uint64_t value, bool negative, struct number *number_r)
{
    number_r->kind = negative ? NUMBER_INT : NUMBER_UINT;
    number_r->u = negative ? -value : value;
}

void yajl_number_parse(const uint8_t *text, size_t len, struct number *number_r)
{
    const uint8_t *p = text, *end = text + len, *fraction;
    bool negative = *text == '-';
    uint64_t value;
    double quotient;

    assert(len > 0);
    if (len > QUICK_LEN_MAX) {
        number_parse(text, len, number_r);
        return;
    }
    p += negative;
    value = digits(&p, end, 0);
    if (p == end && (value != 0 || !negative)) {
        set_int(value, negative, number_r);
        return;
    }
    if (p < end && *p == '.') {
        fraction = ++p;
        value = digits(&p, end, value);
        if (p == end && value <= EXACT_INT_MAX) {
            quotient = (double)value / powers[end - fraction];
            number_r->kind = NUMBER_DOUBLE;
            number_r->d = negative ? -quotient : quotient;
            return;
        }
    }
    number_parse(text, len, number_r);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static inline size_t count_digits(uint32_t value)
{
    return value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : 4;
}

size_t yajl_number_print_uint(uint64_t value, uint8_t *out)
{
    uint8_t four[4];
    size_t len;

    if (value >= 10000)
        return number_print_u64(value, out);
    len = count_digits((uint32_t)value);
    memcpy(four, pairs + value / 100 * 2, 2);
    memcpy(four + 2, pairs + value % 100 * 2, 2);
    memcpy(out, four + 4 - len, len);
    return len;
}

/* Writes the FRACTION digits of a fraction without the zeros at its end, but at least one
   digit. Returns their number. */
static inline size_t print_fraction(uint32_t fraction, uint8_t *out)
{
    size_t len = FRACTION;

    memcpy(out, pairs + fraction / 100 * 2, 2);
    memcpy(out + 2, pairs + fraction % 100 * 2, 2);
    while (len > 1 && out[len - 1] == '0')
        len--;
    return len;
}

size_t yajl_number_print_double(double value, uint8_t *out)
{
    double size = fabs(value);
    uint64_t scaled;
    size_t len = 0;

    if (size >= (double)(UNIQUE_MAX / FRACTION_SCALE))
        return number_print_double(value, out);
    scaled = (uint64_t)(size * FRACTION_SCALE + 0.5);
    if ((double)scaled / FRACTION_SCALE != size)
        return number_print_double(value, out);
    assert(scaled <= UNIQUE_MAX);
    if (signbit(value))
        out[len++] = '-';
    len += yajl_number_print_uint(scaled / FRACTION_SCALE, out + len);
    out[len++] = '.';
    return len + print_fraction((uint32_t)(scaled % FRACTION_SCALE), out + len);
}
