/*
 * The life of a child that serves with an event loop (a front, a broker): it opens its
 * loop, tells the master that it lives, waits for workers after a reload, serves, and
 * drains when the master says TERM or ends.
 *
 * What it serves is the owner's: the callbacks say when. Main thread only.
 */
#ifndef OFFLOOP_COMMON_PROCESS_LOOP_CHILD_H
#define OFFLOOP_COMMON_PROCESS_LOOP_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct loop_child {
    struct ev_loop *loop; /* the process's default loop, after loop_child_open() */
    bool draining;

    /* Set by the owner before loop_child_open(). context is handed to each. */
    void *context;
    uint64_t drain_timeout_ns;
    void (*serve)(void *context);      /* take clients now; called once */
    bool (*has_worker)(void *context); /* one has come */
    void (*drain)(void *context); /* take no more, finish the rest; called at most once */
    void (*cut)(void *context);   /* the drain took too long: the loop ends now */

    /* Its own. */
    ev_signal on_term;
    ev_io on_control;
    ev_timer on_alive, on_drain_timeout;
    ev_timer on_worker_wait; /* active until it serves */
    uint64_t serve_by_ns;    /* with workers or without */
};

/* Opens the loop and what goes with it: blocks of memory are used again, large ones are
   freed by a thread, and signals that are the master's business are ignored. Ends the
   process where there is no epoll. */
void loop_child_open(struct loop_child *child);

/* From now on the master hears that the loop turns, and TERM or the master's end drains.
 */
void loop_child_watch(struct loop_child *child);

/* Calls serve(). With at_once false, for a child of a reload or an upgrade, it does so
   when a worker has come, or half a second later: those before it serve meanwhile. */
void loop_child_serve(struct loop_child *child, bool at_once);

/* Drains because a part of the process hangs; what hangs ends with the process, and the
   master starts another. child: a struct loop_child, as callbacks have it. */
void loop_child_replace(void *child);

#endif
