/*
 * Prints the statistics as JSON: /debug/loop, and /debug/stats for the live page.
 * Any process that has the statistics open may call.
 */
#ifndef OFFLOOP_SERVER_OPS_DEBUG_H
#define OFFLOOP_SERVER_OPS_DEBUG_H

#include "common/base/buf.h"
#include "server/stats/stats.h"

/* Appends the JSON of /debug/loop. Per front that ever ran: its CPU seconds by phase
   ("phases"), wall seconds by phase ("wall"), and how long it was away from poll, in wall
   ("away_us") and CPU time ("away_cpu_us"): quantiles, the number of turns, and the
   non-empty buckets as [upper bound, count]; all in microseconds. "total" is the same
   over all of them. */
void debug_print_loop(struct stats *stats, struct buf *text);

/* Appends the JSON of /debug/stats, which the live page shows. It has counters since the
   start, from which the page computes rates. */
void debug_print_stats(struct stats *stats, struct buf *text);

#endif
