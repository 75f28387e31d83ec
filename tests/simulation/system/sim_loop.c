#include "tests/simulation/system/sim_loop.h"

#include <assert.h>
#include <ev.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/simulation/system/sim_socket.h"
#include "tests/simulation/system/sim_world.h"

#define PRIORITIES   (EV_MAXPRI - EV_MINPRI + 1)
#define WATCHERS_MAX 512
#define PENDING_MAX  1024

/* Watchers of one type, in the order in which they were started; active is the place,
   from 1. */
struct watchers {
    void *at[WATCHERS_MAX];
    int count;
};

struct pending {
    ev_watcher *watcher; /* NULL for one that was taken back */
    int events;
};

struct ev_loop {
    void (*after_turn)(void);
    struct sim_random random;
    double now; /* of this turn: mn_now */
    int references;
    int breaking;
    unsigned iteration;
    struct watchers io, timers, prepares, checks, idles, asyncs;
    bool has_async; /* some async watcher was woken */
    struct pending pending[PRIORITIES][PENDING_MAX];
    int pending_count[PRIORITIES];
    int pending_priority;
};

struct ev_loop *sim_loop_create(void (*after_turn)(void))
{
    struct ev_loop *loop = mem_zalloc(sizeof *loop);

    loop->after_turn = after_turn;
    loop->random = sim_random_stream('l', 0);
    loop->now = (double)sim_now_ns() / NS_PER_S;
    return loop;
}

void sim_loop_destroy(struct ev_loop **loop)
{
    const struct ev_loop *l = *loop;

    if (l->io.count + l->timers.count + l->prepares.count + l->checks.count +
            l->idles.count + l->asyncs.count >
        0)
        sim_fail("watchers are left at the end: %d io, %d timers, %d prepare, %d check, "
                 "%d idle, %d async",
                 l->io.count, l->timers.count, l->prepares.count, l->checks.count,
                 l->idles.count, l->asyncs.count);
    if (l->references != 0)
        sim_fail("the loop has %d references at the end", l->references);
    mem_free(*loop);
    *loop = NULL;
}

/* ---- watchers ---- */

static void start(struct ev_loop *loop, struct watchers *watchers, void *watcher)
{
    ev_watcher *w = watcher;

    if (w->active)
        return;
    assert(watchers->count < WATCHERS_MAX);
    watchers->at[watchers->count++] = w;
    w->active = watchers->count;
    loop->references++;
}

/* As libev: the last one takes the place. */
static void stop(struct ev_loop *loop, struct watchers *watchers, void *watcher)
{
    ev_watcher *w = watcher, *last;

    ev_clear_pending(loop, w);
    if (!w->active)
        return;
    assert(watchers->at[w->active - 1] == w);
    last = watchers->at[--watchers->count];
    watchers->at[w->active - 1] = last;
    last->active = w->active;
    w->active = 0;
    loop->references--;
}

void ev_io_start(struct ev_loop *loop, ev_io *w)
{
    assert(sim_socket_is_open(w->fd));
    w->events &= ~EV__IOFDSET;
    start(loop, &loop->io, w);
}

void ev_io_stop(struct ev_loop *loop, ev_io *w)
{
    stop(loop, &loop->io, w);
}

void ev_timer_start(struct ev_loop *loop, ev_timer *w)
{
    if (w->active)
        return;
    assert(w->repeat >= 0.);
    w->at += loop->now;
    start(loop, &loop->timers, w);
}

void ev_timer_stop(struct ev_loop *loop, ev_timer *w)
{
    if (w->active)
        w->at -= loop->now;
    stop(loop, &loop->timers, w);
}

void ev_timer_again(struct ev_loop *loop, ev_timer *w)
{
    ev_clear_pending(loop, w);
    if (w->active && w->repeat > 0.) {
        w->at = loop->now + w->repeat;
    } else if (w->active) {
        ev_timer_stop(loop, w);
    } else if (w->repeat > 0.) {
        w->at = w->repeat;
        ev_timer_start(loop, w);
    }
}

ev_tstamp ev_timer_remaining(struct ev_loop *loop, ev_timer *w)
{
    return w->at - (w->active ? loop->now : 0.);
}

void ev_prepare_start(struct ev_loop *loop, ev_prepare *w)
{
    start(loop, &loop->prepares, w);
}

void ev_prepare_stop(struct ev_loop *loop, ev_prepare *w)
{
    stop(loop, &loop->prepares, w);
}

void ev_check_start(struct ev_loop *loop, ev_check *w)
{
    start(loop, &loop->checks, w);
}

void ev_check_stop(struct ev_loop *loop, ev_check *w)
{
    stop(loop, &loop->checks, w);
}

void ev_idle_start(struct ev_loop *loop, ev_idle *w)
{
    start(loop, &loop->idles, w);
}

void ev_idle_stop(struct ev_loop *loop, ev_idle *w)
{
    stop(loop, &loop->idles, w);
}

void ev_async_start(struct ev_loop *loop, ev_async *w)
{
    w->sent = 0;
    start(loop, &loop->asyncs, w);
}

void ev_async_stop(struct ev_loop *loop, ev_async *w)
{
    stop(loop, &loop->asyncs, w);
}

void ev_async_send(struct ev_loop *loop, ev_async *w)
{
    w->sent = 1;
    loop->has_async = true;
}

void ev_ref(struct ev_loop *loop)
{
    loop->references++;
}

void ev_unref(struct ev_loop *loop)
{
    loop->references--;
}

ev_tstamp ev_now(struct ev_loop *loop)
{
    return loop->now;
}

unsigned ev_iteration(struct ev_loop *loop)
{
    return loop->iteration;
}

void ev_break(struct ev_loop *loop, int how)
{
    loop->breaking = how;
}

/* ---- events ---- */

void ev_feed_event(struct ev_loop *loop, void *watcher, int events)
{
    ev_watcher *w = watcher;
    int priority = ev_priority(w) - EV_MINPRI;

    if (w->pending) {
        loop->pending[priority][w->pending - 1].events |= events;
    } else {
        assert(loop->pending_count[priority] < PENDING_MAX);
        w->pending = ++loop->pending_count[priority];
        loop->pending[priority][w->pending - 1] = (struct pending){w, events};
    }
    loop->pending_priority = PRIORITIES - 1;
}

int ev_clear_pending(struct ev_loop *loop, void *watcher)
{
    ev_watcher *w = watcher;
    struct pending *pending;

    if (!w->pending)
        return 0;
    pending = &loop->pending[ev_priority(w) - EV_MINPRI][w->pending - 1];
    w->pending = 0;
    pending->watcher = NULL;
    return pending->events;
}

/* The last one first, and those of a higher priority that are fed meanwhile before it:
   feeding begins anew at the highest. */
static void invoke_pending(struct ev_loop *loop)
{
    loop->pending_priority = PRIORITIES;
    do {
        loop->pending_priority--;
        while (loop->pending_count[loop->pending_priority] > 0) {
            int priority = loop->pending_priority;
            struct pending pending =
                loop->pending[priority][--loop->pending_count[priority]];

            if (pending.watcher == NULL)
                continue;
            pending.watcher->pending = 0;
            pending.watcher->cb(loop, pending.watcher, pending.events);
        }
    } while (loop->pending_priority > 0);
}

static void feed_all(struct ev_loop *loop, const struct watchers *watchers, int events)
{
    for (int i = 0; i < watchers->count; i++)
        ev_feed_event(loop, watchers->at[i], events);
}

/* ---- the wait ---- */

/* Feeds the descriptors that are ready, in any order; false where none is. */
static bool feed_io(struct ev_loop *loop)
{
    int ready[WATCHERS_MAX], events[WATCHERS_MAX], count = 0;

    for (int i = 0; i < loop->io.count; i++) {
        const ev_io *w = loop->io.at[i];

        events[count] = sim_socket_ready(w->fd) & w->events;
        ready[count] = i;
        count += events[count] != 0;
    }
    for (int left = count; left > 0; left--) {
        int i = (int)sim_below(&loop->random, (uint64_t)left);

        ev_feed_event(loop, loop->io.at[ready[i]], events[i]);
        ready[i] = ready[left - 1];
        events[i] = events[left - 1];
    }
    return count > 0;
}

static bool feed_asyncs(struct ev_loop *loop)
{
    bool any = false;

    if (!loop->has_async)
        return false;
    loop->has_async = false;
    for (int i = 0; i < loop->asyncs.count; i++) {
        ev_async *w = loop->asyncs.at[i];

        if (!w->sent)
            continue;
        w->sent = 0;
        ev_feed_event(loop, w, EV_ASYNC);
        any = true;
    }
    return any;
}

/* When the first timer wakes the loop: epoll counts whole milliseconds. */
static uint64_t first_timer_ns(const struct ev_loop *loop)
{
    double first = 0;

    if (loop->timers.count == 0)
        return UINT64_MAX;
    for (int i = 0; i < loop->timers.count; i++) {
        const ev_timer *w = loop->timers.at[i];

        if (i == 0 || w->at < first)
            first = w->at;
    }
    if (first <= loop->now)
        return 0;
    return sim_now_ns() + ((uint64_t)((first - loop->now) * 1e3 + 0.9999)) * NS_PER_MS;
}

/* Lets the world go on until something is there for the loop. */
static void wait(struct ev_loop *loop, bool may_block)
{
    uint64_t timer_ns = first_timer_ns(loop);

    for (;;) {
        uint64_t next_ns;
        bool is_ready;

        sim_run_events();
        is_ready = feed_io(loop);
        is_ready |= feed_asyncs(loop);
        if (is_ready || !may_block || loop->breaking || timer_ns <= sim_now_ns())
            return;
        next_ns = sim_next_event_ns();
        next_ns = next_ns < timer_ns ? next_ns : timer_ns;
        if (next_ns == UINT64_MAX)
            sim_fail("the front waits, and nothing will ever happen");
        sim_pass_to(next_ns);
    }
}

static void feed_timers(struct ev_loop *loop)
{
    for (int i = 0; i < loop->timers.count;) {
        ev_timer *w = loop->timers.at[i];

        if (w->at >= loop->now) {
            i++;
            continue;
        }
        if (w->repeat > 0.) {
            w->at = w->at + w->repeat < loop->now ? loop->now : w->at + w->repeat;
            i++;
        } else {
            ev_timer_stop(loop, w); /* another one has its place */
        }
        ev_feed_event(loop, w, EV_TIMER);
    }
}

/* Idle watchers run where nothing of their priority or a higher one does. */
static void feed_idles(struct ev_loop *loop)
{
    for (int i = 0; i < loop->idles.count; i++) {
        ev_idle *w = loop->idles.at[i];
        bool is_idle = true;

        for (int p = ev_priority(w) - EV_MINPRI; p < PRIORITIES; p++)
            is_idle &= loop->pending_count[p] == 0;
        if (is_idle)
            ev_feed_event(loop, w, EV_IDLE);
    }
}

int ev_run(struct ev_loop *loop, int flags)
{
    assert(flags == 0);
    loop->breaking = 0;
    while (loop->references > 0 && !loop->breaking) {
        feed_all(loop, &loop->prepares, EV_PREPARE);
        invoke_pending(loop);
        if (loop->breaking)
            break;
        loop->after_turn();
        loop->iteration++;
        loop->now = (double)sim_now_ns() / NS_PER_S;
        wait(loop, loop->idles.count == 0);
        loop->now = (double)sim_now_ns() / NS_PER_S;
        feed_timers(loop);
        feed_idles(loop);
        feed_all(loop, &loop->checks, EV_CHECK);
        invoke_pending(loop);
    }
    return loop->references;
}
