#include "server/ops/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "server/jobs/jobs.h"
#include "server/stats/loop.h"

_Static_assert((int)JOBS_MODES <= STATS_MODES, "a slot has a row for each mode");
_Static_assert((int)JOB_STATUSES <= STATS_JOB_STATUSES, "and for each end of a job");

/* The single counters of a slot: member, kind, name, help. */
#define SCALAR_MAP(X)                                                                    \
    X(connections, "gauge", "connections", "Client connections open now.")               \
    X(connections_total, "counter", "connections_total", "Client connections accepted.") \
    X(sent_bytes, "counter", "sent_bytes_total", "Bytes of reply bodies sent.")          \
    X(queue_depth, "gauge", "queue_depth", "Jobs waiting for a worker.")                 \
    X(jobs_in_flight, "gauge", "jobs_in_flight", "Jobs that workers hold.")              \
    X(workers, "gauge", "worker_connections",                                            \
      "Connections of workers to fronts, usable now.")                                   \
    X(workers_lost, "counter", "workers_lost_total",                                     \
      "Connections of workers that ended.")                                              \
    X(job_retries, "counter", "job_retries_total",                                       \
      "Jobs given to another worker after theirs was lost.")                             \
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

/* Upper bounds of the loop-away histogram's published buckets. */
static const uint64_t away_bounds_us[] = {10,     25,     50,     100,    250,   500,
                                          1000,   2500,   5000,   10000,  25000, 50000,
                                          100000, 250000, 500000, 1000000};
#define AWAY_BOUNDS (sizeof away_bounds_us / sizeof *away_bounds_us)

static void put_head(struct buf *text, const char *name, const char *kind,
                     const char *help)
{
    buf_printf(text, "# HELP offloop_%s %s\n# TYPE offloop_%s %s\n", name, help, name,
               kind);
}

/* The sum over all fronts of the counter at an offset in the slot. */
static uint64_t sum(struct stats *stats, size_t offset)
{
    uint64_t total = 0;

    assert(offset < sizeof(struct stats_front));
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const char *slot = (const char *)stats_slot(stats, i);

        total += stats_read((const stats_counter *)(const void *)(slot + offset));
    }
    return total;
}

#define SUM(stats, member) sum(stats, offsetof(struct stats_front, member))

static void print_requests(struct stats *stats, struct buf *text)
{
    put_head(text, "requests_total", "counter",
             "Requests answered, by route and status.");
    for (int route = 0; route < STATS_ROUTES; route++)
        for (int code = 100; code < STATS_HTTP_CODES; code++) {
            uint64_t n = SUM(stats, requests[route][code]);

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
                uint64_t n = SUM(stats, jobs[op][mode][status]);

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
            uint64_t n = sum(stats, offset + sizeof(stats_counter) *
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

static void print_phases(struct stats *stats, struct buf *text)
{
    put_head(text, "loop_phase_seconds_total", "counter",
             "Time of the fronts' loops by phase; poll is waiting.");
    for (int phase = 0; phase < STATS_PHASES; phase++)
        buf_printf(text, "offloop_loop_phase_seconds_total{phase=\"%s\"} %.6f\n",
                   stats_phase_label(phase), (double)SUM(stats, phase_ns[phase]) / 1e9);
    put_head(text, "loop_cpu_seconds_total", "counter",
             "CPU time of the loops' threads.");
    buf_printf(text, "offloop_loop_cpu_seconds_total %.6f\n",
               (double)SUM(stats, loop_cpu_ns) / 1e9);
}

static void print_away(struct stats *stats, struct buf *text)
{
    uint64_t below = 0, away_ns = 0;
    unsigned bucket = 0;

    put_head(text, "loop_away_seconds", "histogram",
             "Time the loop was away from poll, per turn.");
    for (unsigned i = 0; i < AWAY_BOUNDS; i++) {
        for (; bucket < STATS_AWAY_BUCKETS &&
               stats_away_bound_ns(bucket) <= away_bounds_us[i] * 1000;
             bucket++)
            below += SUM(stats, away[bucket]);
        buf_printf(text, "offloop_loop_away_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                   (double)away_bounds_us[i] / 1e6, below);
    }
    for (; bucket < STATS_AWAY_BUCKETS; bucket++)
        below += SUM(stats, away[bucket]);
    for (int phase = 0; phase < STATS_PHASES; phase++)
        if (phase != STATS_POLL)
            away_ns += SUM(stats, phase_ns[phase]);
    buf_printf(text,
               "offloop_loop_away_seconds_bucket{le=\"+Inf\"} %" PRIu64
               "\noffloop_loop_away_seconds_sum %.6f\n"
               "offloop_loop_away_seconds_count %" PRIu64 "\n",
               below, (double)away_ns / 1e9, below);
}

void metrics_print(struct stats *stats, struct buf *text)
{
    put_head(text, "build_info", "gauge", "Constant 1, labelled with the version.");
    buf_append_str(text, "offloop_build_info{version=\"" OFFLOOP_VERSION "\"} 1\n");
    print_requests(stats, text);
    print_jobs(stats, text);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        put_head(text, scalars[i].name, scalars[i].kind, scalars[i].help);
        buf_printf(text, "offloop_%s %" PRIu64 "\n", scalars[i].name,
                   sum(stats, scalars[i].offset));
    }
    print_phases(stats, text);
    print_away(stats, text);
}

static void print_front(struct stats_front *slot, unsigned index, struct buf *text)
{
    static const struct {
        const char *name;
        double quantile;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    uint64_t turns = 0;

    buf_printf(
        text, "{\"front\":%u,\"pid\":%" PRIu64 ",\"cpu_seconds\":%.6f,\"phases\":{",
        index, stats_read(&slot->pid), (double)stats_read(&slot->loop_cpu_ns) / 1e9);
    for (int phase = 0; phase < STATS_PHASES; phase++)
        buf_printf(text, "%s\"%s\":%.6f", phase ? "," : "", stats_phase_label(phase),
                   (double)stats_read(&slot->phase_ns[phase]) / 1e9);
    buf_append_str(text, "},\"away_us\":{");
    for (unsigned i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        buf_printf(text, "\"%s\":%.1f,", quantiles[i].name,
                   (double)stats_away_quantile_ns(slot, quantiles[i].quantile) / 1e3);
    for (unsigned i = 0; i < STATS_AWAY_BUCKETS; i++)
        turns += stats_read(&slot->away[i]);
    buf_printf(text, "\"max\":%.1f,\"count\":%" PRIu64 "}}",
               (double)stats_read(&slot->away_max_ns) / 1e3, turns);
}

void metrics_print_loop(struct stats *stats, struct buf *text)
{
    buf_append_str(text, "{\"fronts\":[");
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        if (i > 0)
            buf_append_str(text, ",");
        print_front(stats_slot(stats, i), i, text);
    }
    buf_append_str(text, "]}");
}
