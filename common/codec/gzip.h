/*
 * gzip (RFC 1952) by zlib, in one piece. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_GZIP_H
#define OFFLOOP_COMMON_CODEC_GZIP_H

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

#endif
