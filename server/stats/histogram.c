#include "server/stats/histogram.h"

#include <assert.h>

#define SUB_BUCKETS_LOG2 3
#define SUB_BUCKETS      (1u << SUB_BUCKETS_LOG2)

unsigned stats_histogram_bucket(uint64_t ns)
{
    unsigned log2, bucket;

    if (ns < SUB_BUCKETS)
        return (unsigned)ns;
    log2 = 63u - (unsigned)__builtin_clzll(ns);
    bucket = (log2 - SUB_BUCKETS_LOG2 + 1) * SUB_BUCKETS +
             (unsigned)((ns >> (log2 - SUB_BUCKETS_LOG2)) & (SUB_BUCKETS - 1));
    return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

uint64_t stats_histogram_bound_ns(unsigned bucket)
{
    unsigned group = bucket / SUB_BUCKETS, sub = bucket % SUB_BUCKETS;

    assert(bucket < STATS_BUCKETS);
    if (group == 0)
        return sub;
    return (((uint64_t)SUB_BUCKETS + sub + 1) << (group - 1)) - 1;
}

void stats_histogram_add(struct stats_histogram *histogram, uint64_t ns)
{
    stats_add(&histogram->count[stats_histogram_bucket(ns)], 1);
    stats_add(&histogram->sum_ns, ns);
    if (ns > stats_read(&histogram->max_ns))
        stats_set(&histogram->max_ns, ns);
}

void stats_histogram_sum(struct stats_histogram *total,
                         const struct stats_histogram *part)
{
    uint64_t longest = stats_read(&part->max_ns);

    assert(total != part);
    for (unsigned i = 0; i < STATS_BUCKETS; i++)
        stats_add(&total->count[i], stats_read(&part->count[i]));
    stats_add(&total->sum_ns, stats_read(&part->sum_ns));
    if (longest > stats_read(&total->max_ns))
        stats_set(&total->max_ns, longest);
}

uint64_t stats_histogram_total(const struct stats_histogram *histogram)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < STATS_BUCKETS; i++)
        total += stats_read(&histogram->count[i]);
    return total;
}

uint64_t stats_histogram_quantile_ns(const struct stats_histogram *histogram,
                                     double quantile)
{
    uint64_t total = stats_histogram_total(histogram), seen = 0, rank, bound = 0;
    uint64_t longest = stats_read(&histogram->max_ns);

    assert(quantile >= 0 && quantile <= 1);
    if (total == 0)
        return 0;
    rank = (uint64_t)((double)total * quantile);
    if (rank >= total)
        rank = total - 1;
    for (unsigned i = 0; i < STATS_BUCKETS && seen <= rank; i++) {
        seen += stats_read(&histogram->count[i]);
        bound = stats_histogram_bound_ns(i);
    }
    return bound < longest ? bound : longest;
}
