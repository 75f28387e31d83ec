#include "worker/broker/app_rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "common/base/clock.h"

#define CRASH_NS (600 * NS_PER_S)

static const char *const verdict_labels[WIRE_VERDICTS] = {
    [WIRE_DONE] = "ok",
    [WIRE_EXPIRED] = "deadline",
    [WIRE_CANCELLED] = "cancelled",
    [WIRE_OVERLOADED] = "overloaded",
    [WIRE_NO_WORKER] = "no_worker",
    [WIRE_LOST] = "worker_lost",
    [WIRE_POISON] = "poison",
};

void app_rows_init(struct app_rows *rows)
{
    *rows = (struct app_rows){0};
    strcpy(rows->rows[APP_ROWS].name, "(others)");
}

/* The row for a new name: one never used, or that of a name that has been gone longest.
 */
static struct app_row *free_row(struct app_rows *rows)
{
    struct app_row *oldest = NULL;

    for (unsigned i = 0; i < APP_ROWS; i++) {
        struct app_row *row = &rows->rows[i];

        if (row->name[0] == '\0')
            return row;
        if (row->connections == 0 && (oldest == NULL || row->left_ns < oldest->left_ns))
            oldest = row;
    }
    return oldest == NULL ? &rows->rows[APP_ROWS] : oldest;
}

static struct app_row *find_row(struct app_rows *rows, const char *name)
{
    struct app_row *row;

    for (unsigned i = 0; i < APP_ROWS; i++)
        if (strcmp(rows->rows[i].name, name) == 0)
            return &rows->rows[i];
    row = free_row(rows);
    if (row != &rows->rows[APP_ROWS]) {
        *row = (struct app_row){0};
        strncpy(row->name, name, sizeof row->name - 1);
    }
    return row;
}

struct app_row *app_rows_take(struct app_rows *rows, const char *name)
{
    struct app_row *row;

    assert(name[0] != '\0');
    row = find_row(rows, name);
    row->connections++;
    row->connections_total++;
    return row;
}

void app_rows_release(struct app_row *row, uint64_t now_ns)
{
    assert(row->connections > 0);
    row->connections--;
    row->left_ns = now_ns;
}

void app_row_note_crash(struct app_row *row, uint64_t now_ns)
{
    row->crashed_ns[row->crashes++ % APP_MAX_CRASHES] = now_ns;
}

bool app_row_is_refused(const struct app_row *row, uint64_t now_ns)
{
    /* the oldest of the last APP_MAX_CRASHES stands where the next one goes */
    return row->crashes >= APP_MAX_CRASHES &&
           now_ns - row->crashed_ns[row->crashes % APP_MAX_CRASHES] < CRASH_NS;
}

static void put_head(struct buf *text, const char *name, const char *kind,
                     const char *help)
{
    buf_printf(text,
               "# HELP offloop_application_%s %s\n# TYPE offloop_application_%s %s\n",
               name, help, name, kind);
}

static void print_answers(const struct app_rows *rows, struct buf *text)
{
    put_head(text, "jobs_total", "counter", "Jobs answered, by how they ended.");
    for (unsigned i = 0; i <= APP_ROWS; i++)
        for (int verdict = 0; verdict < WIRE_VERDICTS; verdict++) {
            const struct app_row *row = &rows->rows[i];
            uint64_t n = row->answers[verdict];

            if (verdict == WIRE_DONE)
                n -= row->refused;
            if (n > 0)
                buf_printf(text,
                           "offloop_application_jobs_total{application=\"%s\","
                           "result=\"%s\"} %" PRIu64 "\n",
                           row->name, verdict_labels[verdict], n);
            if (verdict == WIRE_DONE && row->refused > 0)
                buf_printf(text,
                           "offloop_application_jobs_total{application=\"%s\","
                           "result=\"refused\"} %" PRIu64 "\n",
                           row->name, row->refused);
        }
}

/* The other counters: member, kind, name, units in one of what is shown, help. */
#define COUNTER_MAP(X)                                                               \
    X(connections_total, "counter", "connections_total", 1, "Connections accepted.") \
    X(unanswered, "gauge", "jobs_unanswered", 1, "Jobs that wait for an answer.")    \
    X(in_bytes, "counter", "input_bytes_total", 1, "Bytes of payloads received.")    \
    X(out_bytes, "counter", "output_bytes_total", 1, "Bytes of results.")            \
    X(codec_us, "counter", "codec_seconds_total", 1e6, "Time inside the codec.")     \
    X(queue_us, "counter", "queue_seconds_total", 1e6, "Time waiting for a worker.")

static const struct counter {
    size_t offset;
    const char *kind, *name;
    double unit;
    const char *help;
} counters[] = {
#define X(member, kind, name, unit, help) \
    {offsetof(struct app_row, member), kind, name, unit, help},
    COUNTER_MAP(X)
#undef X
};

static void print_counter(const struct app_rows *rows, const struct counter *counter,
                          struct buf *text)
{
    put_head(text, counter->name, counter->kind, counter->help);
    for (unsigned i = 0; i <= APP_ROWS; i++) {
        const char *row = (const char *)&rows->rows[i];
        uint64_t value;

        memcpy(&value, row + counter->offset, sizeof value);
        if (rows->rows[i].connections_total == 0)
            continue;
        buf_printf(text, "offloop_application_%s{application=\"%s\"} %.15g\n",
                   counter->name, rows->rows[i].name, (double)value / counter->unit);
    }
}

static void print_gauges(const struct app_rows *rows, struct buf *text)
{
    put_head(text, "connections", "gauge", "Connections open now.");
    for (unsigned i = 0; i <= APP_ROWS; i++)
        if (rows->rows[i].connections_total > 0)
            buf_printf(text, "offloop_application_connections{application=\"%s\"} %u\n",
                       rows->rows[i].name, rows->rows[i].connections);
    put_head(text, "crashes_total", "counter",
             "Documents that are refused since they crashed workers.");
    for (unsigned i = 0; i <= APP_ROWS; i++)
        if (rows->rows[i].connections_total > 0)
            buf_printf(text, "offloop_application_crashes_total{application=\"%s\"} %u\n",
                       rows->rows[i].name, rows->rows[i].crashes);
}

void app_rows_print(const struct app_rows *rows, struct buf *text)
{
    print_gauges(rows, text);
    print_answers(rows, text);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        print_counter(rows, &counters[i], text);
}
