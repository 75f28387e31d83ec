/*
 * liboffloop with libevent 2. What is submitted while the loop handles events leaves when
 * it has handled them: options.changed and options.user are the adapter's.
 *
 *     static struct offloop_libevent adapter;
 *     struct offloop_options options = {.changed = offloop_libevent_changed,
 *                                       .user = &adapter};
 *     offloop_libevent_start(&adapter, base, offloop_create(NULL, &options));
 */
#ifndef OFFLOOP_LIBEVENT_H
#define OFFLOOP_LIBEVENT_H

#include <event2/event.h>
#include <stdlib.h>

#include <offloop.h>

struct offloop_libevent {
    struct offloop *offloop;
    struct event_base *base;
    struct event *io; /* NULL while there is no descriptor */
    struct event *timer;
    unsigned generation; /* of the descriptor that io watches */
    short events;
};

static inline void offloop_libevent_leave_fd(struct offloop_libevent *adapter)
{
    if (adapter->io != NULL)
        event_free(adapter->io);
    adapter->io = NULL;
    adapter->events = 0;
}

static inline void offloop_libevent_watch(struct offloop_libevent *adapter);

static inline void offloop_libevent_on_event(evutil_socket_t fd, short events, void *data)
{
    struct offloop_libevent *adapter = (struct offloop_libevent *)data;

    (void)fd;
    offloop_process(adapter->offloop, (events & EV_READ ? OFFLOOP_READ : 0) |
                                          (events & EV_WRITE ? OFFLOOP_WRITE : 0));
    offloop_libevent_watch(adapter);
}

static inline void offloop_libevent_watch(struct offloop_libevent *adapter)
{
    int fd = offloop_fd(adapter->offloop), due_ms = offloop_deadline_ms(adapter->offloop);
    unsigned wants = offloop_wants(adapter->offloop);
    short events = (short)((wants & OFFLOOP_READ ? EV_READ : 0) |
                           (wants & OFFLOOP_WRITE ? EV_WRITE : 0) | EV_PERSIST);

    if (fd < 0 || events != adapter->events ||
        adapter->generation != offloop_generation(adapter->offloop))
        offloop_libevent_leave_fd(adapter);
    if (fd >= 0 && adapter->io == NULL) {
        adapter->io =
            event_new(adapter->base, fd, events, offloop_libevent_on_event, adapter);
        if (adapter->io == NULL)
            abort();
        event_add(adapter->io, NULL);
        adapter->events = events;
        adapter->generation = offloop_generation(adapter->offloop);
    }
    if (due_ms >= 0) {
        struct timeval due = {due_ms / 1000, due_ms % 1000 * 1000};

        event_add(adapter->timer, &due);
    } else {
        event_del(adapter->timer);
    }
}

/* For options.changed. */
static inline void offloop_libevent_changed(void *user)
{
    struct offloop_libevent *adapter = (struct offloop_libevent *)user;
    const struct timeval now = {0, 0};

    if (adapter->timer != NULL)
        event_add(adapter->timer, &now);
}

/* Lets the loop serve a client, which must live until offloop_libevent_stop(). */
static inline void offloop_libevent_start(struct offloop_libevent *adapter,
                                          struct event_base *base,
                                          struct offloop *offloop)
{
    adapter->offloop = offloop;
    adapter->base = base;
    adapter->io = NULL;
    adapter->events = 0;
    adapter->generation = 0;
    adapter->timer = event_new(base, -1, 0, offloop_libevent_on_event, adapter);
    if (adapter->timer == NULL)
        abort();
    offloop_process(offloop, 0);
    offloop_libevent_watch(adapter);
}

/* Stops; not from a callback of a job. */
static inline void offloop_libevent_stop(struct offloop_libevent *adapter)
{
    offloop_libevent_leave_fd(adapter);
    event_free(adapter->timer);
    adapter->timer = NULL;
}

#endif
