#include "server/jobs/run/jobs_threads.h"

#include <assert.h>
#include <ev.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/background_free.h"
#include "server/jobs/jobs_finish.h"
#include "server/jobs/run/jobs_thread_pool.h"
#include "server/jobs/dispatch/jobs_waiting.h"
#include "server/stats/stats.h"

/* Tasks in the pool per thread: one that it works on and one that is ready when it has
   done; more would only be decided too early. */
#define WINDOW_PER_THREAD 2

/* How often deadlines are looked at. */
#define TICK_S 0.02

struct jobs_threads {
    struct ev_loop *loop;
    const struct jobs_config *config;
    struct jobs_context *context;
    struct jobs_waiting waiting;
    struct list handed;                 /* tasks that the pool has */
    unsigned handed_count, heavy_count; /* of all, and of the heavy ones among them */
    unsigned count;                     /* threads */
    unsigned window;
    uint64_t runs; /* codec calls */
    struct jobs_thread_pool *pool;
    ev_async finished; /* the pool has something to take back */
    ev_timer tick;     /* active while there are jobs */
};

/* A job at the pool; the owner of its job. */
struct task {
    struct pool_task pool;
    struct list link; /* in threads.handed */
    enum jobs_weight weight;
    struct job *job;      /* NULL where nobody waits for it any more */
    struct blob *in_blob; /* keeps pool.call.in in place; NULL where it was copied */
    struct blob *argument_blob; /* the same of pool.call.argument */
    uint8_t *copies;            /* of the call's slices */
};

/* ---- tasks ---- */

/* Copies the slice to *at and makes it point there. */
static void move_slice(struct slice *slice, uint8_t **at)
{
    if (slice->len > 0)
        memcpy(*at, slice->data, slice->len);
    slice->data = *at;
    *at += slice->len;
}

/* The call's bytes must outlive the job: those with a blob are kept by a reference, the
   others are copied. */
static void keep_slices(struct task *task, const struct job *job)
{
    struct codec_call *call = &task->pool.call;
    size_t bytes = call->fields.len;
    uint8_t *at;

    if (job->in_blob != NULL)
        task->in_blob = blob_ref(job->in_blob);
    else
        bytes += call->in.len;
    if (job->argument_blob != NULL)
        task->argument_blob = blob_ref(job->argument_blob);
    else
        bytes += call->argument.len;
    at = task->copies = mem_alloc(bytes + 1);
    move_slice(&call->fields, &at);
    if (job->in_blob == NULL)
        move_slice(&call->in, &at);
    if (job->argument_blob == NULL)
        move_slice(&call->argument, &at);
}

static struct task *task_create(struct job *job)
{
    struct task *task = mem_zalloc(sizeof *task);

    task->pool.call = job->call;
    task->pool.stop_ns = job->deadline_ns;
    keep_slices(task, job);
    atomic_init(&task->pool.dropped, false);
    list_init(&task->pool.link);
    list_init(&task->link);
    task->weight = jobs_waiting_weight(job);
    task->job = job;
    job->owner = task;
    return task;
}

static void task_destroy(struct task **task)
{
    list_remove(&(*task)->link);
    blob_unref(&(*task)->in_blob);
    blob_unref(&(*task)->argument_blob);
    background_free_buf(&(*task)->pool.out);
    mem_free((*task)->copies);
    mem_free(*task);
    *task = NULL;
}

/* Nobody waits for the task any more. */
static void task_drop(struct task *task)
{
    task->job->owner = NULL;
    task->job = NULL;
    atomic_store_explicit(&task->pool.dropped, true, memory_order_relaxed);
}

static struct task *task_at(struct list *link)
{
    return container_of(link, struct task, link);
}

/* ---- the way of a job ---- */

/* The job whose turn it is, NULL for none now: while light ones are about, one thread is
   left to them. */
static struct job *next_job(struct jobs_threads *threads, uint64_t now_ns)
{
    struct job *light = jobs_waiting_first(&threads->waiting, JOBS_LIGHT, now_ns);
    struct job *heavy = NULL;

    if (threads->heavy_count + 1 < threads->count ||
        !jobs_waiting_saw_light(&threads->waiting, now_ns))
        heavy = jobs_waiting_first(&threads->waiting, JOBS_HEAVY, now_ns);
    if (light == NULL || heavy == NULL)
        return light == NULL ? heavy : light;
    return jobs_waiting_score(light, now_ns) <= jobs_waiting_score(heavy, now_ns) ? light
                                                                                  : heavy;
}

static void hand_over(struct jobs_threads *threads)
{
    uint64_t now_ns = clock_now_ns();
    struct job *job;

    while (threads->handed_count < threads->window &&
           (job = next_job(threads, now_ns)) != NULL) {
        struct task *task;

        jobs_waiting_remove(&threads->waiting, job);
        job->sent_ns = now_ns;
        job->queue_us = (uint32_t)((now_ns - job->submitted_ns) / NS_PER_US);
        task = task_create(job);
        list_append(&threads->handed, &task->link);
        threads->handed_count++;
        threads->heavy_count += task->weight == JOBS_HEAVY;
        jobs_thread_pool_put(threads->pool, &task->pool);
    }
}

static void take_back(struct jobs_threads *threads, struct task *task)
{
    struct codec_fault fault = task->pool.fault;
    struct job *job = task->job;
    struct blob *result = NULL;

    threads->handed_count--;
    threads->heavy_count -= task->weight == JOBS_HEAVY;
    if (task->pool.ran) {
        threads->runs++;
        stats_add(&threads->context->stats->codec_runs, 1);
    }
    if (job != NULL) {
        assert(task->pool.ran && job->owner == task);
        job->codec_us = task->pool.codec_us;
        if (fault.status == CODEC_OK || codec_status_has_text(fault.status))
            result = blob_new_steal(&task->pool.out);
    }
    task_destroy(&task);
    if (job != NULL && fault.status == CODEC_STOPPED)
        jobs_finish(threads->context, job, JOB_DEADLINE);
    else if (job != NULL)
        jobs_finish_run(threads->context, job, &fault, result);
}

static void on_finished(struct ev_loop *loop, ev_async *async, int events)
{
    struct jobs_threads *threads = container_of(async, struct jobs_threads, finished);
    struct pool_task *task;

    (void)loop;
    (void)events;
    while ((task = jobs_thread_pool_take(threads->pool)) != NULL)
        take_back(threads, container_of(task, struct task, pool));
    hand_over(threads);
}

/* Any thread; ev_async_send() is the one call of libev that may be made so. */
static void wake(void *arg)
{
    struct jobs_threads *threads = arg;

    ev_async_send(threads->loop, &threads->finished);
}

/* ---- time ---- */

/* Takes out a job that waits or runs and whose deadline is over; NULL where there is
   none. One at a time: the end of one may cancel any other. */
static struct job *take_due(struct jobs_threads *threads, uint64_t now_ns)
{
    for (struct job *job = jobs_waiting_any(&threads->waiting); job != NULL;
         job = jobs_waiting_next(&threads->waiting, job)) {
        if (job->deadline_ns > now_ns)
            continue;
        jobs_waiting_remove(&threads->waiting, job);
        job->queue_us = (uint32_t)((now_ns - job->submitted_ns) / NS_PER_US);
        return job;
    }
    for (struct list *at = threads->handed.next; at != &threads->handed; at = at->next) {
        struct job *job = task_at(at)->job;

        if (job == NULL || job->deadline_ns > now_ns)
            continue;
        task_drop(task_at(at));
        return job;
    }
    return NULL;
}

static void on_tick(struct ev_loop *loop, ev_timer *tick, int events)
{
    struct jobs_threads *threads = container_of(tick, struct jobs_threads, tick);
    uint64_t now_ns = clock_now_ns();
    struct job *job;

    (void)events;
    while ((job = take_due(threads, now_ns)) != NULL)
        jobs_finish(threads->context, job, JOB_DEADLINE);
    if (threads->waiting.depth + threads->handed_count == 0)
        ev_timer_stop(loop, tick);
}

/* ---- what the rest of the room calls ---- */

struct jobs_threads *jobs_threads_create(struct ev_loop *loop,
                                         const struct jobs_config *config,
                                         struct jobs_context *context)
{
    struct jobs_threads *threads = mem_zalloc(sizeof *threads);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = cpus < 2 ? 2 : (unsigned)cpus;

    threads->loop = loop;
    threads->config = config;
    threads->context = context;
    threads->count = count;
    threads->window = WINDOW_PER_THREAD * count;
    threads->pool = jobs_thread_pool_create(config->engine, count, wake, threads);
    jobs_waiting_init(&threads->waiting);
    list_init(&threads->handed);
    ev_async_init(&threads->finished, on_finished);
    ev_async_start(loop, &threads->finished);
    ev_unref(loop); /* it alone keeps no loop running */
    ev_timer_init(&threads->tick, on_tick, 0, TICK_S);
    return threads;
}

void jobs_threads_destroy(struct jobs_threads **threads)
{
    struct jobs_threads *t = *threads;

    if (t == NULL)
        return;
    *threads = NULL;
    assert(t->waiting.depth == 0);
    jobs_thread_pool_destroy(&t->pool);
    while (!list_is_empty(&t->handed)) {
        struct task *task = task_at(t->handed.next);

        assert(task->job == NULL);
        task_destroy(&task);
    }
    ev_ref(t->loop);
    ev_async_stop(t->loop, &t->finished);
    ev_timer_stop(t->loop, &t->tick);
    mem_free(t);
}

void jobs_threads_submit(struct jobs_threads *threads, struct job *job)
{
    job->ran = JOBS_THREADS;
    if (threads->waiting.depth >= threads->config->queue_max) {
        jobs_finish(threads->context, job, JOB_QUEUE_FULL);
        return;
    }
    jobs_waiting_push(&threads->waiting, job);
    if (!ev_is_active(&threads->tick))
        ev_timer_again(threads->loop, &threads->tick);
    hand_over(threads);
}

uint64_t jobs_threads_runs(const struct jobs_threads *threads)
{
    return threads->runs;
}

void jobs_threads_cancel(struct jobs_threads *threads, struct job *job)
{
    assert(job->ran == JOBS_THREADS && job->owner != NULL);
    if (jobs_waiting_has(&threads->waiting, job))
        jobs_waiting_remove(&threads->waiting, job);
    else
        task_drop(job->owner);
}
