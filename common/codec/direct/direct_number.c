#include "common/codec/direct/direct_number.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "common/codec/direct/direct_text.h"
#include "common/codec/number/number.h"
#include "common/codec/msgpack/pack.h"

/* The fast path reads at most so many bytes: the sign, the point, the byte after the
   number, and two runs that end after three steps of 8 digits. */
#define FAST_READS_BYTES 56
#define RUN_MAX          24

/* So many digits always fit into 64 bits. */
#define DIGITS_MAX 19

/* Finds the faulty byte of a number, of which scan_len bytes are the longest valid
   number. NULL where there is no fault. */
static const uint8_t *find_break(const struct direct_decoder *d, const uint8_t *at,
                                 size_t scan_len)
{
    const uint8_t *next = at + scan_len;
    bool fraction = memchr(at, '.', scan_len) != NULL;
    bool exponent =
        memchr(at, 'e', scan_len) != NULL || memchr(at, 'E', scan_len) != NULL;

    if (scan_len == 0)
        return at + (*at == '-');
    if (next == d->end)
        return NULL;
    if (*next == '.' && !fraction && !exponent)
        return next + 1;
    if ((*next | 0x20) == 'e' && !exponent) {
        next++;
        return next + (next < d->end && (*next == '+' || *next == '-'));
    }
    return (uint8_t)(*next - '0') < 10 ? next : NULL;
}

/* Writes a number as its text. */
static int put_text(struct direct_decoder *d, const uint8_t *text, size_t len)
{
    assert(len > 0 && len <= UINT32_MAX);
    if (direct_grow(d, len + DIRECT_SPACE_BYTES) < 0)
        return -1;
    d->out = pack_ext(d->out, CODEC_EXT_NUMBER, (uint32_t)len);
    memcpy(d->out, text, len);
    d->out += len;
    return 0;
}

/* Reads any number, also a malformed one or one near the text's end. */
static const uint8_t *decode_any(struct direct_decoder *d, const uint8_t *at)
{
    size_t len = number_scan(at, (size_t)(d->end - at));
    const uint8_t *wrong = find_break(d, at, len);
    struct number number;

    if (wrong != NULL)
        return direct_fail_at_byte(d, CODEC_NUMBER, wrong);
    if (len > NUMBER_LONG) {
        d->status = engine_spend(d->job, len * NUMBER_DIGIT_WORK);
        if (d->status != CODEC_OK)
            return NULL;
    }
    number_parse(at, len, &number);
    if (d->job->keep_numbers)
        number_keep_text(at, len, &number);
    switch (number.kind) {
    case NUMBER_UINT: d->out = pack_uint(d->out, number.u); break;
    case NUMBER_INT: d->out = pack_negative(d->out, number.i); break;
    case NUMBER_DOUBLE: d->out = pack_double(d->out, number.d); break;
    case NUMBER_TEXT:
        if (put_text(d, at, len) < 0)
            return NULL;
        break;
    }
    return at + len;
}

/* Adds a run of digits to *value; stops after RUN_MAX digits. */
static inline const uint8_t *take_run(const uint8_t *at, uint64_t *value)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    const uint8_t *last = at + RUN_MAX;

    do {
        uint64_t word = direct_load8(at) ^ DIRECT_EACH('0');
        uint64_t other = direct_find_other(word);
        unsigned count = other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;

        if (count == 0)
            break;
        *value = *value * powers[count] + direct_convert_digits(word, count);
        at += count;
        if (count < 8)
            break;
    } while (at < last);
    return at;
}

static const uint8_t *put_integer(struct direct_decoder *d, uint64_t value, bool negative,
                                  const uint8_t *end)
{
    if (!negative)
        d->out = pack_uint(d->out, value);
    else if (value == 0)
        d->out = pack_double(d->out, -0.0);
    else
        d->out = pack_negative(d->out, (int64_t)(0 - value));
    return end;
}

/* True for a number without exponent that is certainly printed as the same text, with its
   sign; number_keep_text() says why. The sign is before `first`. */
static bool is_printed_so(const uint8_t *first, const uint8_t *point, const uint8_t *end)
{
    ptrdiff_t decimals = end - point - 1;

    if (end == point)
        return *first != '0'; /* -0 is not */
    return end - first <= 16 && (decimals == 1 || end[-1] != '0') &&
           (*first != '0' || decimals <= 6);
}

/* Reads a number of up to 19 digits, without an exponent. */
static const uint8_t *decode_long(struct direct_decoder *d, const uint8_t *at)
{
    bool negative = *at == '-';
    const uint8_t *first = at + negative, *point, *end;
    uint64_t value = 0;

    point = end = take_run(first, &value);
    if (point == first || (*first == '0' && point > first + 1))
        return decode_any(d, at);
    if (*point == '.') {
        end = take_run(point + 1, &value);
        if (end == point + 1 || end - first > DIGITS_MAX + 1)
            return decode_any(d, at);
    }
    if ((*end | 0x20) == 'e' || point - first > DIGITS_MAX ||
        (negative && value > INT64_MAX))
        return decode_any(d, at);
    if (d->job->keep_numbers && !is_printed_so(first, point, end))
        return decode_any(d, at);
    if (end == point)
        return put_integer(d, value, negative, end);
    d->out = pack_double(d->out, number_from_decimal(value, point + 1 - end, negative));
    return end;
}

/* The word without the byte at `at` (0 to 7); its last byte becomes 0. */
static inline uint64_t take_out(uint64_t word, unsigned at)
{
    uint64_t before = (UINT64_C(1) << 8 * at) - 1;

    return (word & before) | (word >> 8 & ~before);
}

/* Writes digits * 10^-decimals. One correctly rounded operation gives the nearest double
   (number_from_decimal() says why). */
static inline void put_short(struct direct_decoder *d, uint64_t digits, unsigned decimals,
                             bool negative)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    double value = (double)(int64_t)digits / powers[decimals];

    d->out = pack_double(d->out, negative ? -value : value);
}

/*
 * Most numbers are a few digits, perhaps with a point, and end within eight bytes. They
 * are converted in one step, after the point was removed.
 */
const uint8_t *direct_decode_number(struct direct_decoder *d, const uint8_t *at)
{
    bool negative = *at == '-', keeps = d->job->keep_numbers;
    const uint8_t *first = at + negative;
    uint64_t word, other;
    unsigned whole, count;

    if (d->end - at < FAST_READS_BYTES)
        return decode_any(d, at);
    word = direct_load8(first) ^ DIRECT_EACH('0');
    other = direct_find_other(word);
    whole = other == 0 ? 0 : (unsigned)__builtin_ctzll(other) / 8;
    if (whole == 0 || (whole > 1 && *first == '0'))
        return decode_long(d, at);
    if (first[whole] != '.') {
        if ((first[whole] | 0x20) == 'e' || (keeps && negative && *first == '0'))
            return decode_any(d, at);
        return put_integer(d, direct_convert_digits(word, whole), negative,
                           first + whole);
    }
    other = take_out(other, whole);
    count = other == 0 ? 0 : (unsigned)__builtin_ctzll(other) / 8;
    if (FLT_EVAL_METHOD != 0 || count <= whole || (first[count + 1] | 0x20) == 'e')
        return decode_long(d, at);
    if (keeps && first[count] == '0' && count > whole + 1)
        return decode_any(d, at); /* it ends with zeros, which are not printed */
    word = take_out(word, whole);
    put_short(d, direct_convert_digits(word, count), count - whole, negative);
    return first + count + 1;
}
