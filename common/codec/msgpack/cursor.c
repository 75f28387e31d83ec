#include "common/codec/msgpack/cursor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/codec/number/number.h"
#include "common/codec/utf8.h"

void cursor_init(struct cursor *c, struct slice input, size_t at)
{
    assert(at <= input.len);
    c->start = input.data;
    c->at = input.data + at;
    c->end = input.data + input.len;
    c->depth = 0;
    c->max_depth = CODEC_MAX_DEPTH;
    c->status = CODEC_OK;
    c->fault_at = 0;
}

static enum cursor_event fault(struct cursor *c, enum codec_status status,
                               const uint8_t *at)
{
    c->status = status;
    c->fault_at = (size_t)(at - c->start);
    return CURSOR_FAULT;
}

static enum cursor_event truncated(struct cursor *c)
{
    return fault(c, CODEC_TRUNCATED, c->end);
}

static size_t bytes_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Reads a big-endian integer of 1, 2, 4 or 8 bytes (0: nothing). The caller has checked
   that they are there. */
static inline uint64_t read_be(struct cursor *c, size_t size)
{
    const uint8_t *p = c->at;
    uint64_t v64;
    uint32_t v32;
    uint16_t v16;

    assert(size <= bytes_left(c));
    c->at += size;
    switch (size) {
    case 0: return 0;
    case 1: return *p;
    case 2: memcpy(&v16, p, sizeof v16); return __builtin_bswap16(v16);
    case 4: memcpy(&v32, p, sizeof v32); return __builtin_bswap32(v32);
    default: memcpy(&v64, p, sizeof v64); return __builtin_bswap64(v64);
    }
}

static enum cursor_event read_uint(struct cursor *c, size_t size)
{
    if (bytes_left(c) < size)
        return truncated(c);
    c->value.u = read_be(c, size);
    return CURSOR_UINT;
}

static enum cursor_event read_int(struct cursor *c, size_t size)
{
    unsigned unused_bits = 64 - 8 * (unsigned)size;

    if (bytes_left(c) < size)
        return truncated(c);
    c->value.i = (int64_t)(read_be(c, size) << unused_bits) >> unused_bits;
    return c->value.i < 0 ? CURSOR_INT : CURSOR_UINT;
}

static enum cursor_event read_float(struct cursor *c, size_t size)
{
    const uint8_t *value_at = c->at - 1;

    if (bytes_left(c) < size)
        return truncated(c);
    if (size == 4) {
        uint32_t bits = (uint32_t)read_be(c, 4);
        float single;

        memcpy(&single, &bits, sizeof single);
        c->value.d = (double)single;
    } else {
        uint64_t bits = read_be(c, 8);

        memcpy(&c->value.d, &bits, sizeof c->value.d);
    }
    return isfinite(c->value.d) ? CURSOR_DOUBLE : fault(c, CODEC_TYPE, value_at);
}

static inline enum cursor_event read_str(struct cursor *c, size_t len)
{
    size_t good;

    if (bytes_left(c) < len)
        return truncated(c);
    c->value.text = (struct slice){c->at, len};
    good = utf8_is_short_ascii(c->at, len) ? len : utf8_valid_prefix(c->at, len);
    if (good < len)
        return fault(c, CODEC_UTF8, c->at + good);
    c->at += len;
    return CURSOR_STR;
}

static enum cursor_event read_long_str(struct cursor *c, size_t header)
{
    if (bytes_left(c) < header)
        return truncated(c);
    return read_str(c, (size_t)read_be(c, header));
}

/* Reads an ext from its length field of `header` bytes (0: `len` is known). */
static enum cursor_event read_ext(struct cursor *c, size_t header, size_t len)
{
    const uint8_t *value_at = c->at - 1;

    if (bytes_left(c) < header + 1)
        return truncated(c);
    if (header > 0)
        len = (size_t)read_be(c, header);
    if (*c->at++ != CODEC_EXT_NUMBER)
        return fault(c, CODEC_TYPE, value_at);
    if (bytes_left(c) < len)
        return truncated(c);
    if (len == 0 || number_scan(c->at, len) != len)
        return fault(c, CODEC_NUMBER, value_at);
    c->value.text = (struct slice){c->at, len};
    c->at += len;
    return CURSOR_NUMBER;
}

/* Opens a container whose header has been read. */
static enum cursor_event open_level(struct cursor *c, const uint8_t *value_at,
                                    uint64_t items, bool map)
{
    uint64_t values = map ? items * 2 : items;

    if (values > bytes_left(c))
        return truncated(c);
    if (c->depth == c->max_depth)
        return fault(c, CODEC_DEPTH, value_at);
    c->levels[c->depth++] = (struct cursor_level){values, map};
    return map ? CURSOR_MAP : CURSOR_ARRAY;
}

static enum cursor_event read_container(struct cursor *c, size_t header, bool map)
{
    const uint8_t *value_at = c->at - 1;

    if (bytes_left(c) < header)
        return truncated(c);
    return open_level(c, value_at, read_be(c, header), map);
}

/* Reads a value after its type byte, 0xc0 to 0xdf. */
static enum cursor_event read_typed(struct cursor *c, uint8_t type)
{
    switch (type) {
    case 0xc0: return CURSOR_NIL;
    case 0xc2: return CURSOR_FALSE;
    case 0xc3: return CURSOR_TRUE;
    case 0xc4:
    case 0xc5:
    case 0xc6: return fault(c, CODEC_TYPE, c->at - 1);
    case 0xc7: return read_ext(c, 1, 0);
    case 0xc8: return read_ext(c, 2, 0);
    case 0xc9: return read_ext(c, 4, 0);
    case 0xca: return read_float(c, 4);
    case 0xcb: return read_float(c, 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return read_uint(c, (size_t)1 << (type - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return read_int(c, (size_t)1 << (type - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: return read_ext(c, 0, (size_t)1 << (type - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb: return read_long_str(c, (size_t)1 << (type - 0xd9));
    case 0xdc:
    case 0xdd: return read_container(c, type == 0xdc ? 2 : 4, false);
    case 0xde:
    case 0xdf: return read_container(c, type == 0xde ? 2 : 4, true);
    default: return fault(c, CODEC_MSGPACK, c->at - 1);
    }
}

static inline enum cursor_event read_value(struct cursor *c)
{
    uint8_t type = *c->at++;

    if (type < 0x80) {
        c->value.u = type;
        return CURSOR_UINT;
    }
    if (type >= 0xe0) {
        c->value.i = (int8_t)type;
        return CURSOR_INT;
    }
    if (type >= 0xc0)
        return read_typed(c, type);
    if (type >= 0xa0)
        return read_str(c, type & 0x1f);
    return open_level(c, c->at - 1, type & 0x0f, type < 0x90);
}

static bool is_str(uint8_t type)
{
    return (type & 0xe0) == 0xa0 || (type >= 0xd9 && type <= 0xdb);
}

enum cursor_event cursor_next(struct cursor *c)
{
    if (c->depth > 0) {
        struct cursor_level *level = &c->levels[c->depth - 1];

        if (level->left == 0) {
            c->depth--;
            return level->map ? CURSOR_END_MAP : CURSOR_END_ARRAY;
        }
        level->left--;
        if (c->at == c->end)
            return truncated(c);
        if (level->map && (level->left & 1) && !is_str(*c->at))
            return fault(c, CODEC_KEY, c->at);
    } else if (c->at == c->end) {
        return truncated(c);
    }
    return read_value(c);
}
