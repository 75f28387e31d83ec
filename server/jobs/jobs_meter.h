/*
 * Measures what jobs sent to workers cost this front: the processor time of
 * all its threads (nng's do most of the sending) but the loop's, and the loop's
 * in the rpc phase, by the jobs of the same quarter of a second. Only where
 * nothing else explains the time: many jobs, none so large that the store's
 * thread reads them, no codec on threads.
 * Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_METER_H
#define OFFLOOP_SERVER_JOBS_JOBS_METER_H

#include "server/jobs/jobs_cost.h"

/* How often is measured; fewer jobs, or larger ones, say nothing. */
#define JOBS_METER_EVERY_NS  UINT64_C(250000000)
#define JOBS_METER_MIN_JOBS  32
#define JOBS_METER_MAX_BYTES 65536

/* The clocks at one moment. */
struct meter_reading {
    uint64_t process_cpu_ns; /* of all threads */
    uint64_t loop_cpu_ns;    /* of the loop's thread */
    uint64_t rpc_ns;         /* of it, in STATS_RPC */
    uint64_t pool_runs;      /* codec calls on threads of the front */
};

struct jobs_meter {
    struct meter_reading last;
    uint64_t next_ns;               /* when to measure */
    uint64_t jobs, bytes, backlogs; /* since then: how many, and sums over them */
};

/* Nothing counted yet. */
void jobs_meter_init(struct jobs_meter *meter);

/* A job goes to a worker, as the `backlog`-th under way. */
void jobs_meter_count(struct jobs_meter *meter, uint64_t bytes, unsigned backlog);

/* True where it is time for jobs_meter_take(). */
bool jobs_meter_is_due(const struct jobs_meter *meter, uint64_t now_ns);

/* The clocks now, for jobs_meter_take(). Two system calls. */
void jobs_meter_read(struct meter_reading *reading_r, const struct stats_front *stats,
                     uint64_t pool_runs);

/* Learns from what was counted since the last reading, and begins anew. */
void jobs_meter_take(struct jobs_meter *meter, struct jobs_cost *cost,
                     const struct meter_reading *now, uint64_t now_ns);

#endif
