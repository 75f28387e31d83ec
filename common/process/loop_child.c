#include "common/process/loop_child.h"

#include <signal.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/background_free.h"
#include "common/process/process.h"
#include "common/process/spawn.h"

#define WORKER_WAIT_MS 500
#define WORKER_LOOK_S  0.002

/* Documents up to this size are read into memory that was used before... */
#define REUSED_BLOCK_BYTES ((size_t)1 << 20)
/* ...of which so much is kept while it is not needed. */
#define SPARE_BYTES ((size_t)8 << 20)

void loop_child_open(struct loop_child *child)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C in a terminal: the master decides */
    child->loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (child->loop == NULL)
        log_fatal("no event loop: epoll is missing");
    mem_reuse(REUSED_BLOCK_BYTES, SPARE_BYTES);
    process_raise_fd_limit();
    background_free_start();
}

static void drain(struct loop_child *child)
{
    if (child->draining)
        return;
    child->draining = true;
    ev_timer_stop(child->loop, &child->on_worker_wait);
    ev_timer_set(&child->on_drain_timeout, (double)child->drain_timeout_ns / NS_PER_S,
                 0.);
    ev_timer_start(child->loop, &child->on_drain_timeout);
    child->drain(child->context);
}

void loop_child_replace(void *context)
{
    struct loop_child *child = context;

    if (!child->draining)
        log_warn("draining, to be replaced");
    drain(child);
}

static void on_drain_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct loop_child *child = timer->data;

    (void)events;
    child->cut(child->context);
    ev_break(loop, EVBREAK_ALL);
}

static void on_term(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    drain(watcher->data);
}

/* The master never writes, so a readable control socket means that the master has ended.
 */
static void on_control(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ev_io_stop(loop, watcher);
    drain(watcher->data);
}

/* The loop turns. */
static void on_alive(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    spawn_tell(SPAWN_ALIVE);
}

static void on_worker_wait(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct loop_child *child = timer->data;

    (void)events;
    if (!child->has_worker(child->context) && clock_now_ns() < child->serve_by_ns)
        return;
    ev_timer_stop(loop, timer);
    child->serve(child->context);
}

void loop_child_watch(struct loop_child *child)
{
    const double every_s = SPAWN_ALIVE_EVERY_MS / 1e3;

    ev_timer_init(&child->on_alive, on_alive, every_s, every_s);
    ev_timer_start(child->loop, &child->on_alive);
    ev_signal_init(&child->on_term, on_term, SIGTERM);
    child->on_term.data = child;
    ev_signal_start(child->loop, &child->on_term);
    ev_io_init(&child->on_control, on_control, SPAWN_FD_CONTROL, EV_READ);
    child->on_control.data = child;
    ev_io_start(child->loop, &child->on_control);
    ev_timer_init(&child->on_drain_timeout, on_drain_timeout, 0., 0.);
    child->on_drain_timeout.data = child;
    ev_timer_init(&child->on_worker_wait, on_worker_wait, 0., WORKER_LOOK_S);
    child->on_worker_wait.data = child;
}

void loop_child_serve(struct loop_child *child, bool at_once)
{
    if (at_once) {
        child->serve(child->context);
        return;
    }
    child->serve_by_ns = clock_now_ns() + WORKER_WAIT_MS * NS_PER_MS;
    ev_timer_start(child->loop, &child->on_worker_wait);
}
