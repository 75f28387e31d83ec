/* GET and HEAD of a document: store, then (for JSON) the codec, then the reply. */
#include "server/api/conditions.h"
#include "server/api/document_reply.h"

struct document_read {
    struct exchange base;
    struct store_get get;
    struct job job;
    struct blob *stored;
    uint64_t version;
};

static bool none_match(struct document_read *read, struct slice field, bool gzip)
{
    char etag[NEGOTIATE_ETAG_MAX];

    negotiate_etag_print(read->version, read->base.type, gzip, etag);
    return negotiate_none_match(field, etag);
}

/* Answers 304 where the client has this version already (RFC 9110 section 13.1.2). Which
   coding the reply would have is not known yet: the tag of either says the same. */
static bool reply_not_modified(struct document_read *read)
{
    struct exchange *e = &read->base;
    struct slice field = http_header_joined(e->x, "if-none-match");
    bool gzip = e->gzip && e->type == NEGOTIATE_JSON && none_match(read, field, true);
    struct http_reply reply = {.status = 304};
    struct buf headers = BUF_INIT;

    if (field.data == NULL || (!gzip && !none_match(read, field, false)))
        return false;
    exchange_put_etag(&headers, read->version, e->type, gzip);
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
    return true;
}

/* True where If-Match and If-None-Match let the document be sent; otherwise answers 412
   or 304. What is malformed names no version. */
static bool check_conditions(struct document_read *read)
{
    struct exchange *e = &read->base;
    struct conditions conditions;

    conditions_read(e->x, &conditions);
    if (conditions_match(&conditions, read->version))
        return !reply_not_modified(read);
    exchange_fail(e, 412, "the document has another version");
    return false;
}

static void on_job_done(struct job *job)
{
    struct document_read *read = container_of(job, struct document_read, job);

    exchange_job_ended(&read->base, job);
    blob_unref(&read->stored);
    if (job->status == JOB_OK)
        document_reply_send(&read->base, read->version, job->result);
    else
        exchange_fail_stored(&read->base, job);
}

/* A key of the document's name: versions are unique only within a collection where the
   store is Redis. Never 0. */
static uint64_t name_key(const struct exchange *e)
{
    uint64_t key = exchange_hash(e->api->share_seed, route_collection(&e->route));

    key = exchange_hash(key, route_id(&e->route));
    return key ? key : 1;
}

static void on_store_done(struct store_get *get)
{
    struct document_read *read = container_of(get, struct document_read, get);
    struct exchange *e = &read->base;
    struct codec_call call;

    exchange_store_answered(e);
    read->version = get->version;
    if (get->status != STORE_OK) {
        exchange_fail_store(e, get->status);
        return;
    }
    if (!check_conditions(read))
        return;
    if (!document_reply_plan(e, get->format, get->blob->bytes, &call)) {
        document_reply_send(e, get->version, get->blob);
        return;
    }
    read->stored = blob_ref(get->blob);
    read->job.in_blob = read->stored;
    if (!e->mode_chosen) {
        read->job.share_key[0] = get->version;
        read->job.share_key[1] = name_key(e);
    }
    exchange_submit(e, &read->job, &call, on_job_done);
}

static void start(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);

    exchange_get(e, &read->get, on_store_done);
}

static void cancel(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);

    store_cancel(&read->get.request);
    jobs_cancel(e->api->config.jobs, &read->job);
    blob_unref(&read->stored);
}

const struct exchange_kind *document_read_kind(void)
{
    static const struct exchange_kind kind = {
        .size = sizeof(struct document_read), .start = start, .cancel = cancel};

    return &kind;
}
