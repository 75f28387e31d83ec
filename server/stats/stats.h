/*
 * Counters of the fronts in memory that all of them share, so that any front
 * answers /metrics and /debug/loop for all.
 *
 * One slot per front index in a memfd that the master makes: a front that dies
 * leaves its counts, and its successor goes on counting in the same slot. Only
 * the front of that index writes to a slot (its loop thread, but for what is
 * marked); any front reads any slot. Counters are relaxed atomics: exact one by
 * one, not a snapshot of all.
 */
#ifndef OFFLOOP_SERVER_STATS_STATS_H
#define OFFLOOP_SERVER_STATS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/codec/codec.h"

/* Phases of the loop's time: NAME, label. */
#define STATS_PHASE_MAP(X) \
    X(POLL, "poll")        \
    X(HTTP, "http")        \
    X(STORE, "store")      \
    X(ENCODE, "encode")    \
    X(DECODE, "decode")    \
    X(RPC, "rpc")          \
    X(WRITE, "write")

enum stats_phase {
#define X(name, label) STATS_##name,
    STATS_PHASE_MAP(X)
#undef X
        STATS_PHASES
};

/* What requests are counted under: NAME, metric label. */
#define STATS_ROUTE_MAP(X)        \
    X(DOCUMENT, "document")       \
    X(COLLECTION, "collection")   \
    X(COLLECTIONS, "collections") \
    X(HEALTH, "healthz")          \
    X(READY, "readyz")            \
    X(METRICS, "metrics")         \
    X(DEBUG, "debug")             \
    X(OTHER, "other")

enum stats_route {
#define X(name, label) STATS_ROUTE_##name,
    STATS_ROUTE_MAP(X)
#undef X
        STATS_ROUTES
};

/* Room in the tables below; the rooms that own the enums check theirs fit. */
#define STATS_HTTP_CODES   600
#define STATS_MODES        4
#define STATS_JOB_STATUSES 12

/* Buckets of the loop-away histogram (see loop.h): up to about 18 minutes. */
#define STATS_AWAY_BUCKETS 312

typedef _Atomic uint64_t stats_counter;

struct stats_front {
    stats_counter pid;         /* of the front that has the slot; 0 for none yet */
    stats_counter connections; /* gauges: open now */
    stats_counter connections_total;
    stats_counter requests[STATS_ROUTES][STATS_HTTP_CODES];
    stats_counter sent_bytes;
    stats_counter jobs[CODEC_OPS][STATS_MODES][STATS_JOB_STATUSES];
    stats_counter job_codec_us[CODEC_OPS][STATS_MODES]; /* sums */
    stats_counter job_queue_us[CODEC_OPS][STATS_MODES];
    stats_counter job_in_bytes[CODEC_OPS][STATS_MODES];
    stats_counter job_out_bytes[CODEC_OPS][STATS_MODES];
    stats_counter codec_runs;     /* times a codec function ran in this front process */
    stats_counter queue_depth;    /* gauge: jobs waiting for a worker */
    stats_counter jobs_in_flight; /* gauge: with workers */
    stats_counter workers;        /* gauge: connected and usable */
    stats_counter workers_lost;   /* connections that ended with jobs in flight or not */
    stats_counter job_retries;
    stats_counter peers_dropped; /* workers dropped for a bad message */
    stats_counter phase_ns[STATS_PHASES];
    stats_counter loop_turns;
    stats_counter loop_cpu_ns; /* CPU time of the loop's thread */
    stats_counter away[STATS_AWAY_BUCKETS];
    stats_counter away_max_ns; /* the longest since this slot was made */
};

/* Adds to a counter; the slot's own front only. */
static inline void stats_add(stats_counter *counter, uint64_t amount)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* Sets a gauge; the slot's own front only. */
static inline void stats_set(stats_counter *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

/* Reads a counter of any slot. */
static inline uint64_t stats_read(const stats_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct stats;

/* Master: makes the memfd for that many fronts and returns its descriptor, or -1 with
   errno. The first front that opens it gives it its form: during an upgrade that front is
   of another build than the master. */
int stats_create_fd(unsigned fronts) __attribute__((warn_unused_result));

/* Front: maps the memfd; NULL with errno where it is not of stats_create_fd's. The caller
   ends it with stats_close(). */
struct stats *stats_open(int fd);

/* Unmaps; NULL inside is allowed. */
void stats_close(struct stats **stats);

/* How many slots there are. */
unsigned stats_fronts(const struct stats *stats);

/* The slot of one front, index below stats_fronts(). */
struct stats_front *stats_slot(struct stats *stats, unsigned index);

/* Books the time since the last call on the phase that was current and makes `phase`
   current; returns the one that was, to be entered again at the end of a step. Does
   nothing before stats_loop_watch() (loop.h). Loop thread only. */
enum stats_phase stats_phase_enter(enum stats_phase phase);

/* The label of a route, "document". */
const char *stats_route_label(enum stats_route route);

/* The label of a phase, "poll". */
const char *stats_phase_label(enum stats_phase phase);

#endif
