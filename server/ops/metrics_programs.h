/*
 * The part of /metrics that counts requests with programs, by view. Any thread.
 */
#ifndef OFFLOOP_SERVER_OPS_METRICS_PROGRAMS_H
#define OFFLOOP_SERVER_OPS_METRICS_PROGRAMS_H

#include "common/base/buf.h"
#include "server/stats/stats.h"

/* Appends the families, totals over all fronts. */
void metrics_print_programs(struct stats *stats, struct buf *text);

#endif
