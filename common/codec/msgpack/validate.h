/*
 * Checks that MessagePack from outside is exactly one value that JSON can represent.
 * Rules and offsets are the same as when an engine encodes the value (docs/CODEC.md). No
 * allocation; any thread may call. Called by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_VALIDATE_H

#include "common/codec/engine.h"

/* Checks all of job->in. Returns CODEC_OK, or what is wrong, with the offset of the
   faulty byte in the job; CODEC_STOPPED where the budget is used up. */
enum codec_status validate_value(struct engine_job *job)
    __attribute__((warn_unused_result));

#endif
