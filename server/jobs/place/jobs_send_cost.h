/*
 * Measures what jobs sent to workers cost this front: the processor time of
 * all its threads (nng's do most of the sending) but the loop's, and the loop's
 * in the rpc phase, by the jobs of the same quarter of a second. Only where
 * nothing else explains the time: many jobs, none so large that the store's
 * thread reads them, no codec on threads.
 * Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_SEND_COST_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_SEND_COST_H

#include "server/jobs/place/jobs_cost.h"

/* How often is measured; fewer jobs, or larger ones, say nothing. */
#define JOBS_SEND_COST_EVERY_NS  UINT64_C(250000000)
#define JOBS_SEND_COST_MIN_JOBS  32
#define JOBS_SEND_COST_MAX_BYTES 65536

/* The clocks at one moment. */
struct clock_reading {
    uint64_t process_cpu_ns; /* of all threads */
    uint64_t loop_cpu_ns;    /* of the loop's thread */
    uint64_t rpc_ns;         /* of it, in STATS_RPC */
    uint64_t pool_runs;      /* codec calls on threads of the front */
};

struct jobs_send_cost {
    struct clock_reading last;
    uint64_t next_ns;               /* when to measure */
    uint64_t jobs, bytes, backlogs; /* since then: how many, and sums over them */
};

/* Nothing counted yet. */
void jobs_send_cost_init(struct jobs_send_cost *send_cost);

/* A job goes to a worker, as the `backlog`-th under way. */
void jobs_send_cost_count(struct jobs_send_cost *send_cost, uint64_t bytes,
                          unsigned backlog);

/* True where it is time for jobs_send_cost_take(). */
bool jobs_send_cost_is_due(const struct jobs_send_cost *send_cost, uint64_t now_ns);

/* The clocks now, for jobs_send_cost_take(). Two system calls. */
void jobs_send_cost_read(struct clock_reading *reading_r, const struct stats_front *stats,
                         uint64_t pool_runs);

/* Learns from what was counted since the last reading, and begins anew. */
void jobs_send_cost_take(struct jobs_send_cost *send_cost, struct jobs_cost *cost,
                         const struct clock_reading *now, uint64_t now_ns);

#endif
