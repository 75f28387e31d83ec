#include "server/ops/ops.h"

#include <assert.h>
#include <string.h>

#include "common/alloc.h"
#include "server/ops/metrics.h"
#include "server/stats/stats.h"
#include "server/store/store.h"

struct ops {
    struct ops_config config;
    bool draining;
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
    return ops;
}

void ops_destroy(struct ops **ops)
{
    mem_free(*ops);
    *ops = NULL;
}

void ops_drain(struct ops *ops)
{
    ops->draining = true;
}

/* Replies with the text and empties it. */
static void reply_text(struct http_exchange *x, int status, const char *type,
                       struct buf *text)
{
    static const char no_store[] = "Cache-Control: no-store\r\n";
    struct blob *body = blob_new_steal(text);
    struct http_reply reply = {.status = status, .content_type = type, .body = body};

    reply.headers = (struct slice){(const uint8_t *)no_store, sizeof no_store - 1};
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

static void answer_ready(struct ops *ops, struct http_exchange *x)
{
    struct buf reasons = BUF_INIT, text = BUF_INIT;
    const char *why = NULL;
    unsigned count = 0;

    if (ops->draining)
        put_reason(&reasons, "the server is draining", &count);
    if (!store_is_ready(ops->config.store, &why))
        put_reason(&reasons, why, &count);
    if (ops->config.mode == JOBS_RPC && jobs_workers(ops->config.jobs) == 0)
        put_reason(&reasons, "no worker is connected", &count);
    buf_printf(&text, "{\"ready\":%s,\"reasons\":[%.*s]}\n", count ? "false" : "true",
               (int)reasons.len, reasons.data ? (const char *)reasons.data : "");
    buf_free(&reasons);
    reply_text(x, count ? 503 : 200, "application/json", &text);
}

static void answer_metrics(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    metrics_print(ops->config.stats, &text);
    reply_text(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void answer_loop(struct ops *ops, struct http_exchange *x)
{
    struct buf text = BUF_INIT;

    metrics_print_loop(ops->config.stats, &text);
    reply_text(x, 200, "application/json", &text);
}

static const struct resource resources[] = {
    {"/healthz", STATS_ROUTE_HEALTH, answer_health},
    {"/readyz", STATS_ROUTE_READY, answer_ready},
    {"/metrics", STATS_ROUTE_METRICS, answer_metrics},
    {"/debug/loop", STATS_ROUTE_DEBUG, answer_loop},
};

static const struct resource *find_resource(struct slice path)
{
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (path.len == strlen(resources[i].path) &&
            memcmp(path.data, resources[i].path, path.len) == 0)
            return &resources[i];
    return NULL;
}

/* What on_close needs to count the exchange. */
struct ops_exchange {
    struct stats_front *slot;
    enum stats_route route;
};

static void on_request(struct http_exchange *x, void *context)
{
    static const char allow[] = "Allow: GET, HEAD\r\n";
    struct ops *ops = context;
    const struct http_request *request = http_request(x);
    const struct resource *resource = find_resource(request->path);
    struct ops_exchange *e = mem_zalloc(sizeof *e);

    e->slot = stats_slot(ops->config.stats, ops->config.front_index);
    e->route = resource ? resource->route : STATS_ROUTE_OTHER;
    *http_user(x) = e;
    if (resource == NULL)
        http_reply_problem(x, 404, "there are /healthz, /readyz, /metrics, /debug/loop",
                           -1, (struct slice){NULL, 0});
    else if (request->method != HTTP_GET && request->method != HTTP_HEAD)
        http_reply_problem(x, 405, "the operations listener is read only", -1,
                           (struct slice){(const uint8_t *)allow, sizeof allow - 1});
    else
        resource->answer(ops, x);
}

static void on_close(struct http_exchange *x, int status, uint64_t sent_bytes)
{
    struct ops_exchange *e = *http_user(x);

    (void)sent_bytes;
    if (e == NULL)
        return;
    if (status > 0 && status < STATS_HTTP_CODES)
        stats_add(&e->slot->requests[e->route][status], 1);
    *http_user(x) = NULL;
    mem_free(e);
}

struct http_callbacks ops_callbacks(void)
{
    return (struct http_callbacks){.on_request = on_request, .on_close = on_close};
}
