/*
 * Decides which connection of a socket is the current one. nng calls back on several
 * threads when a connection is about to come, has come, and has gone, and these calls may
 * come in any order (nng pull request 961, which was not merged): a connection may be
 * announced when it has gone already and the next one is there. A socket here dials one
 * address and has one connection at a time. So the last one that was about to come is the
 * current one, unless it has gone.
 *
 * It can go when nng's manual promises the order of NNG_PIPE_EV_ADD_POST and
 * NNG_PIPE_EV_REM_POST for one connection. The owner's lock protects it.
 */
#ifndef OFFLOOP_WORKER_NNG_FAULTS_PIPE_ORDER_H
#define OFFLOOP_WORKER_NNG_FAULTS_PIPE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* Ids of nng's pipes. Starts as zeros, which are no ids. */
struct pipe_order {
    uint32_t coming; /* the last that was about to come */
    uint32_t gone;   /* the last that went */
};

/* NNG_PIPE_EV_ADD_PRE. */
static inline void pipe_order_note_coming(struct pipe_order *pipe_order, uint32_t pipe)
{
    pipe_order->coming = pipe;
}

/* NNG_PIPE_EV_REM_POST. */
static inline void pipe_order_note_gone(struct pipe_order *pipe_order, uint32_t pipe)
{
    pipe_order->gone = pipe;
}

/* NNG_PIPE_EV_ADD_POST: false where the connection is not the current one any more. */
static inline bool pipe_order_is_here(const struct pipe_order *pipe_order, uint32_t pipe)
{
    return pipe == pipe_order->coming && pipe != pipe_order->gone;
}

#endif
