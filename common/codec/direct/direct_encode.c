#include "common/codec/direct/direct.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/codec/direct/direct_text.h"
#include "common/codec/number/number.h"
#include "common/codec/utf8.h"

/* The space that every step needs: for a number, or for a chunk of a string with the
   bytes around it. At most ENGINE_SLACK_BYTES: so a job whose result fits never fails
   because of it. */
#define SPACE_BYTES 56

/* A MessagePack value that is read. */
struct encoder {
    const uint8_t *end; /* of the input */
    uint8_t *out;       /* where the next byte goes */
    uint8_t *limit;     /* up to here there is space for SPACE_BYTES */
    struct direct_frame *top;
    struct engine_job *job;
    struct direct *state;
    enum codec_status status;
};

/*
 * Every step takes the place in the input where it starts, and returns the place behind
 * what it read. It returns NULL where the job failed: then encoder.status says why.
 */

static const uint8_t *fail(struct encoder *e, enum codec_status status, const uint8_t *at)
{
    assert(at <= e->end);
    e->status = engine_fail(e->job, status, (size_t)(at - e->job->in.data));
    return NULL;
}

static int grow(struct encoder *e, size_t extra)
{
    struct buf *out = e->job->out;
    uint8_t *end;

    if (e->out != NULL)
        out->len = (size_t)(e->out - out->data);
    e->status = engine_make_room(e->job, extra, &end);
    if (e->status != CODEC_OK)
        return -1;
    e->out = out->data + out->len;
    e->limit = end - SPACE_BYTES;
    return 0;
}

static inline int ensure_space(struct encoder *e)
{
    return e->out <= e->limit ? 0 : grow(e, SPACE_BYTES);
}

/* Reads a big-endian integer of 1, 2, 4 or 8 bytes. */
static inline const uint8_t *take_integer(struct encoder *e, const uint8_t *at,
                                          unsigned bytes, uint64_t *value_r)
{
    if ((size_t)(e->end - at) < bytes)
        return fail(e, CODEC_TRUNCATED, e->end);
    switch (bytes) {
    case 1: *value_r = *at; break;
    case 2: *value_r = (uint64_t)at[0] << 8 | at[1]; break;
    case 4: *value_r = __builtin_bswap32(direct_load4(at)); break;
    default: *value_r = __builtin_bswap64(direct_load8(at));
    }
    return at + bytes;
}

static void put_literal(struct encoder *e, const char *text, size_t len)
{
    memcpy(e->out, text, len);
    e->out += len;
}

/* Writes a quote, backslash or control character as an escape. */
static void put_escape(struct encoder *e, uint8_t byte)
{
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char hex[] = "0123456789abcdef";
    uint8_t *out = e->out;

    assert(byte < 0x20 || byte == '"' || byte == '\\');
    *out++ = '\\';
    if (byte >= 0x20 || letters[byte] != 0) {
        *out++ = byte >= 0x20 ? byte : (uint8_t)letters[byte];
    } else {
        memcpy(out, "u00", 3);
        out[3] = (uint8_t)('0' + (byte >> 4));
        out[4] = (uint8_t)hex[byte & 15];
        out += 5;
    }
    e->out = out;
}

/* Copies a run of non-ASCII characters, as far as there is space. */
static const uint8_t *take_sequences(struct encoder *e, const uint8_t *at,
                                     const uint8_t *last)
{
    uint8_t *out = e->out;
    size_t len = 1;
    int cut;

    for (; last - at >= 4 && *at >= 0x80 && out <= e->limit; at += len, out += len) {
        len = direct_sequence(at);
        if (len == 0)
            return fail(e, CODEC_UTF8, at);
        memcpy(out, at, 4);
    }
    for (; at < last && *at >= 0x80 && out <= e->limit; at += len, out += len) {
        len = utf8_sequence(at, (size_t)(last - at), &cut);
        if (len == 0)
            return fail(e, CODEC_UTF8, at);
        memcpy(out, at, len);
    }
    e->out = out;
    return at;
}

/* Writes a string of any length and content, up to `last`, between quotes. */
static const uint8_t *encode_text(struct encoder *e, const uint8_t *at,
                                  const uint8_t *last)
{
    *e->out++ = '"';
    while (at < last) {
        if (ensure_space(e) < 0)
            return NULL;
        if (e->end - at >= DIRECT_CHUNK) {
            size_t plain = direct_copy_plain(e->out, at);

            if (plain > (size_t)(last - at))
                plain = (size_t)(last - at);
            e->out += plain;
            at += plain;
            if (plain == DIRECT_CHUNK || at == last)
                continue;
        }
        if (*at >= 0x80) {
            at = take_sequences(e, at, last);
            if (at == NULL)
                return NULL;
            continue;
        }
        if (*at < 0x20 || *at == '"' || *at == '\\')
            put_escape(e, *at);
        else
            *e->out++ = *at;
        at++;
    }
    if (ensure_space(e) < 0)
        return NULL;
    *e->out++ = '"';
    return at;
}

static const uint8_t *encode_long_string(struct encoder *e, const uint8_t *at, size_t len)
{
    if (len > (size_t)(e->end - at))
        return fail(e, CODEC_TRUNCATED, e->end);
    return encode_text(e, at, at + len);
}

/* Writes a string of up to 31 bytes. Most are plain and fit into one chunk. */
static inline const uint8_t *encode_fixstr(struct encoder *e, const uint8_t *at)
{
    size_t len = *at & 31;

    if (e->end - at > DIRECT_CHUNK) {
        uint8_t *out = e->out;

        *out = '"';
        if (direct_copy_plain(out + 1, at + 1) >= len) {
            out[len + 1] = '"';
            e->out = out + len + 2;
            return at + len + 1;
        }
    }
    return encode_long_string(e, at + 1, len);
}

static const uint8_t *encode_str(struct encoder *e, const uint8_t *at)
{
    uint64_t len;
    const uint8_t *text = take_integer(e, at + 1, 1U << (*at - 0xd9), &len);

    return text == NULL ? NULL : encode_long_string(e, text, len);
}

/* Float32 and float64. */
static const uint8_t *encode_float(struct encoder *e, const uint8_t *at)
{
    bool wide = *at == 0xcb;
    uint64_t bits;
    const uint8_t *behind = take_integer(e, at + 1, wide ? 8 : 4, &bits);
    double value;

    if (behind == NULL)
        return NULL;
    if (wide) {
        memcpy(&value, &bits, sizeof value);
    } else {
        uint32_t half = (uint32_t)bits;
        float single;

        memcpy(&single, &half, sizeof single);
        value = (double)single;
    }
    if (!isfinite(value))
        return fail(e, CODEC_TYPE, at);
    e->out += number_print_double(value, e->out);
    return behind;
}

static const uint8_t *encode_unsigned(struct encoder *e, const uint8_t *at)
{
    uint64_t value;

    at = take_integer(e, at + 1, 1U << (*at - 0xcc), &value);
    if (at != NULL)
        e->out += number_print_u64(value, e->out);
    return at;
}

static const uint8_t *encode_signed(struct encoder *e, const uint8_t *at)
{
    unsigned bytes = 1U << (*at - 0xd0), unused = 64 - 8 * bytes;
    uint64_t value;

    at = take_integer(e, at + 1, bytes, &value);
    if (at != NULL)
        e->out += number_print_i64((int64_t)(value << unused) >> unused, e->out);
    return at;
}

/* Writes an ext of type 1, the text of a number. `at` is the value, `type` its type byte.
 */
static const uint8_t *encode_ext(struct encoder *e, const uint8_t *at,
                                 const uint8_t *type, size_t len)
{
    const uint8_t *text = type + 1;

    if (type == e->end)
        return fail(e, CODEC_TRUNCATED, e->end);
    if (*type != CODEC_EXT_NUMBER)
        return fail(e, CODEC_TYPE, at);
    if (len > (size_t)(e->end - text))
        return fail(e, CODEC_TRUNCATED, e->end);
    if (len == 0 || number_scan(text, len) != len)
        return fail(e, CODEC_NUMBER, at);
    if (grow(e, len + SPACE_BYTES) < 0)
        return NULL;
    memcpy(e->out, text, len);
    e->out += len;
    return text + len;
}

static const uint8_t *encode_long_ext(struct encoder *e, const uint8_t *at)
{
    uint64_t len;
    const uint8_t *type = take_integer(e, at + 1, 1U << (*at - 0xc7), &len);

    return type == NULL ? NULL : encode_ext(e, at, type, len);
}

/* Writes the scalars that are rarer than those in encode_value(). */
static const uint8_t *encode_scalar(struct encoder *e, const uint8_t *at)
{
    switch (*at) {
    case 0xc0: put_literal(e, "null", 4); return at + 1;
    case 0xc1: return fail(e, CODEC_MSGPACK, at);
    case 0xc2: put_literal(e, "false", 5); return at + 1;
    case 0xc3: put_literal(e, "true", 4); return at + 1;
    case 0xc7 ... 0xc9: return encode_long_ext(e, at);
    case 0xca ... 0xcb: return encode_float(e, at);
    case 0xcc ... 0xcf: return encode_unsigned(e, at);
    case 0xd0 ... 0xd3: return encode_signed(e, at);
    case 0xd4 ... 0xd8: return encode_ext(e, at, at + 1, (size_t)1 << (*at - 0xd4));
    case 0xd9 ... 0xdb: return encode_str(e, at);
    case 0xe0 ... 0xff: e->out += number_print_i64((int8_t)*at, e->out); return at + 1;
    default: return fail(e, CODEC_TYPE, at); /* bin */
    }
}

static bool is_container(uint8_t byte)
{
    return (byte & 0xe0) == 0x80 || (byte >= 0xdc && byte <= 0xdf);
}

/* Reads a container's header and writes the opening bracket. Closes an empty container at
   once; another one becomes the innermost open container. */
static const uint8_t *open_container(struct encoder *e, const uint8_t *at)
{
    bool map = (*at & 0xf0) == 0x80 || *at >= 0xde;
    const uint8_t *items = at + 1;
    uint64_t count = *at & 15;

    if (*at >= 0xdc)
        items = take_integer(e, items, *at & 1 ? 4 : 2, &count);
    if (items == NULL)
        return NULL;
    if (count > (size_t)(e->end - items) / (map ? 2 : 1))
        return fail(e, CODEC_TRUNCATED, e->end);
    if (e->top == e->state->frames + CODEC_MAX_DEPTH)
        return fail(e, CODEC_DEPTH, at);
    *e->out++ = map ? '{' : '[';
    if (count == 0) {
        *e->out++ = map ? '}' : ']';
        return items;
    }
    e->top++;
    e->top->items = count;
    e->top->map = map;
    return items;
}

/* Writes a pair's key and the colon. */
static inline const uint8_t *encode_key(struct encoder *e, const uint8_t *at)
{
    if (at == e->end)
        return fail(e, CODEC_TRUNCATED, at);
    if (ensure_space(e) < 0)
        return NULL;
    if ((*at & 0xe0) == 0xa0)
        at = encode_fixstr(e, at);
    else if (*at >= 0xd9 && *at <= 0xdb)
        at = encode_str(e, at);
    else
        return fail(e, CODEC_KEY, at);
    if (at != NULL)
        *e->out++ = ':';
    return at;
}

/* Reads a value from its first byte: a scalar, an empty container, or the start of a
   container up to its first scalar or empty container. */
static const uint8_t *encode_value(struct encoder *e, const uint8_t *at)
{
    while (at != NULL) {
        const struct direct_frame *outer = e->top;

        if (at == e->end)
            return fail(e, CODEC_TRUNCATED, at);
        if (ensure_space(e) < 0)
            return NULL;
        if ((*at & 0xe0) == 0xa0)
            return encode_fixstr(e, at);
        if (*at < 0x80) {
            e->out += number_print_u64(*at, e->out);
            return at + 1;
        }
        if (!is_container(*at))
            return encode_scalar(e, at);
        at = open_container(e, at);
        if (e->top == outer)
            return at;
        if (e->top->map)
            at = encode_key(e, at);
    }
    return NULL;
}

/* After a value: ends the containers that end here, and goes to the next value, or behind
   the outermost one. */
static const uint8_t *find_next(struct encoder *e, const uint8_t *at)
{
    while (e->top > e->state->frames) {
        if (ensure_space(e) < 0)
            return NULL;
        if (--e->top->items > 0) {
            *e->out++ = ',';
            return e->top->map ? encode_key(e, at) : at;
        }
        *e->out++ = e->top->map ? '}' : ']';
        e->top--;
    }
    return at;
}

enum codec_status direct_encode(void *state, struct engine_job *job, size_t *at)
{
    struct direct *direct = state;
    struct encoder e = {.top = direct->frames, .job = job, .state = direct};
    const uint8_t *p;

    assert(*at <= job->in.len);
    if (*at == job->in.len)
        return engine_fail(job, CODEC_TRUNCATED, job->in.len);
    if (grow(&e, SPACE_BYTES) < 0)
        return e.status;
    e.end = job->in.data + job->in.len;
    p = job->in.data + *at;
    do {
        p = encode_value(&e, p);
        if (p != NULL)
            p = find_next(&e, p);
    } while (p != NULL && e.top > direct->frames);
    if (p == NULL)
        return e.status;
    assert(e.out <= e.limit + SPACE_BYTES);
    *at = (size_t)(p - job->in.data);
    job->out->len = (size_t)(e.out - job->out->data);
    return CODEC_OK;
}
