/* GET and HEAD of a document: store, then (for JSON) the codec, then the reply. */
#include "server/api/conditions.h"
#include "server/api/document/document_reply.h"

struct document_read {
    struct exchange base;
    struct store_get get;
    struct job job;
    struct blob *stored;
    enum store_format format;
    uint64_t version;
};

static bool none_match(struct document_read *read, struct slice field,
                       enum codec_coding coding)
{
    char etag[NEGOTIATE_ETAG_MAX];

    negotiate_etag_print(read->version, read->base.type, coding, etag);
    return negotiate_none_match(field, etag);
}

/* Answers 304 where the client has this version already (RFC 9110 section 13.1.2). Which
   coding the reply would have is not known yet: the tag of either says the same. */
static bool reply_not_modified(struct document_read *read)
{
    struct exchange *e = &read->base;
    struct slice field = http_header_joined(e->x, "if-none-match");
    enum codec_coding coding =
        none_match(read, field, e->coding) ? e->coding : CODING_NONE;
    struct http_reply reply = {.status = 304};
    struct buf headers = BUF_INIT;

    if (field.data == NULL ||
        (coding == CODING_NONE && !none_match(read, field, CODING_NONE)))
        return false;
    exchange_put_etag(&headers, read->version, e->type, coding);
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
    exchange_fail_store(e, STORE_CONFLICT);
    return false;
}

static void start(struct exchange *e);

static void on_job_done(struct job *job)
{
    struct document_read *read = container_of(job, struct document_read, job);

    exchange_job_ended(&read->base, job);
    blob_unref(&read->stored); /* before a client takes its time: see jobs_make_input() */
    if (exchange_lacks_coding(&read->base, job)) {
        start(&read->base);
        return;
    }
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

/* Replies with the stored bytes, or with what a job makes of them. */
static void reply_document(struct document_read *read)
{
    struct exchange *e = &read->base;
    struct codec_call call;

    if (document_reply_plan(e, read->format, read->stored->bytes, &call)) {
        read->job.in_blob = read->stored;
        read->job.sends_result = true;
        if (!e->mode_chosen) {
            read->job.share_key[0] = read->version;
            read->job.share_key[1] = name_key(e);
        }
        exchange_submit(e, &read->job, &call, on_job_done);
    } else {
        document_reply_send(e, read->version, read->stored);
        blob_unref(&read->stored);
    }
}

static void on_store_done(struct store_get *get)
{
    struct document_read *read = container_of(get, struct document_read, get);
    struct exchange *e = &read->base;

    exchange_store_answered(e);
    read->version = get->version;
    if (get->status != STORE_OK) {
        exchange_fail_store(e, get->status);
        return;
    }
    if (!check_conditions(read))
        return;
    read->stored = blob_ref(get->blob);
    read->format = get->format;
    reply_document(read);
}

static struct blob *take_target(void *ctx, size_t len, uint8_t **bytes_r)
{
    const struct exchange *e = ctx;

    return jobs_make_input(e->api->config.jobs, e->mode, len, bytes_r);
}

/* Documents that a job will read go where a worker finds them; not those that are sent as
   they are, for as long as a client takes. */
static void offer_target(struct exchange *e, struct store_target *target)
{
    static const enum store_format formats[] = {STORE_MSGPACK, STORE_JSON};
    const struct slice large = {NULL, STORE_DOCUMENT_MAX};
    struct codec_call call;

    *target = (struct store_target){.take = take_target, .ctx = e};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (document_reply_plan(e, formats[i], large, &call))
            target->formats |= STORE_ROOM_FOR(formats[i]);
}

static void start(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);

    offer_target(e, &read->get.target);
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
