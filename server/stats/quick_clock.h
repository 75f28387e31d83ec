/*
 * A cheaper CLOCK_MONOTONIC for short times of one thread. It reads the
 * processor's cycle counter, where that runs at one speed in all states (the
 * "invariant TSC" of x86), and scales it to nanoseconds. Every quick_clock_sync()
 * corrects it by the real clock; after that it may step back by some
 * nanoseconds. On other processors it is the real clock.
 */
#ifndef OFFLOOP_SERVER_STATS_QUICK_CLOCK_H
#define OFFLOOP_SERVER_STATS_QUICK_CLOCK_H

#include <stdint.h>

struct quick_clock {
    uint64_t first_cycles, first_ns; /* when it was started */
    uint64_t cycles, ns;             /* at the last sync */
    uint64_t scale;                  /* ns a cycle, times 2^32; 0 while not known */
};

/* Starts the clock. It is the real clock until enough time has passed to know the speed
   of the counter. */
void quick_clock_start(struct quick_clock *clock);

/* Corrects the clock by the real one, whose time it returns. To be called at least every
   second. */
uint64_t quick_clock_sync(struct quick_clock *clock);

/* Nanoseconds; never earlier than the last sync. */
uint64_t quick_clock_now_ns(const struct quick_clock *clock);

#endif
