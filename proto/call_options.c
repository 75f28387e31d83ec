#include "proto/call_options.h"

#include <assert.h>

#include "proto/envelope.h"
#include "proto/wire.h"

/* [flags, bytes of the argument, max_expanded, fields] */
#define OPTIONS_ITEMS 4

enum options_flag {
    OPTIONS_GZIP = 1,
    OPTIONS_GUNZIP = 2,
    OPTIONS_JSON = 4, /* the stored document is JSON */
    OPTIONS_ZSTD = 8, /* not with GZIP */
    OPTIONS_PART = 16,
    OPTIONS_NUMBERS = 32, /* keep their text */
    OPTIONS_IDS = 64,
    OPTIONS_TRANSFORM = 128,
    OPTIONS_ONE = 256,
    OPTIONS_DIGEST_IN = 512,
    OPTIONS_DIGEST_OUT = 1024,
    OPTIONS_FLAGS = 2047 /* all that exist */
};

static unsigned flags_of(const struct codec_call *call)
{
    return (call->coding == CODING_GZIP ? OPTIONS_GZIP : 0u) |
           (call->coding == CODING_ZSTD ? OPTIONS_ZSTD : 0u) |
           (call->part ? OPTIONS_PART : 0u) | (call->gunzip ? OPTIONS_GUNZIP : 0u) |
           (call->format == CODEC_FORMAT_JSON ? OPTIONS_JSON : 0u) |
           (call->keep_numbers ? OPTIONS_NUMBERS : 0u) | (call->ids ? OPTIONS_IDS : 0u) |
           (call->transform ? OPTIONS_TRANSFORM : 0u) | (call->one ? OPTIONS_ONE : 0u) |
           (call->digests & CODEC_DIGEST_IN ? OPTIONS_DIGEST_IN : 0u) |
           (call->digests & CODEC_DIGEST_OUT ? OPTIONS_DIGEST_OUT : 0u);
}

static enum codec_coding coding_in(unsigned flags)
{
    if (flags & OPTIONS_GZIP)
        return CODING_GZIP;
    return flags & OPTIONS_ZSTD ? CODING_ZSTD : CODING_NONE;
}

void call_options_put_parts(struct buf *out, unsigned flags, uint64_t argument_bytes,
                            uint64_t max_expanded, struct slice fields)
{
    size_t start = out->len;

    assert(fields.len <= CALL_OPTIONS_MAX_FIELDS);
    if (flags == 0 && argument_bytes == 0 && max_expanded == 0 && fields.len == 0)
        return;
    envelope_put_array(out, OPTIONS_ITEMS);
    envelope_put_uint(out, flags);
    envelope_put_uint(out, argument_bytes);
    envelope_put_uint(out, max_expanded);
    envelope_put_bin(out, fields.data, fields.len);
    assert(out->len - start <= WIRE_MAX_OPTIONS_BYTES);
}

void call_options_put(struct buf *out, const struct codec_call *call)
{
    call_options_put_parts(out, flags_of(call), call->argument.len, call->max_expanded,
                           call->fields);
}

int call_options_read(struct slice options, struct codec_call *call)
{
    struct envelope_reader in;
    size_t argument_len;
    unsigned flags;

    if (options.len == 0)
        return 0;
    in = (struct envelope_reader){options.data, options.data + options.len, NULL};
    envelope_get_array(&in, OPTIONS_ITEMS, OPTIONS_ITEMS);
    flags = (unsigned)envelope_get_uint(&in, OPTIONS_FLAGS);
    argument_len = (size_t)envelope_get_uint(&in, call->in.len);
    call->max_expanded = envelope_get_uint(&in, SIZE_MAX / 2);
    call->fields = envelope_get_bin(&in, CALL_OPTIONS_MAX_FIELDS);
    call->coding = coding_in(flags);
    call->part = flags & OPTIONS_PART;
    call->gunzip = flags & OPTIONS_GUNZIP;
    call->keep_numbers = flags & OPTIONS_NUMBERS;
    call->ids = flags & OPTIONS_IDS;
    call->transform = flags & OPTIONS_TRANSFORM;
    call->one = flags & OPTIONS_ONE;
    call->digests = (flags & OPTIONS_DIGEST_IN ? CODEC_DIGEST_IN : 0u) |
                    (flags & OPTIONS_DIGEST_OUT ? CODEC_DIGEST_OUT : 0u);
    call->format = flags & OPTIONS_JSON ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK;
    call->in.len -= argument_len;
    call->argument = (struct slice){call->in.data + call->in.len, argument_len};
    if ((flags & ~(unsigned)OPTIONS_FLAGS) != 0)
        return -1;
    if ((flags & OPTIONS_GZIP) != 0 && (flags & OPTIONS_ZSTD) != 0)
        return -1;
    return in.why == NULL && in.at == in.end ? 0 : -1;
}

void call_options_glance(struct slice options, struct codec_call *call)
{
    struct envelope_reader in = {options.data, options.data + options.len, NULL};
    unsigned flags;
    uint64_t max_expanded;

    if (options.len == 0)
        return;
    envelope_get_array(&in, OPTIONS_ITEMS, OPTIONS_ITEMS);
    flags = (unsigned)envelope_get_uint(&in, UINT32_MAX);
    (void)envelope_get_uint(&in, UINT64_MAX);
    max_expanded = envelope_get_uint(&in, SIZE_MAX / 2);
    if (in.why != NULL)
        return;
    call->coding = coding_in(flags);
    call->gunzip = flags & OPTIONS_GUNZIP;
    call->max_expanded = max_expanded;
}
