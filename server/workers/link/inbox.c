#include "server/workers/link/inbox.h"

#include <assert.h>
#include <ev.h>
#include <pthread.h>

#include "common/base/alloc.h"

struct inbox {
    struct ev_loop *loop;
    ev_async wake;
    void (*ready)(void *ctx);
    void *ctx;
    struct list taken; /* the loop's: taken out of `events` in one go */

    pthread_mutex_t lock; /* guards the rest */
    struct list events;
    bool closed;
};

static void on_wake(struct ev_loop *loop, ev_async *wake, int events)
{
    struct inbox *inbox = container_of(wake, struct inbox, wake);

    (void)loop;
    (void)events;
    inbox->ready(inbox->ctx);
}

struct inbox *inbox_create(struct ev_loop *loop, void (*ready)(void *ctx), void *ctx)
{
    struct inbox *inbox = mem_zalloc(sizeof *inbox);

    inbox->loop = loop;
    inbox->ready = ready;
    inbox->ctx = ctx;
    list_init(&inbox->taken);
    list_init(&inbox->events);
    pthread_mutex_init(&inbox->lock, NULL);
    ev_async_init(&inbox->wake, on_wake);
    ev_async_start(loop, &inbox->wake);
    return inbox;
}

void inbox_destroy(struct inbox **inbox, bool leave)
{
    struct inbox *box = *inbox;
    struct inbox_event *event;

    if (box == NULL)
        return;
    *inbox = NULL;
    ev_async_stop(box->loop, &box->wake);
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    pthread_mutex_unlock(&box->lock);
    if (leave)
        return;
    while ((event = inbox_shift(box)) != NULL)
        inbox_event_destroy(&event);
    pthread_mutex_destroy(&box->lock);
    mem_free(box);
}

void inbox_push(struct inbox *inbox, enum inbox_kind kind, uint64_t seat, int pipe,
                nng_msg *message)
{
    struct inbox_event *event = mem_alloc(sizeof *event);
    bool closed;

    *event = (struct inbox_event){
        .kind = kind, .seat = seat, .pipe = pipe, .message = message};
    list_init(&event->link);
    pthread_mutex_lock(&inbox->lock);
    closed = inbox->closed;
    if (!closed) {
        bool was_empty = list_is_empty(&inbox->events);

        list_append(&inbox->events, &event->link);
        /* Inside the lock: after `closed` the loop may be gone. */
        if (was_empty)
            ev_async_send(inbox->loop, &inbox->wake);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (closed)
        inbox_event_destroy(&event);
}

struct inbox_event *inbox_shift(struct inbox *inbox)
{
    struct list *link = list_shift(&inbox->taken);

    if (link == NULL) {
        pthread_mutex_lock(&inbox->lock);
        if (!list_is_empty(&inbox->events)) {
            inbox->taken = inbox->events;
            inbox->taken.next->prev = inbox->taken.prev->next = &inbox->taken;
            list_init(&inbox->events);
        }
        pthread_mutex_unlock(&inbox->lock);
        link = list_shift(&inbox->taken);
    }
    return link == NULL ? NULL : container_of(link, struct inbox_event, link);
}

void inbox_event_destroy(struct inbox_event **event)
{
    assert(list_is_empty(&(*event)->link));
    if ((*event)->message != NULL)
        nng_msg_free((*event)->message);
    mem_free(*event);
    *event = NULL;
}
