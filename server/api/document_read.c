/* GET and HEAD of a document: store, then (for JSON) the codec, then the reply. */
#include "server/api/exchange.h"

#include <assert.h>

struct document_read {
    struct exchange base;
    struct store_get get;
    struct job job;
    struct blob *stored;
    uint64_t version;
};

static void reply_document(struct document_read *read, struct blob *body)
{
    struct exchange *e = &read->base;
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200, .body = body};
    bool gzip = exchange_is_gzip(body->bytes);

    reply.content_type = negotiate_media_type(e->type);
    exchange_put_etag(&headers, read->version, e->type, gzip);
    if (gzip)
        buf_append_str(&headers, "Content-Encoding: gzip\r\n");
    exchange_put_timing(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
}

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
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
    return true;
}

/* False where an If-Match field does not hold for the version, after answering. */
static bool check_match(struct document_read *read)
{
    struct exchange *e = &read->base;
    uint64_t versions[NEGOTIATE_VERSIONS_MAX];
    unsigned count;
    enum negotiate_match match =
        negotiate_match_read(http_header_joined(e->x, "if-match"), versions, &count);

    if (match == NEGOTIATE_MATCH_NONE || match == NEGOTIATE_MATCH_ANY)
        return true;
    for (unsigned i = 0; i < count && match == NEGOTIATE_MATCH_VERSIONS; i++)
        if (versions[i] == read->version)
            return true;
    if (match == NEGOTIATE_MATCH_BAD)
        exchange_fail(e, 400, "If-Match must be * or entity tags, 16 at most");
    else
        exchange_fail(e, 412, "the document has another version");
    return false;
}

static void on_job_done(struct job *job)
{
    struct document_read *read = container_of(job, struct document_read, job);

    exchange_job_ended(&read->base, job);
    blob_unref(&read->stored);
    if (job->status == JOB_OK)
        reply_document(read, job->result);
    else
        exchange_fail_stored(&read->base, job);
}

/* What turns the stored bytes into the reply's; op CODEC_OPS where they are it. */
static struct codec_call plan(const struct exchange *e, enum store_format format)
{
    struct codec_call call = {.op = CODEC_OPS,
                              .format = exchange_codec_format(format),
                              .pretty = e->query.pretty,
                              .fields = e->query.fields};

    if (e->type == NEGOTIATE_JSON) {
        call.gzip = e->gzip;
        if (format == STORE_MSGPACK || call.gzip || call.pretty || call.fields.len > 0)
            call.op = CODEC_OP_ENCODE;
    } else if (call.fields.len > 0) {
        call.op = CODEC_OP_PROJECT;
    } else if (format == STORE_JSON) {
        call.op = CODEC_OP_DECODE;
        call.format = CODEC_FORMAT_MSGPACK;
    }
    return call;
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
    if (!check_match(read) || reply_not_modified(read))
        return;
    call = plan(e, get->format);
    if (call.op == CODEC_OPS) {
        reply_document(read, get->blob);
        return;
    }
    read->stored = blob_ref(get->blob);
    call.in = read->stored->bytes;
    exchange_submit(e, &read->job, &call, on_job_done);
}

static void start(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    read->get.key = (struct store_key){route_collection(&e->route), route_id(&e->route)};
    read->get.done = on_store_done;
    exchange_store_asked(e);
    store_get(e->api->config.store, &read->get);
    stats_phase_enter(was);
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
