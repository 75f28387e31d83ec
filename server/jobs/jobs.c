#include "server/jobs/jobs.h"

#include <assert.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "server/jobs/jobs_dispatch.h"
#include "server/jobs/jobs_inline.h"
#include "server/jobs/jobs_threads.h"
#include "server/stats/stats.h"

#define DEFAULT_ENGINE           "yajl"
#define DEFAULT_QUEUE            1024u
#define DEFAULT_TIMEOUT_NS       (10 * NS_PER_S)
#define DEFAULT_MAX_MEMORY_BYTES (UINT64_C(1) << 30)
#define DEFAULT_MAX_OUTPUT_BYTES (UINT64_C(512) << 20)

struct jobs {
    struct jobs_config config; /* defaults filled in */
    struct jobs_inline *inline_runner;
    struct jobs_threads *threads;
    struct jobs_dispatch *dispatch;
    struct stats_front *own_stats; /* where the caller keeps none */
};

static void fill_defaults(struct jobs_config *config)
{
    if (config->engine == NULL)
        config->engine = DEFAULT_ENGINE;
    if (config->queue_max == 0)
        config->queue_max = DEFAULT_QUEUE;
    if (config->job_timeout_ns == 0)
        config->job_timeout_ns = DEFAULT_TIMEOUT_NS;
    if (config->max_memory_bytes == 0)
        config->max_memory_bytes = DEFAULT_MAX_MEMORY_BYTES;
    if (config->max_output_bytes == 0)
        config->max_output_bytes = DEFAULT_MAX_OUTPUT_BYTES;
}

struct jobs *jobs_create(struct ev_loop *loop, const struct jobs_config *config)
{
    struct jobs *jobs = mem_zalloc(sizeof *jobs);

    jobs->config = *config;
    fill_defaults(&jobs->config);
    if (jobs->config.stats == NULL)
        jobs->config.stats = jobs->own_stats = mem_zalloc(sizeof *jobs->own_stats);
    jobs->inline_runner = jobs_inline_create(jobs->config.engine, jobs->config.stats);
    jobs->threads = jobs_threads_create(loop, &jobs->config);
    jobs->dispatch = jobs_dispatch_create(loop, &jobs->config);
    return jobs;
}

void jobs_destroy(struct jobs **jobs)
{
    if (*jobs == NULL)
        return;
    jobs_dispatch_destroy(&(*jobs)->dispatch);
    jobs_threads_destroy(&(*jobs)->threads);
    jobs_inline_destroy(&(*jobs)->inline_runner);
    mem_free((*jobs)->own_stats);
    mem_free(*jobs);
    *jobs = NULL;
}

static void prepare(const struct jobs_config *config, struct job *job)
{
    uint64_t now_ns = clock_now_ns();

    assert(job->owner == NULL && job->done != NULL);
    assert(job->call.op < CODEC_OPS && job->mode < JOBS_MODES);
    list_init(&job->link);
    job->result = NULL;
    job->fault = (struct codec_fault){CODEC_OK, 0};
    job->queue_us = job->codec_us = 0;
    job->attempts = 0;
    job->submitted_ns = now_ns;
    if (job->deadline_ns == 0)
        job->deadline_ns = now_ns + config->job_timeout_ns;
    if (job->call.max_output == 0)
        job->call.max_output = config->max_output_bytes;
    if (job->call.max_memory == 0)
        job->call.max_memory = config->max_memory_bytes;
}

void jobs_submit(struct jobs *jobs, struct job *job)
{
    prepare(&jobs->config, job);
    if (job->mode == JOBS_INLINE)
        jobs_inline_run(jobs->inline_runner, job);
    else if (job->mode == JOBS_THREADS)
        jobs_threads_submit(jobs->threads, job);
    else
        jobs_dispatch_submit(jobs->dispatch, job);
}

void jobs_cancel(struct jobs *jobs, struct job *job)
{
    if (job->owner == NULL)
        return;
    if (job->ran == JOBS_THREADS)
        jobs_threads_cancel(jobs->threads, job);
    else
        jobs_dispatch_cancel(jobs->dispatch, job);
}

enum jobs_mode jobs_default_mode(const struct jobs *jobs)
{
    return jobs->config.mode;
}

unsigned jobs_workers(const struct jobs *jobs)
{
    return jobs_dispatch_workers(jobs->dispatch);
}
