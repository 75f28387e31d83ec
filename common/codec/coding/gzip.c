#include "common/codec/coding/gzip.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/loop/cpu_yield.h"

#define GZIP_WINDOW_BITS (15 + 16) /* 16 selects gzip's frame */
#define RAW_WINDOW_BITS  (-15)     /* no frame: only deflate blocks */
#define PART_TAIL_BYTES  12
#define GZIP_LEVEL       4 /* two thirds of the time of level 6, about 5 % more bytes */
#define GZIP_MEMORY      8
#define STEP_BYTES       (256u * 1024)
#define OFFER_BYTES      (64u * 1024) /* between two cpu_yield(): 1 to 2 ms */

/* Makes space for a step of output; -1 where memory is out. */
static int grow(struct buf *out, size_t start, size_t max_bytes)
{
    size_t used = out->len - start, want = used + STEP_BYTES, cap;
    uint8_t *data;

    if (out->cap - out->len >= STEP_BYTES / 2)
        return 0;
    if (want < used * 2)
        want = used * 2;
    if (want > max_bytes)
        want = max_bytes + 1; /* one more byte shows that it is too much */
    cap = start + want;
    if (cap <= out->cap)
        return 0;
    data = realloc(out->data, cap);
    if (data == NULL)
        return -1;
    out->data = data;
    out->cap = cap;
    return 0;
}

/* The largest max_bytes, so that one more byte does not overflow. */
static size_t bounded(size_t max_bytes)
{
    return max_bytes < SIZE_MAX / 4 ? max_bytes : SIZE_MAX / 4;
}

/* Removes what a failed run has written, and the memory by which the buffer has grown. */
static void restore(struct buf *out, size_t start, size_t cap)
{
    uint8_t *data;

    assert(start <= cap && cap <= out->cap);
    out->len = start;
    if (cap == 0) {
        buf_free(out);
    } else if (out->cap > cap) {
        data = realloc(out->data, cap);
        if (data != NULL) {
            out->data = data;
            out->cap = cap;
        }
    }
}

static uInt clamp(size_t n, uInt most)
{
    return n < most ? (uInt)n : most;
}

/* Sets the input and output of zlib's next step, and takes its results back. */
static int step(z_stream *z, int (*run)(z_stream *, int), int flush, struct slice *in,
                struct buf *out)
{
    uInt in_before = clamp(in->len, OFFER_BYTES);
    uInt out_before = clamp(out->cap - out->len, UINT_MAX);
    int result;

    z->next_in = (z_const Bytef *)(uintptr_t)in->data;
    z->avail_in = in_before;
    z->next_out = out->data + out->len;
    z->avail_out = out_before;
    result = run(z, flush);
    cpu_yield();
    if (in->len > 0) /* an empty slice may have no address */
        in->data += in_before - z->avail_in;
    in->len -= in_before - z->avail_in;
    out->len += out_before - z->avail_out;
    return result;
}

/* Compresses into a frame or, for a part, into blocks without a frame. */
static enum codec_status compress_as(bool part, struct slice in, size_t max_bytes,
                                     struct buf *out)
{
    z_stream z = {.zalloc = Z_NULL};
    size_t start = out->len, cap = out->cap;
    enum codec_status status = CODEC_OK;
    int result = Z_OK, last = part ? Z_SYNC_FLUSH : Z_FINISH;
    bool ended = false;

    max_bytes = bounded(max_bytes);
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED,
                     part ? RAW_WINDOW_BITS : GZIP_WINDOW_BITS, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return CODEC_MEMORY;
    while (!ended && status == CODEC_OK) {
        if (grow(out, start, max_bytes) != 0)
            status = CODEC_MEMORY;
        else
            result =
                step(&z, deflate, in.len > OFFER_BYTES ? Z_NO_FLUSH : last, &in, out);
        /* a flush is complete when it leaves space; a frame when zlib says so */
        ended = part ? in.len == 0 && out->len < out->cap : result == Z_STREAM_END;
        if (status == CODEC_OK && out->len - start > max_bytes)
            status = CODEC_TOO_LARGE;
    }
    deflateEnd(&z);
    if (status != CODEC_OK)
        restore(out, start, cap);
    return status;
}

enum codec_status gzip_compress(struct slice in, size_t max_bytes, struct buf *out)
{
    return compress_as(false, in, max_bytes, out);
}

static void put_le(uint64_t value, unsigned bytes, struct buf *out)
{
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);

        buf_append(out, &byte, 1);
    }
}

static uint64_t read_le(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

enum codec_status gzip_compress_part(struct slice in, size_t max_bytes, struct buf *out)
{
    size_t most = max_bytes < PART_TAIL_BYTES ? 0 : max_bytes - PART_TAIL_BYTES;
    enum codec_status status = compress_as(true, in, most, out);

    if (status == CODEC_OK) {
        put_le(crc32_z(0, in.data, in.len), 4, out);
        put_le(in.len, 8, out);
    }
    return status;
}

int gzip_read_part(struct slice *part, uint32_t *crc_r, uint64_t *length_r)
{
    const uint8_t *tail;

    if (part->len < PART_TAIL_BYTES)
        return -1;
    part->len -= PART_TAIL_BYTES;
    tail = part->data + part->len;
    *crc_r = (uint32_t)read_le(tail, 4);
    *length_r = read_le(tail + 4, 8);
    return *length_r <= INT64_MAX ? 0 : -1;
}

uint32_t gzip_join_crc(uint32_t crc, uint32_t behind, uint64_t length)
{
    return (uint32_t)crc32_combine(crc, behind, (z_off_t)length);
}

void gzip_put_head(struct buf *out)
{
    /* deflate, no name, no time, of Unix */
    static const uint8_t head[10] = {0x1f, 0x8b, Z_DEFLATED, [9] = 3};

    buf_append(out, head, sizeof head);
}

uint32_t gzip_put_text(struct slice text, uint32_t crc, struct buf *out)
{
    assert(text.len <= UINT16_MAX);
    if (text.len == 0)
        return crc;
    put_le(0, 1, out); /* a stored block, not the last */
    put_le(text.len, 2, out);
    put_le((uint16_t)~text.len, 2, out);
    buf_append(out, text.data, text.len);
    return (uint32_t)crc32_z(crc, text.data, text.len);
}

void gzip_put_tail(uint32_t crc, uint64_t length, struct buf *out)
{
    put_le(0x03, 2, out); /* the last block, of fixed codes and empty */
    put_le(crc, 4, out);
    put_le((uint32_t)length, 4, out);
}

enum codec_status gzip_expand(struct slice in, size_t max_bytes, struct buf *out)
{
    z_stream z = {.zalloc = Z_NULL};
    size_t start = out->len, cap = out->cap;
    enum codec_status status = CODEC_OK;
    int result = Z_OK;

    max_bytes = bounded(max_bytes);
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return CODEC_MEMORY;
    while (status == CODEC_OK) {
        if (result == Z_STREAM_END && in.len == 0)
            break;
        if (result == Z_STREAM_END)
            (void)inflateReset(&z); /* the member before was valid */
        if (grow(out, start, max_bytes) != 0)
            status = CODEC_MEMORY;
        else
            result = step(&z, inflate, Z_NO_FLUSH, &in, out);
        if (result == Z_MEM_ERROR)
            status = CODEC_MEMORY;
        else if (result != Z_OK && result != Z_STREAM_END)
            status = CODEC_GZIP; /* Z_BUF_ERROR: the input ends too early */
        else if (out->len - start > max_bytes)
            status = CODEC_TOO_LARGE;
    }
    inflateEnd(&z);
    if (status != CODEC_OK)
        restore(out, start, cap);
    return status;
}
