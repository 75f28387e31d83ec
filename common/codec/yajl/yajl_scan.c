#include "common/codec/yajl/yajl_scan.h"

#include <assert.h>
#include <string.h>

#include "common/base/text.h"
#include "common/codec/utf8.h"

/* What may come next, apart from white space. */
enum want {
    WANT_VALUE,
    WANT_FIRST_ITEM, /* a value or ] */
    WANT_FIRST_NAME, /* a name or } */
    WANT_NAME,
    WANT_COLON,
    WANT_MORE /* after a value: comma, closing bracket, or the end */
};

struct scan {
    const uint8_t *text;
    size_t len;
    size_t at; /* the next byte to check; on failure, the faulty one */
    enum want want;
    unsigned depth, max_depth;
    bool in_map[CODEC_OPEN_MAX];
};

static bool at_end(const struct scan *s)
{
    return s->at == s->len;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

int yajl_scan_hex4(const uint8_t *digits)
{
    int value = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit_value(digits[i]);

        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* At the first of four hex digits: moves behind them; *unit_r is their value. */
static enum codec_status scan_hex(struct scan *s, int *unit_r)
{
    for (size_t i = 0; i < 4; i++, s->at++) {
        if (at_end(s))
            return CODEC_TRUNCATED;
        if (hex_digit_value(s->text[s->at]) < 0)
            return CODEC_SYNTAX;
    }
    *unit_r = yajl_scan_hex4(s->text + s->at - 4);
    return CODEC_OK;
}

/* After an escaped high surrogate, which began at `high`: the low one must follow. */
static enum codec_status scan_low(struct scan *s, size_t high)
{
    static const uint8_t start[2] = {'\\', 'u'};
    int unit = 0;
    enum codec_status status;

    for (size_t i = 0; i < sizeof start; i++, s->at++) {
        if (at_end(s))
            return CODEC_TRUNCATED;
        if (s->text[s->at] != start[i]) {
            s->at = high;
            return CODEC_SURROGATE;
        }
    }
    status = scan_hex(s, &unit);
    if (status == CODEC_OK && (unit & 0xfc00) != 0xdc00) {
        s->at = high;
        return CODEC_SURROGATE;
    }
    return status;
}

/* At a backslash. */
static enum codec_status scan_escape(struct scan *s)
{
    size_t start = s->at++;
    int unit = 0;
    enum codec_status status;

    if (at_end(s))
        return CODEC_TRUNCATED;
    if (s->text[s->at] != 'u') {
        if (s->text[s->at] == 0 || strchr("\"\\/bfnrt", s->text[s->at]) == NULL)
            return CODEC_SYNTAX;
        s->at++;
        return CODEC_OK;
    }
    s->at++;
    status = scan_hex(s, &unit);
    if (status != CODEC_OK)
        return status;
    if ((unit & 0xfc00) == 0xd800)
        return scan_low(s, start);
    if ((unit & 0xfc00) == 0xdc00) {
        s->at = start;
        return CODEC_SURROGATE;
    }
    return CODEC_OK;
}

/* At a byte of 0x80 or more. */
static enum codec_status scan_multibyte(struct scan *s)
{
    int cut;
    size_t n = utf8_sequence(s->text + s->at, s->len - s->at, &cut);

    if (n == 0 && cut) {
        s->at = s->len;
        return CODEC_TRUNCATED;
    }
    if (n == 0)
        return CODEC_UTF8;
    s->at += n;
    return CODEC_OK;
}

/* At an opening quote: moves behind the closing one. */
static enum codec_status scan_string(struct scan *s)
{
    enum codec_status status = CODEC_OK;

    for (s->at++; status == CODEC_OK;) {
        uint8_t c;

        if (at_end(s))
            return CODEC_TRUNCATED;
        c = s->text[s->at];
        if (c == '"')
            break;
        if (c < 0x20)
            return CODEC_CONTROL;
        if (c == '\\')
            status = scan_escape(s);
        else if (c >= 0x80)
            status = scan_multibyte(s);
        else
            s->at++;
    }
    if (status == CODEC_OK)
        s->at++;
    return status;
}

/* At least one digit must be here. */
static enum codec_status scan_digits(struct scan *s)
{
    if (at_end(s))
        return CODEC_TRUNCATED;
    if (!is_digit(s->text[s->at]))
        return CODEC_NUMBER;
    while (!at_end(s) && is_digit(s->text[s->at]))
        s->at++;
    return CODEC_OK;
}

static bool next_is(const struct scan *s, char a, char b)
{
    return !at_end(s) && (s->text[s->at] == a || s->text[s->at] == b);
}

/* At a minus or a digit. */
static enum codec_status scan_number(struct scan *s)
{
    enum codec_status status;

    if (next_is(s, '-', '-'))
        s->at++;
    if (next_is(s, '0', '0')) {
        s->at++;
        if (!at_end(s) && is_digit(s->text[s->at]))
            return CODEC_NUMBER;
        status = CODEC_OK;
    } else {
        status = scan_digits(s);
    }
    if (status == CODEC_OK && next_is(s, '.', '.')) {
        s->at++;
        status = scan_digits(s);
    }
    if (status == CODEC_OK && next_is(s, 'e', 'E')) {
        s->at++;
        if (next_is(s, '+', '-'))
            s->at++;
        status = scan_digits(s);
    }
    return status;
}

static enum codec_status scan_literal(struct scan *s, const char *literal)
{
    for (; *literal != 0; literal++, s->at++) {
        if (at_end(s))
            return CODEC_TRUNCATED;
        if (s->text[s->at] != (uint8_t)*literal)
            return CODEC_SYNTAX;
    }
    return CODEC_OK;
}

static enum codec_status scan_open(struct scan *s, bool map)
{
    if (s->depth == s->max_depth)
        return CODEC_DEPTH;
    s->in_map[s->depth++] = map;
    s->want = map ? WANT_FIRST_NAME : WANT_FIRST_ITEM;
    s->at++;
    return CODEC_OK;
}

static enum codec_status scan_close(struct scan *s)
{
    assert(s->depth > 0);
    s->depth--;
    s->want = WANT_MORE;
    s->at++;
    return CODEC_OK;
}

static enum codec_status scan_value(struct scan *s)
{
    uint8_t c = s->text[s->at];

    s->want = WANT_MORE;
    switch (c) {
    case '{': return scan_open(s, true);
    case '[': return scan_open(s, false);
    case '"': return scan_string(s);
    case 't': return scan_literal(s, "true");
    case 'f': return scan_literal(s, "false");
    case 'n': return scan_literal(s, "null");
    default:
        if (c == '-' || is_digit(c))
            return scan_number(s);
        return CODEC_SYNTAX;
    }
}

static enum codec_status scan_name(struct scan *s)
{
    if (s->text[s->at] != '"')
        return CODEC_SYNTAX;
    s->want = WANT_COLON;
    return scan_string(s);
}

static enum codec_status scan_more(struct scan *s)
{
    uint8_t c = s->text[s->at];
    bool map;

    if (s->depth == 0)
        return CODEC_TRAILING;
    map = s->in_map[s->depth - 1];
    if (c == (map ? '}' : ']'))
        return scan_close(s);
    if (c != ',')
        return CODEC_SYNTAX;
    s->want = map ? WANT_NAME : WANT_VALUE;
    s->at++;
    return CODEC_OK;
}

/* At a byte that is not white space. */
static enum codec_status scan_token(struct scan *s)
{
    uint8_t c = s->text[s->at];

    switch (s->want) {
    case WANT_FIRST_ITEM: return c == ']' ? scan_close(s) : scan_value(s);
    case WANT_FIRST_NAME: return c == '}' ? scan_close(s) : scan_name(s);
    case WANT_NAME: return scan_name(s);
    case WANT_MORE: return scan_more(s);
    case WANT_COLON:
        if (c != ':')
            return CODEC_SYNTAX;
        s->want = WANT_VALUE;
        s->at++;
        return CODEC_OK;
    case WANT_VALUE: break;
    }
    return scan_value(s);
}

static void skip_space(struct scan *s)
{
    while (!at_end(s) && (next_is(s, ' ', '\t') || next_is(s, '\n', '\r')))
        s->at++;
}

enum codec_status yajl_scan(struct slice text, unsigned max_depth, uint64_t *offset_r)
{
    struct scan s = {
        .text = text.data, .len = text.len, .want = WANT_VALUE, .max_depth = max_depth};
    enum codec_status status = CODEC_OK;

    assert(max_depth <= CODEC_OPEN_MAX);
    for (skip_space(&s); status == CODEC_OK && !at_end(&s); skip_space(&s)) {
        status = scan_token(&s);
        if (status != CODEC_OK)
            break;
    }
    if (status == CODEC_OK && (s.want != WANT_MORE || s.depth > 0))
        status = CODEC_TRUNCATED;
    assert(s.at <= s.len);
    *offset_r = s.at;
    return status;
}
