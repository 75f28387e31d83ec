/*
 * PUT and DELETE of a document, and POST of one to a collection: (but for DELETE) the
 * body through the codec, then the store.
 */
#include "server/api/exchange.h"

#include <assert.h>
#include <time.h>

#include "common/clock.h"

struct document_write {
    struct exchange base;
    struct store_put put;
    struct job job;
    struct blob *body;
    bool gunzip;       /* the body is compressed */
    bool created_only; /* If-None-Match: *, and POST */
    struct slice id;
    uint8_t new_id[NEW_ID_LEN]; /* POST: where id is */
    enum negotiate_match match;
    unsigned versions_count;
    unsigned versions_tried;
    uint64_t versions[NEGOTIATE_VERSIONS_MAX];
};

/* Reads If-Match and If-None-Match; false where they are malformed, after answering. */
static bool read_conditions(struct document_write *write)
{
    struct exchange *e = &write->base;
    struct slice none_match = http_header_joined(e->x, "if-none-match");

    write->match = negotiate_match_read(http_header_joined(e->x, "if-match"),
                                        write->versions, &write->versions_count);
    if (write->match == NEGOTIATE_MATCH_BAD)
        exchange_fail(e, 400, "If-Match must be * or entity tags, 16 at most");
    else if (none_match.data != NULL && (none_match.len != 1 || *none_match.data != '*'))
        exchange_fail(e, 400, "If-None-Match must be * on writing");
    else if (none_match.data != NULL && write->match != NEGOTIATE_MATCH_NONE)
        exchange_fail(e, 400, "If-Match and If-None-Match exclude each other");
    write->created_only = none_match.data != NULL;
    return !http_replied(e->x);
}

static void reply_written(struct document_write *write, int status)
{
    struct exchange *e = &write->base;
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = status};

    if (status != 204)
        exchange_put_etag(&headers, write->put.version, e->type, false);
    if (status == 201) {
        struct slice path = http_request(e->x)->path;

        buf_append_str(&headers, "Location: ");
        buf_append(&headers, path.data, path.len);
        if (e->route.kind == STATS_ROUTE_COLLECTION)
            buf_printf(&headers, "/%.*s", NEW_ID_LEN, (const char *)write->new_id);
        buf_append_str(&headers, "\r\n");
    }
    exchange_put_timing(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
}

static void ask_store(struct document_write *write);

static void on_store_done(struct store_put *put)
{
    struct document_write *write = container_of(put, struct document_write, put);
    struct exchange *e = &write->base;

    exchange_store_answered(e);
    if (put->status == STORE_CONFLICT && write->versions_tried < write->versions_count) {
        ask_store(write);
        return;
    }
    blob_unref(&write->body);
    if (put->status == STORE_CREATED)
        reply_written(write, 201);
    else if (put->status == STORE_OK)
        reply_written(write, put->remove ? 204 : 200);
    else
        exchange_fail_store(e, put->status);
}

/* Asks the store to write under the next condition: of several versions in an If-Match
   each is tried by itself, and at most one can hold. */
static void ask_store(struct document_write *write)
{
    struct exchange *e = &write->base;
    struct store_put *put = &write->put;
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    put->condition = STORE_ALWAYS;
    if (write->created_only)
        put->condition = STORE_IF_ABSENT;
    else if (write->match == NEGOTIATE_MATCH_ANY)
        put->condition = STORE_IF_PRESENT;
    else if (write->match == NEGOTIATE_MATCH_VERSIONS) {
        put->condition = STORE_IF_VERSION;
        put->if_version = write->versions[write->versions_tried++];
    }
    put->key = (struct store_key){route_collection(&e->route), write->id};
    put->blob = write->body;
    put->format = exchange_store_format(e);
    put->done = on_store_done;
    exchange_store_asked(e);
    store_put(e->api->config.store, put);
    stats_phase_enter(was);
}

static void write_document(struct document_write *write)
{
    if (write->match == NEGOTIATE_MATCH_VERSIONS && write->versions_count == 0)
        exchange_fail(&write->base, 412, "no entity tag in If-Match is one of ours");
    else
        ask_store(write);
}

static void on_job_done(struct job *job)
{
    struct document_write *write = container_of(job, struct document_write, job);

    exchange_job_ended(&write->base, job);
    blob_unref(&write->body);
    if (job->status != JOB_OK) {
        exchange_fail_job(&write->base, job);
        return;
    }
    write->body = blob_ref(job->result);
    write_document(write);
}

/* What turns the body into what is stored. */
static enum codec_op storing_op(const struct exchange *e)
{
    bool msgpack = e->type == NEGOTIATE_MSGPACK;

    if (exchange_store_format(e) == STORE_JSON)
        return msgpack ? CODEC_OP_ENCODE : CODEC_OP_COMPACT;
    return msgpack ? CODEC_OP_VALIDATE : CODEC_OP_DECODE;
}

static void put_body_end(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);
    struct codec_call call = {.op = storing_op(e), .gunzip = write->gunzip};

    write->body = http_take_body(e->x);
    call.in = write->body->bytes;
    exchange_submit(e, &write->job, &call, on_job_done);
}

/* Refuses a request whose body is not a document; true where it has been answered. */
static bool refuse_body(struct document_write *write)
{
    struct exchange *e = &write->base;
    struct slice coding = http_header_joined(e->x, "content-encoding");

    if (http_header(e->x, "content-length").data == NULL && !http_request(e->x)->has_body)
        exchange_fail(e, 411, "a document needs Content-Length or chunked coding");
    else if (negotiate_content_type(http_header(e->x, "content-type"), &e->type) != 0)
        exchange_fail(e, 415, "taken are application/json and application/msgpack");
    else if (negotiate_content_coding(coding, &write->gunzip) != 0)
        exchange_fail(e, 415, "the only Content-Encoding taken is gzip");
    else if (http_header(e->x, "content-range").data != NULL)
        exchange_fail(e, 400, "a part of a document cannot be written");
    return http_replied(e->x);
}

static void put_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    write->id = route_id(&e->route);
    if (!refuse_body(write) && read_conditions(write))
        http_collect_body(e->x);
}

static void post_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);
    struct timespec now;

    if (refuse_body(write))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    new_id_make(&e->api->new_id,
                (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS,
                write->new_id);
    write->id = (struct slice){write->new_id, NEW_ID_LEN};
    write->created_only = true;
    http_collect_body(e->x);
}

static void delete_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    write->id = route_id(&e->route);
    write->put.remove = true;
    if (read_conditions(write))
        write_document(write);
}

static void cancel(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    store_cancel(&write->put.request);
    jobs_cancel(e->api->config.jobs, &write->job);
    blob_unref(&write->body);
}

const struct exchange_kind *document_put_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct document_write),
                                              .start = put_start,
                                              .body_end = put_body_end,
                                              .cancel = cancel};

    return &kind;
}

const struct exchange_kind *document_post_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct document_write),
                                              .start = post_start,
                                              .body_end = put_body_end,
                                              .cancel = cancel};

    return &kind;
}

const struct exchange_kind *document_delete_kind(void)
{
    static const struct exchange_kind kind = {
        .size = sizeof(struct document_write), .start = delete_start, .cancel = cancel};

    return &kind;
}
