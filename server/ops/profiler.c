#include "server/ops/profiler.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <gperftools/profiler.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

/* The period that gperftools writes into its files. */
#define SAMPLE_NS 10000000

/* The headers of this glibc have the member under an inner name only. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct profiler {
    struct ev_loop *loop;
    ev_async ended;
    pthread_t loop_thread;
    bool running;
    profiler_done *done; /* NULL where nobody waits any more */
    void *ctx;
    pthread_t thread;
    unsigned seconds;
    enum profiler_clock clock;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;           /* guarded by the lock */
    struct blob *result; /* the thread's until `ended` */
};

/* gperftools has one for the process. */
static struct {
    bool sampling;
    bool to_file;
    timer_t timer;
} sampler;

/* Begins sampling the thread into the file. */
static int sampler_start(const char *path, pthread_t thread, enum profiler_clock kind)
{
    static const struct itimerval never;
    const struct itimerspec period = {{0, SAMPLE_NS}, {0, SAMPLE_NS}};
    struct sigevent to_thread = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    clockid_t clock = CLOCK_MONOTONIC;

    assert(!sampler.sampling);
    to_thread.sigev_notify_thread_id = getpid(); /* the main thread */
    if (!ProfilerStart(path)) {
        if (errno == 0)
            errno = EIO;
        return -1;
    }
    setitimer(ITIMER_PROF, &never, NULL);
    errno = kind == PROFILER_CPU ? pthread_getcpuclockid(thread, &clock) : 0;
    if (errno != 0 || timer_create(clock, &to_thread, &sampler.timer) != 0) {
        ProfilerStop();
        return -1;
    }
    timer_settime(sampler.timer, 0, &period, NULL);
    sampler.sampling = true;
    return 0;
}

static void sampler_stop(void)
{
    assert(sampler.sampling);
    timer_delete(sampler.timer);
    ProfilerStop();
    sampler.sampling = false;
}

/* The bytes of a file as a blob; NULL where it cannot be read. */
static struct blob *read_all(int fd)
{
    struct stat st;
    struct buf bytes = BUF_INIT;
    ssize_t got;

    if (fstat(fd, &st) != 0 || st.st_size == 0)
        return NULL;
    buf_reserve(&bytes, (size_t)st.st_size);
    got = pread(fd, bytes.data, (size_t)st.st_size, 0);
    if (got != st.st_size) {
        buf_free(&bytes);
        return NULL;
    }
    bytes.len = (size_t)got;
    return blob_new_steal(&bytes);
}

/* Waits until the time is over or the profile is told to stop. */
static void wait_for_end(struct profiler *profiler)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += profiler->seconds;
    pthread_mutex_lock(&profiler->lock);
    while (!profiler->stop &&
           pthread_cond_timedwait(&profiler->wake, &profiler->lock, &end) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&profiler->lock);
}

static void *run(void *context)
{
    struct profiler *profiler = context;
    int fd = memfd_create("offloop-profile", MFD_CLOEXEC);
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && sampler_start(path, profiler->loop_thread, profiler->clock) == 0) {
        wait_for_end(profiler);
        sampler_stop();
        profiler->result = read_all(fd);
    } else {
        log_warn("no profile: %s", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    ev_async_send(profiler->loop, &profiler->ended);
    return NULL;
}

/* Waits for the thread's end. Afterwards another profile may start. */
static struct blob *join(struct profiler *profiler)
{
    struct blob *result;

    pthread_join(profiler->thread, NULL);
    result = profiler->result;
    profiler->result = NULL;
    profiler->running = false;
    ev_async_stop(profiler->loop, &profiler->ended);
    return result;
}

static void on_ended(struct ev_loop *loop, ev_async *ended, int events)
{
    struct profiler *profiler = ended->data;
    struct blob *result = join(profiler);

    (void)loop, (void)events;
    if (profiler->done != NULL)
        profiler->done(profiler->ctx, result);
    if (result != NULL)
        blob_unref(&result);
}

struct profiler *profiler_create(struct ev_loop *loop)
{
    struct profiler *profiler = mem_zalloc(sizeof *profiler);
    pthread_condattr_t monotonic;

    profiler->loop = loop;
    profiler->loop_thread = pthread_self();
    pthread_mutex_init(&profiler->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&profiler->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ev_async_init(&profiler->ended, on_ended);
    profiler->ended.data = profiler;
    return profiler;
}

bool profiler_is_busy(const struct profiler *profiler)
{
    return profiler->running || sampler.to_file;
}

int profiler_start(struct profiler *profiler, unsigned seconds, enum profiler_clock clock,
                   profiler_done *done, void *ctx)
{
    sigset_t all, before;
    int error;

    assert(seconds >= 1 && seconds <= PROFILER_MAX_SECONDS);
    if (profiler_is_busy(profiler))
        return -1;
    profiler->seconds = seconds;
    profiler->clock = clock;
    profiler->done = done;
    profiler->ctx = ctx;
    profiler->stop = false;
    ev_async_start(profiler->loop, &profiler->ended);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&profiler->thread, NULL, run, profiler);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    profiler->running = error == 0;
    if (error != 0)
        ev_async_stop(profiler->loop, &profiler->ended);
    return error == 0 ? 0 : -1;
}

void profiler_finish(struct profiler *profiler)
{
    pthread_mutex_lock(&profiler->lock);
    profiler->stop = true;
    pthread_cond_signal(&profiler->wake);
    pthread_mutex_unlock(&profiler->lock);
}

void profiler_cancel(struct profiler *profiler)
{
    profiler->done = NULL;
    profiler_finish(profiler);
}

void profiler_destroy(struct profiler **profiler)
{
    struct profiler *p = *profiler;
    struct blob *result;

    *profiler = NULL;
    if (p == NULL)
        return;
    if (p->running) {
        profiler_cancel(p);
        result = join(p);
        if (result != NULL)
            blob_unref(&result);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

int profiler_open_file(const char *path)
{
    errno = 0;
    if (sampler_start(path, pthread_self(), PROFILER_CPU) != 0)
        return -1;
    sampler.to_file = true;
    return 0;
}

void profiler_close_file(void)
{
    if (!sampler.to_file)
        return;
    sampler_stop();
    sampler.to_file = false;
}
