#include "common/loop/loop_defer.h"

#include <assert.h>
#include <ev.h>

#include "common/base/alloc.h"
#include "common/base/list.h"

struct loop_defer {
    struct ev_loop *loop;
    struct ev_timer timer;
    void (*run)(void *ctx);
    void *ctx;
};

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct loop_defer *later = container_of(timer, struct loop_defer, timer);

    (void)loop;
    (void)events;
    later->run(later->ctx);
}

struct loop_defer *loop_defer_create(struct ev_loop *loop, void (*run)(void *ctx),
                                     void *ctx)
{
    struct loop_defer *later = mem_zalloc(sizeof *later);

    assert(run != NULL);
    later->loop = loop;
    later->run = run;
    later->ctx = ctx;
    ev_timer_init(&later->timer, on_timer, 0., 0.);
    return later;
}

void loop_defer_destroy(struct loop_defer **later)
{
    if (*later == NULL)
        return;
    ev_timer_stop((*later)->loop, &(*later)->timer);
    mem_free(*later);
    *later = NULL;
}

void loop_defer_ask(struct loop_defer *later, unsigned delay_ms)
{
    ev_tstamp delay_s = delay_ms / 1e3;

    if (ev_is_active(&later->timer)) {
        if (ev_timer_remaining(later->loop, &later->timer) <= delay_s)
            return;
        ev_timer_stop(later->loop, &later->timer);
    }
    ev_timer_set(&later->timer, delay_s, 0.);
    ev_timer_start(later->loop, &later->timer);
}
