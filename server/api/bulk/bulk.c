/*
 * POST of NDJSON to a collection: each line {"id": ..., "document": ...} is stored, or
 * fails alone. The body streams: it is cut into blocks of lines (bulk_cut), these are
 * decoded by several workers at once (bulk_jobs), and what comes out is written through
 * a window (bulk_puts). While any of the three is full the body is not read on, so that
 * a body of any size needs the same memory.
 *
 * Events only ask for a turn of `go_on`; that does all the work, a slice of it at a time.
 */
#include "server/api/exchange_kinds.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/loop/loop_defer.h"
#include "common/loop/memory_budget.h"
#include "server/api/bulk/bulk_cut.h"
#include "server/api/bulk/bulk_jobs.h"
#include "server/api/bulk/bulk_puts.h"
#include "server/api/bulk/bulk_report.h"

/* How long one turn may take, looked at every so many lines. */
#define SLICE_NS    (250 * NS_PER_US)
#define SLICE_LINES 16

struct bulk {
    struct exchange base;
    struct loop_defer *later;
    struct bulk_cut cut;
    struct bulk_jobs jobs;
    struct bulk_puts puts;
    struct bulk_report report;
    uint64_t counted_bytes; /* of the cut, in the memory budget */
    bool paused;
    bool body_ended;
};

/* Brings the memory budget up to date. Returns false where a long line does not fit. */
static bool count_memory(struct bulk *bulk)
{
    uint64_t held = bulk->cut.text.len;

    memory_budget_hold(held);
    memory_budget_release(bulk->counted_bytes);
    bulk->counted_bytes = held;
    return memory_budget_fits(held, 0);
}

static void moved(void *ctx)
{
    struct bulk *bulk = ctx;

    loop_defer_ask(bulk->later, 0);
}

static void reply_report(struct bulk *bulk)
{
    struct exchange *e = &bulk->base;
    struct buf headers = BUF_INIT, text = BUF_INIT;
    struct http_reply reply = {.status = 200, .content_type = "application/json"};

    bulk_report_print(&bulk->report, &text);
    reply.body = blob_new_steal(&text);
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    blob_unref(&reply.body);
    buf_free(&headers);
}

static void fail_record(struct bulk *bulk, const struct bulk_line *line)
{
    const char *text = codec_status_text(line->record.status);
    char detail[BULK_REPORT_TEXT_BYTES];

    if (line->record.offset == BULK_NO_OFFSET)
        snprintf(detail, sizeof detail, "%s", text);
    else
        snprintf(detail, sizeof detail, "%s at byte %" PRIu32, text, line->record.offset);
    bulk_report_fail(&bulk->report, line->number, detail);
}

static void take_line(struct bulk *bulk, const struct bulk_line *line)
{
    if (line->why != NULL)
        bulk_report_fail(&bulk->report, line->number, line->why);
    else if (line->record.status != CODEC_OK)
        fail_record(bulk, line);
    else if (line->record.id.len > 0)
        bulk_puts_add(&bulk->puts, line->number, line->record.id, line->record.document,
                      line->records);
}

/* Takes lines while there are any, the store has room, and it is not too late. */
static void take_lines(struct bulk *bulk, uint64_t until_ns)
{
    enum stats_phase was = stats_phase_enter(STATS_STORE);
    struct bulk_line line;

    for (unsigned i = 1; bulk_puts_has_room(&bulk->puts); i++) {
        if (i % SLICE_LINES == 0 && clock_now_ns() >= until_ns) {
            loop_defer_ask(bulk->later, 0);
            break;
        }
        if (!bulk_jobs_next(&bulk->jobs, &line))
            break;
        take_line(bulk, &line);
    }
    stats_phase_enter(was);
}

static void submit_blocks(struct bulk *bulk, uint64_t until_ns)
{
    while (bulk_jobs_submit_one(&bulk->jobs))
        if (clock_now_ns() >= until_ns) {
            loop_defer_ask(bulk->later, 0);
            break;
        }
}

/* What cannot go on now is tried again in a while. */
static void wait_a_while(struct bulk *bulk)
{
    if (bulk_puts_wait(&bulk->puts))
        loop_defer_ask(bulk->later, BULK_PUTS_RETRY_MS);
    else if (bulk_jobs_wait(&bulk->jobs))
        loop_defer_ask(bulk->later, BULK_JOBS_RETRY_MS);
}

static void set_reading(struct bulk *bulk)
{
    bool full = bulk->jobs.held >= BULK_JOBS_HELD;

    if (full == bulk->paused)
        return;
    bulk->paused = full;
    if (full)
        http_pause_body(bulk->base.x);
    else
        http_resume_body(bulk->base.x);
}

static void go_on(void *ctx)
{
    struct bulk *bulk = ctx;
    uint64_t until_ns = clock_now_ns() + SLICE_NS;

    if (http_replied(bulk->base.x))
        return;
    if (bulk_puts_retry(&bulk->puts, until_ns))
        loop_defer_ask(bulk->later, 0);
    take_lines(bulk, until_ns);
    submit_blocks(bulk, until_ns);
    if (bulk->body_ended && bulk->jobs.held == 0 && bulk->puts.count == 0) {
        reply_report(bulk);
        return;
    }
    set_reading(bulk);
    wait_a_while(bulk);
}

static void take_event(struct bulk *bulk, enum bulk_cut_event event)
{
    struct buf text;
    uint64_t lines;

    if (event == BULK_CUT_BLOCK) {
        lines = bulk_cut_take(&bulk->cut, &text);
        bulk_jobs_add(&bulk->jobs, &text, lines);
    } else if (event == BULK_CUT_TOO_LONG) {
        bulk_jobs_add_too_long(&bulk->jobs);
    }
}

static void body(struct exchange *e, struct slice bytes)
{
    struct bulk *bulk = container_of(e, struct bulk, base);
    enum bulk_cut_event event;

    do {
        event = bulk_cut_feed(&bulk->cut, &bytes);
        take_event(bulk, event);
    } while (event != BULK_CUT_MORE);
    if (!count_memory(bulk)) {
        exchange_fail(e, 503,
                      "the memory for requests is taken; lines before the long one that "
                      "did not fit may have been stored");
        return;
    }
    set_reading(bulk);
    loop_defer_ask(bulk->later, 0);
}

static void body_end(struct exchange *e)
{
    struct bulk *bulk = container_of(e, struct bulk, base);

    take_event(bulk, bulk_cut_end(&bulk->cut));
    bulk->body_ended = true;
    loop_defer_ask(bulk->later, 0);
}

static void start(struct exchange *e)
{
    struct bulk *bulk = container_of(e, struct bulk, base);
    bool gunzip;

    bulk_cut_init(&bulk->cut, (size_t)e->api->config.max_body_bytes);
    bulk_jobs_init(&bulk->jobs, e, moved, bulk);
    bulk_puts_init(&bulk->puts, e, &bulk->report, moved, bulk);
    bulk->later = loop_defer_create(e->api->config.loop, go_on, bulk);
    if (!exchange_check_body(e, "a bulk load", &gunzip))
        return;
    if (gunzip)
        exchange_fail_with(
            e, 415, "a bulk load must not have a Content-Encoding: send it uncompressed",
            "Accept-Encoding: identity\r\n");
    else
        http_stream_body(e->x);
}

static void cancel(struct exchange *e)
{
    struct bulk *bulk = container_of(e, struct bulk, base);

    if (bulk->later == NULL)
        return; /* answered before it started */
    loop_defer_destroy(&bulk->later);
    bulk_jobs_free(&bulk->jobs);
    bulk_puts_free(&bulk->puts);
    bulk_cut_free(&bulk->cut);
    memory_budget_release(bulk->counted_bytes);
}

const struct exchange_kind *bulk_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct bulk),
                                              .start = start,
                                              .body = body,
                                              .body_end = body_end,
                                              .cancel = cancel};

    return &kind;
}
