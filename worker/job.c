#include "worker/job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "proto/call_options.h"
#include "worker/crash.h"

/* Input of a job that takes the codec about 100 us at 200 MB/s, the slow end of what
   was measured on ordinary documents. */
#define JOB_HEAVY_BYTES 20000

/* A length is enough to estimate by: validating walks the same bytes. */
bool job_is_heavy(const struct wire_job *job)
{
    return job->payload.bytes.len > JOB_HEAVY_BYTES;
}

static uint32_t job_us_since(uint64_t start_ns)
{
    uint64_t us = (clock_now_ns() - start_ns) / NS_PER_US;

    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void job_clear_result(const struct wire_job *job, struct wire_result *result_r)
{
    *result_r = (struct wire_result){.id = job->id, .verdict = WIRE_DONE};
}

void job_fail(const struct wire_job *job, enum codec_status status,
              struct wire_result *result_r)
{
    assert(status != CODEC_OK);
    job_clear_result(job, result_r);
    result_r->status = status;
}

void job_skip(const struct wire_job *job, enum wire_verdict verdict,
              struct wire_result *result_r)
{
    assert(verdict != WIRE_DONE && verdict < WIRE_WORKER_VERDICTS);
    job_clear_result(job, result_r);
    result_r->verdict = verdict;
}

/* Tests need documents that crash a worker; there are no such ones in real life, and no
   such workers. */
static void crash_for_a_test(struct slice document)
{
#ifdef OFFLOOP_TEST_HOOKS
    static const char mark[] = "\"crash the worker\"";

    if (memmem(document.data, document.len, mark, sizeof mark - 1) != NULL)
        abort();
#else
    (void)document;
#endif
}

/* A budget that is a time on the clock. */
struct deadline {
    struct codec_budget base;
    uint64_t stop_ns;
};

static bool is_over(struct codec_budget *budget, size_t ahead)
{
    const struct deadline *deadline = (const struct deadline *)budget; /* its first */

    (void)ahead;
    return clock_now_ns() >= deadline->stop_ns;
}

void job_run(struct codec *codec, const struct wire_job *job, size_t memory_bytes,
             uint64_t stop_ns, struct buf *out, struct wire_result *result_r)
{
    struct deadline deadline = {{.is_spent = is_over}, stop_ns};
    struct codec_call call = {.op = (enum codec_op)job->op,
                              .pretty = job->flags & WIRE_JOB_PRETTY,
                              .separator = job->separator,
                              .in = job->payload.bytes,
                              .max_output = (size_t)job->max_output,
                              .max_memory = memory_bytes,
                              .program_budget = stop_ns != 0 ? &deadline.base : NULL};
    struct codec_fault fault = {CODEC_OK, 0};
    uint64_t start_ns = clock_now_ns();
    size_t start_len = out->len;

    assert(!job->payload.in_arena);
    job_clear_result(job, result_r);
    if (job->op >= CODEC_OPS || call_options_read(job->options, &call) != 0) {
        result_r->status = CODEC_UNSUPPORTED;
        return;
    }
    crash_blame(job->payload.bytes);
    crash_for_a_test(job->payload.bytes);
    result_r->status = codec_run(codec, &call, out, &fault);
    crash_blame_nobody();
    result_r->codec_us = job_us_since(start_ns);
    if (result_r->status == CODEC_STOPPED) {
        result_r->verdict = WIRE_EXPIRED;
        result_r->status = CODEC_OK;
    } else if (result_r->status != CODEC_OK) {
        result_r->fault_offset = fault.offset;
    }
    result_r->payload.bytes.len = out->len - start_len;
    assert(result_r->payload.bytes.len <= job->max_output ||
           codec_status_has_text((enum codec_status)result_r->status));
}
