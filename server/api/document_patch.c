/*
 * PATCH of a document with a JSON merge patch (RFC 7396): read it, apply the patch and
 * print the result in a worker, then write it on the condition that the version is still
 * the one read; where it is not, start again. So no update is lost, whoever else writes.
 *
 * Patches of one document that meet in one front wait for each other: without that, of
 * n clients n - 1 would do their work in vain each time.
 */
#include "server/api/exchange.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"

/* After so long of others always being first, the client is asked to come again. */
#define PATCH_TRY_NS (10 * NS_PER_S)

struct document_patch {
    struct exchange base;
    struct list link;    /* in api.patches: at work; or in another's `waiting` */
    struct list waiting; /* patches of the same document */
    bool at_work;
    bool gunzip;
    struct store_get get;
    struct store_put put;
    struct job job;
    struct blob *patch;
    struct blob *stored; /* the document as read */
    struct blob *result; /* the document as it will be stored */
    struct blob *reply;  /* and as it will be sent */
    enum store_format format;
    uint64_t version; /* as read */
};

static void read_document(struct document_patch *patch);

static bool same_document(const struct exchange *a, const struct exchange *b)
{
    return a->route.collection_len == b->route.collection_len &&
           a->route.id_len == b->route.id_len &&
           memcmp(a->route.collection, b->route.collection, a->route.collection_len) ==
               0 &&
           memcmp(a->route.id, b->route.id, a->route.id_len) == 0;
}

static void begin_work(struct document_patch *patch)
{
    patch->at_work = true;
    list_append(&patch->base.api->patches, &patch->link);
    read_document(patch);
}

/* Lets the next patch of the document go to work, and the others wait for that one. */
static void end_work(struct document_patch *patch)
{
    struct list *first;
    struct document_patch *next;

    list_remove(&patch->link);
    if (!patch->at_work)
        return;
    patch->at_work = false;
    first = list_shift(&patch->waiting);
    if (first == NULL)
        return;
    next = container_of(first, struct document_patch, link);
    while ((first = list_shift(&patch->waiting)) != NULL)
        list_append(&next->waiting, first);
    begin_work(next);
}

static void finish(struct document_patch *patch, int status, const char *detail)
{
    exchange_fail(&patch->base, status, detail);
    end_work(patch);
}

static void reply_patched(struct document_patch *patch)
{
    struct exchange *e = &patch->base;
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200, .body = patch->reply};
    bool gzip = exchange_is_gzip(patch->reply->bytes);

    reply.content_type = negotiate_media_type(e->type);
    exchange_put_etag(&headers, patch->put.version, e->type, gzip);
    if (gzip)
        buf_append_str(&headers, "Content-Encoding: gzip\r\n");
    exchange_put_timing(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
    end_work(patch);
}

static void start_again(struct document_patch *patch)
{
    blob_unref(&patch->stored);
    blob_unref(&patch->result);
    blob_unref(&patch->reply);
    if (clock_now_ns() - patch->base.started_ns > PATCH_TRY_NS)
        finish(patch, 503, "the document is being changed too often; try again");
    else
        read_document(patch);
}

static void on_put_done(struct store_put *put)
{
    struct document_patch *patch = container_of(put, struct document_patch, put);

    exchange_store_answered(&patch->base);
    if (put->status == STORE_OK) {
        reply_patched(patch);
    } else if (put->status == STORE_CONFLICT) {
        start_again(patch);
    } else {
        exchange_fail_store(&patch->base, put->status);
        end_work(patch);
    }
}

static void write_document(struct document_patch *patch)
{
    struct exchange *e = &patch->base;
    struct store_put *put = &patch->put;

    put->key = (struct store_key){route_collection(&e->route), route_id(&e->route)};
    put->blob = patch->result;
    put->format = patch->format;
    put->condition = STORE_IF_VERSION;
    put->if_version = patch->version;
    put->done = on_put_done;
    exchange_store_asked(e);
    store_put(e->api->config.store, put);
}

static void on_printed(struct job *job)
{
    struct document_patch *patch = container_of(job, struct document_patch, job);

    exchange_job_ended(&patch->base, job);
    if (job->status == JOB_OK) {
        patch->reply = blob_ref(job->result);
        write_document(patch);
    } else {
        exchange_fail_stored(&patch->base, job);
        end_work(patch);
    }
}

/* Prints the result before it is written: then the reply cannot fail any more. */
static void print_result(struct document_patch *patch)
{
    struct exchange *e = &patch->base;
    struct codec_call call = {.op = CODEC_OP_ENCODE,
                              .format = exchange_codec_format(patch->format),
                              .pretty = e->query.pretty,
                              .gzip = e->gzip,
                              .in = patch->result->bytes};
    bool json = e->type == NEGOTIATE_JSON;

    if (!json) {
        call.op = CODEC_OP_DECODE;
        call.format = CODEC_FORMAT_MSGPACK;
        call.gzip = false;
    }
    if (json == (patch->format == STORE_JSON) && !call.gzip && !(json && call.pretty)) {
        patch->reply = blob_ref(patch->result);
        write_document(patch);
        return;
    }
    exchange_submit(e, &patch->job, &call, on_printed);
}

static void on_patched(struct job *job)
{
    struct document_patch *patch = container_of(job, struct document_patch, job);

    exchange_job_ended(&patch->base, job);
    if (job->status == JOB_OK) {
        patch->result = blob_ref(job->result);
        print_result(patch);
    } else {
        exchange_fail_job(&patch->base, job);
        end_work(patch);
    }
}

/* 412 where an If-Match field does not hold, 400 where it is malformed; 0 where all is
   well. */
static int check_match(struct document_patch *patch)
{
    uint64_t versions[NEGOTIATE_VERSIONS_MAX];
    unsigned count;
    struct slice field = http_header_joined(patch->base.x, "if-match");
    enum negotiate_match match = negotiate_match_read(field, versions, &count);

    if (match == NEGOTIATE_MATCH_BAD)
        return 400;
    if (match != NEGOTIATE_MATCH_VERSIONS)
        return 0;
    for (unsigned i = 0; i < count; i++)
        if (versions[i] == patch->version)
            return 0;
    return 412;
}

static void on_get_done(struct store_get *get)
{
    struct document_patch *patch = container_of(get, struct document_patch, get);
    struct exchange *e = &patch->base;
    struct codec_call call = {.op = CODEC_OP_PATCH, .gunzip = patch->gunzip};
    int refused;

    exchange_store_answered(e);
    if (get->status != STORE_OK) {
        exchange_fail_store(e, get->status);
        end_work(patch);
        return;
    }
    patch->version = get->version;
    patch->format = get->format;
    refused = check_match(patch);
    if (refused != 0) {
        finish(patch, refused,
               refused == 412 ? "the document has another version"
                              : "If-Match must be * or entity tags");
        return;
    }
    patch->stored = blob_ref(get->blob);
    call.format = exchange_codec_format(get->format);
    call.in = patch->stored->bytes;
    call.argument = patch->patch->bytes;
    exchange_submit(e, &patch->job, &call, on_patched);
}

static void read_document(struct document_patch *patch)
{
    struct exchange *e = &patch->base;

    patch->get.key = (struct store_key){route_collection(&e->route), route_id(&e->route)};
    patch->get.done = on_get_done;
    exchange_store_asked(e);
    store_get(e->api->config.store, &patch->get);
}

static void body_end(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);
    struct list *head = &e->api->patches;

    patch->patch = http_take_body(e->x);
    for (struct list *at = head->next; at != head; at = at->next) {
        struct document_patch *other = container_of(at, struct document_patch, link);

        if (same_document(e, &other->base)) {
            list_append(&other->waiting, &patch->link);
            return;
        }
    }
    begin_work(patch);
}

static bool is_merge_patch(struct slice content_type)
{
    static const char wanted[] = "application/merge-patch+json";
    const uint8_t *end = memchr(content_type.data, ';', content_type.len);
    size_t len = end ? (size_t)(end - content_type.data) : content_type.len;

    while (len > 0 &&
           (content_type.data[len - 1] == ' ' || content_type.data[len - 1] == '\t'))
        len--;
    return len == sizeof wanted - 1 &&
           strncasecmp((const char *)content_type.data, wanted, len) == 0;
}

static void start(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);
    struct slice type = http_header(e->x, "content-type");
    struct slice coding = http_header_joined(e->x, "content-encoding");

    list_init(&patch->link);
    list_init(&patch->waiting);
    if (http_header(e->x, "content-length").data == NULL && !http_request(e->x)->has_body)
        exchange_fail(e, 411, "a patch needs Content-Length or chunked coding");
    else if (type.data == NULL || !is_merge_patch(type))
        exchange_fail(e, 415, "taken is application/merge-patch+json");
    else if (negotiate_content_coding(coding, &patch->gunzip) != 0)
        exchange_fail(e, 415, "the only Content-Encoding taken is gzip");
    else
        http_collect_body(e->x);
}

static void cancel(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);

    if (patch->link.next == NULL)
        return; /* refused before it was started */
    store_cancel(&patch->get.request);
    store_cancel(&patch->put.request);
    jobs_cancel(e->api->config.jobs, &patch->job);
    blob_unref(&patch->patch);
    blob_unref(&patch->stored);
    blob_unref(&patch->result);
    blob_unref(&patch->reply);
    end_work(patch);
}

const struct exchange_kind *document_patch_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct document_patch),
                                              .start = start,
                                              .body_end = body_end,
                                              .cancel = cancel};

    return &kind;
}
