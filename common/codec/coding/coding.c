#include "common/codec/coding/coding.h"

#include <assert.h>
#include <string.h>

#include "common/codec/coding/gzip.h"
#include "common/codec/coding/zstd.h"

const char *coding_name(enum codec_coding coding)
{
    static const char *const names[] = {
#define X(name, text, mark) [CODING_##name] = text,
        CODEC_CODING_MAP(X)
#undef X
    };

    assert(coding < CODEC_CODINGS);
    return names[coding];
}

bool coding_is_there(enum codec_coding coding)
{
    return coding == CODING_NONE || coding == CODING_GZIP ||
           (coding == CODING_ZSTD && zstd_is_there());
}

static bool begins_with(struct slice bytes, const char *magic, size_t len)
{
    return bytes.len > len && memcmp(bytes.data, magic, len) == 0;
}

enum codec_coding coding_of(struct slice bytes)
{
    if (begins_with(bytes, "\x1f\x8b", 2))
        return CODING_GZIP;
    return begins_with(bytes, ZSTD_FRAME_MAGIC, 4) ? CODING_ZSTD : CODING_NONE;
}

enum codec_status coding_compress(enum codec_coding coding, bool part, struct slice in,
                                  size_t max_bytes, struct buf *out)
{
    switch (coding) {
    case CODING_GZIP:
        return part ? gzip_compress_part(in, max_bytes, out)
                    : gzip_compress(in, max_bytes, out);
    case CODING_ZSTD: return zstd_compress(in, max_bytes, out);
    default: return CODEC_UNSUPPORTED;
    }
}

void coding_stream_begin(struct coding_stream *stream, enum codec_coding coding,
                         struct buf *out)
{
    *stream = (struct coding_stream){.coding = coding};
    if (coding == CODING_GZIP)
        gzip_put_head(out);
}

void coding_stream_put(struct coding_stream *stream, struct slice text, struct buf *out)
{
    assert(text.len <= CODING_TEXT_MAX);
    switch (stream->coding) {
    case CODING_GZIP:
        stream->crc = gzip_put_text(text, stream->crc, out);
        stream->length += text.len;
        break;
    case CODING_ZSTD: zstd_put_text(text, out); break;
    default: buf_append(out, text.data, text.len); break;
    }
}

int coding_stream_take(struct coding_stream *stream, struct slice *part)
{
    uint64_t length;
    uint32_t crc;

    switch (stream->coding) {
    case CODING_GZIP:
        if (gzip_read_part(part, &crc, &length) != 0)
            return -1;
        stream->crc = gzip_join_crc(stream->crc, crc, length);
        stream->length += length;
        return 0;
    case CODING_ZSTD: return coding_of(*part) == CODING_ZSTD ? 0 : -1;
    default: return 0;
    }
}

void coding_stream_end(struct coding_stream *stream, struct buf *out)
{
    if (stream->coding == CODING_GZIP)
        gzip_put_tail(stream->crc, stream->length, out);
}
