/*
 * How much work a worker is sent at a time, by the way its jobs travel. A
 * message through nng costs the front some 50 us of processor time whatever is
 * in it, so that many jobs share one. On a fast path it costs 2 us where the
 * worker is awake and about 10 where it has to be woken: work is sent nearly as
 * it comes, and what a worker has before it is bounded by its time alone.
 * Inside the jobs room.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_LIMITS_H
#define OFFLOOP_SERVER_JOBS_JOBS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* All times are of the codec, by estimate. */
struct jobs_limits {
    /* Messages that a worker has unanswered, at most. */
    unsigned window;
    /* Work in one message; a longer job goes alone. */
    uint32_t batch_us;
    /* Less work than that is not spread over several messages: each costs the front
       nearly as much of its time, and none of its jobs would end sooner. */
    uint32_t batch_min_us;
    /* A worker that has a message to work on gets another only with so much work: to hide
       the way of a message of less costs the front more than that worker's time is worth.
     */
    uint32_t second_us;
    /* A worker that has more work than that before it gets no more yet: what waits
       meanwhile shares a message then, and may still go to another. Longer than the
       loop's timers (1 ms) and a message take, so that the worker does not run dry. */
    uint32_t top_up_us;
};

/* The limits of a fast path, or of a seat. */
const struct jobs_limits *jobs_limits_of(bool is_fast);

#endif
