/*
 * One job: from its envelope through the codec to its result. No queue, no
 * socket. One thread at a time per codec.
 */
#ifndef OFFLOOP_WORKER_JOB_H
#define OFFLOOP_WORKER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/codec/codec.h"
#include "proto/wire.h"

/* Runs the job with at most `memory_bytes` of output and scratch, and appends its result
   to out. Fills *result_r but for queue_us; its payload tells only the length of what
   was appended. The job's payload must be in place (not in an arena). A program that
   still runs at stop_ns (clock_now_ns() terms, 0 for never) is ended: EXPIRED. */
void job_run(struct codec *codec, const struct wire_job *job, size_t memory_bytes,
             uint64_t stop_ns, struct buf *out, struct wire_result *result_r);

/* The result of a job that could not even begin. */
void job_fail(const struct wire_job *job, enum codec_status status,
              struct wire_result *result_r);

/* The result of a job that is not run: expired or cancelled. */
void job_skip(const struct wire_job *job, enum wire_verdict verdict,
              struct wire_result *result_r);

/* True where running the job will probably take so long (100 us) that finished results
   must not wait for it. */
bool job_is_heavy(const struct wire_job *job);

#endif
