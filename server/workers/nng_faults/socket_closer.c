#include "server/workers/nng_faults/socket_closer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"

struct closing {
    struct list link;
    void (*close)(void *object);
    void *object;
};

struct socket_closer {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct list closings;
    pthread_t thread;
    bool running;           /* the thread exists */
    bool busy;              /* it is inside a closing... */
    uint64_t busy_since_ns; /* ...since then */
    bool ending;            /* it shall exit when nothing is left */
};

struct socket_closer *socket_closer_create(void)
{
    struct socket_closer *socket_closer = mem_zalloc(sizeof *socket_closer);
    pthread_condattr_t monotonic;

    list_init(&socket_closer->closings);
    pthread_mutex_init(&socket_closer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&socket_closer->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return socket_closer;
}

/* Called with the lock held. */
static void close_one(struct socket_closer *socket_closer, struct closing *closing)
{
    socket_closer->busy = true;
    socket_closer->busy_since_ns = clock_now_ns();
    pthread_mutex_unlock(&socket_closer->lock);
    closing->close(closing->object);
    mem_free(closing);
    pthread_mutex_lock(&socket_closer->lock);
    socket_closer->busy = false;
    pthread_cond_broadcast(&socket_closer->changed);
}

static void *reap(void *arg)
{
    struct socket_closer *socket_closer = arg;
    struct list *link;

    pthread_mutex_lock(&socket_closer->lock);
    for (;;) {
        while ((link = list_shift(&socket_closer->closings)) != NULL)
            close_one(socket_closer, container_of(link, struct closing, link));
        if (socket_closer->ending)
            break;
        pthread_cond_wait(&socket_closer->changed, &socket_closer->lock);
    }
    pthread_mutex_unlock(&socket_closer->lock);
    return NULL;
}

/* Signals are the loop thread's: the new thread is born with all of them blocked. */
static void start_thread(struct socket_closer *socket_closer)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&socket_closer->thread, NULL, reap, socket_closer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        log_fatal("cannot start a thread: %s", strerror(error));
    socket_closer->running = true;
}

void socket_closer_add(struct socket_closer *socket_closer, void (*close)(void *object),
                       void *object)
{
    struct closing *closing = mem_alloc(sizeof *closing);

    *closing = (struct closing){.close = close, .object = object};
    pthread_mutex_lock(&socket_closer->lock);
    assert(!socket_closer->ending);
    list_append(&socket_closer->closings, &closing->link);
    if (!socket_closer->running)
        start_thread(socket_closer);
    pthread_cond_broadcast(&socket_closer->changed);
    pthread_mutex_unlock(&socket_closer->lock);
}

uint64_t socket_closer_busy_ns(struct socket_closer *socket_closer)
{
    uint64_t busy_ns;

    pthread_mutex_lock(&socket_closer->lock);
    busy_ns = socket_closer->busy ? clock_now_ns() - socket_closer->busy_since_ns : 0;
    pthread_mutex_unlock(&socket_closer->lock);
    return busy_ns;
}

/* Called with the lock held; true where nothing is left to close. */
static bool wait_until_idle(struct socket_closer *socket_closer, unsigned wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (socket_closer->busy || !list_is_empty(&socket_closer->closings))
        if (pthread_cond_timedwait(&socket_closer->changed, &socket_closer->lock,
                                   &until) == ETIMEDOUT)
            return false;
    return true;
}

bool socket_closer_destroy(struct socket_closer **socket_closer, unsigned wait_ms)
{
    struct socket_closer *r = *socket_closer;
    bool idle;

    *socket_closer = NULL;
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
