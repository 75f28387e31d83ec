/*
 * liboffloop with libev. What is submitted in a turn of the loop leaves at its end.
 *
 *     struct offloop_libev adapter;
 *     offloop_libev_start(&adapter, loop, offloop);
 */
#ifndef OFFLOOP_LIBEV_H
#define OFFLOOP_LIBEV_H

#include <ev.h>

#include <offloop.h>

struct offloop_libev {
    struct offloop *offloop;
    struct ev_loop *loop;
    ev_io io;
    ev_timer timer;
    ev_prepare prepare;
    unsigned generation; /* of the descriptor that io watches */
};

static inline void offloop_libev_watch(struct offloop_libev *adapter)
{
    int fd = offloop_fd(adapter->offloop);
    int due_ms = offloop_deadline_ms(adapter->offloop);
    unsigned wants = offloop_wants(adapter->offloop);
    int events =
        (wants & OFFLOOP_READ ? EV_READ : 0) | (wants & OFFLOOP_WRITE ? EV_WRITE : 0);
    unsigned generation = offloop_generation(adapter->offloop);

    if (fd < 0) {
        ev_io_stop(adapter->loop, &adapter->io);
    } else if (!ev_is_active(&adapter->io) || adapter->generation != generation ||
               (adapter->io.events & (EV_READ | EV_WRITE)) != events) {
        ev_io_stop(adapter->loop, &adapter->io);
        ev_io_set(&adapter->io, fd, events);
        ev_io_start(adapter->loop, &adapter->io);
        adapter->generation = generation;
    }
    if (due_ms < 0) {
        ev_timer_stop(adapter->loop, &adapter->timer);
    } else {
        adapter->timer.repeat = due_ms > 0 ? due_ms / 1e3 : 1e-6;
        ev_timer_again(adapter->loop, &adapter->timer);
    }
}

static inline void offloop_libev_on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct offloop_libev *adapter = (struct offloop_libev *)io->data;

    (void)loop;
    offloop_process(adapter->offloop, (events & EV_READ ? OFFLOOP_READ : 0) |
                                          (events & EV_WRITE ? OFFLOOP_WRITE : 0));
}

static inline void offloop_libev_on_timer(struct ev_loop *loop, ev_timer *timer,
                                          int events)
{
    struct offloop_libev *adapter = (struct offloop_libev *)timer->data;

    (void)loop, (void)events;
    offloop_process(adapter->offloop, 0);
}

static inline void offloop_libev_on_prepare(struct ev_loop *loop, ev_prepare *prepare,
                                            int events)
{
    struct offloop_libev *adapter = (struct offloop_libev *)prepare->data;

    (void)loop, (void)events;
    if ((offloop_wants(adapter->offloop) & OFFLOOP_WRITE) ||
        offloop_deadline_ms(adapter->offloop) == 0)
        offloop_process(adapter->offloop, 0);
    offloop_libev_watch(adapter);
}

/* Lets the loop serve a client, which must live until offloop_libev_stop(). */
static inline void offloop_libev_start(struct offloop_libev *adapter,
                                       struct ev_loop *loop, struct offloop *offloop)
{
    adapter->offloop = offloop;
    adapter->loop = loop;
    adapter->generation = 0;
    ev_io_init(&adapter->io, offloop_libev_on_io, 0, EV_READ);
    ev_timer_init(&adapter->timer, offloop_libev_on_timer, 0., 0.);
    ev_prepare_init(&adapter->prepare, offloop_libev_on_prepare);
    ev_set_priority(&adapter->prepare, EV_MINPRI); /* after what the program does there */
    adapter->io.data = adapter->timer.data = adapter->prepare.data = adapter;
    ev_prepare_start(loop, &adapter->prepare);
    ev_unref(loop); /* it does not keep the loop running by itself */
    offloop_process(offloop, 0);
    offloop_libev_watch(adapter);
}

/* Stops; not from a callback of a job. */
static inline void offloop_libev_stop(struct offloop_libev *adapter)
{
    ev_ref(adapter->loop);
    ev_prepare_stop(adapter->loop, &adapter->prepare);
    ev_io_stop(adapter->loop, &adapter->io);
    ev_timer_stop(adapter->loop, &adapter->timer);
}

#endif
