/*
 * Which of a socket's connections is the one. nng tells that a connection is
 * about to come, came and went on several threads, in any order: one may be told
 * to have come when it has long gone, and the next one is there already. A socket
 * here dials one address and has one connection at a time, so the last that was
 * about to come is the one, unless it has gone. Under the owner's lock.
 */
#ifndef OFFLOOP_WORKER_COMINGS_H
#define OFFLOOP_WORKER_COMINGS_H

#include <stdbool.h>
#include <stdint.h>

/* Ids of nng's pipes; starts as zeros, which are none. */
struct comings {
    uint32_t coming; /* the last that was about to come */
    uint32_t gone;   /* the last that went */
};

/* NNG_PIPE_EV_ADD_PRE. */
static inline void comings_note_coming(struct comings *comings, uint32_t pipe)
{
    comings->coming = pipe;
}

/* NNG_PIPE_EV_REM_POST. */
static inline void comings_note_gone(struct comings *comings, uint32_t pipe)
{
    comings->gone = pipe;
}

/* NNG_PIPE_EV_ADD_POST: false where this is old news. */
static inline bool comings_is_here(const struct comings *comings, uint32_t pipe)
{
    return pipe == comings->coming && pipe != comings->gone;
}

#endif
