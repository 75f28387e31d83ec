/*
 * MessagePack from outside: is it exactly one value that JSON can hold? The
 * rules and offsets are those by which engines judge what they encode (see
 * docs/CODEC.md). Bytes in, a verdict out; no allocation, any thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H

#include "common/codec/codec.h"

/* Judges all of `in`. Returns CODEC_OK, or what is wrong, with the offset of the
   offending byte in *offset_r. */
enum codec_status validate_value(struct slice in, uint64_t *offset_r)
    __attribute__((warn_unused_result));

#endif
