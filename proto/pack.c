#include "proto/pack.h"

#include <assert.h>
#include <string.h>

#include <msgpack/pack.h>

/* MessagePack's type bytes that envelopes use. */
enum {
    FIXINT_MAX = 0x7f,
    FIXARRAY = 0x90,
    FIXARRAY_MAX = 0x9f,
    FIXSTR = 0xa0,
    FIXSTR_MAX = 0xbf,
    NIL = 0xc0,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
    STR8 = 0xd9,
    STR16 = 0xda,
    ARRAY16 = 0xdc
};

void pack_fail(struct pack_reader *in, const char *why)
{
    if (!in->why)
        in->why = why;
    in->at = in->end;
}

static size_t pack_left(const struct pack_reader *in)
{
    assert(in->at <= in->end);
    return (size_t)(in->end - in->at);
}

struct slice pack_get_raw(struct pack_reader *in, uint64_t len)
{
    struct slice raw = {in->at, (size_t)len};

    if (in->why || len > pack_left(in)) {
        pack_fail(in, "ends too early");
        return (struct slice){in->end, 0};
    }
    in->at += len;
    return raw;
}

uint8_t pack_get_byte(struct pack_reader *in)
{
    struct slice raw = pack_get_raw(in, 1);

    return raw.len ? raw.data[0] : 0;
}

/* A big-endian integer of `width` bytes. */
static uint64_t pack_get_wide(struct pack_reader *in, unsigned width)
{
    struct slice raw = pack_get_raw(in, width);
    uint64_t value = 0;

    assert(width <= 8);
    for (size_t i = 0; i < raw.len; i++)
        value = value << 8 | raw.data[i];
    return value;
}

uint64_t pack_get_uint(struct pack_reader *in, uint64_t max)
{
    uint8_t type = pack_get_byte(in);
    uint64_t value = type;

    if (type >= UINT8 && type <= UINT64)
        value = pack_get_wide(in, 1U << (type - UINT8));
    else if (type > FIXINT_MAX)
        pack_fail(in, "not an unsigned integer");
    if (value > max)
        pack_fail(in, "integer out of range");
    return in->why ? 0 : value;
}

unsigned pack_get_array(struct pack_reader *in, unsigned min, unsigned max)
{
    uint8_t type = pack_get_byte(in);
    uint64_t count = type - FIXARRAY;

    if (type == ARRAY16)
        count = pack_get_wide(in, 2);
    else if (type < FIXARRAY || type > FIXARRAY_MAX)
        pack_fail(in, "not an array");
    if (count < min || count > max)
        pack_fail(in, "array of the wrong size");
    return in->why ? 0 : (unsigned)count;
}

struct slice pack_get_str(struct pack_reader *in, size_t max)
{
    uint8_t type = pack_get_byte(in);
    uint64_t len = type - FIXSTR;
    struct slice text;

    if (type == STR8 || type == STR16)
        len = pack_get_wide(in, 1U << (type - STR8));
    else if (type < FIXSTR || type > FIXSTR_MAX)
        pack_fail(in, "not a string");
    if (len > max)
        pack_fail(in, "string too long");
    text = pack_get_raw(in, len);
    if (text.len && memchr(text.data, 0, text.len))
        pack_fail(in, "NUL in a string");
    return in->why ? (struct slice){in->end, 0} : text;
}

struct slice pack_get_bin(struct pack_reader *in, size_t max)
{
    uint8_t type = pack_get_byte(in);
    uint64_t len = 0;

    if (type == BIN8 || type == BIN16)
        len = pack_get_wide(in, 1U << (type - BIN8));
    else
        pack_fail(in, "not a bin");
    if (len > max)
        pack_fail(in, "bin too long");
    return pack_get_raw(in, len);
}

void pack_get_fixed(struct pack_reader *in, void *bytes, size_t len)
{
    struct slice bin = pack_get_bin(in, len);

    if (bin.len == len) {
        memcpy(bytes, bin.data, len);
        return;
    }
    pack_fail(in, "bin of the wrong size");
    memset(bytes, 0, len);
}

bool pack_get_nil(struct pack_reader *in)
{
    if (in->why || in->at == in->end || *in->at != NIL)
        return false;
    in->at++;
    return true;
}

static int pack_write(void *out, const char *bytes, size_t len)
{
    buf_append(out, bytes, len);
    return 0;
}

static msgpack_packer pack_packer(struct buf *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, pack_write);
    return packer;
}

void pack_put_uint(struct buf *out, uint64_t value)
{
    msgpack_packer packer = pack_packer(out);

    msgpack_pack_uint64(&packer, value);
}

void pack_put_array(struct buf *out, unsigned count)
{
    msgpack_packer packer = pack_packer(out);

    msgpack_pack_array(&packer, count);
}

void pack_put_str(struct buf *out, struct slice text)
{
    msgpack_packer packer = pack_packer(out);

    assert(text.len <= UINT16_MAX);
    msgpack_pack_str(&packer, text.len);
    buf_append(out, text.data, text.len);
}

void pack_put_bin(struct buf *out, const void *bytes, size_t len)
{
    msgpack_packer packer = pack_packer(out);

    assert(len <= UINT16_MAX);
    msgpack_pack_bin(&packer, len);
    buf_append(out, bytes, len);
}

void pack_put_nil(struct buf *out)
{
    msgpack_packer packer = pack_packer(out);

    msgpack_pack_nil(&packer);
}
