/*
 * zstd (RFC 8878) by libzstd, if offloop was built with it. Several frames in a row are
 * one content. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_ZSTD_H
#define OFFLOOP_COMMON_CODEC_CODING_ZSTD_H

#include "common/codec/codec.h"

/* The first four bytes of a frame. */
#define ZSTD_FRAME_MAGIC "\x28\xb5\x2f\xfd"

/* True where this build has it. */
bool zstd_is_there(void);

/* Compresses `in` and appends it to out as one frame of at most max_bytes. Returns
   CODEC_OK, or CODEC_TOO_LARGE, CODEC_MEMORY, or CODEC_UNSUPPORTED without libzstd; then
   out is unchanged. */
enum codec_status zstd_compress(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Appends a text of at most 255 bytes as an uncompressed frame. */
void zstd_put_text(struct slice text, struct buf *out);

#endif
