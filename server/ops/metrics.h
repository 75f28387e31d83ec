/*
 * Prints the statistics in Prometheus' exposition format 0.0.4. Any process that
 * has the statistics open may call.
 */
#ifndef OFFLOOP_SERVER_OPS_METRICS_H
#define OFFLOOP_SERVER_OPS_METRICS_H

#include "common/base/buf.h"
#include "server/stats/stats.h"

/* Appends all metrics, totals over the fronts. */
void metrics_print(struct stats *stats, struct buf *text);

#endif
