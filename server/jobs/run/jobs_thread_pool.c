#include "server/jobs/run/jobs_thread_pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/codec/jq/jq.h"
#include "common/loop/cpu_yield.h"
#include "common/loop/cpu_slice.h"
#include "common/base/log.h"

/* Scratch that a thread's codec may keep between tasks. */
#define KEEP_BYTES ((size_t)4 << 20)

/* Of a thread: for programs, and what else the codec needs. */
#define STACK_BYTES (((size_t)1 << 20) + JQ_STACK_BYTES)

struct jobs_thread_pool {
    const char *engine;
    void (*wake)(void *);
    void *wake_arg;
    unsigned threads;
    unsigned started; /* of them; loop thread only */
    pthread_t *handles;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t work;  /* there is a task, or the end */
    struct list waiting;
    struct list finished;
    bool ending;
};

struct jobs_thread_pool *jobs_thread_pool_create(const char *engine, unsigned threads,
                                                 void (*wake)(void *arg), void *arg)
{
    struct jobs_thread_pool *pool = mem_zalloc(sizeof *pool);

    assert(threads > 0);
    pool->engine = engine;
    pool->wake = wake;
    pool->wake_arg = arg;
    pool->threads = threads;
    pool->handles = mem_zalloc(threads * sizeof *pool->handles);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    list_init(&pool->waiting);
    list_init(&pool->finished);
    return pool;
}

static struct pool_task *shift(struct list *list)
{
    struct list *link = list_shift(list);

    return link == NULL ? NULL : container_of(link, struct pool_task, link);
}

/* Waits for the next task; NULL at the end. Pool's threads. */
static struct pool_task *next_task(struct jobs_thread_pool *pool)
{
    struct pool_task *task;

    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && list_is_empty(&pool->waiting))
        pthread_cond_wait(&pool->work, &pool->lock);
    task = pool->ending ? NULL : shift(&pool->waiting);
    pthread_mutex_unlock(&pool->lock);
    return task;
}

static void finish_task(struct jobs_thread_pool *pool, struct pool_task *task)
{
    bool was_empty;

    pthread_mutex_lock(&pool->lock);
    was_empty = list_is_empty(&pool->finished);
    list_append(&pool->finished, &task->link);
    pthread_mutex_unlock(&pool->lock);
    if (was_empty)
        pool->wake(pool->wake_arg);
}

/* What ends a program: its deadline, or nobody waiting for it any more. */
struct task_budget {
    struct codec_budget base;
    const struct pool_task *task;
};

static bool is_over(struct codec_budget *budget, size_t ahead)
{
    const struct pool_task *task = ((struct task_budget *)budget)->task; /* its first */

    (void)ahead;
    return clock_now_ns() >= task->stop_ns ||
           atomic_load_explicit(&task->dropped, memory_order_relaxed);
}

static void run_task(struct codec *codec, struct pool_task *task)
{
    struct task_budget budget = {{.is_spent = is_over}, task};
    uint64_t start_ns = clock_now_ns();
    enum codec_status status;

    task->call.program_budget = &budget.base;

    task->ran = true;
    status = codec_run(codec, &task->call, &task->out, &task->fault);
    assert(status == task->fault.status);
    (void)status;
    task->codec_us = (uint32_t)((clock_now_ns() - start_ns) / NS_PER_US);
    codec_trim(codec, KEEP_BYTES);
}

static void *thread_main(void *arg)
{
    struct jobs_thread_pool *pool = arg;
    struct codec *codec = codec_create(pool->engine);
    struct pool_task *task;

    if (codec == NULL)
        log_fatal("there is no codec engine '%s'", pool->engine);
    /* Linux keeps a nice value per thread; without it all goes on, less smoothly. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), JOBS_THREAD_POOL_NICE);
    cpu_slice_suit_offers();
    cpu_yield_enable();
    while ((task = next_task(pool)) != NULL) {
        if (!atomic_load_explicit(&task->dropped, memory_order_relaxed))
            run_task(codec, task);
        finish_task(pool, task);
    }
    codec_destroy(&codec);
    return NULL;
}

static void start_threads(struct jobs_thread_pool *pool)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (; pool->started < pool->threads; pool->started++) {
        error = pthread_create(&pool->handles[pool->started], &attr, thread_main, pool);
        if (error != 0)
            break;
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->started == 0)
        log_fatal("cannot start a thread for the codec: %s", strerror(error));
}

void jobs_thread_pool_destroy(struct jobs_thread_pool **pool)
{
    struct jobs_thread_pool *p = *pool;

    if (p == NULL)
        return;
    *pool = NULL;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->handles[i], NULL);
    while (shift(&p->waiting) != NULL || shift(&p->finished) != NULL)
        ; /* so that makers' tasks are in no list */
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->handles);
    mem_free(p);
}

void jobs_thread_pool_put(struct jobs_thread_pool *pool, struct pool_task *task)
{
    if (pool->started == 0)
        start_threads(pool);
    pthread_mutex_lock(&pool->lock);
    list_append(&pool->waiting, &task->link);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

struct pool_task *jobs_thread_pool_take(struct jobs_thread_pool *pool)
{
    struct pool_task *task;

    pthread_mutex_lock(&pool->lock);
    task = shift(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    return task;
}
