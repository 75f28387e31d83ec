#include "server/ops/debug.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "server/jobs/jobs.h"

static void put_histogram(const struct stats_histogram *histogram, struct buf *text)
{
    static const struct {
        const char *name;
        double quantile;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    const char *comma = "";

    buf_append_str(text, "{");
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        buf_printf(text, "\"%s\":%.1f,", quantiles[i].name,
                   (double)stats_histogram_quantile_ns(histogram, quantiles[i].quantile) /
                       1e3);
    buf_printf(
        text, "\"max\":%.1f,\"count\":%" PRIu64 ",\"sum_seconds\":%.6f,\"buckets\":[",
        (double)stats_read(&histogram->max_ns) / 1e3, stats_histogram_total(histogram),
        (double)stats_read(&histogram->sum_ns) / 1e9);
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        uint64_t count = stats_read(&histogram->count[i]);

        if (count == 0)
            continue;
        buf_printf(text, "%s[%.3f,%" PRIu64 "]", comma,
                   (double)stats_histogram_bound_ns(i) / 1e3, count);
        comma = ",";
    }
    buf_append_str(text, "]}");
}

static void put_phases(const stats_counter *ns, struct buf *text)
{
    for (int phase = 0; phase < STATS_PHASES; phase++)
        buf_printf(text, "%s\"%s\":%.6f", phase ? "," : "{", stats_phase_label(phase),
                   (double)stats_read(&ns[phase]) / 1e9);
    buf_append_str(text, "}");
}

/* The loop's part of a slot, without braces. */
static void put_loop(const struct stats_front *slot, struct buf *text)
{
    buf_printf(text, "\"cpu_seconds\":%.6f,\"phases\":",
               (double)stats_read(&slot->loop_cpu_ns) / 1e9);
    put_phases(slot->phase_cpu_ns, text);
    buf_append_str(text, ",\"wall\":");
    put_phases(slot->phase_ns, text);
    buf_append_str(text, ",\"away_us\":");
    put_histogram(&slot->away, text);
    buf_append_str(text, ",\"away_cpu_us\":");
    put_histogram(&slot->away_cpu, text);
}

/* Adds the numbers of a front's loop to the totals. */
static void add_loop(struct stats_front *total, const struct stats_front *slot)
{
    for (int phase = 0; phase < STATS_PHASES; phase++) {
        stats_add(&total->phase_ns[phase], stats_read(&slot->phase_ns[phase]));
        stats_add(&total->phase_cpu_ns[phase], stats_read(&slot->phase_cpu_ns[phase]));
    }
    stats_add(&total->loop_cpu_ns, stats_read(&slot->loop_cpu_ns));
    stats_histogram_sum(&total->away, &slot->away);
    stats_histogram_sum(&total->away_cpu, &slot->away_cpu);
    for (int size = 0; size < STATS_SIZES; size++)
        stats_histogram_sum(&total->latency[size], &slot->latency[size]);
}

static bool was_used(const struct stats_front *slot)
{
    return stats_read(&slot->pid) != 0;
}

static void add_all(struct stats *stats, struct stats_front *total)
{
    for (unsigned i = 0; i < stats_fronts(stats); i++)
        if (was_used(stats_slot(stats, i)))
            add_loop(total, stats_slot(stats, i));
}

void debug_print_loop(struct stats *stats, struct buf *text)
{
    struct stats_front total = {0};
    const char *comma = "";

    buf_append_str(text, "{\"fronts\":[");
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const struct stats_front *slot = stats_slot(stats, i);

        if (!was_used(slot))
            continue;
        buf_printf(text, "%s{\"front\":%u,\"pid\":%" PRIu64 ",\"alive\":%s,", comma, i,
                   stats_read(&slot->pid), stats_front_is_alive(slot) ? "true" : "false");
        put_loop(slot, text);
        buf_append_str(text, "}");
        comma = ",";
    }
    add_all(stats, &total);
    buf_append_str(text, "],\"total\":{");
    put_loop(&total, text);
    buf_append_str(text, "}}");
}

static void put_requests(struct stats *stats, struct buf *text)
{
    buf_append_str(text, ",\"requests\":{");
    for (int route = 0; route < STATS_ROUTES; route++) {
        uint64_t classes[6] = {0};

        for (int code = 100; code < STATS_HTTP_CODES; code++)
            classes[code / 100] += STATS_SUM(stats, requests[route][code]);
        buf_printf(text, "%s\"%s\":[", route ? "," : "", stats_route_label(route));
        for (int class = 2; class <= 5; class ++)
            buf_printf(text, "%s%" PRIu64, class > 2 ? "," : "", classes[class]);
        buf_append_str(text, "]");
    }
    buf_append_str(text, "}");
}

static void put_jobs(struct stats *stats, struct buf *text)
{
    buf_append_str(text, ",\"jobs\":{");
    for (int mode = 0; mode < (int)JOBS_MODES; mode++) {
        uint64_t ok = 0, other = 0, codec_us = 0, queue_us = 0;

        for (int op = 0; op < CODEC_OPS; op++) {
            for (int status = 0; status < (int)JOB_STATUSES; status++)
                *(status == JOB_OK ? &ok : &other) +=
                    STATS_SUM(stats, jobs[op][mode][status]);
            codec_us += STATS_SUM(stats, job_codec_us[op][mode]);
            queue_us += STATS_SUM(stats, job_queue_us[op][mode]);
        }
        buf_printf(text,
                   "%s\"%s\":{\"ok\":%" PRIu64 ",\"other\":%" PRIu64
                   ",\"codec_us\":%" PRIu64 ",\"queue_us\":%" PRIu64 "}",
                   mode ? "," : "", jobs_mode_name((enum jobs_mode)mode), ok, other,
                   codec_us, queue_us);
    }
    buf_append_str(text, "}");
}

static void put_worker(const struct stats_worker *row, unsigned front, unsigned number,
                       struct buf *text)
{
    buf_printf(text,
               "{\"front\":%u,\"worker\":%u,\"pid\":%" PRIu64 ",\"up\":%s,"
               "\"restarts\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"jobs\":%" PRIu64
               ",\"codec_us\":%" PRIu64 "}",
               front, number, stats_read(&row->pid),
               stats_read(&row->up) ? "true" : "false", stats_read(&row->restarts),
               stats_read(&row->jobs_in_flight), stats_read(&row->jobs),
               stats_read(&row->codec_us));
}

/* The workers, as each running front sees them. */
static void put_workers(struct stats *stats, struct buf *text)
{
    const char *comma = "";

    buf_append_str(text, ",\"workers\":[");
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const struct stats_front *slot = stats_slot(stats, i);

        for (unsigned w = 0; w < STATS_WORKERS && stats_front_is_alive(slot); w++) {
            if (stats_read(&slot->worker[w].pid) == 0)
                break; /* rows are used from the first on */
            buf_append_str(text, comma);
            put_worker(&slot->worker[w], i, w, text);
            comma = ",";
        }
    }
    buf_append_str(text, "]");
}

static void put_fronts(struct stats *stats, struct buf *text)
{
    const char *comma = "";

    buf_append_str(text, ",\"fronts\":[");
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const struct stats_front *slot = stats_slot(stats, i);

        if (!was_used(slot))
            continue;
        buf_printf(text,
                   "%s{\"front\":%u,\"pid\":%" PRIu64 ",\"alive\":%s,\"connections\":"
                   "%" PRIu64 ",\"queue\":%" PRIu64 ",\"cpu_seconds\":%.6f}",
                   comma, i, stats_read(&slot->pid),
                   stats_front_is_alive(slot) ? "true" : "false",
                   stats_read(&slot->connections), stats_read(&slot->queue_depth),
                   (double)stats_read(&slot->loop_cpu_ns) / 1e9);
        comma = ",";
    }
    buf_append_str(text, "]");
}

void debug_print_stats(struct stats *stats, struct buf *text)
{
    struct stats_front total = {0};

    add_all(stats, &total);
    buf_printf(text,
               "{\"version\":\"" OFFLOOP_VERSION "\",\"clock_us\":%" PRIu64
               ",\"connections\":%" PRIu64 ",\"queue\":%" PRIu64 ",\"in_flight\":%" PRIu64
               ",\"workers_lost\":%" PRIu64 ",\"sent_bytes\":%" PRIu64,
               clock_now_ns() / NS_PER_US, STATS_SUM(stats, connections),
               STATS_SUM(stats, queue_depth), STATS_SUM(stats, jobs_in_flight),
               STATS_SUM(stats, workers_lost), STATS_SUM(stats, sent_bytes));
    put_requests(stats, text);
    put_jobs(stats, text);
    put_fronts(stats, text);
    put_workers(stats, text);
    buf_append_str(text, ",\"latency_us\":{");
    for (int size = 0; size < STATS_SIZES; size++) {
        buf_printf(text, "%s\"%s\":", size ? "," : "", stats_size_label(size));
        put_histogram(&total.latency[size], text);
    }
    buf_append_str(text, "},\"loop\":{");
    put_loop(&total, text);
    buf_append_str(text, "}}\n");
}
