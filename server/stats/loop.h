/*
 * Loop accounting: where the time of a front's loop goes, by phase, and for how
 * long the loop was away from poll. The clock is CLOCK_MONOTONIC read from user
 * space (tens of nanoseconds): cheap enough for every step. What the kernel did
 * to other processes meanwhile is therefore counted in; CPU seconds of the whole
 * thread are kept beside it.
 */
#ifndef OFFLOOP_SERVER_STATS_LOOP_H
#define OFFLOOP_SERVER_STATS_LOOP_H

#include "server/stats/stats.h"

struct ev_loop;

/* Watches the loop from now on: time in its poll is STATS_POLL, and each time away is
   put into the slot's histogram. One loop a process; loop thread only. */
void stats_loop_watch(struct ev_loop *loop, struct stats_front *slot);

/* Stops watching, before the slot is unmapped. */
void stats_loop_unwatch(struct ev_loop *loop);

/* The bucket of a time away from poll, and the upper bound of a bucket in nanoseconds.
   Buckets are log-linear: 8 to each power of two, so within 12.5 %. */
unsigned stats_away_bucket(uint64_t ns);
uint64_t stats_away_bound_ns(unsigned bucket);

/* The upper bound in nanoseconds of the given quantile (0 to 1) of a slot's times away;
   0 where there is none yet. */
uint64_t stats_away_quantile_ns(const struct stats_front *slot, double quantile);

#endif
