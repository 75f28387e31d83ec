/*
 * Loop accounting: where the time of a front's loop goes, by phase, and for how
 * long the loop was away from poll.
 *
 * There are two clocks. Wall time (quick_clock.h, some ten nanoseconds) is read
 * at every change of phase. Reading the thread's CPU time is a system call, so it
 * is read at most once in 500 us of wall time, at the first change of phase after
 * that. Between two readings all time of a phase counts as CPU time: only
 * preemption or blocking makes the two differ, and those rarely take less than
 * 500 us. The phase in which a reading falls gets what is left according to the
 * readings, and poll gets what no other phase had. So the CPU times of the phases
 * add up to the CPU time of the thread, the CPU part of a time away is known to
 * within 500 us, and the cost is about half a percent of a busy loop.
 */
#ifndef OFFLOOP_SERVER_STATS_STATS_LOOP_H
#define OFFLOOP_SERVER_STATS_STATS_LOOP_H

#include "server/stats/stats.h"

struct ev_loop;

/* Watches the loop from now on: time in its poll is STATS_POLL, and each time away goes
   into the slot's histograms. One loop in a process. Loop thread only, before other
   prepare watchers of the lowest priority are started, which then run after ours. */
void stats_loop_watch(struct ev_loop *loop, struct stats_front *slot);

/* Stops watching, before the slot is unmapped. */
void stats_loop_unwatch(struct ev_loop *loop);

#endif
