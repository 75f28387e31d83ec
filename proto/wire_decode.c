#include "proto/wire.h"

#include <assert.h>

#include "common/codec/codec.h"
#include "proto/envelope.h"
#include "proto/wire_items.h"

static void wire_get_id(struct envelope_reader *in, struct wire_id *id_r)
{
    envelope_get_fixed(in, id_r->bytes, sizeof(id_r->bytes));
}

/* A bin that is not empty, or nil. */
static struct slice wire_get_optional(struct envelope_reader *in, size_t max)
{
    struct slice bytes = {NULL, 0};

    if (envelope_get_nil(in))
        return bytes;
    bytes = envelope_get_bin(in, max);
    if (bytes.len == 0)
        envelope_fail(in, "empty bin where nil is meant");
    return bytes;
}

static void wire_get_array(struct envelope_reader *in, unsigned items)
{
    envelope_get_array(in, items, items);
}

static void wire_get_hello(struct envelope_reader *in, struct wire_hello *hello_r)
{
    wire_get_array(in, HELLO_ITEMS);
    wire_get_id(in, &hello_r->worker);
    wire_get_id(in, &hello_r->host);
    hello_r->pid = envelope_get_uint(in, UINT64_MAX);
    hello_r->capabilities = envelope_get_uint(in, UINT64_MAX);
    hello_r->credits = (unsigned)envelope_get_uint(in, WIRE_MAX_CREDITS);
    if (hello_r->credits == 0)
        envelope_fail(in, "no credits");
    hello_r->engine = envelope_get_str(in, WIRE_MAX_TEXT_BYTES);
    hello_r->auth = wire_get_optional(in, WIRE_MAX_AUTH_BYTES);
    hello_r->crash_count = envelope_get_array(in, 0, WIRE_MAX_CRASHES);
    for (unsigned i = 0; i < hello_r->crash_count; i++) {
        wire_get_array(in, CRASH_ITEMS);
        wire_get_id(in, &hello_r->crashes[i].document);
        hello_r->crashes[i].signal = (unsigned)envelope_get_uint(in, UINT8_MAX);
    }
}

static void wire_get_welcome(struct envelope_reader *in, struct wire_welcome *welcome_r)
{
    wire_get_array(in, WELCOME_ITEMS);
    welcome_r->generation = envelope_get_uint(in, UINT64_MAX);
    welcome_r->seat_count = envelope_get_array(in, 0, WIRE_MAX_SEATS);
    for (unsigned i = 0; i < welcome_r->seat_count; i++) {
        struct wire_seat *seat = &welcome_r->seats[i];

        wire_get_array(in, SEAT_ITEMS);
        seat->front = (unsigned)envelope_get_uint(in, UINT16_MAX);
        seat->incarnation = envelope_get_uint(in, UINT64_MAX);
        seat->url = envelope_get_str(in, WIRE_MAX_TEXT_BYTES);
        if (seat->url.len == 0)
            envelope_fail(in, "seat without a URL");
    }
}

static void wire_get_refused(struct envelope_reader *in, struct wire_refused *refused_r)
{
    uint64_t reason;

    wire_get_array(in, REFUSED_ITEMS);
    reason = envelope_get_uint(in, UINT16_MAX);
    refused_r->reason =
        reason <= WIRE_REFUSED_FULL ? (enum wire_refusal)reason : WIRE_REFUSED_OTHER;
    refused_r->text = envelope_get_str(in, WIRE_MAX_TEXT_BYTES);
}

/* A nonce or a proof. */
static struct slice wire_get_secret_bytes(struct envelope_reader *in)
{
    struct slice bytes = envelope_get_bin(in, WIRE_PROOF_BYTES);

    if (bytes.len != WIRE_PROOF_BYTES)
        envelope_fail(in, "nonce or proof of another length");
    return bytes;
}

static void wire_get_ask(struct envelope_reader *in, struct wire_ask *ask_r)
{
    wire_get_array(in, ASK_ITEMS);
    wire_get_id(in, &ask_r->worker);
    ask_r->nonce = wire_get_secret_bytes(in);
}

static void wire_get_challenge(struct envelope_reader *in,
                               struct wire_challenge *challenge_r)
{
    wire_get_array(in, CHALLENGE_ITEMS);
    challenge_r->nonce = wire_get_secret_bytes(in);
    challenge_r->proof = wire_get_secret_bytes(in);
}

static void wire_get_proof(struct envelope_reader *in, struct slice *proof_r)
{
    wire_get_array(in, PROOF_ITEMS);
    *proof_r = wire_get_secret_bytes(in);
}

static void wire_get_seat_hello(struct envelope_reader *in,
                                struct wire_seat_hello *hello_r)
{
    wire_get_array(in, SEAT_HELLO_ITEMS);
    wire_get_id(in, &hello_r->worker);
    hello_r->incarnation = envelope_get_uint(in, UINT64_MAX);
}

static void wire_get_seat_welcome(struct envelope_reader *in,
                                  struct wire_seat_welcome *welcome_r)
{
    unsigned items;

    wire_get_array(in, SEAT_WELCOME_ITEMS);
    welcome_r->incarnation = envelope_get_uint(in, UINT64_MAX);
    welcome_r->has_arena = !envelope_get_nil(in);
    if (!welcome_r->has_arena)
        return;
    items = envelope_get_array(in, ARENA_ITEMS, ARENA_FAST_ITEMS);
    welcome_r->arena_path = envelope_get_str(in, WIRE_MAX_TEXT_BYTES);
    welcome_r->arena_bytes = envelope_get_uint(in, UINT64_MAX);
    wire_get_id(in, &welcome_r->arena_token);
    welcome_r->pool_bytes = 0;
    welcome_r->has_fastpath = items == ARENA_FAST_ITEMS;
    if (items >= ARENA_POOL_ITEMS)
        welcome_r->pool_bytes = envelope_get_uint(in, UINT64_MAX);
    if (items == ARENA_POOL_ITEMS && welcome_r->pool_bytes == 0)
        envelope_fail(in, "a pool of no bytes");
    if (welcome_r->has_fastpath && envelope_get_uint(in, UINT64_MAX) != FASTPATH_SOCKET)
        envelope_fail(in, "a fast path of a kind that there is not");
    if (welcome_r->arena_bytes == 0 &&
        (!welcome_r->has_fastpath || welcome_r->pool_bytes > 0))
        envelope_fail(in, "an arena of no bytes");
}

/* The two items of a payload; its bytes come later. */
static void wire_get_payload(struct envelope_reader *in, struct wire_payload *payload_r)
{
    payload_r->bytes.data = NULL;
    payload_r->bytes.len = envelope_get_uint(in, WIRE_MAX_PAYLOAD_BYTES);
    payload_r->in_arena = !envelope_get_nil(in);
    payload_r->offset = payload_r->in_arena ? envelope_get_uint(in, UINT64_MAX) : 0;
}

/* The bytes behind the envelope that belong to this payload. */
static void wire_get_payload_bytes(struct envelope_reader *in,
                                   struct wire_payload *payload)
{
    if (!payload->in_arena)
        payload->bytes = envelope_get_raw(in, payload->bytes.len);
}

static void wire_get_job(struct envelope_reader *in, struct wire_job *job_r)
{
    wire_get_array(in, JOB_ITEMS);
    job_r->id = envelope_get_uint(in, UINT64_MAX);
    job_r->op = (unsigned)envelope_get_uint(in, UINT8_MAX);
    job_r->flags = (unsigned)envelope_get_uint(in, WIRE_JOB_FLAGS);
    job_r->separator = (uint8_t)envelope_get_uint(in, UINT8_MAX);
    job_r->deadline_ms = (uint32_t)envelope_get_uint(in, UINT32_MAX);
    job_r->max_output = envelope_get_uint(in, WIRE_MAX_PAYLOAD_BYTES);
    job_r->has_reply_space = !envelope_get_nil(in);
    job_r->reply_offset = job_r->reply_bytes = 0;
    if (job_r->has_reply_space) {
        wire_get_array(in, REPLY_SPACE_ITEMS);
        job_r->reply_offset = envelope_get_uint(in, UINT64_MAX);
        job_r->reply_bytes = envelope_get_uint(in, WIRE_MAX_PAYLOAD_BYTES);
    }
    job_r->options = wire_get_optional(in, WIRE_MAX_OPTIONS_BYTES);
    wire_get_payload(in, &job_r->payload);
}

static void wire_get_jobs(struct envelope_reader *in, struct wire_jobs *jobs_r)
{
    jobs_r->count = envelope_get_array(in, 1, WIRE_MAX_BATCH);
    for (unsigned i = 0; i < jobs_r->count; i++)
        wire_get_job(in, &jobs_r->jobs[i]);
    for (unsigned i = 0; i < jobs_r->count; i++)
        wire_get_payload_bytes(in, &jobs_r->jobs[i].payload);
}

/* True where a failed job's payload may be what it is: nothing, or a short text. */
static bool wire_is_text(const struct wire_result *result)
{
    const struct wire_payload *payload = &result->payload;

    return payload->bytes.len == 0 ||
           (codec_status_has_text((enum codec_status)result->status) &&
            !payload->in_arena && payload->bytes.len <= CODEC_MAX_TEXT_BYTES);
}

static void wire_get_result(struct envelope_reader *in, struct wire_result *result_r)
{
    wire_get_array(in, RESULT_ITEMS);
    result_r->id = envelope_get_uint(in, UINT64_MAX);
    result_r->verdict = (enum wire_verdict)envelope_get_uint(in, WIRE_VERDICTS - 1);
    result_r->status = (unsigned)envelope_get_uint(in, UINT8_MAX);
    result_r->fault_offset = envelope_get_uint(in, UINT64_MAX);
    result_r->queue_us = (uint32_t)envelope_get_uint(in, UINT32_MAX);
    result_r->codec_us = (uint32_t)envelope_get_uint(in, UINT32_MAX);
    wire_get_payload(in, &result_r->payload);
    if (result_r->verdict != WIRE_DONE && result_r->status != 0)
        envelope_fail(in, "codec status of a job that did not run");
    if ((result_r->verdict != WIRE_DONE || result_r->status != CODEC_OK) &&
        !wire_is_text(result_r))
        envelope_fail(in, "payload of a failed job");
    /* Of a newer worker, or what no worker has a reason to say. */
    if (result_r->status >= CODEC_STATUSES || result_r->status == CODEC_STOPPED)
        result_r->status = CODEC_UNSUPPORTED;
}

static void wire_get_results(struct envelope_reader *in, struct wire_results *results_r)
{
    results_r->count = envelope_get_array(in, 1, WIRE_MAX_BATCH);
    for (unsigned i = 0; i < results_r->count; i++)
        wire_get_result(in, &results_r->results[i]);
    for (unsigned i = 0; i < results_r->count; i++)
        wire_get_payload_bytes(in, &results_r->results[i].payload);
}

static void wire_get_cancel(struct envelope_reader *in, struct wire_cancel *cancel_r)
{
    cancel_r->count = envelope_get_array(in, 1, WIRE_MAX_BATCH);
    for (unsigned i = 0; i < cancel_r->count; i++)
        cancel_r->ids[i] = envelope_get_uint(in, UINT64_MAX);
}

static void wire_get_alive(struct envelope_reader *in, struct wire_alive *alive_r)
{
    wire_get_array(in, ALIVE_ITEMS);
    alive_r->token = envelope_get_uint(in, UINT64_MAX);
    alive_r->running_id = envelope_get_uint(in, UINT64_MAX);
    alive_r->running_ms = (uint32_t)envelope_get_uint(in, UINT32_MAX);
}

static void wire_get_app_hello(struct envelope_reader *in, struct wire_app_hello *hello_r)
{
    wire_get_array(in, APP_HELLO_ITEMS);
    hello_r->version = envelope_get_uint(in, UINT64_MAX);
    hello_r->name = envelope_get_str(in, WIRE_MAX_APP_BYTES);
    hello_r->capabilities = envelope_get_uint(in, UINT64_MAX);
}

static void wire_get_app_welcome(struct envelope_reader *in,
                                 struct wire_app_welcome *welcome_r)
{
    wire_get_array(in, APP_WELCOME_ITEMS);
    welcome_r->version = envelope_get_uint(in, UINT64_MAX);
    welcome_r->max_jobs = envelope_get_uint(in, UINT64_MAX);
    welcome_r->max_bytes = envelope_get_uint(in, UINT64_MAX);
    welcome_r->capabilities = envelope_get_uint(in, UINT64_MAX);
    welcome_r->engine = envelope_get_str(in, WIRE_MAX_TEXT_BYTES);
}

/* The number of a message that has but one. */
static uint64_t wire_get_number(struct envelope_reader *in, uint64_t min, uint64_t max)
{
    uint64_t value;

    wire_get_array(in, 1);
    value = envelope_get_uint(in, max);
    if (value < min)
        envelope_fail(in, "integer out of range");
    return value;
}

static void wire_get_body(struct envelope_reader *in, struct wire_message *msg_r)
{
    switch (msg_r->type) {
    case WIRE_HELLO: wire_get_hello(in, &msg_r->hello); break;
    case WIRE_WELCOME: wire_get_welcome(in, &msg_r->welcome); break;
    case WIRE_REFUSED: wire_get_refused(in, &msg_r->refused); break;
    case WIRE_ASK: wire_get_ask(in, &msg_r->ask); break;
    case WIRE_CHALLENGE: wire_get_challenge(in, &msg_r->challenge); break;
    case WIRE_PROOF: wire_get_proof(in, &msg_r->proof); break;
    case WIRE_SEAT_HELLO: wire_get_seat_hello(in, &msg_r->seat_hello); break;
    case WIRE_SEAT_WELCOME: wire_get_seat_welcome(in, &msg_r->seat_welcome); break;
    case WIRE_JOBS: wire_get_jobs(in, &msg_r->jobs); break;
    case WIRE_CANCEL: wire_get_cancel(in, &msg_r->cancel); break;
    case WIRE_PING: msg_r->ping_token = wire_get_number(in, 1, UINT64_MAX); break;
    case WIRE_PROMPT: wire_get_array(in, 0); break;
    case WIRE_RESULTS: wire_get_results(in, &msg_r->results); break;
    case WIRE_ALIVE: wire_get_alive(in, &msg_r->alive); break;
    case WIRE_BYE:
        msg_r->bye = (enum wire_bye)wire_get_number(in, WIRE_BYE_DRAIN, WIRE_BYE_RETIRE);
        break;
    case WIRE_APP_HELLO: wire_get_app_hello(in, &msg_r->app_hello); break;
    case WIRE_APP_WELCOME: wire_get_app_welcome(in, &msg_r->app_welcome); break;
    case WIRE_APP_ARENA:
        msg_r->app_arena_bytes = wire_get_number(in, 1, WIRE_MAX_APP_ARENA_BYTES);
        break;
    default: envelope_fail(in, "unknown type"); break;
    }
}

enum wire_error wire_decode(struct slice bytes, struct wire_message *msg_r,
                            const char **why_r)
{
    struct envelope_reader in = {bytes.data, bytes.data, NULL};
    enum wire_error error = WIRE_BAD;

    if (bytes.len)
        in.end += bytes.len;
    if (envelope_get_byte(&in) != WIRE_MAGIC)
        envelope_fail(&in, "not a message of ours");
    if (envelope_get_byte(&in) != WIRE_VERSION && !in.why) {
        envelope_fail(&in, "another protocol version");
        error = WIRE_BAD_VERSION;
    }
    msg_r->type = (enum wire_type)envelope_get_byte(&in);
    if (!in.why)
        wire_get_body(&in, msg_r);
    if (!in.why && in.at != in.end)
        envelope_fail(&in, "bytes left over");
    if (why_r)
        *why_r = in.why;
    return in.why ? error : WIRE_OK;
}
