/*
 * liboffloop with libuv. What is submitted in a turn of the loop leaves at its end.
 *
 *     struct offloop_libuv *adapter = offloop_libuv_start(loop, offloop);
 */
#ifndef OFFLOOP_LIBUV_H
#define OFFLOOP_LIBUV_H

#include <stdlib.h>
#include <uv.h>

#include <offloop.h>

struct offloop_libuv {
    struct offloop *offloop;
    uv_loop_t *loop;
    uv_poll_t *poll; /* NULL while there is no descriptor */
    uv_timer_t timer;
    uv_prepare_t prepare;
    unsigned generation; /* of the descriptor that poll watches */
    int events, handles;
};

static inline void offloop_libuv_free_handle(uv_handle_t *handle)
{
    free(handle);
}

static inline void offloop_libuv_leave_fd(struct offloop_libuv *adapter)
{
    if (adapter->poll == NULL)
        return;
    uv_poll_stop(adapter->poll);
    uv_close((uv_handle_t *)adapter->poll, offloop_libuv_free_handle);
    adapter->poll = NULL;
    adapter->events = 0;
}

static inline void offloop_libuv_on_poll(uv_poll_t *poll, int status, int events)
{
    struct offloop_libuv *adapter = (struct offloop_libuv *)poll->data;

    offloop_process(adapter->offloop,
                    (status < 0 || (events & UV_READABLE) ? OFFLOOP_READ : 0) |
                        (events & UV_WRITABLE ? OFFLOOP_WRITE : 0));
}

static inline void offloop_libuv_watch_fd(struct offloop_libuv *adapter)
{
    int fd = offloop_fd(adapter->offloop);
    unsigned wants = offloop_wants(adapter->offloop);
    int events = (wants & OFFLOOP_READ ? UV_READABLE : 0) |
                 (wants & OFFLOOP_WRITE ? UV_WRITABLE : 0);

    if (fd < 0 || adapter->generation != offloop_generation(adapter->offloop))
        offloop_libuv_leave_fd(adapter);
    if (fd < 0)
        return;
    if (adapter->poll == NULL) {
        adapter->poll = (uv_poll_t *)malloc(sizeof *adapter->poll);
        if (adapter->poll == NULL)
            abort();
        uv_poll_init(adapter->loop, adapter->poll, fd);
        adapter->poll->data = adapter;
        adapter->generation = offloop_generation(adapter->offloop);
    }
    if (adapter->events != events)
        uv_poll_start(adapter->poll, events, offloop_libuv_on_poll);
    adapter->events = events;
}

static inline void offloop_libuv_on_timer(uv_timer_t *timer)
{
    struct offloop_libuv *adapter = (struct offloop_libuv *)timer->data;

    offloop_process(adapter->offloop, 0);
}

static inline void offloop_libuv_watch(struct offloop_libuv *adapter)
{
    int due_ms = offloop_deadline_ms(adapter->offloop);

    offloop_libuv_watch_fd(adapter);
    if (due_ms < 0)
        uv_timer_stop(&adapter->timer);
    else
        uv_timer_start(&adapter->timer, offloop_libuv_on_timer, (uint64_t)due_ms, 0);
}

static inline void offloop_libuv_on_prepare(uv_prepare_t *prepare)
{
    struct offloop_libuv *adapter = (struct offloop_libuv *)prepare->data;

    if ((offloop_wants(adapter->offloop) & OFFLOOP_WRITE) ||
        offloop_deadline_ms(adapter->offloop) == 0)
        offloop_process(adapter->offloop, 0);
    offloop_libuv_watch(adapter);
}

static inline void offloop_libuv_on_close(uv_handle_t *handle)
{
    struct offloop_libuv *adapter = (struct offloop_libuv *)handle->data;

    if (--adapter->handles == 0)
        free(adapter);
}

/* Lets the loop serve a client, which must live until offloop_libuv_stop(). */
static inline struct offloop_libuv *offloop_libuv_start(uv_loop_t *loop,
                                                        struct offloop *offloop)
{
    struct offloop_libuv *adapter = (struct offloop_libuv *)calloc(1, sizeof *adapter);

    if (adapter == NULL)
        abort();
    adapter->offloop = offloop;
    adapter->loop = loop;
    adapter->handles = 2;
    uv_timer_init(loop, &adapter->timer);
    uv_prepare_init(loop, &adapter->prepare);
    adapter->timer.data = adapter->prepare.data = adapter;
    uv_prepare_start(&adapter->prepare, offloop_libuv_on_prepare);
    uv_unref((uv_handle_t *)&adapter->prepare); /* it does not keep the loop running */
    offloop_process(offloop, 0);
    offloop_libuv_watch(adapter);
    return adapter;
}

/* Stops, and frees the adapter once the loop has closed its handles; not from a callback
   of a job. */
static inline void offloop_libuv_stop(struct offloop_libuv *adapter)
{
    offloop_libuv_leave_fd(adapter);
    uv_close((uv_handle_t *)&adapter->prepare, offloop_libuv_on_close);
    uv_close((uv_handle_t *)&adapter->timer, offloop_libuv_on_close);
}

#endif
