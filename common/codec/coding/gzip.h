/*
 * gzip (RFC 1952) by zlib: in one piece, or as one member that is joined from parts.
 * Pure; any thread may call.
 *
 * A part is deflate blocks that end at a byte boundary, without a last block. After them
 * come the CRC-32 of the part's text (4 bytes) and the text's length (8 bytes), both
 * little-endian, which the end of the member needs.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_GZIP_H
#define OFFLOOP_COMMON_CODEC_CODING_GZIP_H

#include "common/codec/codec.h"

/* Compresses `in` and appends it to out, which grows by at most max_bytes. Returns
   CODEC_OK, or CODEC_TOO_LARGE or CODEC_MEMORY; then out is unchanged. */
enum codec_status gzip_compress(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Expands `in`, which is one or more gzip members and nothing else, and appends at most
   max_bytes. Returns CODEC_OK, or CODEC_GZIP, CODEC_TOO_LARGE or CODEC_MEMORY; then out
   is unchanged. Memory grows only with real output, never by a length that `in` names. */
enum codec_status gzip_expand(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* As gzip_compress(), but appends a part. */
enum codec_status gzip_compress_part(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Shortens a part to its blocks, and reads the CRC and length after them. Returns -1
   where it is too short for a part. Does not read the blocks. */
int gzip_read_part(struct slice *part, uint32_t *crc_r, uint64_t *length_r)
    __attribute__((warn_unused_result));

/* The CRC of two texts in a row, from the CRC of each; the second has `length` bytes. */
uint32_t gzip_join_crc(uint32_t crc, uint32_t behind, uint64_t length);

/* Appends the head of a member. */
void gzip_put_head(struct buf *out);

/* Appends a short text (under 64 KiB) as an uncompressed block. `crc` is that of the text
   before; returns the CRC of all text so far. */
uint32_t gzip_put_text(struct slice text, uint32_t crc, struct buf *out);

/* Appends an empty last block and the end of a member with that CRC and length. */
void gzip_put_tail(uint32_t crc, uint64_t length, struct buf *out);

#endif
