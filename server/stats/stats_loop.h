/*
 * Loop accounting: where the time of a front's loop goes, by phase, and for how
 * long the loop was away from poll.
 *
 * Two clocks. Wall time (quick_clock.h, some ten nanoseconds) is taken at every change of
 * phase. CPU time of the thread is a system call, so it is read at most once in 200 us of
 * wall time, at the first change of phase after those have passed. What a phase took
 * between two readings counts as CPU in full, since nothing but being preempted or
 * blocked makes the two differ, and that rarely takes less than 200 us; the phase that a
 * reading ends gets what the readings say is left for it, and poll gets what no
 * other phase had. So the phases' CPU adds up to the thread's, a time away is
 * known in CPU to within 200 us (never too small by more than the preemption of
 * a step shorter than that), and the cost is about half a percent of a busy loop.
 */
#ifndef OFFLOOP_SERVER_STATS_STATS_LOOP_H
#define OFFLOOP_SERVER_STATS_STATS_LOOP_H

#include "server/stats/stats.h"

struct ev_loop;

/* Watches the loop from now on: time in its poll is STATS_POLL, and each time away is
   put into the slot's histograms. One loop a process; loop thread only, before other
   prepare watchers of the lowest priority are started (those run after ours then). */
void stats_loop_watch(struct ev_loop *loop, struct stats_front *slot);

/* Stops watching, before the slot is unmapped. */
void stats_loop_unwatch(struct ev_loop *loop);

#endif
