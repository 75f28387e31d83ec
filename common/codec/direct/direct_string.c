#include "common/codec/direct/direct_string.h"

#include <assert.h>
#include <string.h>

#include "common/base/text.h"
#include "common/codec/direct/direct_text.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/utf8.h"

#define FIXSTR_MAX 31

/* The byte that an escape means, by the byte after its backslash; 0 for no escape. */
static uint8_t unescape(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
    case '/': return byte;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* Reads four hex digits. */
static const uint8_t *take_hex(struct direct_decoder *d, const uint8_t *at,
                               uint32_t *code_r)
{
    *code_r = 0;
    for (const uint8_t *last = at + 4; at < last; at++) {
        int value = at < d->end ? hex_digit_value(*at) : -1;

        if (value < 0)
            return direct_fail_at_byte(d, CODEC_SYNTAX, at);
        *code_r = *code_r << 4 | (uint32_t)value;
    }
    return at;
}

static void put_utf8(struct direct_decoder *d, uint32_t code)
{
    uint8_t *out = d->out;

    if (code < 0x80) {
        *out++ = (uint8_t)code;
    } else if (code < 0x800) {
        *out++ = (uint8_t)(0xc0 | code >> 6);
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (uint8_t)(0xe0 | code >> 12);
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    } else {
        *out++ = (uint8_t)(0xf0 | code >> 18);
        *out++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    }
    d->out = out;
}

/* After the high surrogate of the escape at `escape`: reads the escape of the low one,
   and makes one character of both. */
static const uint8_t *take_low(struct direct_decoder *d, const uint8_t *at,
                               const uint8_t *escape, uint32_t *code)
{
    static const char prefix[] = {'\\', 'u'};
    uint32_t low;

    for (size_t i = 0; i < sizeof prefix; i++, at++) {
        if (at == d->end)
            return direct_fail(d, CODEC_TRUNCATED, at);
        if (*at != prefix[i])
            return direct_fail(d, CODEC_SURROGATE, escape);
    }
    at = take_hex(d, at, &low);
    if (at == NULL)
        return NULL;
    if (low < 0xdc00 || low > 0xdfff)
        return direct_fail(d, CODEC_SURROGATE, escape);
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return at;
}

/* Reads an escape from its backslash. */
static const uint8_t *take_escape(struct direct_decoder *d, const uint8_t *escape)
{
    const uint8_t *at = escape + 1;
    uint32_t code;

    if (at == d->end)
        return direct_fail(d, CODEC_TRUNCATED, at);
    if (*at != 'u') {
        *d->out = unescape(*at);
        if (*d->out == 0)
            return direct_fail(d, CODEC_SYNTAX, at);
        d->out++;
        return at + 1;
    }
    at = take_hex(d, at + 1, &code);
    if (at == NULL)
        return NULL;
    if (code >= 0xdc00 && code <= 0xdfff)
        return direct_fail(d, CODEC_SURROGATE, escape);
    if (code >= 0xd800 && code <= 0xdbff)
        at = take_low(d, at, escape, &code);
    if (at != NULL)
        put_utf8(d, code);
    return at;
}

/* Copies one sequence near the text's end, or fails at an ill-formed one. */
static const uint8_t *take_sequence_slowly(struct direct_decoder *d, const uint8_t *at)
{
    int cut;
    size_t len = utf8_sequence(at, (size_t)(d->end - at), &cut);

    if (len == 0)
        return cut ? direct_fail(d, CODEC_TRUNCATED, d->end)
                   : direct_fail(d, CODEC_UTF8, at);
    memcpy(d->out, at, len);
    d->out += len;
    return at + len;
}

/* Copies a run of non-ASCII characters, as far as there is space. */
static const uint8_t *take_sequences(struct direct_decoder *d, const uint8_t *at)
{
    uint8_t *out = d->out, *limit = d->limit;

    while (d->end - at >= 4 && *at >= 0x80 && out <= limit) {
        unsigned len = direct_sequence(at);

        if (len == 0)
            break;
        memcpy(out, at, 4);
        out += len;
        at += len;
    }
    d->out = out;
    if (at < d->end && *at >= 0x80 && out <= limit)
        return take_sequence_slowly(d, at);
    return at;
}

/* Reads the byte at which direct_copy_plain() stopped, except the closing quote. */
static const uint8_t *take_other(struct direct_decoder *d, const uint8_t *at)
{
    if (*at >= 0x80)
        return take_sequences(d, at);
    if (*at == '\\')
        return take_escape(d, at);
    if (*at < 0x20)
        return direct_fail(d, CODEC_CONTROL, at);
    *d->out++ = *at;
    return at + 1;
}

/* Writes the header of the string whose reserved byte is out->data[start]; there are at
   least 4 bytes of space. */
static void finish_string(struct direct_decoder *d, size_t start)
{
    uint8_t *header = d->job->out->data + start, *text = header + 1;
    size_t len = (size_t)(d->out - text);
    uint8_t header_bytes[PACK_MAX_BYTES];
    size_t growth;

    assert(len <= UINT32_MAX && d->out <= d->limit + DIRECT_SPACE_BYTES - 4);
    if (len <= FIXSTR_MAX) {
        *header = (uint8_t)(0xa0 | len);
        return;
    }
    growth = (size_t)(pack_str(header_bytes, (uint32_t)len) - header_bytes) - 1;
    memmove(text + growth, text, len);
    pack_str(header, (uint32_t)len);
    d->out += growth;
}

const uint8_t *direct_decode_string(struct direct_decoder *d, const uint8_t *at)
{
    size_t start = (size_t)(d->out - d->job->out->data);

    d->out++;
    for (;;) {
        if (direct_ensure_space(d) < 0)
            return NULL;
        if (d->end - at > DIRECT_CHUNK) {
            unsigned plain = direct_copy_plain(d->out, at);

            d->out += plain;
            at += plain;
            if (plain == DIRECT_CHUNK)
                continue;
        }
        if (at == d->end)
            return direct_fail(d, CODEC_TRUNCATED, at);
        if (*at == '"')
            break;
        at = take_other(d, at);
        if (at == NULL)
            return NULL;
    }
    finish_string(d, start);
    return at + 1;
}
