#include "common/codec/coding/zstd.h"

#include <assert.h>
#include <stdlib.h>

#ifdef OFFLOOP_HAS_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

#define TEXT_MAX 255

/* The descriptor of a frame header: one segment, the content's size in one byte. */
#define SINGLE_SEGMENT 0x20

void zstd_put_text(struct slice text, struct buf *out)
{
    const uint32_t block = (uint32_t)text.len << 3 | 1; /* the last one, of type raw */
    const uint8_t head[5] = {SINGLE_SEGMENT, (uint8_t)text.len, (uint8_t)block,
                             (uint8_t)(block >> 8), (uint8_t)(block >> 16)};

    assert(text.len <= TEXT_MAX);
    buf_append(out, ZSTD_FRAME_MAGIC, 4);
    buf_append(out, head, sizeof head);
    buf_append(out, text.data, text.len);
}

#ifdef OFFLOOP_HAS_ZSTD

/* libzstd's default: three times as fast as gzip's level 4, and fewer bytes. */
#define ZSTD_LEVEL 3

bool zstd_is_there(void)
{
    return true;
}

static enum codec_status status_of(size_t result, bool bounded)
{
    if (!ZSTD_isError(result))
        return CODEC_OK;
    return bounded && ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall
               ? CODEC_TOO_LARGE
               : CODEC_MEMORY;
}

enum codec_status zstd_compress(struct slice in, size_t max_bytes, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.len), cap = bound, result;
    bool fresh = out->data == NULL;
    enum codec_status status;
    uint8_t *data;

    if (cap > max_bytes)
        cap = max_bytes;
    if (ZSTD_isError(bound) || cap > SIZE_MAX / 2 - out->len)
        return CODEC_TOO_LARGE;
    data = realloc(out->data, out->len + cap + 1); /* never 0 */
    if (data == NULL)
        return CODEC_MEMORY;
    out->data = data;
    out->cap = out->len + cap + 1;
    result = ZSTD_compress(data + out->len, cap, in.data, in.len, ZSTD_LEVEL);
    status = status_of(result, cap < bound);
    if (status == CODEC_OK)
        out->len += result;
    else if (fresh)
        buf_free(out);
    data = status == CODEC_OK ? realloc(out->data, out->len) : NULL;
    if (data != NULL) { /* gives back what the bound was too large by */
        out->data = data;
        out->cap = out->len;
    }
    return status;
}

#else

bool zstd_is_there(void)
{
    return false;
}

enum codec_status zstd_compress(struct slice in, size_t max_bytes, struct buf *out)
{
    (void)in;
    (void)max_bytes;
    (void)out;
    return CODEC_UNSUPPORTED;
}

#endif
