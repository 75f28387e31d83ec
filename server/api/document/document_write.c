/*
 * PUT and DELETE of a document, and POST of one to a collection: (but for DELETE) the
 * body through the codec, then the store.
 */
#include "server/api/conditions.h"
#include "server/api/exchange_kinds.h"

#include <assert.h>

#include "common/base/clock.h"

/* A write under conditions that only reading can check is tried for so long. */
#define WRITE_TRY_NS (10 * NS_PER_S)

struct document_write {
    struct exchange base;
    struct store_get get; /* where conditions must be checked here */
    struct store_put put;
    struct store_learn learn; /* POST: before an id is made */
    struct job job;
    struct blob *body;
    struct blob *stored; /* what a foreign store has, while its version is made */
    uint64_t version;    /* of the body, where the store is foreign */
    bool gunzip;         /* the body is compressed */
    struct conditions conditions;
    uint8_t new_id[NEW_ID_LEN]; /* POST: where put.key.id is */
};

/* Reads If-Match and If-None-Match; false where they are malformed, after answering. */
static bool read_conditions(struct document_write *write)
{
    const char *fault = conditions_read(write->base.x, &write->conditions);

    if (fault != NULL)
        exchange_fail(&write->base, 400, fault);
    return fault == NULL;
}

static void reply_written(struct document_write *write, int status)
{
    struct exchange *e = &write->base;
    struct buf headers = BUF_INIT, body = BUF_INIT;
    struct http_reply reply = {.status = status};

    if (status != 204)
        exchange_put_etag(e, &headers,
                          exchange_is_foreign(e) ? write->version : write->put.version,
                          CODING_NONE);
    if (status == 201) {
        buf_append_str(&headers, "Location: ");
        exchange_put_path(e, &headers);
        if (e->route.kind == STATS_ROUTE_COLLECTION)
            buf_printf(&headers, "/%.*s", NEW_ID_LEN, (const char *)write->new_id);
        buf_append_str(&headers, "\r\n");
    }
    if (e->route.kind == STATS_ROUTE_COLLECTION) {
        buf_printf(&body, "{\"id\":\"%.*s\"}", NEW_ID_LEN, (const char *)write->new_id);
        reply.content_type = negotiate_media_type(NEGOTIATE_JSON);
        reply.body = blob_new_steal(&body);
    }
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    blob_unref(&reply.body);
    buf_free(&headers);
}

static void write_document(struct document_write *write);

/* The version was read and then changed by somebody else: read it again. */
static bool try_again(struct document_write *write)
{
    struct exchange *e = &write->base;
    struct store_put unused;

    if (conditions_plan(&write->conditions, &unused) != CONDITIONS_READ)
        return false;
    if (clock_now_ns() - e->started_ns > WRITE_TRY_NS)
        exchange_fail(e, 503, "the document is being changed too often; try again");
    else
        write_document(write);
    return true;
}

static void on_put_done(struct store_put *put)
{
    struct document_write *write = container_of(put, struct document_write, put);

    exchange_store_answered(&write->base);
    if (put->status == STORE_CONFLICT && try_again(write))
        return;
    blob_unref(&write->body);
    if (put->status == STORE_CREATED)
        reply_written(write, 201);
    else if (put->status == STORE_OK)
        reply_written(write, put->remove ? 204 : 200);
    else
        exchange_fail_store(&write->base, put->status);
}

/* Writes if the conditions hold for the document that is there. */
static void write_over(struct document_write *write, uint64_t version)
{
    struct store_put *put = &write->put;

    if (!conditions_hold(&write->conditions, version)) {
        exchange_fail_store(&write->base, STORE_CONFLICT);
        return;
    }
    put->condition = STORE_IF_VERSION;
    put->if_version = version;
    exchange_put(&write->base, put, on_put_done);
}

static void write_new(struct document_write *write)
{
    if (!conditions_hold_absent(&write->conditions)) {
        exchange_fail_store(&write->base, STORE_CONFLICT);
        return;
    }
    write->put.condition = STORE_IF_ABSENT;
    exchange_put(&write->base, &write->put, on_put_done);
}

static void on_digested(struct job *job)
{
    struct document_write *write = container_of(job, struct document_write, job);

    exchange_job_ended(&write->base, job);
    blob_unref(&write->stored);
    if (job->status == JOB_OK)
        write_over(write, job->digest_in);
    else
        exchange_fail_job(&write->base, job);
}

/* Has a job make the version of what a foreign store has, whatever that is. */
static void digest_stored(struct document_write *write, struct blob *stored)
{
    const struct codec_call call = {
        .op = CODEC_OP_PROJECT, .digests = CODEC_DIGEST_IN, .in = stored->bytes};

    write->stored = blob_ref(stored);
    write->job.in_blob = write->stored;
    exchange_submit(&write->base, &write->job, &call, on_digested);
}

static void on_get_done(struct store_get *get)
{
    struct document_write *write = container_of(get, struct document_write, get);
    struct exchange *e = &write->base;

    exchange_store_answered(e);
    if (get->status == STORE_NOT_FOUND && !write->put.remove)
        write_new(write);
    else if (get->status != STORE_OK)
        exchange_fail_store(e, get->status);
    else if (exchange_is_foreign(e))
        digest_stored(write, get->blob);
    else
        write_over(write, get->version);
}

/* A store that knows times so far ahead is not believed: its clock was wrong. */
#define AHEAD_US (UINT64_C(20) * 365 * 86400 * 1000000)

/* The time for an id: where the clock went back while no server ran, the store still
   knows a later one. Ids of that same millisecond may be there: it is the next. */
static uint64_t now_ms(const struct api *api)
{
    uint64_t now_us = clock_real_us(), known_us = store_clock_us(api->config.store);

    if (known_us <= now_us || known_us > now_us + AHEAD_US)
        return now_us / 1000;
    return known_us / 1000 + 1;
}

static void on_learned(struct store_learn *learn)
{
    struct document_write *write = container_of(learn, struct document_write, learn);
    struct exchange *e = &write->base;

    new_id_make(&e->api->new_id, now_ms(e->api), write->new_id);
    write->put.key.id = (struct slice){write->new_id, NEW_ID_LEN};
    exchange_put(e, &write->put, on_put_done);
}

static void write_document(struct document_write *write)
{
    struct exchange *e = &write->base;
    struct store_put *put = &write->put;

    put->blob = write->body;
    put->format = exchange_store_format(e);
    if (e->route.kind == STATS_ROUTE_COLLECTION) {
        put->condition = STORE_IF_ABSENT;
        write->learn.collection = route_collection(&e->route);
        write->learn.done = on_learned;
        store_learn(e->api->config.store, &write->learn);
        return;
    }
    put->key.id = route_id(&e->route);
    if (conditions_plan(&write->conditions, put) == CONDITIONS_STORE)
        exchange_put(e, put, on_put_done);
    else
        exchange_get(e, &write->get, on_get_done);
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
    write->version = job->digest_out;
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

    if (exchange_is_foreign(e))
        call.digests = CODEC_DIGEST_OUT;
    write->body = http_take_body(e->x);
    call.in = write->body->bytes;
    write->job.in_blob = write->body;
    exchange_submit(e, &write->job, &call, on_job_done);
}

/* False where a request's body is not a document, after answering. */
static bool check_body(struct document_write *write)
{
    struct exchange *e = &write->base;

    if (!exchange_check_body(e, "a document", &write->gunzip))
        return false;
    if (negotiate_content_type(http_header(e->x, "content-type"), &e->type) != 0)
        exchange_fail_content_type(
            e, "the server accepts application/json and application/msgpack", "");
    return !http_replied(e->x);
}

static void put_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    if (check_body(write) && read_conditions(write))
        http_collect_body(e->x);
}

static void post_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    if (!check_body(write) || !read_conditions(write))
        return;
    if (!conditions_hold(&write->conditions, 0)) {
        exchange_fail(e, 412, "a collection is there and has no entity tag");
        return;
    }
    http_collect_body(e->x);
}

static void delete_start(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    write->put.remove = true;
    if (read_conditions(write))
        write_document(write);
}

static void cancel(struct exchange *e)
{
    struct document_write *write = container_of(e, struct document_write, base);

    store_cancel(&write->learn.request);
    store_cancel(&write->get.request);
    store_cancel(&write->put.request);
    jobs_cancel(e->api->config.jobs, &write->job);
    blob_unref(&write->body);
    blob_unref(&write->stored);
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
