#include "common/codec/direct_decoder.h"

#include <assert.h>
#include <string.h>

#include "common/codec/direct_text.h"
#include "common/codec/number.h"
#include "common/codec/pack.h"

/* The fast path reads at most so far: sign, point, the byte behind, and two runs that
   end after three steps of 8 digits. */
#define FAST_READS_BYTES 56
#define RUN_MAX          24

/* Digits that fit 64 bits whatever they are. */
#define DIGITS_MAX 19

/* Where a number is broken: scan_len bytes of it are a whole number, and so is no longer
   run. NULL where nothing is wrong. */
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

/* Writes a number that keeps its text. */
static int put_text(struct direct_decoder *d, const uint8_t *text, size_t len)
{
    if (direct_grow(d, len + DIRECT_ROOM_BYTES) < 0)
        return -1;
    d->out = pack_ext(d->out, CODEC_EXT_NUMBER, (uint32_t)len);
    memcpy(d->out, text, len);
    d->out += len;
    return 0;
}

/* Any number, also where it is malformed or the text ends soon. */
static const uint8_t *decode_any(struct direct_decoder *d, const uint8_t *at)
{
    size_t len = number_scan(at, (size_t)(d->end - at));
    const uint8_t *wrong = find_break(d, at, len);
    struct number number;

    if (wrong != NULL)
        return direct_fail_at_byte(d, CODEC_NUMBER, wrong);
    number_parse(at, len, &number);
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

/* Takes in a run of digits, of which more than RUN_MAX may be left. */
static const uint8_t *take_run(const uint8_t *at, uint64_t *value)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    const uint8_t *last = at + RUN_MAX;
    unsigned count;

    do {
        uint64_t part;

        count = direct_take_digits(at, &part);
        *value = *value * powers[count] + part;
        at += count;
    } while (count == 8 && at < last);
    return at;
}

static void put_integer(struct direct_decoder *d, uint64_t value, bool negative)
{
    if (!negative)
        d->out = pack_uint(d->out, value);
    else if (value == 0)
        d->out = pack_double(d->out, -0.0);
    else
        d->out = pack_negative(d->out, (int64_t)(0 - value));
}

const uint8_t *direct_decode_number(struct direct_decoder *d, const uint8_t *at)
{
    bool negative = *at == '-';
    const uint8_t *first = at + negative, *point, *end;
    uint64_t value = 0;

    if (d->end - at < FAST_READS_BYTES)
        return decode_any(d, at);
    point = take_run(first, &value);
    if (point == first || (*first == '0' && point > first + 1))
        return decode_any(d, at);
    end = point;
    if (*point == '.') {
        end = take_run(point + 1, &value);
        if (end == point + 1 || end - first > DIGITS_MAX + 1)
            return decode_any(d, at);
    }
    if ((*end | 0x20) == 'e' || point - first > DIGITS_MAX ||
        (negative && value > INT64_MAX))
        return decode_any(d, at);
    if (end == point)
        put_integer(d, value, negative);
    else
        d->out =
            pack_double(d->out, number_from_decimal(value, point + 1 - end, negative));
    return end;
}
