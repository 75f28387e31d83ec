#include "server/api/listing/packed_results.h"

#include "common/base/alloc.h"
#include "common/codec/codec.h"

enum packed_end packed_results_take(struct packed_results *packed, struct blob *run)
{
    const uint8_t *head = run->bytes.data;

    if (run->bytes.len < CODEC_ARRAY_HEAD_BYTES || head[0] != CODEC_ARRAY_HEAD)
        return PACKED_MALFORMED;
    packed->results += (uint64_t)head[1] << 24 | (uint64_t)head[2] << 16 |
                       (uint64_t)head[3] << 8 | head[4];
    packed->bytes += run->bytes.len;
    if (packed->bytes > PACKED_RESULTS_MAX_BYTES || packed->results > UINT32_MAX)
        return PACKED_TOO_LARGE;
    packed->runs = mem_realloc(packed->runs, (packed->count + 1) * sizeof(struct blob *));
    packed->runs[packed->count++] = blob_ref(run);
    return PACKED_TAKEN;
}

void packed_results_send(const struct packed_results *packed, struct http_exchange *x)
{
    for (size_t i = 0; i < packed->count; i++) {
        struct slice bytes = packed->runs[i]->bytes;

        bytes.data += CODEC_ARRAY_HEAD_BYTES;
        bytes.len -= CODEC_ARRAY_HEAD_BYTES;
        if (bytes.len > 0)
            (void)http_reply_chunk(x, packed->runs[i], bytes);
    }
}

void packed_results_free(struct packed_results *packed)
{
    for (size_t i = 0; i < packed->count; i++)
        blob_unref(&packed->runs[i]);
    mem_free(packed->runs);
    *packed = (struct packed_results){.count = 0};
}
