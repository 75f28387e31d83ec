/*
 * Histograms of times, in memory that processes share. The buckets are
 * log-linear, 8 for each power of two, so that a quantile is right within 12.5 %
 * from 8 ns to 18 minutes. The loop thread of one process adds; any process may
 * read at the same time. Each bucket that it reads is exact, but the buckets are
 * not a snapshot of one moment.
 */
#ifndef OFFLOOP_SERVER_STATS_HISTOGRAM_H
#define OFFLOOP_SERVER_STATS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t stats_counter;

#define STATS_BUCKETS 312

struct stats_histogram {
    stats_counter count[STATS_BUCKETS];
    stats_counter sum_ns;
    stats_counter max_ns; /* the longest since this was made */
};

/* Adds to a counter; its one writer only. */
static inline void stats_add(stats_counter *counter, uint64_t amount)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* Sets a gauge; its one writer only. */
static inline void stats_set(stats_counter *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

/* Reads a counter; any process. */
static inline uint64_t stats_read(const stats_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Counts one time. */
void stats_histogram_add(struct stats_histogram *histogram, uint64_t ns);

/* Adds all of another histogram, for totals over fronts in the reader's own memory. */
void stats_histogram_sum(struct stats_histogram *total,
                         const struct stats_histogram *part);

/* How many times were counted. */
uint64_t stats_histogram_total(const struct stats_histogram *histogram);

/* The upper bound in nanoseconds of the given quantile (0 to 1), at most the longest time
   seen; 0 where nothing was counted yet. */
uint64_t stats_histogram_quantile_ns(const struct stats_histogram *histogram,
                                     double quantile);

/* The bucket of a time, and the upper bound of a bucket in nanoseconds. */
unsigned stats_histogram_bucket(uint64_t ns);
uint64_t stats_histogram_bound_ns(unsigned bucket);

#endif
