#include "proto/wire.h"

#include <assert.h>
#include <string.h>

#include "proto/envelope.h"
#include "proto/wire_items.h"

static void wire_put_head(struct buf *out, enum wire_type type, unsigned items)
{
    const uint8_t head[] = {WIRE_MAGIC, WIRE_VERSION, (uint8_t)type};

    buf_append(out, head, sizeof(head));
    envelope_put_array(out, items);
}

static void wire_put_id(struct buf *out, const struct wire_id *id)
{
    envelope_put_bin(out, id->bytes, sizeof(id->bytes));
}

/* A bin, or nil where it is empty. */
static void wire_put_optional(struct buf *out, struct slice bytes)
{
    if (bytes.len)
        envelope_put_bin(out, bytes.data, bytes.len);
    else
        envelope_put_nil(out);
}

void wire_put_hello(struct buf *out, const struct wire_hello *hello)
{
    assert(hello->credits >= 1 && hello->credits <= WIRE_MAX_CREDITS);
    assert(hello->engine.len <= WIRE_MAX_TEXT_BYTES);
    assert(hello->auth.len <= WIRE_MAX_AUTH_BYTES);
    assert(hello->crash_count <= WIRE_MAX_CRASHES);
    wire_put_head(out, WIRE_HELLO, HELLO_ITEMS);
    wire_put_id(out, &hello->worker);
    wire_put_id(out, &hello->host);
    envelope_put_uint(out, hello->pid);
    envelope_put_uint(out, hello->capabilities);
    envelope_put_uint(out, hello->credits);
    envelope_put_str(out, hello->engine);
    wire_put_optional(out, hello->auth);
    envelope_put_array(out, hello->crash_count);
    for (unsigned i = 0; i < hello->crash_count; i++) {
        envelope_put_array(out, CRASH_ITEMS);
        wire_put_id(out, &hello->crashes[i].document);
        envelope_put_uint(out, hello->crashes[i].signal);
    }
}

void wire_put_welcome(struct buf *out, const struct wire_welcome *welcome)
{
    assert(welcome->seat_count <= WIRE_MAX_SEATS);
    wire_put_head(out, WIRE_WELCOME, WELCOME_ITEMS);
    envelope_put_uint(out, welcome->generation);
    envelope_put_array(out, welcome->seat_count);
    for (unsigned i = 0; i < welcome->seat_count; i++) {
        const struct wire_seat *seat = &welcome->seats[i];

        assert(seat->url.len >= 1 && seat->url.len <= WIRE_MAX_TEXT_BYTES);
        envelope_put_array(out, SEAT_ITEMS);
        envelope_put_uint(out, seat->front);
        envelope_put_uint(out, seat->incarnation);
        envelope_put_str(out, seat->url);
    }
}

void wire_put_refused(struct buf *out, enum wire_refusal reason, const char *text)
{
    struct slice cut = {(const uint8_t *)text, strnlen(text, WIRE_MAX_TEXT_BYTES)};

    wire_put_head(out, WIRE_REFUSED, REFUSED_ITEMS);
    envelope_put_uint(out, reason);
    envelope_put_str(out, cut);
}

/* A nonce or a proof. */
static void wire_put_secret_bytes(struct buf *out, struct slice bytes)
{
    assert(bytes.len == WIRE_PROOF_BYTES);
    envelope_put_bin(out, bytes.data, bytes.len);
}

void wire_put_ask(struct buf *out, const struct wire_ask *ask)
{
    wire_put_head(out, WIRE_ASK, ASK_ITEMS);
    wire_put_id(out, &ask->worker);
    wire_put_secret_bytes(out, ask->nonce);
}

void wire_put_challenge(struct buf *out, const struct wire_challenge *challenge)
{
    wire_put_head(out, WIRE_CHALLENGE, CHALLENGE_ITEMS);
    wire_put_secret_bytes(out, challenge->nonce);
    wire_put_secret_bytes(out, challenge->proof);
}

void wire_put_proof(struct buf *out, struct slice proof)
{
    wire_put_head(out, WIRE_PROOF, PROOF_ITEMS);
    wire_put_secret_bytes(out, proof);
}

void wire_put_seat_hello(struct buf *out, const struct wire_seat_hello *hello)
{
    wire_put_head(out, WIRE_SEAT_HELLO, SEAT_HELLO_ITEMS);
    wire_put_id(out, &hello->worker);
    envelope_put_uint(out, hello->incarnation);
}

void wire_put_seat_welcome(struct buf *out, const struct wire_seat_welcome *welcome)
{
    wire_put_head(out, WIRE_SEAT_WELCOME, SEAT_WELCOME_ITEMS);
    envelope_put_uint(out, welcome->incarnation);
    if (!welcome->has_arena) {
        envelope_put_nil(out);
        return;
    }
    assert(welcome->arena_path.len <= WIRE_MAX_TEXT_BYTES);
    assert(welcome->arena_bytes > 0 || (welcome->has_fastpath && !welcome->pool_bytes));
    envelope_put_array(out, welcome->has_fastpath     ? ARENA_FAST_ITEMS
                            : welcome->pool_bytes > 0 ? ARENA_POOL_ITEMS
                                                      : ARENA_ITEMS);
    envelope_put_str(out, welcome->arena_path);
    envelope_put_uint(out, welcome->arena_bytes);
    wire_put_id(out, &welcome->arena_token);
    if (welcome->pool_bytes > 0 || welcome->has_fastpath)
        envelope_put_uint(out, welcome->pool_bytes);
    if (welcome->has_fastpath)
        envelope_put_uint(out, FASTPATH_SOCKET);
}

/* The two items of every payload: its length, and its offset or nil. */
static void wire_put_payload(struct buf *out, const struct wire_payload *payload)
{
    envelope_put_uint(out, payload->bytes.len);
    if (payload->in_arena)
        envelope_put_uint(out, payload->offset);
    else
        envelope_put_nil(out);
}

static void wire_put_job(struct buf *out, const struct wire_job *job)
{
    assert(job->payload.bytes.len <= WIRE_MAX_PAYLOAD_BYTES);
    assert(job->max_output <= WIRE_MAX_PAYLOAD_BYTES);
    assert(job->options.len <= WIRE_MAX_OPTIONS_BYTES);
    assert((job->flags & ~WIRE_JOB_FLAGS) == 0);
    envelope_put_array(out, JOB_ITEMS);
    envelope_put_uint(out, job->id);
    envelope_put_uint(out, job->op);
    envelope_put_uint(out, job->flags);
    envelope_put_uint(out, job->separator);
    envelope_put_uint(out, job->deadline_ms);
    envelope_put_uint(out, job->max_output);
    if (job->has_reply_space) {
        envelope_put_array(out, REPLY_SPACE_ITEMS);
        envelope_put_uint(out, job->reply_offset);
        envelope_put_uint(out, job->reply_bytes);
    } else {
        envelope_put_nil(out);
    }
    wire_put_optional(out, job->options);
    wire_put_payload(out, &job->payload);
}

void wire_put_jobs(struct buf *out, const struct wire_job *jobs, unsigned count)
{
    assert(count >= 1 && count <= WIRE_MAX_BATCH);
    wire_put_head(out, WIRE_JOBS, count);
    for (unsigned i = 0; i < count; i++)
        wire_put_job(out, &jobs[i]);
}

void wire_put_cancel(struct buf *out, const uint64_t *ids, unsigned count)
{
    assert(count >= 1 && count <= WIRE_MAX_BATCH);
    wire_put_head(out, WIRE_CANCEL, count);
    for (unsigned i = 0; i < count; i++)
        envelope_put_uint(out, ids[i]);
}

/* A message of one number. */
static void wire_put_number(struct buf *out, enum wire_type type, uint64_t value)
{
    wire_put_head(out, type, 1);
    envelope_put_uint(out, value);
}

void wire_put_ping(struct buf *out, uint64_t token)
{
    assert(token != 0);
    wire_put_number(out, WIRE_PING, token);
}

void wire_put_prompt(struct buf *out)
{
    wire_put_head(out, WIRE_PROMPT, 0);
}

void wire_put_results(struct buf *out, const struct wire_result *results, unsigned count)
{
    assert(count >= 1 && count <= WIRE_MAX_BATCH);
    wire_put_head(out, WIRE_RESULTS, count);
    for (unsigned i = 0; i < count; i++) {
        const struct wire_result *result = &results[i];

        assert(result->verdict < WIRE_VERDICTS);
        assert(result->payload.bytes.len <= WIRE_MAX_PAYLOAD_BYTES);
        envelope_put_array(out, RESULT_ITEMS);
        envelope_put_uint(out, result->id);
        envelope_put_uint(out, result->verdict);
        envelope_put_uint(out, result->status);
        envelope_put_uint(out, result->fault_offset);
        envelope_put_uint(out, result->queue_us);
        envelope_put_uint(out, result->codec_us);
        wire_put_payload(out, &result->payload);
    }
}

void wire_put_alive(struct buf *out, const struct wire_alive *alive)
{
    wire_put_head(out, WIRE_ALIVE, ALIVE_ITEMS);
    envelope_put_uint(out, alive->token);
    envelope_put_uint(out, alive->running_id);
    envelope_put_uint(out, alive->running_ms);
}

void wire_put_bye(struct buf *out, enum wire_bye reason)
{
    wire_put_number(out, WIRE_BYE, reason);
}

void wire_put_app_hello(struct buf *out, const struct wire_app_hello *hello)
{
    assert(hello->name.len <= WIRE_MAX_APP_BYTES);
    wire_put_head(out, WIRE_APP_HELLO, APP_HELLO_ITEMS);
    envelope_put_uint(out, hello->version);
    envelope_put_str(out, hello->name);
    envelope_put_uint(out, hello->capabilities);
}

void wire_put_app_welcome(struct buf *out, const struct wire_app_welcome *welcome)
{
    assert(welcome->engine.len <= WIRE_MAX_TEXT_BYTES);
    wire_put_head(out, WIRE_APP_WELCOME, APP_WELCOME_ITEMS);
    envelope_put_uint(out, welcome->version);
    envelope_put_uint(out, welcome->max_jobs);
    envelope_put_uint(out, welcome->max_bytes);
    envelope_put_uint(out, welcome->capabilities);
    envelope_put_str(out, welcome->engine);
}

void wire_put_app_arena(struct buf *out, uint64_t bytes)
{
    assert(bytes > 0 && bytes <= WIRE_MAX_APP_ARENA_BYTES);
    wire_put_number(out, WIRE_APP_ARENA, bytes);
}

const char *wire_type_name(enum wire_type type)
{
    switch (type) {
#define X(name, value) \
    case WIRE_##name: return #name;
        WIRE_TYPE_MAP(X)
#undef X
    }
    return "?";
}
