/*
 * The threads of a front as events: it defines the functions of
 * server/jobs/run/jobs_thread_pool.h. A task runs, all at once, when its thread is done
 * with it; its bytes must be in place until then.
 */
#include "server/jobs/run/jobs_thread_pool.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/simulation/front/sim_codec.h"
#include "tests/simulation/system/sim_world.h"

#define THREADS_MAX 8
#define WORK_NS     (3 * NS_PER_MS)

struct thread {
    struct sim_event event;
    struct jobs_thread_pool *pool;
    struct pool_task *task; /* NULL where it has nothing to do */
};

struct jobs_thread_pool {
    void (*wake)(void *arg);
    void *wake_arg;
    unsigned count;
    struct thread threads[THREADS_MAX];
    struct list waiting, finished;
    struct sim_random random;
};

struct jobs_thread_pool *jobs_thread_pool_create(const char *engine, unsigned threads,
                                                 void (*wake)(void *arg), void *arg)
{
    struct jobs_thread_pool *pool = mem_zalloc(sizeof *pool);

    (void)engine;
    assert(threads <= THREADS_MAX);
    pool->wake = wake;
    pool->wake_arg = arg;
    pool->count = threads;
    list_init(&pool->waiting);
    list_init(&pool->finished);
    pool->random = sim_random_stream('p', 0);
    for (unsigned i = 0; i < threads; i++)
        pool->threads[i].pool = pool;
    return pool;
}

static struct pool_task *shift(struct list *list)
{
    struct list *link = list_shift(list);

    return link == NULL ? NULL : container_of(link, struct pool_task, link);
}

/* As in jobs_thread_pool.c. */
struct budget {
    struct codec_budget base;
    const struct pool_task *task;
};

static bool is_over(struct codec_budget *budget, size_t ahead)
{
    const struct pool_task *task = ((struct budget *)budget)->task; /* its first */

    (void)ahead;
    return clock_now_ns() >= task->stop_ns ||
           atomic_load_explicit(&task->dropped, memory_order_relaxed);
}

static void run(struct jobs_thread_pool *pool, struct pool_task *task)
{
    struct budget budget = {{.is_spent = is_over}, task};

    task->call.program_budget = &budget.base;
    task->ran = true;
    (void)!codec_run(sim_codec(), &task->call, &task->out, &task->fault);
    task->codec_us = (uint32_t)sim_below(&pool->random, 3000);
}

static void begin(struct thread *thread);

static void on_event(struct sim_event *event)
{
    struct thread *thread = container_of(event, struct thread, event);
    struct jobs_thread_pool *pool = thread->pool;
    struct pool_task *task = thread->task;
    bool was_empty = list_is_empty(&pool->finished);

    if (!atomic_load_explicit(&task->dropped, memory_order_relaxed))
        run(pool, task);
    list_append(&pool->finished, &task->link);
    thread->task = NULL;
    begin(thread);
    if (was_empty)
        pool->wake(pool->wake_arg);
}

static void begin(struct thread *thread)
{
    struct jobs_thread_pool *pool = thread->pool;

    if (thread->task != NULL || list_is_empty(&pool->waiting))
        return;
    thread->task = shift(&pool->waiting);
    sim_event_at(&thread->event, sim_now_ns() + sim_some_ns(&pool->random, WORK_NS),
                 on_event);
}

void jobs_thread_pool_destroy(struct jobs_thread_pool **pool)
{
    struct jobs_thread_pool *p = *pool;

    if (p == NULL)
        return;
    *pool = NULL;
    for (unsigned i = 0; i < p->count; i++)
        sim_event_cancel(&p->threads[i].event);
    while (shift(&p->waiting) != NULL || shift(&p->finished) != NULL)
        ; /* so that makers' tasks are in no list */
    mem_free(p);
}

void jobs_thread_pool_put(struct jobs_thread_pool *pool, struct pool_task *task)
{
    list_append(&pool->waiting, &task->link);
    for (unsigned i = 0; i < pool->count; i++)
        begin(&pool->threads[i]);
}

struct pool_task *jobs_thread_pool_take(struct jobs_thread_pool *pool)
{
    return shift(&pool->finished);
}
