#include "server/ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/jobs/jobs.h"
#include "server/ops/metrics_programs.h"

_Static_assert((int)JOBS_MODES <= STATS_MODES, "a slot has a row for each mode");
_Static_assert((int)JOB_STATUSES <= STATS_JOB_STATUSES, "and for each end of a job");

/* The single counters of a slot: member, kind, name, help. */
#define SCALAR_MAP(X)                                                                    \
    X(connections, "gauge", "connections", "Client connections open now.")               \
    X(connections_total, "counter", "connections_total", "Client connections accepted.") \
    X(sent_bytes, "counter", "sent_bytes_total", "Bytes of reply bodies sent.")          \
    X(memory_bytes, "gauge", "memory_bytes",                                             \
      "Bytes that bodies, inputs of jobs and replies take now.")                         \
    X(memory_limit_bytes, "gauge", "memory_limit_bytes", "And may take: --memory.")      \
    X(memory_refusals, "counter", "memory_refusals_total",                               \
      "Times that something did not fit (503).")                                         \
    X(memory_cuts, "counter", "memory_cuts_total",                                       \
      "Clients cut off as the slowest while memory was short.")                          \
    X(queue_depth, "gauge", "queue_depth", "Jobs waiting for a worker.")                 \
    X(jobs_in_flight, "gauge", "jobs_in_flight", "Jobs that workers hold.")              \
    X(workers, "gauge", "worker_connections",                                            \
      "Connections of workers to fronts, usable now.")                                   \
    X(fastpaths, "gauge", "worker_fastpaths",                                            \
      "Connections of workers that have a fast path beside nng.")                        \
    X(jobs_fast, "counter", "jobs_sent_fastpath_total",                                  \
      "Jobs sent to workers on their fast paths.")                                       \
    X(jobs_on_seats, "counter", "jobs_sent_seat_total",                                  \
      "Jobs sent to workers on their nng seats.")                                        \
    X(workers_lost, "counter", "workers_lost_total",                                     \
      "Connections of workers that ended.")                                              \
    X(job_retries, "counter", "job_retries_total",                                       \
      "Jobs given to another worker after theirs was lost.")                             \
    X(jobs_shared, "counter", "jobs_shared_total",                                       \
      "Jobs that got the result of an equal one in flight.")                             \
    X(jobs_stopped, "counter", "jobs_stopped_total",                                     \
      "Jobs stopped on the loop at --inline-budget and run elsewhere.")                  \
    X(cache_hits, "counter", "reply_cache_hits_total",                                   \
      "Replies sent out of the cache of encoded replies.")                               \
    X(cache_misses, "counter", "reply_cache_misses_total",                               \
      "Replies looked for there and made by a job.")                                     \
    X(cache_evictions, "counter", "reply_cache_evictions_total",                         \
      "Replies that left the cache for others.")                                         \
    X(cache_bytes, "gauge", "reply_cache_bytes", "Bytes in the cache.")                  \
    X(peers_dropped, "counter", "peers_dropped_total",                                   \
      "Workers dropped for a message against the protocol.")                             \
    X(codec_runs, "counter", "front_codec_runs_total",                                   \
      "Times a codec function ran in a front process.")                                  \
    X(loop_turns, "counter", "loop_turns_total", "Turns of the fronts' loops.")

struct scalar {
    size_t offset;
    const char *kind, *name, *help;
};

static const struct scalar scalars[] = {
#define X(member, kind, name, help) \
    {offsetof(struct stats_front, member), kind, name, help},
    SCALAR_MAP(X)
#undef X
};

/* Upper bounds of the published buckets. */
static const uint64_t bounds_us[] = {10,     25,     50,     100,    250,   500,
                                     1000,   2500,   5000,   10000,  25000, 50000,
                                     100000, 250000, 500000, 1000000};
#define BOUNDS (sizeof bounds_us / sizeof *bounds_us)

static void put_head(struct buf *text, const char *name, const char *kind,
                     const char *help)
{
    buf_printf(text, "# HELP offloop_%s %s\n# TYPE offloop_%s %s\n", name, help, name,
               kind);
}

static void print_requests(struct stats *stats, struct buf *text)
{
    put_head(text, "requests_total", "counter",
             "Requests answered, by route and status.");
    for (int route = 0; route < STATS_ROUTES; route++)
        for (int code = 100; code < STATS_HTTP_CODES; code++) {
            uint64_t n = STATS_SUM(stats, requests[route][code]);

            if (n > 0)
                buf_printf(text,
                           "offloop_requests_total{route=\"%s\",code=\"%d\"} %" PRIu64
                           "\n",
                           stats_route_label(route), code, n);
        }
}

static void print_job_ends(struct stats *stats, struct buf *text)
{
    put_head(text, "jobs_total", "counter", "Codec jobs, by how they ended.");
    for (int op = 0; op < CODEC_OPS; op++)
        for (int mode = 0; mode < (int)JOBS_MODES; mode++)
            for (int status = 0; status < (int)JOB_STATUSES; status++) {
                uint64_t n = STATS_SUM(stats, jobs[op][mode][status]);

                if (n > 0)
                    buf_printf(text,
                               "offloop_jobs_total{operation=\"%s\",mode=\"%s\","
                               "result=\"%s\"} %" PRIu64 "\n",
                               codec_op_name(op), jobs_mode_name(mode),
                               job_status_label(status), n);
            }
}

/* One family by operation and mode; `scale` is units per second, or 0 for plain ones. */
static void print_job_sums(struct stats *stats, struct buf *text, const char *name,
                           const char *help, size_t offset, double scale)
{
    put_head(text, name, "counter", help);
    for (int op = 0; op < CODEC_OPS; op++)
        for (int mode = 0; mode < (int)JOBS_MODES; mode++) {
            uint64_t n = stats_sum(stats, offset + sizeof(stats_counter) *
                                                       (size_t)(op * STATS_MODES + mode));

            if (n == 0)
                continue;
            buf_printf(text, "offloop_%s{operation=\"%s\",mode=\"%s\"} ", name,
                       codec_op_name(op), jobs_mode_name(mode));
            if (scale > 0)
                buf_printf(text, "%.6f\n", (double)n / scale);
            else
                buf_printf(text, "%" PRIu64 "\n", n);
        }
}

static void print_jobs(struct stats *stats, struct buf *text)
{
    print_job_ends(stats, text);
    print_job_sums(stats, text, "job_codec_seconds_total", "Time inside the codec.",
                   offsetof(struct stats_front, job_codec_us), 1e6);
    print_job_sums(stats, text, "job_queue_seconds_total", "Time waiting for a worker.",
                   offsetof(struct stats_front, job_queue_us), 1e6);
    print_job_sums(stats, text, "job_input_bytes_total", "Bytes given to the codec.",
                   offsetof(struct stats_front, job_in_bytes), 0);
    print_job_sums(stats, text, "job_output_bytes_total", "Bytes made by the codec.",
                   offsetof(struct stats_front, job_out_bytes), 0);
}

/* Each front learns costs for itself: the highest estimate counts. */
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

/* The learned costs, by which mode auto and the queues of jobs decide; no sample where no
   front has learned anything. */
static void print_costs(struct stats *stats, struct buf *text)
{
    put_head(text, "cost_codec_seconds", "gauge",
             "Learned time of a codec job, by operation and size in bytes (at least).");
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
    put_head(text, "cost_rpc_seconds", "gauge",
             "Learned processor time of a front for a job it sends to a worker, by jobs "
             "under way (at least).");
    for (unsigned i = 0; i < STATS_COST_BACKLOGS; i++) {
        double s = highest_s(stats, offsetof(struct stats_front, cost_rpc_ns[i]));

        if (s > 0)
            buf_printf(text, "offloop_cost_rpc_seconds{jobs=\"%u\"} %.9f\n", 1u << i, s);
    }
}

static void print_phase_family(struct stats *stats, struct buf *text, const char *name,
                               const char *help, size_t offset)
{
    put_head(text, name, "counter", help);
    for (int phase = 0; phase < STATS_PHASES; phase++)
        buf_printf(
            text, "offloop_%s{phase=\"%s\"} %.6f\n", name, stats_phase_label(phase),
            (double)stats_sum(stats, offset + sizeof(stats_counter) * (size_t)phase) /
                1e9);
}

static void print_phases(struct stats *stats, struct buf *text)
{
    print_phase_family(stats, text, "loop_phase_seconds_total",
                       "Time of the fronts' loops by phase; poll is waiting.",
                       offsetof(struct stats_front, phase_ns));
    print_phase_family(stats, text, "loop_phase_cpu_seconds_total",
                       "CPU time of the fronts' loops by phase.",
                       offsetof(struct stats_front, phase_cpu_ns));
    put_head(text, "loop_cpu_seconds_total", "counter",
             "CPU time of the loops' threads.");
    buf_printf(text, "offloop_loop_cpu_seconds_total %.6f\n",
               (double)STATS_SUM(stats, loop_cpu_ns) / 1e9);
}

/* The sum over all fronts of the histogram at an offset in the slot. */
static void sum_histogram(struct stats *stats, size_t offset,
                          struct stats_histogram *total)
{
    *total = (struct stats_histogram){0};
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const char *slot = (const char *)stats_slot(stats, i);

        stats_histogram_sum(
            total, (const struct stats_histogram *)(const void *)(slot + offset));
    }
}

/* One histogram's samples; `labels` is empty or ends in a comma. */
static void print_histogram(const struct stats_histogram *histogram, const char *name,
                            const char *labels, struct buf *text)
{
    size_t plain = strlen(labels) > 0 ? strlen(labels) - 1 : 0;
    const char *open = plain > 0 ? "{" : "", *close = plain > 0 ? "}" : "";
    uint64_t below = 0;
    unsigned bucket = 0;

    for (unsigned i = 0; i < BOUNDS; i++) {
        for (; bucket < STATS_BUCKETS &&
               stats_histogram_bound_ns(bucket) <= bounds_us[i] * 1000;
             bucket++)
            below += stats_read(&histogram->count[bucket]);
        buf_printf(text, "offloop_%s_bucket{%sle=\"%g\"} %" PRIu64 "\n", name, labels,
                   (double)bounds_us[i] / 1e6, below);
    }
    for (; bucket < STATS_BUCKETS; bucket++)
        below += stats_read(&histogram->count[bucket]);
    buf_printf(text, "offloop_%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels,
               below);
    buf_printf(text, "offloop_%s_sum%s%.*s%s %.6f\n", name, open, (int)plain, labels,
               close, (double)stats_read(&histogram->sum_ns) / 1e9);
    buf_printf(text, "offloop_%s_count%s%.*s%s %" PRIu64 "\n", name, open, (int)plain,
               labels, close, below);
}

static void print_away(struct stats *stats, struct buf *text)
{
    struct stats_histogram total;

    put_head(text, "loop_away_seconds", "histogram",
             "Time the loop was away from poll, per turn.");
    sum_histogram(stats, offsetof(struct stats_front, away), &total);
    print_histogram(&total, "loop_away_seconds", "", text);
    put_head(text, "loop_away_cpu_seconds", "histogram",
             "The same in CPU time of the loop's thread.");
    sum_histogram(stats, offsetof(struct stats_front, away_cpu), &total);
    print_histogram(&total, "loop_away_cpu_seconds", "", text);
}

static void print_latency(struct stats *stats, struct buf *text)
{
    struct stats_histogram total;
    char labels[32];

    put_head(text, "request_duration_seconds", "histogram",
             "From a request's head to its reply's last byte, by bytes of the bodies: "
             "light below 16 KiB, heavy from 256 KiB.");
    for (int size = 0; size < STATS_SIZES; size++) {
        snprintf(labels, sizeof labels, "size=\"%s\",", stats_size_label(size));
        sum_histogram(stats,
                      offsetof(struct stats_front, latency) +
                          sizeof(struct stats_histogram) * (size_t)size,
                      &total);
        print_histogram(&total, "request_duration_seconds", labels, text);
    }
}

static void print_processes(struct stats *stats, struct buf *text)
{
    unsigned alive = 0;
    uint64_t restarts = 0;

    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        struct stats_front *slot = stats_slot(stats, i);

        alive += stats_front_is_alive(slot);
        for (unsigned w = 0; w < STATS_WORKERS; w++)
            restarts += stats_read(&slot->worker[w].restarts);
    }
    put_head(text, "fronts", "gauge", "Front processes running now.");
    buf_printf(text, "offloop_fronts %u\n", alive);
    put_head(text, "worker_replacements_total", "counter",
             "Workers that took the place of one that was gone, as fronts saw it.");
    buf_printf(text, "offloop_worker_replacements_total %" PRIu64 "\n", restarts);
}

void metrics_print(struct stats *stats, struct buf *text)
{
    put_head(text, "build_info", "gauge", "Constant 1, labelled with the version.");
    buf_append_str(text, "offloop_build_info{version=\"" OFFLOOP_VERSION "\"} 1\n");
    print_requests(stats, text);
    print_jobs(stats, text);
    print_costs(stats, text);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        put_head(text, scalars[i].name, scalars[i].kind, scalars[i].help);
        buf_printf(text, "offloop_%s %" PRIu64 "\n", scalars[i].name,
                   stats_sum(stats, scalars[i].offset));
    }
    metrics_print_programs(stats, text);
    print_processes(stats, text);
    print_phases(stats, text);
    print_away(stats, text);
    print_latency(stats, text);
}
