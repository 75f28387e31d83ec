#include "worker/broker/apps.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/broker/app.h"

/* How often deadlines and idle connections are looked at. */
#define TICK_S 0.05
/* Connections accepted in one turn of the loop. */
#define ACCEPTS 32

struct apps {
    struct apps_config config;
    struct app_world world;
    struct list all;
    unsigned count;
    uint64_t accepted;
    int listen_fd; /* -1 for none */
    ev_io on_accept;
    ev_timer tick;
    ev_timer step; /* never started: fed where there is something to do */
    bool did;
    void (*done)(void *context); /* draining; NULL otherwise */
    void *done_context;
};

/* Before the loop goes to poll, after all events of this turn: what they have left to be
   answered and to be begun. */
static void wake(void *context)
{
    struct apps *apps = context;

    if (!ev_is_pending(&apps->step))
        ev_feed_event(apps->config.loop, &apps->step, EV_CUSTOM);
}

static void count_all(struct apps *apps)
{
    apps->count = 0;
    for (struct list *link = apps->all.next; link != &apps->all; link = link->next)
        apps->count++;
}

static void tell_drained(struct apps *apps)
{
    void (*done)(void *) = apps->done;

    if (done == NULL || !list_is_empty(&apps->all))
        return;
    apps->done = NULL;
    done(apps->done_context);
}

static void on_step(struct ev_loop *loop, ev_timer *step, int events)
{
    struct apps *apps = container_of(step, struct apps, step);
    struct list *dirty;

    (void)loop, (void)events;
    app_jobs_pump(&apps->world.shared);
    while ((dirty = list_shift(&apps->world.shared.dirty)) != NULL) {
        if (!apps->did && apps->config.on_did != NULL)
            apps->config.on_did(apps->config.context);
        apps->did = true;
        app_flush(container_of(dirty, struct app, jobs.dirty));
    }
    tell_drained(apps);
}

static void on_tick(struct ev_loop *loop, ev_timer *tick, int events)
{
    struct apps *apps = container_of(tick, struct apps, tick);
    uint64_t now_ns = clock_now_ns();
    struct list *next;

    (void)events;
    for (struct list *link = apps->all.next; link != &apps->all; link = next) {
        next = link->next;
        app_tick(container_of(link, struct app, link), now_ns);
    }
    count_all(apps);
    if (apps->listen_fd >= 0)
        ev_io_start(loop, &apps->on_accept); /* where descriptors had run out */
    if (apps->count == 0)
        ev_timer_stop(loop, tick);
    wake(apps);
}

static void admit(struct apps *apps, int fd)
{
    struct app *app = app_create(&apps->world, fd);

    apps->accepted++;
    list_append(&apps->all, &app->link);
    count_all(apps);
    if (!ev_is_active(&apps->tick))
        ev_timer_again(apps->config.loop, &apps->tick);
    if (apps->count > APPS_MAX)
        app_refuse(app, WIRE_REFUSED_FULL, "too many applications are connected");
    else
        app_flush(app);
}

static void on_accept(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct apps *apps = container_of(watcher, struct apps, on_accept);

    (void)events;
    for (unsigned i = 0; i < ACCEPTS; i++) {
        int fd = accept4(apps->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(apps, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warn("cannot accept an application: %m");
            ev_io_stop(loop, watcher); /* until the next tick */
            ev_timer_again(loop, &apps->tick);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

struct apps *apps_create(const struct apps_config *config)
{
    struct apps *apps = mem_zalloc(sizeof *apps);

    apps->config = *config;
    apps->listen_fd = -1;
    list_init(&apps->all);
    apps->world = (struct app_world){.loop = config->loop, .engine = config->engine};
    app_shared_init(&apps->world.shared, config->jobs);
    apps->world.shared.wake = wake;
    apps->world.shared.context = apps;
    ev_timer_init(&apps->step, on_step, 0., 0.);
    ev_set_priority(&apps->step, EV_MINPRI);
    ev_timer_init(&apps->tick, on_tick, 0., TICK_S);
    return apps;
}

static void stop_accepting(struct apps *apps)
{
    if (apps->listen_fd < 0)
        return;
    ev_io_stop(apps->config.loop, &apps->on_accept);
    close(apps->listen_fd);
    apps->listen_fd = -1;
}

void apps_destroy(struct apps **apps)
{
    struct apps *old = *apps;

    if (old == NULL)
        return;
    *apps = NULL;
    stop_accepting(old);
    while (!list_is_empty(&old->all))
        app_destroy(container_of(old->all.next, struct app, link));
    app_shared_end(&old->world.shared);
    ev_timer_stop(old->config.loop, &old->tick);
    ev_clear_pending(old->config.loop, &old->step);
    mem_free(old);
}

void apps_listen(struct apps *apps, int listen_fd)
{
    assert(apps->listen_fd < 0);
    apps->listen_fd = listen_fd;
    ev_io_init(&apps->on_accept, on_accept, listen_fd, EV_READ);
    ev_io_start(apps->config.loop, &apps->on_accept);
}

void apps_drain(struct apps *apps, void (*done)(void *context), void *context)
{
    struct list *next;

    stop_accepting(apps);
    apps->done = done;
    apps->done_context = context;
    for (struct list *link = apps->all.next; link != &apps->all; link = next) {
        next = link->next;
        app_drain(container_of(link, struct app, link));
    }
    wake(apps);
}

unsigned apps_count(const struct apps *apps)
{
    return apps->count;
}

uint64_t apps_accepted(const struct apps *apps)
{
    return apps->accepted;
}

void apps_print_metrics(const struct apps *apps, struct buf *text)
{
    app_rows_print(&apps->world.shared.rows, text);
}
