#include "server/jobs/run/jobs_inline.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/background_free.h"
#include "common/base/log.h"
#include "server/jobs/jobs_finish.h"
#include "server/stats/stats.h"

/* Scratch that the codec may keep between jobs. */
#define KEEP_BYTES ((size_t)4 << 20)

/* What a unit of work takes that the codec announces. */
#define UNIT_NS 5

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

/* A budget that is a time on the clock. */
struct deadline {
    struct codec_budget base;
    uint64_t stop_ns;
};

static bool is_over(struct codec_budget *budget, size_t ahead)
{
    const struct deadline *deadline = (const struct deadline *)budget; /* its first */

    return clock_now_ns() + ahead * UNIT_NS >= deadline->stop_ns;
}

/* Runs the codec; the job is left to be finished. */
static enum codec_status run(struct jobs_inline *runner, struct job *job,
                             uint64_t budget_ns, struct codec_fault *fault_r,
                             struct blob **result_r)
{
    enum stats_phase before = stats_phase_enter(phase_of(job->call.op));
    struct codec *codec = codec_of(runner);
    struct codec_call call = job->call;
    struct buf out = BUF_INIT;
    uint64_t start_ns = clock_now_ns();
    struct deadline deadline = {{.is_spent = is_over}, start_ns + budget_ns};
    struct deadline last = {{.is_spent = is_over}, job->deadline_ns};
    enum codec_status status;

    call.budget = budget_ns > 0 ? &deadline.base : NULL;
    call.program_budget = budget_ns > 0 ? NULL : &last.base;
    status = codec_run(codec, &call, &out, fault_r);
    job->codec_us = (uint32_t)((clock_now_ns() - start_ns) / NS_PER_US);
    stats_add(&runner->context->stats->codec_runs, 1);
    assert(status == fault_r->status);
    *result_r =
        status == CODEC_OK || codec_status_has_text(status) ? blob_new_steal(&out) : NULL;
    background_free_buf(&out);
    codec_trim(codec, KEEP_BYTES);
    (void)stats_phase_enter(before);
    return status;
}

void jobs_inline_run(struct jobs_inline *runner, struct job *job)
{
    struct codec_fault fault = {CODEC_OK, 0};
    struct blob *result;

    (void)run(runner, job, 0, &fault, &result);
    job->ran = JOBS_INLINE;
    if (fault.status == CODEC_STOPPED)
        jobs_finish(runner->context, job, JOB_DEADLINE);
    else
        jobs_finish_run(runner->context, job, &fault, result);
}

bool jobs_inline_try(struct jobs_inline *runner, struct job *job,
                     struct jobs_auto *chooser)
{
    uint64_t budget_ns = (uint64_t)(chooser->budget_us * (double)NS_PER_US);
    struct codec_fault fault = {CODEC_OK, 0};
    struct blob *result;
    enum codec_status status = run(runner, job, budget_ns, &fault, &result);

    jobs_auto_book(chooser, jobs_cost_codec_us(&runner->context->cost, &job->call),
                   job->codec_us);
    if (status == CODEC_STOPPED) {
        job->codec_us = 0;
        jobs_cost_learn_stopped(&runner->context->cost, &job->call);
        stats_add(&runner->context->stats->jobs_stopped, 1);
        return false;
    }
    job->ran = JOBS_INLINE;
    jobs_finish_run(runner->context, job, &fault, result);
    return true;
}
