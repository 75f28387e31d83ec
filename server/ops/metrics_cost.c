#include "server/ops/metrics_cost.h"

#include <assert.h>
#include <stddef.h>

static double highest_s(struct stats *stats, size_t offset)
{
    uint64_t highest_ns = 0;

    assert(offset < sizeof(struct stats_front));
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const char *slot = (const char *)stats_slot(stats, i);
        uint64_t ns = stats_read((const stats_counter *)(const void *)(slot + offset));

        if (ns > highest_ns)
            highest_ns = ns;
    }
    return (double)highest_ns / 1e9;
}

void metrics_print_costs(struct stats *stats, struct buf *text)
{
    buf_append_str(text,
                   "# HELP offloop_cost_codec_seconds Learned time of a codec job, by "
                   "operation and size in bytes (at least).\n"
                   "# TYPE offloop_cost_codec_seconds gauge\n");
    for (int op = 0; op < CODEC_OPS; op++)
        for (unsigned size = 0; size < STATS_COST_SIZES; size++) {
            double s =
                highest_s(stats, offsetof(struct stats_front, cost_codec_ns[op][size]));

            if (s > 0)
                buf_printf(text,
                           "offloop_cost_codec_seconds{operation=\"%s\",size=\"%u\"} "
                           "%.9f\n",
                           codec_op_name((enum codec_op)op), 1u << size, s);
        }
    buf_append_str(text,
                   "# HELP offloop_cost_rpc_seconds Learned processor time of a front "
                   "for a job it sends to a worker, by jobs under way (at least).\n"
                   "# TYPE offloop_cost_rpc_seconds gauge\n");
    for (unsigned i = 0; i < STATS_COST_BACKLOGS; i++) {
        double s = highest_s(stats, offsetof(struct stats_front, cost_rpc_ns[i]));

        if (s > 0)
            buf_printf(text, "offloop_cost_rpc_seconds{jobs=\"%u\"} %.9f\n", 1u << i, s);
    }
}
