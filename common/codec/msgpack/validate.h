/*
 * MessagePack from outside: is it exactly one value that JSON can hold? The
 * rules and offsets are those by which engines judge what they encode (see
 * docs/CODEC.md). Bytes in, a verdict out; no allocation, any thread. Called by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H

#include "common/codec/engine.h"

/* Judges all of job->in. Returns CODEC_OK, or what is wrong, with the offset of the
   offending byte in the job; CODEC_STOPPED where the budget is spent. */
enum codec_status validate_value(struct engine_job *job)
    __attribute__((warn_unused_result));

#endif
