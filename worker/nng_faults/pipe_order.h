/*
 * Which of a socket's connections is the one. nng tells that a connection is
 * about to come, came and went on several threads, in any order: one may be told
 * to have come when it has long gone, and the next one is there already. A socket
 * here dials one address and has one connection at a time, so the last that was
 * about to come is the one, unless it has gone. Under the owner's lock.
 */
#ifndef OFFLOOP_WORKER_NNG_FAULTS_PIPE_ORDER_H
#define OFFLOOP_WORKER_NNG_FAULTS_PIPE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* Ids of nng's pipes; starts as zeros, which are none. */
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

/* NNG_PIPE_EV_ADD_POST: false where this is old news. */
static inline bool pipe_order_is_here(const struct pipe_order *pipe_order, uint32_t pipe)
{
    return pipe == pipe_order->coming && pipe != pipe_order->gone;
}

#endif
