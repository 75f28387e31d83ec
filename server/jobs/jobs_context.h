/*
 * What all ways to run a job share, one per front: the front's counters; the costs
 * of earlier jobs, by which mode auto and the queues decide; the documents that
 * crash workers; the jobs that share a result; the results of this turn of the
 * loop. jobs_finish() brings them up to date at the end of every job. Inside the
 * jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_CONTEXT_H
#define OFFLOOP_SERVER_JOBS_JOBS_CONTEXT_H

#include "server/jobs/place/jobs_cost.h"
#include "server/jobs/place/jobs_poison.h"
#include "server/jobs/place/jobs_share.h"
#include "server/jobs/place/jobs_turn_results.h"

struct jobs_context {
    struct stats_front *stats;
    struct jobs_cost cost;
    struct jobs_poison poison;
    struct jobs_share share;
    struct jobs_turn_results turn;
    /* Finds another place for a job whose leader ended for reasons of its own. */
    void (*place)(struct jobs_context *context, struct job *job);
};

#endif
