#include "tests/oracle/jq/alike.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/msgpack/cursor.h"
#include "tests/unit/codec/codec_run.h"

/* As many digits are exact in a double. */
#define EXACT_DIGITS 15

static bool is_number(enum cursor_event event)
{
    return event == CURSOR_UINT || event == CURSOR_INT || event == CURSOR_DOUBLE ||
           event == CURSOR_NUMBER;
}

static double number_of(const struct cursor *cursor, enum cursor_event event)
{
    switch (event) {
    case CURSOR_UINT: return (double)cursor->value.u;
    case CURSOR_INT: return (double)(int64_t)cursor->value.u;
    case CURSOR_DOUBLE: return cursor->value.d;
    default: return INFINITY; /* digits that no double holds */
    }
}

static bool same_event(const struct cursor *a, enum cursor_event of_a,
                       const struct cursor *b, enum cursor_event of_b)
{
    double x, y;

    if (!is_number(of_a) || !is_number(of_b))
        return of_a == of_b &&
               (of_a != CURSOR_STR ||
                (a->value.text.len == b->value.text.len &&
                 memcmp(a->value.text.data, b->value.text.data, a->value.text.len) == 0));
    x = number_of(a, of_a);
    y = number_of(b, of_b);
    return x == y || fabs(x - y) <= 1e-14 * fmax(fabs(x), fabs(y));
}

/* Compares two MessagePack values; members must be in the same order. */
static bool same_value(struct slice a, struct slice b)
{
    struct cursor at_a, at_b;

    cursor_init(&at_a, a, 0);
    cursor_init(&at_b, b, 0);
    do {
        enum cursor_event of_a = cursor_next(&at_a), of_b = cursor_next(&at_b);

        if (of_a == CURSOR_FAULT || !same_event(&at_a, of_a, &at_b, of_b))
            return false;
    } while (at_a.depth > 0);
    return true;
}

/* True where a number in the text, in a string too, is one of those that are meant. */
static bool has_meant_number(struct slice text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        uint8_t next = i + 1 < text.len ? text.data[i + 1] : 0;

        if (c >= '0' && c <= '9')
            digits++;
        else if (c != '.')
            digits = 0;
        if (digits > EXACT_DIGITS)
            return true;
        if (c == '-' && next == '0' && (i + 2 >= text.len || text.data[i + 2] != '.'))
            return true; /* -0 */
        if (digits > 0 && (next == 'e' || next == 'E') && i + 2 < text.len &&
            (text.data[i + 2] == '+' || text.data[i + 2] == '-' ||
             (text.data[i + 2] >= '0' && text.data[i + 2] <= '9')))
            return true;
    }
    return false;
}

enum alike alike_compare(struct slice ours, struct slice theirs)
{
    struct codec *codec;
    struct buf a = BUF_INIT, b = BUF_INIT;
    bool same;

    if (ours.len == theirs.len && memcmp(ours.data, theirs.data, ours.len) == 0)
        return ALIKE;
    codec = codec_create("direct");
    same =
        run_bytes(codec, CODEC_OP_DECODE, ours.data, ours.len, &a).status == CODEC_OK &&
        run_bytes(codec, CODEC_OP_DECODE, theirs.data, theirs.len, &b).status ==
            CODEC_OK &&
        same_value(buf_slice(&a), buf_slice(&b));
    codec_destroy(&codec);
    buf_free(&a);
    buf_free(&b);
    if (same)
        return ALIKE;
    return has_meant_number(ours) || has_meant_number(theirs) ? ALIKE_MEANT : ALIKE_NOT;
}
