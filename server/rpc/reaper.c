#include "server/rpc/reaper.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"

struct closing {
    struct list link;
    void (*close)(void *object);
    void *object;
};

struct reaper {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct list closings;
    pthread_t thread;
    bool running;           /* the thread exists */
    bool busy;              /* it is inside a closing... */
    uint64_t busy_since_ns; /* ...since then */
    bool ending;            /* it shall exit when nothing is left */
};

struct reaper *reaper_create(void)
{
    struct reaper *reaper = mem_zalloc(sizeof *reaper);
    pthread_condattr_t monotonic;

    list_init(&reaper->closings);
    pthread_mutex_init(&reaper->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reaper->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return reaper;
}

/* Called with the lock held. */
static void close_one(struct reaper *reaper, struct closing *closing)
{
    reaper->busy = true;
    reaper->busy_since_ns = clock_now_ns();
    pthread_mutex_unlock(&reaper->lock);
    closing->close(closing->object);
    mem_free(closing);
    pthread_mutex_lock(&reaper->lock);
    reaper->busy = false;
    pthread_cond_broadcast(&reaper->changed);
}

static void *reap(void *arg)
{
    struct reaper *reaper = arg;
    struct list *link;

    pthread_mutex_lock(&reaper->lock);
    for (;;) {
        while ((link = list_shift(&reaper->closings)) != NULL)
            close_one(reaper, container_of(link, struct closing, link));
        if (reaper->ending)
            break;
        pthread_cond_wait(&reaper->changed, &reaper->lock);
    }
    pthread_mutex_unlock(&reaper->lock);
    return NULL;
}

/* Signals are the loop thread's: the new thread is born with all of them blocked. */
static void start_thread(struct reaper *reaper)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&reaper->thread, NULL, reap, reaper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        log_fatal("cannot start a thread: %s", strerror(error));
    reaper->running = true;
}

void reaper_add(struct reaper *reaper, void (*close)(void *object), void *object)
{
    struct closing *closing = mem_alloc(sizeof *closing);

    *closing = (struct closing){.close = close, .object = object};
    pthread_mutex_lock(&reaper->lock);
    assert(!reaper->ending);
    list_append(&reaper->closings, &closing->link);
    if (!reaper->running)
        start_thread(reaper);
    pthread_cond_broadcast(&reaper->changed);
    pthread_mutex_unlock(&reaper->lock);
}

uint64_t reaper_busy_ns(struct reaper *reaper)
{
    uint64_t busy_ns;

    pthread_mutex_lock(&reaper->lock);
    busy_ns = reaper->busy ? clock_now_ns() - reaper->busy_since_ns : 0;
    pthread_mutex_unlock(&reaper->lock);
    return busy_ns;
}

/* Called with the lock held; true where nothing is left to close. */
static bool wait_until_idle(struct reaper *reaper, unsigned wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (reaper->busy || !list_is_empty(&reaper->closings))
        if (pthread_cond_timedwait(&reaper->changed, &reaper->lock, &until) == ETIMEDOUT)
            return false;
    return true;
}

bool reaper_destroy(struct reaper **reaper, unsigned wait_ms)
{
    struct reaper *r = *reaper;
    bool idle;

    *reaper = NULL;
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    pthread_cond_broadcast(&r->changed);
    idle = wait_until_idle(r, wait_ms);
    pthread_mutex_unlock(&r->lock);
    if (!idle) {
        pthread_detach(r->thread);
        return false;
    }
    if (r->running)
        pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
    return true;
}
