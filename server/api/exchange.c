#include "server/api/exchange.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/codec/coding/coding.h"
#include "common/base/log.h"
#include "server/api/conditions.h"
#include "server/api/programs/program.h"
#include "server/stats/stats.h"

/* --max-reply limits what is sent, not what is stored or only looked at: a DELETE with
   conditions digests the value. */
static size_t max_output(const struct exchange *e, enum codec_op op)
{
    bool replies =
        op == CODEC_OP_ENCODE || op == CODEC_OP_SEQUENCE || op == CODEC_OP_PROJECT;
    enum http_method method;

    if (!replies)
        return STORE_DOCUMENT_MAX;
    method = http_request(e->x)->method;
    return method == HTTP_PUT || method == HTTP_POST || method == HTTP_DELETE
               ? STORE_DOCUMENT_MAX
               : e->api->config.max_reply_bytes;
}

/* True for a call that makes MessagePack of JSON: of others a worker that is too old for
   the option must not be asked for it. */
static bool packs_numbers(const struct codec_call *call)
{
    bool json = call->format == CODEC_FORMAT_JSON;

    return call->op == CODEC_OP_DECODE || (call->op == CODEC_OP_PROJECT && json) ||
           ((call->op == CODEC_OP_PATCH || call->op == CODEC_OP_BULK) && !json);
}

void exchange_submit(struct exchange *e, struct job *job, const struct codec_call *call,
                     void (*done)(struct job *job))
{
    exchange_submit_as(e, e->mode, job, call, done);
}

void exchange_submit_as(struct exchange *e, enum jobs_mode mode, struct job *job,
                        const struct codec_call *call, void (*done)(struct job *job))
{
    const struct api_config *config = &e->api->config;

    assert(!jobs_state_is_active(job->state));
    *job = (struct job){.call = *call,
                        .in_blob = job->in_blob,
                        .argument_blob = job->argument_blob,
                        .share_key = {job->share_key[0], job->share_key[1]},
                        .sends_result = job->sends_result,
                        .mode = mode,
                        .done = done};
    job->call.max_output = max_output(e, call->op);
    job->call.keep_numbers = config->keep_numbers && packs_numbers(call);
    job->call.max_memory = config->max_memory_bytes;
    if (call->gunzip)
        job->call.max_expanded = config->max_body_bytes;
    job->submitted_ns = clock_now_ns();
    jobs_submit(config->jobs, job);
}

bool exchange_is_foreign(const struct exchange *e)
{
    return store_is_foreign(e->api->config.store);
}

enum codec_format exchange_codec_format(enum store_format format)
{
    return format == STORE_JSON ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK;
}

enum store_format exchange_store_format(const struct exchange *e)
{
    return e->api->config.store_json ? STORE_JSON : STORE_MSGPACK;
}

void exchange_job_ended(struct exchange *e, const struct job *job)
{
    e->ran_job = true;
    e->ran = job->ran;
    e->queue_us += job->queue_us;
    e->codec_us += job->codec_us;
    e->job_us += (clock_now_ns() - job->submitted_ns) / NS_PER_US;
}

void exchange_store_asked(struct exchange *e)
{
    e->store_since_ns = clock_now_ns();
}

void exchange_store_answered(struct exchange *e)
{
    e->store_us += (clock_now_ns() - e->store_since_ns) / NS_PER_US;
}

void exchange_get(struct exchange *e, struct store_get *get,
                  void (*done)(struct store_get *get))
{
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    get->key = (struct store_key){route_collection(&e->route), route_id(&e->route)};
    get->done = done;
    exchange_store_asked(e);
    store_get(e->api->config.store, get);
    stats_phase_enter(was);
}

void exchange_put(struct exchange *e, struct store_put *put,
                  void (*done)(struct store_put *put))
{
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    put->key.collection = route_collection(&e->route);
    put->done = done;
    exchange_store_asked(e);
    store_put(e->api->config.store, put);
    stats_phase_enter(was);
}

bool exchange_check_body(struct exchange *e, const char *what, bool *gunzip_r)
{
    struct slice coding = http_header_joined(e->x, "content-encoding");
    char detail[64];

    snprintf(detail, sizeof detail, "%s needs Content-Length or chunked coding", what);
    if (http_header(e->x, "content-length").data == NULL && !http_request(e->x)->has_body)
        exchange_fail(e, 411, detail);
    else if (negotiate_content_coding(coding, gunzip_r) != 0)
        exchange_fail_with(e, 415, "the only Content-Encoding accepted is gzip",
                           "Accept-Encoding: gzip\r\n");
    else if (http_header(e->x, "content-range").data != NULL)
        exchange_fail(e, 400, "a part of a document cannot be written");
    return !http_replied(e->x);
}

const char *exchange_allow(const struct exchange *e)
{
    switch (e->route.kind) {
    case STATS_ROUTE_DOCUMENT: return "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    case STATS_ROUTE_COLLECTION: return "GET, HEAD, POST, OPTIONS";
    case STATS_ROUTE_COLLECTIONS:
        return exchange_is_foreign(e) ? "OPTIONS" : "GET, HEAD, OPTIONS";
    default: return "GET, HEAD, OPTIONS";
    }
}

void exchange_put_path(const struct exchange *e, struct buf *headers)
{
    struct slice path = http_request(e->x)->path;

    if (e->api->config.base_path != NULL)
        buf_append_str(headers, e->api->config.base_path);
    buf_append(headers, path.data, path.len);
}

void exchange_put_vary(const struct exchange *e, struct buf *headers)
{
    bool codings =
        e->route.kind == STATS_ROUTE_DOCUMENT || e->route.kind == STATS_ROUTE_COLLECTION;

    buf_append_str(headers,
                   codings ? "Vary: Accept, Accept-Encoding\r\n" : "Vary: Accept\r\n");
}

static bool is_read(const struct exchange *e)
{
    enum http_method method = http_request(e->x)->method;

    return method == HTTP_GET || method == HTTP_HEAD;
}

/* A problem stands in place of what was negotiated; with another Accept there might be
   none. */
static bool is_negotiated(const struct exchange *e)
{
    return is_read(e) && (e->route.kind != STATS_ROUTE_OTHER || e->route.is_description);
}

static void reply_problem(struct exchange *e, int status, const char *detail,
                          int64_t offset, const char *extra)
{
    struct buf headers = BUF_INIT;

    if (status == 503)
        buf_append_str(&headers, "Retry-After: 1\r\n");
    if (status == 401)
        buf_printf(&headers, "WWW-Authenticate: Bearer realm=\"offloop\"%s\r\n",
                   http_header(e->x, "authorization").data != NULL
                       ? ", error=\"invalid_token\""
                       : "");
    if (status == 405)
        buf_printf(&headers, "Allow: %s\r\n", exchange_allow(e));
    if (is_negotiated(e))
        exchange_put_vary(e, &headers);
    buf_append_str(&headers, extra);
    exchange_put_common(e, &headers);
    http_reply_problem(e->x, status, detail, offset, buf_slice(&headers));
    buf_free(&headers);
}

void exchange_fail(struct exchange *e, int status, const char *detail)
{
    reply_problem(e, status, detail, -1, "");
}

void exchange_fail_with(struct exchange *e, int status, const char *detail,
                        const char *headers)
{
    reply_problem(e, status, detail, -1, headers);
}

/* What is wrong with a program, or with what it meets, in its own words. */
static void fail_program(struct exchange *e, const struct job *job, int status)
{
    struct slice text =
        job->result != NULL ? job->result->bytes : (struct slice){NULL, 0};
    bool is_refused = job->fault.status == CODEC_PROGRAM;
    char detail[CODEC_MAX_TEXT_BYTES + 128];
    int len = snprintf(detail, sizeof detail, "%s", codec_status_text(job->fault.status));

    assert(text.len <= CODEC_MAX_TEXT_BYTES);
    if (is_refused || job->fault.status == CODEC_FAILED ||
        job->fault.status == CODEC_ARGUMENT) /* others' texts say the same again */
        len += snprintf(detail + len, sizeof detail - (size_t)len, ": %.*s",
                        (int)text.len, (const char *)text.data);
    if (job->fault.offset != CODEC_NO_OFFSET)
        snprintf(detail + len, sizeof detail - (size_t)len,
                 " (at byte %" PRIu64 " of the program)", job->fault.offset);
    if (is_refused && e->query.jq.len > 0 &&
        memchr(e->query.jq.data, '+', e->query.jq.len) != NULL)
        strncat(detail, "; a + in a query is a +, and a space is %20",
                sizeof detail - strlen(detail) - 1);
    reply_problem(e, status, detail, is_refused ? (int64_t)job->fault.offset : -1, "");
}

void exchange_fail_job(struct exchange *e, const struct job *job)
{
    int status = job_status_http(job->status);
    char detail[CODEC_MAX_TEXT_BYTES + 128];

    assert(job->status != JOB_OK);
    if (job->status != JOB_REFUSED) {
        exchange_fail(e, status, job_status_text(job->status));
        return;
    }
    status = codec_status_http(job->fault.status);
    if (codec_status_has_text(job->fault.status)) {
        fail_program(e, job, status);
        return;
    }
    if (job->fault.offset == CODEC_NO_OFFSET || status != 400) {
        exchange_fail(e, status, codec_status_text(job->fault.status));
        return;
    }
    snprintf(detail, sizeof detail, "%s at byte %" PRIu64,
             codec_status_text(job->fault.status), job->fault.offset);
    reply_problem(e, status, detail, (int64_t)job->fault.offset, "");
}

/* A value of an application is no JSON: nobody's fault here, and no news for the log. */
static void fail_foreign(struct exchange *e, const struct codec_fault *fault)
{
    char detail[CODEC_MAX_TEXT_BYTES];

    snprintf(detail, sizeof detail,
             "the value that Redis has is not JSON: %s at byte %" PRIu64,
             codec_status_text(fault->status), fault->offset);
    reply_problem(e, 422, detail, (int64_t)fault->offset, "");
}

void exchange_fail_stored(struct exchange *e, const struct job *job)
{
    if (job->status != JOB_REFUSED || job->fault.status == CODEC_FIELDS ||
        codec_status_has_text(job->fault.status) ||
        codec_status_http(job->fault.status) == 413) {
        exchange_fail_job(e, job);
        return;
    }
    if (exchange_is_foreign(e)) {
        fail_foreign(e, &job->fault);
        return;
    }
    log_warn("a stored document is damaged: %s at byte %" PRIu64,
             codec_status_text(job->fault.status), job->fault.offset);
    exchange_fail(e, 500, "the stored document is damaged");
}

void exchange_fail_content_type(struct exchange *e, const char *taken,
                                const char *headers)
{
    char detail[NEGOTIATE_REFUSAL_MAX];

    negotiate_refusal_print(http_header(e->x, "content-type"), taken, detail);
    exchange_fail_with(e, 415, detail, headers);
}

const char *exchange_media(const struct exchange *e)
{
    return e->media[0] != '\0' ? e->media : negotiate_media_type(e->type);
}

void exchange_fail_store(struct exchange *e, enum store_status status)
{
    switch (status) {
    case STORE_NOT_FOUND: exchange_fail(e, 404, store_status_text(status)); return;
    case STORE_CONFLICT: exchange_fail(e, 412, conditions_failed_text(e->x)); return;
    case STORE_FULL: exchange_fail(e, 507, store_status_text(status)); return;
    case STORE_WRONG_TYPE: exchange_fail(e, 422, store_status_text(status)); return;
    case STORE_TOO_LARGE: exchange_fail(e, 413, store_status_text(status)); return;
    case STORE_UNLISTED: exchange_fail(e, 400, store_status_text(status)); return;
    case STORE_BAD_NAME:
        exchange_fail(e, is_read(e) ? 404 : 400, store_status_text(status));
        return;
    case STORE_DOWN:
    case STORE_NO_MEMORY:
    case STORE_UNSURE: exchange_fail(e, 503, store_status_text(status)); return;
    default: exchange_fail(e, 500, store_status_text(status)); return;
    }
}

uint64_t exchange_hash(uint64_t key, struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        key = (key ^ name.data[i]) * UINT64_C(0x100000001b3);
    return (key ^ 0xff) * UINT64_C(0x100000001b3);
}

void exchange_put_common(const struct exchange *e, struct buf *headers)
{
    uint64_t rpc_us = 0;

    cors_put_reply(&e->api->config.cors, http_header(e->x, "origin"), headers);
    if (!e->api->config.server_timing)
        return;
    if (e->ran_job && e->ran == JOBS_RPC && e->job_us > e->queue_us + e->codec_us)
        rpc_us = e->job_us - e->queue_us - e->codec_us;
    buf_printf(headers,
               "Server-Timing: store;dur=%.3f, queue;dur=%.3f, codec;dur=%.3f, "
               "rpc;dur=%.3f\r\n",
               (double)e->store_us / 1e3, (double)e->queue_us / 1e3,
               (double)e->codec_us / 1e3, (double)rpc_us / 1e3);
}

void exchange_put_coding(struct buf *headers, enum codec_coding coding)
{
    if (coding != CODING_NONE)
        buf_printf(headers, "Content-Encoding: %s\r\n", coding_name(coding));
}

bool exchange_lacks_coding(struct exchange *e, const struct job *job)
{
    if (job->status != JOB_REFUSED || job->fault.status != CODEC_UNSUPPORTED ||
        job->call.coding == CODING_NONE)
        return false;
    e->coding = CODING_NONE;
    return true;
}

void exchange_print_etag(const struct exchange *e, uint64_t version,
                         enum negotiate_type type, enum codec_coding coding,
                         char etag_r[NEGOTIATE_ETAG_MAX])
{
    /* What a program made is shown by reads alone: a patch's reply is the document. */
    bool is_made = e->program != NULL && http_request(e->x)->method != HTTP_PATCH;

    negotiate_etag_print(version, type, is_made ? e->program->hash : 0, coding, etag_r);
}

void exchange_put_etag(const struct exchange *e, struct buf *headers, uint64_t version,
                       enum codec_coding coding)
{
    char etag[NEGOTIATE_ETAG_MAX];

    exchange_print_etag(e, version, e->type, coding, etag);
    buf_printf(headers, "ETag: %s\r\nVary: Accept, Accept-Encoding\r\n", etag);
}
