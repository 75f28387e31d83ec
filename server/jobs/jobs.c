#include "server/jobs/jobs.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include <ev.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/cpu_slice.h"
#include "server/jobs/place/jobs_auto.h"
#include "server/jobs/jobs_context.h"
#include "server/jobs/dispatch/jobs_dispatch.h"
#include "server/jobs/jobs_finish.h"
#include "server/jobs/run/jobs_inline.h"
#include "server/jobs/jobs_result_budget.h"
#include "server/jobs/place/jobs_send_cost.h"
#include "server/jobs/run/jobs_threads.h"
#include "server/stats/stats.h"

#define DEFAULT_ENGINE           "yajl"
#define DEFAULT_QUEUE            1024u
#define DEFAULT_TIMEOUT_NS       (10 * NS_PER_S)
#define DEFAULT_INLINE_NS        (200 * NS_PER_US)
#define DEFAULT_MAX_MEMORY_BYTES (UINT64_C(1) << 30)
#define DEFAULT_MAX_OUTPUT_BYTES (UINT64_C(512) << 20)

struct jobs {
    struct jobs_config config; /* defaults filled in */
    struct jobs_inline *inline_runner;
    struct jobs_threads *threads;
    struct jobs_dispatch *dispatch;
    struct jobs_context context;
    struct jobs_auto chooser;
    struct jobs_send_cost send_cost;
    ev_prepare turn; /* the end of a turn of the loop */
    struct ev_loop *loop;
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
    if (config->inline_budget_ns == 0)
        config->inline_budget_ns = DEFAULT_INLINE_NS;
    if (config->max_memory_bytes == 0)
        config->max_memory_bytes = DEFAULT_MAX_MEMORY_BYTES;
    if (config->max_output_bytes == 0)
        config->max_output_bytes = DEFAULT_MAX_OUTPUT_BYTES;
}

/* The processors that this process may run on. */
static unsigned cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return CPU_SETSIZE; /* more than the set has room for */
    return (unsigned)CPU_COUNT(&set);
}

static void measure(struct jobs *jobs)
{
    uint64_t now_ns = clock_now_ns();
    struct clock_reading reading;

    if (!jobs_send_cost_is_due(&jobs->send_cost, now_ns))
        return;
    jobs_send_cost_read(&reading, jobs->context.stats, jobs_threads_runs(jobs->threads));
    jobs_send_cost_take(&jobs->send_cost, &jobs->context.cost, &reading, now_ns);
}

/* Before the loop goes to poll. */
static void on_turn(struct ev_loop *loop, ev_prepare *turn, int events)
{
    struct jobs *jobs = container_of(turn, struct jobs, turn);
    struct job *job;

    (void)loop;
    (void)events;
    while ((job = jobs_dispatch_take_stranded(jobs->dispatch)) != NULL)
        jobs_threads_submit(jobs->threads, job);
    jobs_turn_results_end(&jobs->context.turn);
    jobs_auto_end_turn(&jobs->chooser);
    measure(jobs);
}

struct jobs *jobs_create(struct ev_loop *loop, const struct jobs_config *config)
{
    struct jobs *jobs = mem_zalloc(sizeof *jobs);

    jobs->config = *config;
    fill_defaults(&jobs->config);
    if (jobs->config.stats == NULL)
        jobs->config.stats = jobs->own_stats = mem_zalloc(sizeof *jobs->own_stats);
    jobs->context.stats = jobs->config.stats;
    jobs_cost_init(&jobs->context.cost, jobs->context.stats);
    jobs_poison_init(&jobs->context.poison);
    jobs_share_init(&jobs->context.share);
    jobs_turn_results_init(&jobs->context.turn);
    jobs_auto_init(&jobs->chooser, &jobs->context.cost,
                   (double)jobs->config.inline_budget_ns / (double)NS_PER_US, cpus());
    jobs_send_cost_init(&jobs->send_cost);
    jobs->inline_runner = jobs_inline_create(jobs->config.engine, &jobs->context);
    jobs->threads = jobs_threads_create(loop, &jobs->config, &jobs->context);
    jobs->dispatch = jobs_dispatch_create(loop, &jobs->config, &jobs->context);
    jobs->loop = loop;
    ev_prepare_init(&jobs->turn, on_turn);
    ev_prepare_start(loop, &jobs->turn);
    cpu_slice_shorten(); /* the loop's alone: the threads that carry messages are there */
    return jobs;
}

void jobs_destroy(struct jobs **jobs)
{
    if (*jobs == NULL)
        return;
    ev_prepare_stop((*jobs)->loop, &(*jobs)->turn);
    jobs_dispatch_destroy(&(*jobs)->dispatch);
    jobs_threads_destroy(&(*jobs)->threads);
    jobs_inline_destroy(&(*jobs)->inline_runner);
    jobs_turn_results_end(&(*jobs)->context.turn);
    mem_free((*jobs)->own_stats);
    mem_free(*jobs);
    *jobs = NULL;
}

uint32_t jobs_estimate_us(const struct jobs *jobs, const struct codec_call *call)
{
    double us = jobs_cost_codec_us(&jobs->context.cost, call);

    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void prepare(const struct jobs *jobs, struct job *job)
{
    const struct jobs_config *config = &jobs->config;
    uint64_t now_ns = clock_now_ns();

    assert(!jobs_state_is_active(job->state) && job->done != NULL);
    assert(job->call.op < CODEC_OPS && job->mode < JOBS_MODES);
    assert(job->options.len == 0 ||
           (job->mode == JOBS_RPC && job->call.argument.len == 0));
    jobs_state_set(job, JOB_MOVING);
    list_init(&job->link);
    list_init(&job->share);
    list_init(&job->followers);
    job->result = NULL;
    job->fault = (struct codec_fault){CODEC_OK, 0};
    job->queue_us = job->codec_us = 0;
    job->attempts = 0;
    job->crashed = false;
    job->cost_us = jobs_estimate_us(jobs, &job->call);
    job->submitted_ns = now_ns;
    if (job->deadline_ns == 0)
        job->deadline_ns = now_ns + config->job_timeout_ns;
    if (job->call.max_output == 0)
        job->call.max_output = config->max_output_bytes;
    if (job->call.max_memory == 0)
        job->call.max_memory = config->max_memory_bytes;
    jobs_result_budget_init(job);
}

static void submit_rpc(struct jobs *jobs, struct job *job)
{
    jobs_send_cost_count(&jobs->send_cost, job->call.in.len + job->call.argument.len,
                         jobs_dispatch_under_way(jobs->dispatch) + 1);
    jobs_dispatch_submit(jobs->dispatch, job);
}

/* True where an equal job of this turn has the result already: the job is done. */
static bool is_known(struct jobs *jobs, struct job *job)
{
    struct blob *result =
        job->mode == JOBS_AUTO ? jobs_turn_results_find(&jobs->context.turn, job) : NULL;

    if (result == NULL)
        return false;
    jobs_auto_count(&jobs->chooser);
    stats_add(&jobs->context.stats->jobs_shared, 1);
    job->ran = JOBS_INLINE;
    job->result = result;
    jobs_finish(&jobs->context, job, JOB_OK);
    return true;
}

static enum jobs_mode choose(struct jobs *jobs, const struct job *job)
{
    return jobs_auto_choose(&jobs->chooser, &job->call, jobs_workers(jobs),
                            jobs_dispatch_under_way(jobs->dispatch));
}

/* Gives the job to a thread or to a worker: to whichever is there, where the mode names
   neither. */
static void send_away(struct jobs *jobs, struct job *job, enum jobs_mode mode)
{
    if (mode == JOBS_INLINE)
        mode = jobs_workers(jobs) > 0 ? JOBS_RPC : JOBS_THREADS;
    jobs_share_lead(&jobs->context.share, job);
    if (mode == JOBS_THREADS)
        jobs_threads_submit(jobs->threads, job);
    else
        submit_rpc(jobs, job);
}

/* Promises the memory of a job's result; ends the job where there is none. */
static bool has_memory(struct jobs *jobs, struct job *job, enum jobs_mode mode)
{
    if (jobs_result_budget_take(job))
        return true;
    job->ran = mode;
    jobs_finish(&jobs->context, job, JOB_NO_MEMORY);
    return false;
}

/* Gives a prepared job to what shall run it. */
static void place(struct jobs *jobs, struct job *job)
{
    enum jobs_mode mode = job->mode;

    if (jobs_poison_has(&jobs->context.poison, &job->call, clock_now_ns())) {
        job->ran = JOBS_RPC; /* where it did its harm */
        jobs_finish(&jobs->context, job, JOB_POISON);
        return;
    }
    if (is_known(jobs, job))
        return;
    if (mode == JOBS_INLINE) {
        if (has_memory(jobs, job, mode))
            jobs_inline_run(jobs->inline_runner, job);
        return;
    }
    if (jobs_share_follow(&jobs->context.share, job)) {
        if (mode == JOBS_AUTO)
            jobs_auto_count(&jobs->chooser);
        return;
    }
    if (mode == JOBS_AUTO)
        mode = choose(jobs, job);
    if (!has_memory(jobs, job, mode))
        return;
    if (mode != JOBS_INLINE || !jobs_inline_try(jobs->inline_runner, job, &jobs->chooser))
        send_away(jobs, job, mode);
}

static void place_again(struct jobs_context *context, struct job *job)
{
    place(container_of(context, struct jobs, context), job);
}

void jobs_submit(struct jobs *jobs, struct job *job)
{
    jobs->context.place = place_again;
    prepare(jobs, job);
    place(jobs, job);
}

void jobs_cancel(struct jobs *jobs, struct job *job)
{
    struct list followers;

    if (!jobs_state_is_active(job->state))
        return;
    if (job->state == JOB_FOLLOWING) {
        jobs_share_leave(job);
        jobs_state_set(job, JOB_DONE);
        return;
    }
    if (job->ran == JOBS_THREADS)
        jobs_threads_cancel(jobs->threads, job);
    else
        jobs_dispatch_cancel(jobs->dispatch, job);
    jobs_state_set(job, JOB_DONE);
    jobs_result_budget_give_back(job);
    jobs_share_end(job, &followers);
    while ((job = jobs_share_shift(&followers)) != NULL)
        place(jobs, job);
}

void jobs_watch_given_up(struct jobs *jobs, const struct jobs_given_up_events *events)
{
    jobs_dispatch_watch_given_up(jobs->dispatch, events);
}

struct blob *jobs_make_input(struct jobs *jobs, enum jobs_mode mode, size_t len,
                             uint8_t **bytes_r)
{
    if (mode == JOBS_INLINE || mode == JOBS_THREADS)
        return NULL;
    return jobs_dispatch_make_input(jobs->dispatch, len, bytes_r);
}

unsigned jobs_workers(const struct jobs *jobs)
{
    return jobs_dispatch_workers(jobs->dispatch);
}
