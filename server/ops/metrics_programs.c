#include "server/ops/metrics_programs.h"

#include <inttypes.h>
#include <string.h>

/* Names that are told apart over all fronts: they have the same ones, but for those that
   a reload brought or took. */
#define NAMES_MAX (4 * STATS_PROGRAMS)

struct total {
    const char *name;
    uint64_t requests, failures, codec_us;
};

static struct total *find(struct total *totals, unsigned *count, const char *name)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(totals[i].name, name) == 0)
            return &totals[i];
    if (*count == NAMES_MAX)
        return NULL;
    totals[*count] = (struct total){.name = name};
    return &totals[(*count)++];
}

static unsigned add_up(struct stats *stats, struct total totals[NAMES_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < stats_fronts(stats); i++)
        for (unsigned j = 0; j < STATS_PROGRAMS; j++) {
            const struct stats_program *row = &stats_slot(stats, i)->program[j];
            struct total *total;

            if (stats_read(&row->used) == 0)
                continue;
            total = find(totals, &count, row->name);
            if (total == NULL)
                continue;
            total->requests += stats_read(&row->requests);
            total->failures += stats_read(&row->failures);
            total->codec_us += stats_read(&row->codec_us);
        }
    return count;
}

static void put_head(struct buf *text, const char *name, const char *help)
{
    buf_printf(text, "# HELP offloop_%s %s\n# TYPE offloop_%s counter\n", name, help,
               name);
}

void metrics_print_programs(struct stats *stats, struct buf *text)
{
    struct total totals[NAMES_MAX];
    unsigned count = add_up(stats, totals);

    put_head(text, "program_requests_total",
             "Requests with a program, by view; empty for programs of their own.");
    for (unsigned i = 0; i < count; i++)
        buf_printf(text, "offloop_program_requests_total{view=\"%s\"} %" PRIu64 "\n",
                   totals[i].name, totals[i].requests);
    put_head(text, "program_failures_total", "Of these, those answered by an error.");
    for (unsigned i = 0; i < count; i++)
        buf_printf(text, "offloop_program_failures_total{view=\"%s\"} %" PRIu64 "\n",
                   totals[i].name, totals[i].failures);
    put_head(text, "program_codec_seconds_total", "Time inside the codec for them.");
    for (unsigned i = 0; i < count; i++)
        buf_printf(text, "offloop_program_codec_seconds_total{view=\"%s\"} %.6f\n",
                   totals[i].name, (double)totals[i].codec_us / 1e6);
}
