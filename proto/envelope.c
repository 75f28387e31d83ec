#include "proto/envelope.h"

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

void envelope_fail(struct envelope_reader *in, const char *why)
{
    if (!in->why)
        in->why = why;
    in->at = in->end;
}

static size_t envelope_left(const struct envelope_reader *in)
{
    assert(in->at <= in->end);
    return (size_t)(in->end - in->at);
}

struct slice envelope_get_raw(struct envelope_reader *in, uint64_t len)
{
    struct slice raw = {in->at, (size_t)len};

    if (in->why || len > envelope_left(in)) {
        envelope_fail(in, "ends too early");
        return (struct slice){in->end, 0};
    }
    in->at += len;
    return raw;
}

uint8_t envelope_get_byte(struct envelope_reader *in)
{
    struct slice raw = envelope_get_raw(in, 1);

    return raw.len ? raw.data[0] : 0;
}

/* A big-endian integer of `width` bytes. */
static uint64_t envelope_get_wide(struct envelope_reader *in, unsigned width)
{
    struct slice raw = envelope_get_raw(in, width);
    uint64_t value = 0;

    assert(width <= 8);
    for (size_t i = 0; i < raw.len; i++)
        value = value << 8 | raw.data[i];
    return value;
}

uint64_t envelope_get_uint(struct envelope_reader *in, uint64_t max)
{
    uint8_t type = envelope_get_byte(in);
    uint64_t value = type;

    if (type >= UINT8 && type <= UINT64)
        value = envelope_get_wide(in, 1U << (type - UINT8));
    else if (type > FIXINT_MAX)
        envelope_fail(in, "not an unsigned integer");
    if (value > max)
        envelope_fail(in, "integer out of range");
    return in->why ? 0 : value;
}

unsigned envelope_get_array(struct envelope_reader *in, unsigned min, unsigned max)
{
    uint8_t type = envelope_get_byte(in);
    uint64_t count = type - FIXARRAY;

    if (type == ARRAY16)
        count = envelope_get_wide(in, 2);
    else if (type < FIXARRAY || type > FIXARRAY_MAX)
        envelope_fail(in, "not an array");
    if (count < min || count > max)
        envelope_fail(in, "array of the wrong size");
    return in->why ? 0 : (unsigned)count;
}

struct slice envelope_get_str(struct envelope_reader *in, size_t max)
{
    uint8_t type = envelope_get_byte(in);
    uint64_t len = type - FIXSTR;
    struct slice text;

    if (type == STR8 || type == STR16)
        len = envelope_get_wide(in, 1U << (type - STR8));
    else if (type < FIXSTR || type > FIXSTR_MAX)
        envelope_fail(in, "not a string");
    if (len > max)
        envelope_fail(in, "string too long");
    text = envelope_get_raw(in, len);
    if (text.len && memchr(text.data, 0, text.len))
        envelope_fail(in, "NUL in a string");
    return in->why ? (struct slice){in->end, 0} : text;
}

struct slice envelope_get_bin(struct envelope_reader *in, size_t max)
{
    uint8_t type = envelope_get_byte(in);
    uint64_t len = 0;

    if (type == BIN8 || type == BIN16)
        len = envelope_get_wide(in, 1U << (type - BIN8));
    else
        envelope_fail(in, "not a bin");
    if (len > max)
        envelope_fail(in, "bin too long");
    return envelope_get_raw(in, len);
}

void envelope_get_fixed(struct envelope_reader *in, void *bytes, size_t len)
{
    struct slice bin = envelope_get_bin(in, len);

    if (bin.len == len) {
        memcpy(bytes, bin.data, len);
        return;
    }
    envelope_fail(in, "bin of the wrong size");
    memset(bytes, 0, len);
}

bool envelope_get_nil(struct envelope_reader *in)
{
    if (in->why || in->at == in->end || *in->at != NIL)
        return false;
    in->at++;
    return true;
}

static int envelope_write(void *out, const char *bytes, size_t len)
{
    buf_append(out, bytes, len);
    return 0;
}

static msgpack_packer envelope_packer(struct buf *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, envelope_write);
    return packer;
}

void envelope_put_uint(struct buf *out, uint64_t value)
{
    msgpack_packer packer = envelope_packer(out);

    msgpack_pack_uint64(&packer, value);
}

void envelope_put_array(struct buf *out, unsigned count)
{
    msgpack_packer packer = envelope_packer(out);

    msgpack_pack_array(&packer, count);
}

void envelope_put_str(struct buf *out, struct slice text)
{
    msgpack_packer packer = envelope_packer(out);

    assert(text.len <= UINT16_MAX);
    msgpack_pack_str(&packer, text.len);
    buf_append(out, text.data, text.len);
}

void envelope_put_bin(struct buf *out, const void *bytes, size_t len)
{
    msgpack_packer packer = envelope_packer(out);

    assert(len <= UINT16_MAX);
    msgpack_pack_bin(&packer, len);
    buf_append(out, bytes, len);
}

void envelope_put_nil(struct buf *out)
{
    msgpack_packer packer = envelope_packer(out);

    msgpack_pack_nil(&packer);
}
