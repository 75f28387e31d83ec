#include "server/jobs/jobs_finish.h"

#include <assert.h>

#include "common/base/clock.h"
#include "common/codec/digest.h"
#include "server/jobs/jobs_result_budget.h"
#include "server/stats/stats.h"

static_assert(JOBS_MODES <= STATS_MODES, "the counters have room for every mode");
static_assert(JOB_STATUSES <= STATS_JOB_STATUSES, "and for every status");

static void count(struct stats_front *stats, const struct job *job)
{
    enum codec_op op = job->call.op;

    stats_add(&stats->jobs[op][job->ran][job->status], 1);
    stats_add(&stats->job_queue_us[op][job->ran], job->queue_us);
    stats_add(&stats->job_codec_us[op][job->ran], job->codec_us);
    stats_add(&stats->job_in_bytes[op][job->ran],
              job->call.in.len + job->call.argument.len);
    if (job->result != NULL)
        stats_add(&stats->job_out_bytes[op][job->ran], job->result->bytes.len);
}

/* What the followers of a job share of its end. */
struct ending {
    enum job_status status;
    struct blob *result;
    struct codec_fault fault;
    enum jobs_mode ran;
    uint64_t digest_in, digest_out;
    struct list followers;
};

/* True where the end says something of the document, and so of every equal job. */
static bool is_of_the_document(enum job_status status)
{
    return status == JOB_OK || status == JOB_REFUSED || status == JOB_POISON;
}

/* Each may cancel others of them as it ends. */
static void end_followers(struct jobs_context *context, struct ending *ending)
{
    struct job *job;

    while ((job = jobs_share_shift(&ending->followers)) != NULL) {
        if (!is_of_the_document(ending->status)) {
            context->place(context, job);
            continue;
        }
        stats_add(&context->stats->jobs_shared, 1);
        job->ran = ending->ran;
        job->fault = ending->fault;
        job->digest_in = ending->digest_in;
        job->digest_out = ending->digest_out;
        job->result = ending->result == NULL ? NULL : blob_ref(ending->result);
        job->queue_us = (uint32_t)((clock_now_ns() - job->submitted_ns) / NS_PER_US);
        jobs_finish(context, job, ending->status);
    }
}

/* Gives a job that is to make more to a worker again, and those that wait for it. */
static void run_again(struct jobs_context *context, struct job *job)
{
    struct list followers;

    jobs_share_end(job, &followers);
    job->fault = (struct codec_fault){CODEC_OK, 0};
    job->attempts = 0;
    context->place(context, job);
    while ((job = jobs_share_shift(&followers)) != NULL)
        context->place(context, job);
}

/* A result that was too large for what the job might make so far. Returns how the job
   ends, or JOB_OK where it is to be run again. */
static enum job_status end_too_large(struct job *job)
{
    if (job->fault.offset == CODEC_NO_OFFSET)
        return JOB_REFUSED; /* its input expands to too much, whatever it may make */
    switch (jobs_result_budget_raise(job)) {
    case JOBS_MEMORY_AGAIN: return JOB_OK;
    case JOBS_MEMORY_NONE: return JOB_NO_MEMORY;
    case JOBS_MEMORY_TOO_LARGE: break;
    }
    return JOB_REFUSED;
}

void jobs_finish(struct jobs_context *context, struct job *job, enum job_status status)
{
    struct blob *result = job->result;
    struct ending ending = {.result = result};

    assert(job->state == JOB_MOVING && list_is_empty(&job->link));
    assert((status == JOB_OK) == (result != NULL) || status == JOB_REFUSED);
    assert(job->call.op < CODEC_OPS && job->ran < JOBS_MODES);
    jobs_result_budget_give_back(job);
    if (status == JOB_REFUSED && job->fault.status == CODEC_TOO_LARGE) {
        status = end_too_large(job);
        if (status == JOB_OK) {
            run_again(context, job);
            return;
        }
    }
    jobs_state_set(job, JOB_DONE);
    job->status = ending.status = status;
    count(context->stats, job);
    jobs_share_end(job, &ending.followers);
    ending.fault = job->fault;
    ending.ran = job->ran;
    ending.digest_in = job->digest_in;
    ending.digest_out = job->digest_out;
    job->done(job);
    end_followers(context, &ending);
    blob_unref(&result);
}

/* Takes the digests off the end of a result. Nobody else reads it yet: another reference
   at most keeps the memory that it is in. */
static void take_digests(struct job *job, struct blob *result)
{
    if (job->call.digests & CODEC_DIGEST_OUT)
        job->digest_out = digest_take(&result->bytes);
    if (job->call.digests & CODEC_DIGEST_IN)
        job->digest_in = digest_take(&result->bytes);
}

void jobs_finish_run(struct jobs_context *context, struct job *job,
                     const struct codec_fault *fault, struct blob *result)
{
    assert((fault->status == CODEC_OK) == (result != NULL) ||
           codec_status_has_text(fault->status));
    job->fault = *fault;
    job->result = result;
    if (fault->status == CODEC_OK && job->call.digests != 0)
        take_digests(job, result);
    if (fault->status == CODEC_OK)
        jobs_cost_learn_codec(&context->cost, &job->call, job->codec_us);
    if (fault->status == CODEC_OK && job->mode == JOBS_AUTO && job->ran == JOBS_INLINE)
        jobs_turn_results_keep(&context->turn, job);
    jobs_finish(context, job, fault->status == CODEC_OK ? JOB_OK : JOB_REFUSED);
}
