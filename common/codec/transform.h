/*
 * Jobs of several steps: expand gzip, read a stored JSON text, project, merge,
 * write JSON, compress. Each step is a call of its own on MessagePack or text
 * in a buffer, under what is left of the job's memory.
 */
#ifndef OFFLOOP_COMMON_CODEC_TRANSFORM_H
#define OFFLOOP_COMMON_CODEC_TRANSFORM_H

#include "common/codec/codec.h"
#include "common/codec/jq/jq_cache.h"

/* Runs one step: as codec_run(), but both documents of a PATCH are MessagePack. */
typedef enum codec_status transform_step_fn(struct codec *codec,
                                            const struct codec_call *call,
                                            struct buf *out, struct codec_fault *fault_r);

/* True where a call is one step. */
bool transform_is_step(const struct codec_call *call);

/* Runs a call that is not, with the codec's compiled programs. As codec_run(). */
enum codec_status transform_run(struct codec *codec, transform_step_fn *run_step,
                                struct jq_cache **programs, const struct codec_call *call,
                                struct buf *out, struct codec_fault *fault_r)
    __attribute__((warn_unused_result));

#endif
