/*
 * The statistics as text: Prometheus' exposition format 0.0.4 and the JSON of
 * /debug/loop. Pure: counters in, text out.
 */
#ifndef OFFLOOP_SERVER_OPS_METRICS_H
#define OFFLOOP_SERVER_OPS_METRICS_H

#include "common/buf.h"
#include "server/stats/stats.h"

/* Appends all metrics, totals over the fronts. */
void metrics_print(struct stats *stats, struct buf *text);

/* Appends the JSON of /debug/loop: per front, seconds by phase and the quantiles of the
   time away from poll in microseconds. */
void metrics_print_loop(struct stats *stats, struct buf *text);

#endif
