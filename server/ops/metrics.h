/*
 * The statistics as text in Prometheus' exposition format 0.0.4. Counters in,
 * text out. Any process that has the statistics open.
 */
#ifndef OFFLOOP_SERVER_OPS_METRICS_H
#define OFFLOOP_SERVER_OPS_METRICS_H

#include "common/base/buf.h"
#include "server/stats/stats.h"

/* Appends all metrics, totals over the fronts. */
void metrics_print(struct stats *stats, struct buf *text);

#endif
