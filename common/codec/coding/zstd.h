/*
 * zstd (RFC 8878) by libzstd, where that was there when offloop was built.
 * Frames that follow each other are one content. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_ZSTD_H
#define OFFLOOP_COMMON_CODEC_CODING_ZSTD_H

#include "common/codec/codec.h"

/* What a frame begins with: four bytes. */
#define ZSTD_FRAME_MAGIC "\x28\xb5\x2f\xfd"

/* True where this build has it. */
bool zstd_is_there(void);

/* Appends `in` compressed to out as one frame, of at most max_bytes. Returns CODEC_OK,
   CODEC_TOO_LARGE, CODEC_MEMORY, or CODEC_UNSUPPORTED where it is not there; but for OK,
   out is as it was. */
enum codec_status zstd_compress(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Appends a text of at most 255 bytes as a frame that does not compress it. */
void zstd_put_text(struct slice text, struct buf *out);

#endif
