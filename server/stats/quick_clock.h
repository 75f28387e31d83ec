/*
 * CLOCK_MONOTONIC, cheaper: the processor's cycle counter, where it runs at one
 * speed in all states (the "invariant TSC" of x86), scaled to nanoseconds and
 * set right against the real clock at every quick_clock_sync(). Elsewhere it is
 * the real clock. For measuring short times of one thread between two syncs;
 * after a sync it may step back by some nanoseconds.
 */
#ifndef OFFLOOP_SERVER_STATS_QUICK_CLOCK_H
#define OFFLOOP_SERVER_STATS_QUICK_CLOCK_H

#include <stdint.h>

struct quick_clock {
    uint64_t first_cycles, first_ns; /* when it was started */
    uint64_t cycles, ns;             /* at the last sync */
    uint64_t scale;                  /* ns a cycle, times 2^32; 0 while not known */
};

/* Starts it: the real clock until enough time has passed to know the counter's speed. */
void quick_clock_start(struct quick_clock *clock);

/* Sets it right; to be called again and again, at least every second. Returns the real
   time. */
uint64_t quick_clock_sync(struct quick_clock *clock);

/* Nanoseconds; never earlier than the last sync. */
uint64_t quick_clock_now_ns(const struct quick_clock *clock);

#endif
