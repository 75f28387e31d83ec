/*
 * The learned costs as Prometheus text: what mode auto and the queues of jobs
 * decide by. Inside the ops room; a front's loop thread.
 */
#ifndef OFFLOOP_SERVER_OPS_METRICS_COST_H
#define OFFLOOP_SERVER_OPS_METRICS_COST_H

#include "common/base/buf.h"
#include "server/stats/stats.h"

/* Appends the families. Each front learns for itself: the highest estimate is told, and
   nothing where none has learned anything. */
void metrics_print_costs(struct stats *stats, struct buf *text);

#endif
