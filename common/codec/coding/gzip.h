/*
 * gzip (RFC 1952) by zlib: in one piece, or as one member that is put together
 * of parts. Pure; any thread may call.
 *
 * A part is deflate blocks, up to a byte's end and without a last block, and
 * behind them the CRC-32 of its text in 4 bytes and the text's length in 8,
 * both little-endian: what the member's end needs to know of it.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_GZIP_H
#define OFFLOOP_COMMON_CODEC_CODING_GZIP_H

#include "common/codec/codec.h"

/* Appends `in` compressed to out, which grows by at most max_bytes. Returns CODEC_OK,
   CODEC_TOO_LARGE or CODEC_MEMORY; then out is as it was. */
enum codec_status gzip_compress(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Appends what `in` (one or more gzip members and nothing else) expands to; at most
   max_bytes. Returns CODEC_OK, CODEC_GZIP, CODEC_TOO_LARGE or CODEC_MEMORY; then out is
   as it was. Memory grows with the output as it comes, never by what is promised. */
enum codec_status gzip_expand(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* As gzip_compress(), but what is appended is a part. */
enum codec_status gzip_compress_part(struct slice in, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Cuts a part down to its blocks and reads what is behind them. Returns -1 where it is
   too short to be one; the blocks are not looked at. */
int gzip_read_part(struct slice *part, uint32_t *crc_r, uint64_t *length_r)
    __attribute__((warn_unused_result));

/* The CRC of a text with that CRC and another one, of `length` bytes, behind it. */
uint32_t gzip_join_crc(uint32_t crc, uint32_t behind, uint64_t length);

/* Appends the head of a member. */
void gzip_put_head(struct buf *out);

/* Appends a short text (under 64 KiB) as a block that does not compress it; returns the
   CRC of all text so far, `crc` being that of the text before. */
uint32_t gzip_put_text(struct slice text, uint32_t crc, struct buf *out);

/* Appends an empty last block and the end of a member of that CRC and length. */
void gzip_put_tail(uint32_t crc, uint64_t length, struct buf *out);

#endif
