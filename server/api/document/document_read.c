/* GET and HEAD of a document: store, then (for JSON) the codec or the cache of replies,
   then the reply. */
#include <string.h>

#include "server/api/conditions.h"
#include "server/api/document/document_reply.h"
#include "server/api/exchange_kinds.h"
#include "server/api/programs/program.h"
#include "server/api/reply_cache.h"

/* Longer texts of fields and programs are not looked for in the cache. */
#define CACHED_FIELDS_MAX 1024

/* A reply of up to so many bytes is copied into the cache: it may lie in memory that a
   worker can write to, or in more memory than it needs. */
#define CACHE_COPY_MAX ((size_t)64 << 10)

/* Names a reply for the cache: two names with their lengths, four bytes, the fields with
   their length, the program with its arguments. */
struct reply_key {
    size_t len; /* 0 where the reply is none for the cache */
    uint8_t bytes[2 * (ROUTE_NAME_MAX + 1) + 5 + CACHED_FIELDS_MAX];
};

struct document_read {
    struct exchange base;
    struct store_get get;
    struct job job;
    struct blob *stored;
    struct blob *cached; /* the reply, if the document's version is get.known_version */
    enum store_format format;
    uint64_t version;
};

static bool none_match(struct document_read *read, struct slice field,
                       enum codec_coding coding)
{
    char etag[NEGOTIATE_ETAG_MAX];

    exchange_print_etag(&read->base, read->version, read->base.type, coding, etag);
    return negotiate_none_match(field, etag);
}

/* Whether a program gives several results is not known yet, so that a tag of lines may
   be what the client has. */
static void expect_lines(struct document_read *read, struct slice field)
{
    struct exchange *e = &read->base;
    enum negotiate_type type = e->type;

    if (e->program == NULL || type == NEGOTIATE_NDJSON ||
        !negotiate_accepts(http_header_joined(e->x, "accept"), NEGOTIATE_NDJSON))
        return;
    e->type = NEGOTIATE_NDJSON;
    if (!none_match(read, field, CODING_NONE))
        e->type = type;
    else
        e->coding = CODING_NONE;
}

/* Answers 304 where the client has this version already (RFC 9110 section 13.1.2). Which
   coding the reply would have is not known yet: the tag of either says the same. */
static bool reply_not_modified(struct document_read *read)
{
    struct exchange *e = &read->base;
    struct slice field = http_header_joined(e->x, "if-none-match");
    enum codec_coding coding;
    struct http_reply reply = {.status = 304};
    struct buf headers = BUF_INIT;

    if (field.data != NULL)
        expect_lines(read, field);
    coding = none_match(read, field, e->coding) ? e->coding : CODING_NONE;
    if (field.data == NULL ||
        (coding == CODING_NONE && !none_match(read, field, CODING_NONE)))
        return false;
    exchange_put_etag(e, &headers, read->version, coding);
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

/* ---- the cache ---- */

static struct reply_cache *cache_of(const struct document_read *read)
{
    return read->base.api->reply_cache;
}

static uint8_t *put_name(uint8_t *at, struct slice name)
{
    *at++ = (uint8_t)name.len;
    memcpy(at, name.data, name.len);
    return at + name.len;
}

/* The key of this request's reply, in which all stands that shapes it beside the
   document's version. */
static void make_key(const struct document_read *read, struct reply_key *key_r)
{
    const struct exchange *e = &read->base;
    struct slice fields = e->query.fields, program = {NULL, 0};
    uint8_t *at = key_r->bytes;

    key_r->len = 0;
    if (e->program != NULL)
        program = e->program->argument->bytes;
    if (cache_of(read) == NULL || e->mode_chosen || e->type == NEGOTIATE_NDJSON ||
        fields.len > CACHED_FIELDS_MAX || program.len > CACHED_FIELDS_MAX - fields.len)
        return;
    at = put_name(at, route_collection(&e->route));
    at = put_name(at, route_id(&e->route));
    *at++ = (uint8_t)e->type;
    *at++ = (uint8_t)e->coding;
    *at++ = e->query.pretty;
    *at++ = (uint8_t)(fields.len >> 8);
    *at++ = (uint8_t)fields.len;
    if (fields.len > 0)
        memcpy(at, fields.data, fields.len);
    at += fields.len;
    if (program.len > 0)
        memcpy(at, program.data, program.len);
    key_r->len = (size_t)(at - key_r->bytes) + program.len;
}

static struct slice key_slice(const struct reply_key *key)
{
    return (struct slice){key->bytes, key->len};
}

/* Before the store is asked: where the reply is in the cache, its version is enough. */
static void look_up(struct document_read *read)
{
    struct reply_key key;

    read->get.known_version = 0;
    make_key(read, &key);
    if (key.len > 0)
        read->cached =
            reply_cache_find(cache_of(read), key_slice(&key), &read->get.known_version);
}

/* A job has to make the reply. Where it is expected to be kept, it must not stay in a
   worker's memory. */
static void count_miss(struct document_read *read)
{
    struct reply_key key;

    read->job.sends_result = true;
    make_key(read, &key);
    if (key.len == 0)
        return;
    reply_cache_miss(cache_of(read), key_slice(&key));
    read->job.sends_result = !reply_cache_expects(cache_of(read), key_slice(&key));
}

/* A job has made the reply. */
static void keep(struct document_read *read, const struct job *job)
{
    bool is_lent = job->sends_result && job->ran == JOBS_RPC;
    struct blob *reply = job->result, *copy = NULL;
    struct reply_key key;

    make_key(read, &key);
    if (key.len == 0 || reply->bytes.len == 0 ||
        reply->bytes.len > reply_cache_max_bytes(cache_of(read)))
        return;
    if (is_lent && (reply->bytes.len > CACHE_COPY_MAX ||
                    !reply_cache_expects(cache_of(read), key_slice(&key)))) {
        reply_cache_note(cache_of(read), key_slice(&key));
        return;
    }
    if (reply->bytes.len <= CACHE_COPY_MAX)
        reply = copy = blob_new_copy(reply->bytes.data, reply->bytes.len);
    reply_cache_put(cache_of(read), key_slice(&key), read->version, reply);
    blob_unref(&copy);
}

/* ---- the steps ---- */

/* The document has the version of the reply that is there. */
static void reply_cached(struct document_read *read)
{
    struct reply_key key;

    make_key(read, &key);
    reply_cache_hit(cache_of(read), key_slice(&key));
    document_reply_send(&read->base, read->version, read->cached);
    blob_unref(&read->cached);
}

static void start(struct exchange *e);

/* True where a program gave several results and the client takes lines, too. */
static bool becomes_lines(struct document_read *read, const struct job *job)
{
    struct exchange *e = &read->base;

    /* A worker that says so again where lines were asked for is faulty: no second time.
     */
    if (e->type == NEGOTIATE_NDJSON || job->status != JOB_REFUSED ||
        job->fault.status != CODEC_SEVERAL ||
        !negotiate_accepts(http_header_joined(e->x, "accept"), NEGOTIATE_NDJSON))
        return false;
    e->type = NEGOTIATE_NDJSON;
    e->media[0] = '\0';
    e->coding = CODING_NONE;
    return true;
}

static void on_job_done(struct job *job)
{
    struct document_read *read = container_of(job, struct document_read, job);

    exchange_job_ended(&read->base, job);
    blob_unref(&read->stored); /* before a client takes its time: see jobs_make_input() */
    if (exchange_lacks_coding(&read->base, job) || becomes_lines(read, job)) {
        start(&read->base);
        return;
    }
    if (job->status != JOB_OK) {
        exchange_fail_stored(&read->base, job);
        return;
    }
    if (exchange_is_foreign(&read->base)) {
        read->version = job->digest_in;
        if (!check_conditions(read))
            return;
    }
    keep(read, job);
    document_reply_send(&read->base, read->version, job->result);
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
    bool foreign = exchange_is_foreign(e);
    struct codec_call call;

    if (document_reply_plan(e, read->format, read->stored->bytes, &call) || foreign) {
        call.digests = foreign ? CODEC_DIGEST_IN : 0;
        read->job.in_blob = read->stored;
        read->job.argument_blob = e->program != NULL ? e->program->argument : NULL;
        count_miss(read);
        if (!e->mode_chosen && !foreign) {
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
    if (!exchange_is_foreign(e) && !check_conditions(read))
        return;
    if (get->blob == NULL) {
        reply_cached(read);
        return;
    }
    blob_unref(&read->cached); /* of another version */
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
            target->formats |= STORE_TARGET_FOR(formats[i]);
}

static void start(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);

    blob_unref(&read->cached);
    look_up(read);
    offer_target(e, &read->get.target);
    exchange_get(e, &read->get, on_store_done);
}

static void cancel(struct exchange *e)
{
    struct document_read *read = container_of(e, struct document_read, base);

    store_cancel(&read->get.request);
    jobs_cancel(e->api->config.jobs, &read->job);
    blob_unref(&read->stored);
    blob_unref(&read->cached);
}

const struct exchange_kind *document_read_kind(void)
{
    static const struct exchange_kind kind = {
        .size = sizeof(struct document_read), .start = start, .cancel = cancel};

    return &kind;
}
