/*
 * Content codings (RFC 9110 section 8.4.1): compress a result, in one piece or as a part
 * of a stream. Pure; any thread may call.
 *
 * A long reply is a stream. Its parts are compressed independently, perhaps by different
 * processes. The few bytes between them (brackets, commas) stay uncompressed. The whole
 * is one gzip member, because browsers accept only one, or zstd frames one after another.
 * To join the parts, no byte of them is compressed or read.
 */
#ifndef OFFLOOP_COMMON_CODEC_CODING_CODING_H
#define OFFLOOP_COMMON_CODEC_CODING_CODING_H

#include "common/codec/codec.h"

/* The name of a coding in Content-Encoding, "gzip"; "identity" for none. */
const char *coding_name(enum codec_coding coding);

/* True where this build has the coding. */
bool coding_is_there(enum codec_coding coding);

/* The coding whose first bytes these are. JSON, and MessagePack of a document, never
   begin with them. */
enum codec_coding coding_of(struct slice bytes);

/* Compresses `in` and appends it to out, which grows by at most max_bytes. With `part` it
   is a part of a stream. Returns CODEC_OK, or CODEC_TOO_LARGE, CODEC_MEMORY, or
   CODEC_UNSUPPORTED for a coding that this build lacks; then out is unchanged. */
enum codec_status coding_compress(enum codec_coding coding, bool part, struct slice in,
                                  size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* A stream while its parts are joined. */
struct coding_stream {
    enum codec_coding coding;
    uint32_t crc;    /* gzip: of the text so far */
    uint64_t length; /* gzip: its bytes */
};

/* The longest text for coding_stream_put(). */
#define CODING_TEXT_MAX 255

/* Begins a stream and appends its first bytes to out. The parts of a stream of coding
   NONE are not compressed. */
void coding_stream_begin(struct coding_stream *stream, enum codec_coding coding,
                         struct buf *out);

/* Appends a short text, uncompressed, in the form of the stream. */
void coding_stream_put(struct coding_stream *stream, struct slice text, struct buf *out);

/* Takes a part that was compressed for a stream of this coding, and shortens *part to its
   bytes in the stream. Returns -1 where it is not a part. */
int coding_stream_take(struct coding_stream *stream, struct slice *part)
    __attribute__((warn_unused_result));

/* Appends the last bytes of the stream. */
void coding_stream_end(struct coding_stream *stream, struct buf *out);

#endif
