/*
 * News from nng's threads to the loop: a locked list and one ev_async, which is
 * sent only when the list was empty, so that a burst wakes the loop once.
 *
 * inbox_push() is for any thread; the rest for the loop's thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_LINK_INBOX_H
#define OFFLOOP_SERVER_WORKERS_LINK_INBOX_H

#include <nng/nng.h>
#include <stdint.h>

#include "common/base/list.h"

struct ev_loop;
struct inbox;

enum inbox_kind {
    INBOX_JOINED, /* a peer's pipe is up */
    INBOX_LEFT,   /* a pipe is down, perhaps one that never joined */
    INBOX_MESSAGE
};

struct inbox_event {
    struct list link;
    enum inbox_kind kind;
    uint64_t seat;    /* id of the seat it is about */
    int pipe;         /* nng's id of the pipe */
    nng_msg *message; /* with MESSAGE, else NULL; the event's */
};

/* An inbox whose `ready` is called on the loop when there are events. The caller ends it
   with inbox_destroy(). */
struct inbox *inbox_create(struct ev_loop *loop, void (*ready)(void *ctx), void *ctx);

/* Stops calling; what is still pushed is lost. Frees the inbox with what is in it, unless
   `leave`: then threads may still push, and the memory is left to the end of the
   process. */
void inbox_destroy(struct inbox **inbox, bool leave);

/* Appends an event; takes over the message. */
void inbox_push(struct inbox *inbox, enum inbox_kind kind, uint64_t seat, int pipe,
                nng_msg *message);

/* Takes out the next event, NULL where there is none. Events that were there at one call
   are given without locking again. The caller ends it with inbox_event_destroy(). */
struct inbox_event *inbox_shift(struct inbox *inbox);

/* Frees an event and the message, if it still has it. */
void inbox_event_destroy(struct inbox_event **event);

#endif
