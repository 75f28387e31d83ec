/*
 * Jobs in the calling thread, by the codec that the workers have.
 */
#ifndef OFFLOOP_CLIENTS_C_INLINE_H
#define OFFLOOP_CLIENTS_C_INLINE_H

#include "common/codec/codec.h"

/* A job as it stands in a JOBS message. */
struct inline_job {
    unsigned op, flags, separator;
    struct slice options;
    struct slice payload; /* with the argument at its end */
    uint64_t max_output;
};

/* Runs a job and appends its result. Returns the codec's status, and in *fault_r the
   offset of what is wrong. */
unsigned inline_run(struct codec *codec, const struct inline_job *job, struct buf *out,
                    uint64_t *fault_r) __attribute__((warn_unused_result));

#endif
