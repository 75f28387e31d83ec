#include "server/jobs/jobs_finish.h"

#include <assert.h>

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

void jobs_finish(struct jobs_book *book, struct job *job, enum job_status status)
{
    struct blob *result = job->result;

    assert(list_is_empty(&job->link));
    assert((status == JOB_OK) == (result != NULL));
    assert(job->call.op < CODEC_OPS && job->ran < JOBS_MODES);
    job->owner = NULL;
    job->status = status;
    count(book->stats, job);
    job->done(job);
    blob_unref(&result);
}

void jobs_finish_run(struct jobs_book *book, struct job *job,
                     const struct codec_fault *fault, struct blob *result)
{
    assert((fault->status == CODEC_OK) == (result != NULL));
    job->fault = *fault;
    job->result = result;
    if (fault->status == CODEC_OK)
        jobs_cost_learn_codec(&book->cost, &job->call, job->codec_us);
    jobs_finish(book, job, fault->status == CODEC_OK ? JOB_OK : JOB_REFUSED);
}
