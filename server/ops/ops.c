#include "server/ops/ops.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "server/ops/debug.h"
#include "server/ops/metrics.h"
#include "server/ops/page.h"
#include "server/ops/profiler.h"
#include "server/stats/stats.h"

/* How long /debug/profile takes without ?seconds. */
#define PROFILE_DEFAULT_SECONDS 10

struct ops {
    struct ops_config config;
    bool draining;
    struct profiler *profiler;
    struct http_exchange *profiled; /* waits for a profile; NULL for none */
};

/* The resources: path, what they are counted under, and how they answer. */
struct resource {
    const char *path;
    enum stats_route route;
    void (*answer)(struct ops *ops, struct http_exchange *x);
};

struct ops *ops_create(const struct ops_config *config)
{
    struct ops *ops = mem_zalloc(sizeof *ops);

    assert(config->stats != NULL && config->front_index < stats_fronts(config->stats));
    ops->config = *config;
    ops->profiler = profiler_create(config->loop);
    return ops;
}

void ops_destroy(struct ops **ops)
{
    if (*ops == NULL)
        return;
    assert((*ops)->profiled == NULL);
    profiler_destroy(&(*ops)->profiler);
    mem_free(*ops);
    *ops = NULL;
}

void ops_drain(struct ops *ops)
{
    ops->draining = true;
    if (ops->profiled != NULL)
        profiler_finish(ops->profiler);
}

/* Replies with the text and empties it. */
static void reply_text(struct http_exchange *x, int status, const char *type,
                       struct buf *text)
{
    struct blob *body = blob_new_steal(text);
    struct http_reply reply = {.status = status,
                               .content_type = type,
                               .headers = text_slice("Cache-Control: no-store\r\n"),
                               .body = body};

    http_reply(x, &reply);
    blob_unref(&body);
}

static void answer_health(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    (void)ops;
    buf_append_str(&text, "ok\n");
    reply_text(x, 200, "text/plain; charset=utf-8", &text);
}

static void put_reason(struct buf *text, const char *reason, unsigned *count)
{
    buf_printf(text, "%s\"%s\"", (*count)++ ? "," : "", reason);
}

/* Without a worker mode rpc cannot do anything, and mode auto only half of its work. */
static bool is_without_workers(const struct ops *ops)
{
    return (ops->config.mode == JOBS_RPC || ops->config.mode == JOBS_AUTO) &&
           jobs_workers(ops->config.jobs) == 0;
}

static void answer_ready(struct ops *ops, struct http_exchange *x)
{
    struct buf reasons = BUF_INIT, text = BUF_INIT;
    bool degraded = is_without_workers(ops), ready;
    const char *why = NULL;
    unsigned count = 0;

    if (ops->draining)
        put_reason(&reasons, "the server is draining", &count);
    if (ops->config.is_ready != NULL && !ops->config.is_ready(ops->config.context, &why))
        put_reason(&reasons, why, &count);
    ready = count == 0 && !(degraded && ops->config.mode == JOBS_RPC);
    if (degraded)
        put_reason(
            &reasons,
            ready ? "no worker is connected: large documents are encoded and decoded "
                    "on threads of the server"
                  : "no worker is connected",
            &count);
    buf_printf(&text, "{\"ready\":%s,\"degraded\":%s,\"reasons\":[%.*s]}\n",
               ready ? "true" : "false", degraded ? "true" : "false", (int)reasons.len,
               reasons.data != NULL ? (const char *)reasons.data : "");
    buf_free(&reasons);
    reply_text(x, ready ? 200 : 503, "application/json", &text);
}

static void answer_metrics(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    metrics_print(ops->config.stats, &text);
    if (ops->config.print_metrics != NULL)
        ops->config.print_metrics(ops->config.context, &text);
    reply_text(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void answer_loop(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    debug_print_loop(ops->config.stats, &text);
    reply_text(x, 200, "application/json", &text);
}

static void answer_stats(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    debug_print_stats(ops->config.stats, &text);
    reply_text(x, 200, "application/json", &text);
}

/* The page asks its own server for everything and asks no other server. */
static void answer_page(struct ops *ops, struct http_exchange *x)
{
    static const char headers[] =
        "Cache-Control: no-cache\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'self'; "
        "script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'\r\n"
        "X-Content-Type-Options: nosniff\r\n";
    const struct page_file *file = page_find(http_request(x)->path);
    struct blob *body;
    struct http_reply reply = {.status = 200};

    (void)ops;
    assert(file != NULL);
    body = blob_new_copy(file->bytes.data, file->bytes.len);
    reply.content_type = file->content_type;
    reply.body = body;
    reply.headers = text_slice(headers);
    http_reply(x, &reply);
    blob_unref(&body);
}

/* What /debug/profile is asked for. */
struct profile_query {
    unsigned seconds;
    enum profiler_clock clock;
};

/* Reads a number of 1 to PROFILER_MAX_SECONDS; -1 for another text. */
static int read_seconds(struct slice text, unsigned *seconds_r)
{
    *seconds_r = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        *seconds_r = *seconds_r * 10 + (text.data[i] - '0');
        if (*seconds_r > PROFILER_MAX_SECONDS)
            return -1;
    }
    return *seconds_r == 0 ? -1 : 0;
}

static int read_parameter(struct slice text, struct profile_query *query_r)
{
    struct slice seconds = slice_after(text, "seconds=");
    struct slice clock = slice_after(text, "clock=");

    if (seconds.data != NULL)
        return read_seconds(seconds, &query_r->seconds);
    if (slice_is(clock, "cpu"))
        query_r->clock = PROFILER_CPU;
    else if (slice_is(clock, "wall"))
        query_r->clock = PROFILER_WALL;
    else
        return clock.data != NULL ? -1 : 0;
    return 0;
}

static int read_query(struct slice query, struct profile_query *query_r)
{
    *query_r = (struct profile_query){PROFILE_DEFAULT_SECONDS, PROFILER_CPU};
    while (query.len > 0) {
        const uint8_t *end = memchr(query.data, '&', query.len);
        size_t len = end != NULL ? (size_t)(end - query.data) : query.len;

        if (read_parameter((struct slice){query.data, len}, query_r) < 0)
            return -1;
        len += end != NULL;
        query = (struct slice){query.data + len, query.len - len};
    }
    return 0;
}

/* Answers with a profile. NULL is for HEAD: then the length is not known. */
static void reply_profile(struct ops *ops, struct http_exchange *x, struct blob *profile)
{
    struct http_reply reply = {.status = 200, .content_type = "application/octet-stream"};
    struct buf headers = BUF_INIT;

    buf_printf(&headers,
               "Cache-Control: no-store\r\n"
               "Content-Disposition: attachment; filename=\"offloop-front-%u.prof\"\r\n",
               ops->config.front_index);
    reply.headers = buf_slice(&headers);
    reply.body = profile;
    if (profile != NULL) {
        http_reply(x, &reply);
    } else {
        http_reply_begin(x, &reply);
        http_reply_end(x);
    }
    buf_free(&headers);
}

static void on_profile(void *ctx, struct blob *profile)
{
    struct ops *ops = ctx;
    struct http_exchange *x = ops->profiled;

    assert(x != NULL);
    ops->profiled = NULL;
    if (profile == NULL)
        http_reply_problem(x, 500, "the profile could not be taken: see the log", -1,
                           (struct slice){NULL, 0});
    else
        reply_profile(ops, x, profile);
}

/* Begins a profile. HEAD is answered at once, as if a profile had been taken. */
static int start_profile(struct ops *ops, struct http_exchange *x,
                         const struct profile_query *query)
{
    if (ops->draining || profiler_is_busy(ops->profiler))
        return -1;
    if (http_request(x)->method == HTTP_HEAD) {
        reply_profile(ops, x, NULL);
        return 0;
    }
    if (profiler_start(ops->profiler, query->seconds, query->clock, on_profile, ops) < 0)
        return -1;
    ops->profiled = x;
    return 0;
}

static void answer_profile(struct ops *ops, struct http_exchange *x)
{
    struct profile_query query;

    if (read_query(http_request(x)->query, &query) < 0)
        http_reply_problem(x, 400, "expected ?seconds=N (1 to 60) and clock=cpu or wall",
                           -1, (struct slice){NULL, 0});
    else if (start_profile(ops, x, &query) < 0)
        http_reply_problem(x, 503, "a profile is being taken, or the server drains", -1,
                           text_slice("Retry-After: 5\r\n"));
}

static const struct resource resources[] = {
    {"/healthz", STATS_ROUTE_HEALTH, answer_health},
    {"/readyz", STATS_ROUTE_READY, answer_ready},
    {"/metrics", STATS_ROUTE_METRICS, answer_metrics},
    {"/debug/loop", STATS_ROUTE_DEBUG, answer_loop},
    {"/debug/stats", STATS_ROUTE_DEBUG, answer_stats},
    {"/debug/profile", STATS_ROUTE_DEBUG, answer_profile},
};
static const struct resource page_resource = {"/", STATS_ROUTE_DEBUG, answer_page};

static const struct resource *find_resource(struct slice path)
{
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (slice_is(path, resources[i].path))
            return &resources[i];
    return page_find(path) != NULL ? &page_resource : NULL;
}

/* What on_close needs to count the exchange. */
struct ops_exchange {
    struct ops *ops;
    enum stats_route route;
};

static void on_request(struct http_exchange *x, void *context)
{
    const struct slice allowed = text_slice("Allow: GET, HEAD, OPTIONS\r\n");
    struct ops *ops = context;
    const struct http_request *request = http_request(x);
    const struct resource *resource = find_resource(request->path);
    struct ops_exchange *e = mem_zalloc(sizeof *e);

    e->ops = ops;
    e->route = resource != NULL ? resource->route : STATS_ROUTE_OTHER;
    *http_user(x) = e;
    if (resource == NULL)
        http_reply_problem(x, 404,
                           "there are /, /healthz, /readyz, /metrics, /debug/loop, "
                           "/debug/stats and /debug/profile",
                           -1, (struct slice){NULL, 0});
    else if (request->method == HTTP_OPTIONS)
        http_reply(x, &(struct http_reply){.status = 204, .headers = allowed});
    else if (request->method != HTTP_GET && request->method != HTTP_HEAD)
        http_reply_problem(x, 405, "the operations listener is read only", -1, allowed);
    else
        resource->answer(ops, x);
}

static void on_close(struct http_exchange *x, int status, uint64_t sent_bytes)
{
    struct ops_exchange *e = *http_user(x);
    struct stats_front *slot;

    (void)sent_bytes;
    if (e == NULL)
        return;
    if (e->ops->profiled == x) {
        e->ops->profiled = NULL;
        profiler_cancel(e->ops->profiler);
    }
    slot = stats_slot(e->ops->config.stats, e->ops->config.front_index);
    if (status > 0 && status < STATS_HTTP_CODES)
        stats_add(&slot->requests[e->route][status], 1);
    *http_user(x) = NULL;
    mem_free(e);
}

struct http_callbacks ops_callbacks(void)
{
    return (struct http_callbacks){.on_request = on_request, .on_close = on_close};
}
