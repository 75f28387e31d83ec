#include "server/jobs/run/jobs_inline.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/jobs/jobs_finish.h"
#include "server/stats/stats.h"

/* Scratch that the codec may keep between jobs. */
#define KEEP_BYTES ((size_t)4 << 20)

struct jobs_inline {
    char *engine;
    struct codec *codec; /* NULL before the first job */
    struct jobs_context *context;
};

struct jobs_inline *jobs_inline_create(const char *engine, struct jobs_context *context)
{
    struct jobs_inline *runner = mem_zalloc(sizeof *runner);

    runner->engine = str_dup(engine);
    runner->context = context;
    return runner;
}

void jobs_inline_destroy(struct jobs_inline **runner)
{
    if (*runner == NULL)
        return;
    codec_destroy(&(*runner)->codec);
    mem_free((*runner)->engine);
    mem_free(*runner);
    *runner = NULL;
}

static struct codec *codec_of(struct jobs_inline *runner)
{
    if (runner->codec == NULL)
        runner->codec = codec_create(runner->engine);
    if (runner->codec == NULL)
        log_fatal("there is no codec engine '%s'", runner->engine);
    return runner->codec;
}

static enum stats_phase phase_of(enum codec_op op)
{
    return op == CODEC_OP_ENCODE || op == CODEC_OP_SEQUENCE ? STATS_ENCODE : STATS_DECODE;
}

void jobs_inline_run(struct jobs_inline *runner, struct job *job)
{
    enum stats_phase before = stats_phase_enter(phase_of(job->call.op));
    struct codec *codec = codec_of(runner);
    struct codec_fault fault = {CODEC_OK, 0};
    struct buf out = BUF_INIT;
    struct blob *result = NULL;
    uint64_t start_ns = clock_now_ns();
    enum codec_status status = codec_run(codec, &job->call, &out, &fault);

    job->codec_us = (uint32_t)((clock_now_ns() - start_ns) / NS_PER_US);
    job->ran = JOBS_INLINE;
    stats_add(&runner->context->stats->codec_runs, 1);
    assert(status == fault.status);
    if (status == CODEC_OK)
        result = blob_new_steal(&out);
    buf_free(&out);
    codec_trim(codec, KEEP_BYTES);
    (void)stats_phase_enter(before);
    jobs_finish_run(runner->context, job, &fault, result);
}
