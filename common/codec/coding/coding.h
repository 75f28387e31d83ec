/*
 * Content codings (RFC 9110 section 8.4.1): what a result may be compressed
 * with, in one piece or as a part of a stream. Pure; any thread may call.
 *
 * A stream is what a long reply is made of: its parts are compressed one by
 * one, by whoever, each knowing nothing of the others; the few bytes between
 * them (brackets, commas) are put in as they are; and the whole is one gzip
 * member, since browsers take no second one, or zstd frames one after another.
 * Putting it together compresses nothing and looks at no byte of the parts.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_CODING_H
#define OFFLOOP_COMMON_CODEC_CODING_CODING_H

#include "common/codec/codec.h"

/* The name of a coding as Content-Encoding has it, "gzip"; "identity" for none. */
const char *coding_name(enum codec_coding coding);

/* True where this build can compress so. */
bool coding_is_there(enum codec_coding coding);

/* The coding that the bytes begin like. JSON and MessagePack of ours never begin so. */
enum codec_coding coding_of(struct slice bytes);

/* Appends `in` compressed to out, which grows by at most max_bytes; as a part of a stream
   where `part` says so. Returns CODEC_OK, CODEC_TOO_LARGE, CODEC_MEMORY, or
   CODEC_UNSUPPORTED for a coding that is not there; but for OK, out is as it was. */
enum codec_status coding_compress(enum codec_coding coding, bool part, struct slice in,
                                  size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* A stream that is being put together. */
struct coding_stream {
    enum codec_coding coding;
    uint32_t crc;    /* gzip: of the text so far */
    uint64_t length; /* gzip: its bytes */
};

/* Longest text of coding_stream_put(). */
#define CODING_TEXT_MAX 255

/* Begins a stream, with the bytes that it begins with appended to out. NONE is a stream
   whose parts stay as they are. */
void coding_stream_begin(struct coding_stream *stream, enum codec_coding coding,
                         struct buf *out);

/* Appends a short text as it stands in the stream. */
void coding_stream_put(struct coding_stream *stream, struct slice text, struct buf *out);

/* Takes a part that was compressed for a stream of this coding: *part is cut down to what
   stands in the stream. Returns -1 where it cannot be one. */
int coding_stream_take(struct coding_stream *stream, struct slice *part)
    __attribute__((warn_unused_result));

/* Appends what the stream ends with. */
void coding_stream_end(struct coding_stream *stream, struct buf *out);

#endif
