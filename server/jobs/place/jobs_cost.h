/*
 * What work costs, learned from work done: microseconds of the codec by
 * operation and size, and microseconds of the front's processor that sending a
 * job to a worker takes, by how many are under way together (they share
 * messages). Before anything is learned, and for sizes never seen, defaults
 * hold that were measured on an ordinary machine.
 *
 * Time that a job took includes time in which the kernel ran something else,
 * so that the estimates follow low samples faster than high ones. No clock, no
 * loop; one thread at a time. Inside the jobs room.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_COST_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_COST_H

#include "common/codec/codec.h"
#include "server/stats/stats.h"

/* Jobs larger than this on average tell what bytes cost, smaller ones what a job does. */
#define JOBS_COST_SMALL_BYTES 4096

/* What a call asks for beside its operation, as far as it changes what a byte costs. Each
   kind learns for itself, so that cheap calls of one say nothing about another. */
enum jobs_cost_kind {
    JOBS_COST_PLAIN,
    JOBS_COST_CODED, /* compressed or expanded */
    JOBS_COST_PRETTY,
    JOBS_COST_FIELDS,
    JOBS_COST_PROGRAM, /* each program learns for itself */
    JOBS_COST_KINDS
};

/* Programs whose costs are known. */
#define JOBS_COST_PROGRAMS 64

/* What a program costs, by size. */
struct jobs_cost_program {
    uint64_t key; /* of its text; 0 for a free place */
    double factor[STATS_COST_SIZES];
};

/* A job of more is heavy: no small one shall stand behind it. */
#define JOBS_HEAVY_US 5000

struct jobs_cost {
    struct stats_front *stats; /* where estimates can be seen */
    /* measured time to default time, without what is never learned */
    double factor[CODEC_OPS][JOBS_COST_KINDS][STATS_COST_SIZES];
    struct jobs_cost_program programs[JOBS_COST_PROGRAMS];
    double rpc_us[STATS_COST_BACKLOGS]; /* of a small one */
    double rpc_byte_us;                 /* and of each byte: it is moved, and where many
                                           bytes go few jobs share a message */
};

/* Nothing learned yet. */
void jobs_cost_init(struct jobs_cost *cost, struct stats_front *stats);

/* The codec's time for a call, in microseconds. */
double jobs_cost_codec_us(const struct jobs_cost *cost, const struct codec_call *call);

/* A call took so long. */
void jobs_cost_learn_codec(struct jobs_cost *cost, const struct codec_call *call,
                           uint32_t us);

/* A call was stopped before its end: it takes more than was estimated. */
void jobs_cost_learn_stopped(struct jobs_cost *cost, const struct codec_call *call);

/* What sending a call to a worker and taking its result costs the front, in microseconds
   of processor time, while `backlog` jobs (itself among them) are under way. */
double jobs_cost_rpc_us(const struct jobs_cost *cost, const struct codec_call *call,
                        unsigned backlog);

/* Jobs of `bytes` each on average cost so much each, while that many were under way. */
void jobs_cost_learn_rpc(struct jobs_cost *cost, unsigned backlog, double bytes,
                         double us);

/* The class of a size (floor of log2), below STATS_COST_SIZES, and of a backlog, below
   STATS_COST_BACKLOGS. */
unsigned jobs_cost_size_class(uint64_t bytes);
unsigned jobs_cost_backlog_class(unsigned backlog);

#endif
