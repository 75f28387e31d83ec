#include "server/api/api.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/codec/coding/coding.h"
#include "common/base/log.h"
#include "common/base/document_name.h"
#include "server/api/exchange_kinds.h"
#include "server/api/programs/program.h"
#include "server/api/reply_cache.h"
#include "server/stats/stats.h"

struct api *api_create(const struct api_config *config)
{
    struct api *api = mem_zalloc(sizeof *api);

    assert(config->store != NULL && config->jobs != NULL && config->stats != NULL);
    api->config = *config;
    if (getrandom(&api->share_seed, sizeof api->share_seed, 0) !=
        (ssize_t)sizeof api->share_seed)
        log_fatal("getrandom: %s", strerror(errno));
    /* a foreign store knows no versions that could be compared */
    if (config->reply_cache_bytes > 0 && !store_is_foreign(config->store))
        api->reply_cache =
            reply_cache_create(config->reply_cache_bytes, api->share_seed, config->stats);
    list_init(&api->patches);
    list_init(&api->patches_due);
    return api;
}

void api_destroy(struct api **api)
{
    assert(*api == NULL || list_is_empty(&(*api)->patches));
    if (*api == NULL)
        return;
    reply_cache_destroy(&(*api)->reply_cache);
    codec_destroy(&(*api)->codec);
    mem_free(*api);
    *api = NULL;
}

/* Exchanges that are answered as soon as they are understood. */
static const struct exchange_kind simple_kind = {.size = sizeof(struct exchange)};

/* The kind that handles a method on a route; NULL where the route does not have it. */
static const struct exchange_kind *find_kind(const struct route *route,
                                             enum http_method method)
{
    bool reads = method == HTTP_GET || method == HTTP_HEAD;

    switch (route->kind) {
    case STATS_ROUTE_DOCUMENT:
        if (method == HTTP_PUT)
            return document_put_kind();
        if (method == HTTP_DELETE)
            return document_delete_kind();
        if (method == HTTP_PATCH)
            return document_patch_kind();
        return reads ? document_read_kind() : NULL;
    case STATS_ROUTE_COLLECTION:
        if (method == HTTP_POST)
            return document_post_kind();
        return reads ? listing_kind() : NULL;
    case STATS_ROUTE_COLLECTIONS: return reads ? collections_kind() : NULL;
    default: return route->is_description && reads ? openapi_kind() : NULL;
    }
}

static struct exchange *exchange_create(struct api *api, struct http_exchange *x,
                                        const struct route *route)
{
    const struct exchange_kind *kind = find_kind(route, http_request(x)->method);
    struct exchange *e;

    if (kind == NULL)
        kind = &simple_kind;
    else if (kind == document_post_kind() &&
             negotiate_is_ndjson(http_header(x, "content-type")))
        kind = bulk_kind();
    assert(kind->size >= sizeof *e);
    e = mem_zalloc(kind->size);
    e->kind = kind;
    e->api = api;
    e->x = x;
    e->route = *route;
    e->mode = api->config.mode;
    e->started_ns = clock_now_ns();
    *http_user(x) = e;
    return e;
}

static void reply_options(struct exchange *e)
{
    struct slice origin = http_header(e->x, "origin");
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 204};

    buf_printf(&headers, "Allow: %s\r\n", exchange_allow(e));
    if (e->route.kind == STATS_ROUTE_DOCUMENT)
        buf_append_str(&headers, program_accept_patch(e));
    exchange_put_common(e, &headers);
    if (cors_is_preflight(origin, http_header(e->x, "access-control-request-method")))
        cors_put_preflight(&e->api->config.cors, origin, exchange_allow(e), &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
}

static bool is_asterisk(struct slice target)
{
    return target.len == 1 && target.data[0] == '*';
}

/* Refuses what no route could answer; true where the exchange has been answered. */
static bool answer_early(struct exchange *e)
{
    enum http_method method = http_request(e->x)->method;
    bool writes = method == HTTP_PUT || method == HTTP_POST || method == HTTP_PATCH ||
                  method == HTTP_DELETE;
    bool named =
        e->route.kind == STATS_ROUTE_COLLECTION || e->route.kind == STATS_ROUTE_DOCUMENT;

    if (method == HTTP_OPTIONS && is_asterisk(http_request(e->x)->target))
        reply_options(e); /* the server as a whole: RFC 9110 section 9.3.7 */
    else if (e->route.kind == STATS_ROUTE_OTHER && !e->route.is_description)
        exchange_fail(e, 404,
                      "no such resource; documents are at /v1/{collection}/{id}, and "
                      "/openapi.json describes all");
    else if (method == HTTP_OPTIONS)
        reply_options(e);
    else if (e->route.ends_in_slash)
        exchange_fail(e, writes ? 400 : 404,
                      "the path ends in a slash: leave it out; collections are at "
                      "/v1/{collection}, documents at /v1/{collection}/{id}");
    else if (e->kind == &simple_kind)
        exchange_fail(e, 405, "the resource does not have this method");
    else if (named && !e->route.names_valid)
        exchange_fail(e, writes ? 400 : 404, "names are " DOCUMENT_NAME_RULE);
    return http_replied(e->x);
}

/* What a request needs the right to do. */
static unsigned rights_of(enum http_method method)
{
    if (method == HTTP_GET || method == HTTP_HEAD)
        return AUTH_READ;
    /* The reply to a patch shows the document. */
    return method == HTTP_PATCH ? AUTH_READ | AUTH_WRITE : AUTH_WRITE;
}

/* Refuses who may not do that, before anything of the body is read; true where it has
   been answered. */
static bool refuse_stranger(struct exchange *e)
{
    struct slice collection = {NULL, 0}; /* the list of all */

    if (e->api->config.auth == NULL || e->route.is_description)
        return false;
    if (e->route.kind != STATS_ROUTE_COLLECTIONS)
        collection = route_collection(&e->route);
    switch (auth_check(e->api->config.auth, http_header_joined(e->x, "authorization"),
                       collection, rights_of(http_request(e->x)->method))) {
    case AUTH_ALLOWED: return false;
    case AUTH_MISSING:
        exchange_fail(e, 401, "a token is needed: Authorization: Bearer ...");
        break;
    case AUTH_UNKNOWN: exchange_fail(e, 401, "the token is not known"); break;
    case AUTH_FORBIDDEN: exchange_fail(e, 403, "the token may not do that here"); break;
    }
    return true;
}

/* Chooses what the reply may be compressed with: text alone, MessagePack stays as it is.
   Of what is liked equally, a document takes the better coding; a collection takes the
   one whose stream is one frame, which every client understands. */
static void choose_coding(struct exchange *e)
{
    static const enum codec_coding of_document[] = {CODING_ZSTD, CODING_GZIP};
    static const enum codec_coding of_collection[] = {CODING_GZIP, CODING_ZSTD};

    const enum codec_coding *order =
        e->route.kind == STATS_ROUTE_COLLECTION ? of_collection : of_document;
    enum codec_coding there[2];
    unsigned count = 0;

    for (unsigned i = 0; i < 2; i++)
        if (coding_is_there(order[i]))
            there[count++] = order[i];
    if (e->type != NEGOTIATE_MSGPACK)
        e->coding =
            negotiate_coding(http_header_joined(e->x, "accept-encoding"), there, count);
}

/* Chooses the reply's representation; where none is acceptable, answers. */
static void choose_type(struct exchange *e)
{
    struct slice accept = http_header_joined(e->x, "accept");
    enum negotiate_type types = NEGOTIATE_MSGPACK; /* of others: JSON alone */
    const char *offered = "the server offers application/json";

    if (e->route.kind == STATS_ROUTE_DOCUMENT) {
        types = e->program != NULL ? NEGOTIATE_TYPES : NEGOTIATE_DOCUMENT_TYPES;
        offered = "the server offers application/json and application/msgpack";
    } else if (e->route.kind == STATS_ROUTE_COLLECTION) {
        types = NEGOTIATE_TYPES;
        offered = "the server offers application/json, application/msgpack and "
                  "application/x-ndjson";
    }
    if (negotiate_accept(accept, types, &e->type) != 0) {
        exchange_fail(e, 406, offered);
        return;
    }
    negotiate_accept_name(accept, e->type, e->media);
    choose_coding(e);
}

/* Which parameters mean something to the request. */
static enum query_scope query_scope_of(const struct exchange *e)
{
    enum http_method method = http_request(e->x)->method;
    bool reads = method == HTTP_GET || method == HTTP_HEAD;

    if (e->route.kind == STATS_ROUTE_DOCUMENT && reads)
        return QUERY_OF_DOCUMENT | QUERY_OF_READ;
    if (e->route.kind == STATS_ROUTE_DOCUMENT && method == HTTP_PATCH)
        return QUERY_OF_DOCUMENT;
    if (e->kind == bulk_kind())
        return QUERY_OF_BULK;
    return e->route.kind == STATS_ROUTE_COLLECTION && reads ? QUERY_OF_COLLECTION
                                                            : QUERY_OF_NOTHING;
}

/* Reads the parameters; where they are at fault, answers and returns false. */
static bool read_query(struct exchange *e)
{
    const char *fault =
        query_parse(http_request(e->x)->query, query_scope_of(e), &e->query);
    char detail[QUERY_DETAIL_MAX];

    if (fault != NULL && e->query.unknown.data != NULL) {
        query_print_unknown(&e->query, detail);
        fault = detail;
    }
    if (fault != NULL)
        exchange_fail(e, 400, fault);
    return fault == NULL && program_of_query(e) == 0;
}

/* Reads what all routes read of a request; true where it has been answered. */
static bool understand(struct exchange *e)
{
    const struct http_request *request = http_request(e->x);
    bool reads = request->method == HTTP_GET || request->method == HTTP_HEAD;
    struct slice mode = http_header(e->x, "offloop-mode");

    e->mode_chosen = e->api->config.mode_header && mode.data != NULL;
    if (!read_query(e))
        return true;
    if (e->mode_chosen && jobs_mode_parse(mode, &e->mode) != 0)
        exchange_fail(e, 400, "Offloop-Mode is inline, threads, rpc or auto");
    else if (!reads && request->method != HTTP_PATCH)
        return false; /* the reply has no body to negotiate */
    else
        choose_type(e);
    return http_replied(e->x);
}

static void on_request(struct http_exchange *x, void *context)
{
    struct route route;
    struct exchange *e;

    route_parse(http_request(x)->path, &route);
    e = exchange_create(context, x, &route);
    if (!answer_early(e) && !refuse_stranger(e) && !understand(e))
        e->kind->start(e);
}

static void on_body(struct http_exchange *x, struct slice bytes)
{
    struct exchange *e = *http_user(x);

    assert(e->kind->body != NULL);
    e->kind->body(e, bytes);
}

static void on_body_end(struct http_exchange *x)
{
    struct exchange *e = *http_user(x);

    assert(e->kind->body_end != NULL);
    e->kind->body_end(e);
}

static void on_writable(struct http_exchange *x)
{
    struct exchange *e = *http_user(x);

    if (e->kind->writable != NULL)
        e->kind->writable(e);
}

static void on_close(struct http_exchange *x, int status, uint64_t sent_bytes)
{
    struct exchange *e = *http_user(x);
    struct stats_front *stats;

    if (e == NULL)
        return;
    stats = e->api->config.stats;
    if (e->kind->cancel != NULL)
        e->kind->cancel(e);
    if (status > 0 && status < STATS_HTTP_CODES)
        stats_add(&stats->requests[e->route.kind][status], 1);
    stats_add(&stats->sent_bytes, sent_bytes);
    program_count(e, status);
    if (e->api->config.on_event != NULL) {
        const struct api_event event = {.x = x,
                                        .status = status,
                                        .sent_bytes = sent_bytes,
                                        .ran_job = e->ran_job,
                                        .mode = e->ran,
                                        .codec_us = e->codec_us,
                                        .queue_us = e->queue_us,
                                        .duration_us =
                                            (clock_now_ns() - e->started_ns) / NS_PER_US};

        e->api->config.on_event(e->api->config.context, &event);
    }
    *http_user(x) = NULL;
    query_free(&e->query);
    program_free(e);
    mem_free(e);
}

/* Refused by the HTTP room: there is no route to count it under. */
static void on_refused(const struct http_refusal *refusal, void *context)
{
    const struct api_config *config = &((struct api *)context)->config;

    if (refusal->status > 0 && refusal->status < STATS_HTTP_CODES)
        stats_add(&config->stats->requests[STATS_ROUTE_OTHER][refusal->status], 1);
    if (config->on_refused != NULL)
        config->on_refused(config->context, refusal);
}

struct http_callbacks api_callbacks(void)
{
    return (struct http_callbacks){.on_request = on_request,
                                   .on_body = on_body,
                                   .on_body_end = on_body_end,
                                   .on_writable = on_writable,
                                   .on_close = on_close,
                                   .on_refused = on_refused};
}
