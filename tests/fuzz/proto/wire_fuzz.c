/* Any bytes either are no message, or decode to what encodes and decodes to the same. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_payloads(struct buf *out, const struct wire_message *message)
{
    bool is_jobs = message->type == WIRE_JOBS;
    unsigned count = is_jobs ? message->jobs.count : message->results.count;

    for (unsigned i = 0; i < count; i++) {
        const struct wire_payload *payload = is_jobs
                                                 ? &message->jobs.jobs[i].payload
                                                 : &message->results.results[i].payload;

        if (!payload->in_arena)
            buf_append(out, payload->bytes.data, payload->bytes.len);
    }
}

static void put_refused(struct buf *out, const struct wire_refused *refused)
{
    char text[WIRE_MAX_TEXT_BYTES + 1] = "";

    for (size_t i = 0; i < refused->text.len; i++)
        text[i] = (char)refused->text.data[i];
    wire_put_refused(out, refused->reason, text);
}

static void put_again(struct buf *out, const struct wire_message *m)
{
    switch (m->type) {
    case WIRE_HELLO: wire_put_hello(out, &m->hello); break;
    case WIRE_WELCOME: wire_put_welcome(out, &m->welcome); break;
    case WIRE_REFUSED: put_refused(out, &m->refused); break;
    case WIRE_ASK: wire_put_ask(out, &m->ask); break;
    case WIRE_CHALLENGE: wire_put_challenge(out, &m->challenge); break;
    case WIRE_PROOF: wire_put_proof(out, m->proof); break;
    case WIRE_SEAT_HELLO: wire_put_seat_hello(out, &m->seat_hello); break;
    case WIRE_SEAT_WELCOME: wire_put_seat_welcome(out, &m->seat_welcome); break;
    case WIRE_JOBS: wire_put_jobs(out, m->jobs.jobs, m->jobs.count); break;
    case WIRE_CANCEL: wire_put_cancel(out, m->cancel.ids, m->cancel.count); break;
    case WIRE_PING: wire_put_ping(out, m->ping_token); break;
    case WIRE_PROMPT: wire_put_prompt(out); break;
    case WIRE_RESULTS: wire_put_results(out, m->results.results, m->results.count); break;
    case WIRE_ALIVE: wire_put_alive(out, &m->alive); break;
    case WIRE_BYE: wire_put_bye(out, m->bye); break;
    case WIRE_APP_HELLO: wire_put_app_hello(out, &m->app_hello); break;
    case WIRE_APP_WELCOME: wire_put_app_welcome(out, &m->app_welcome); break;
    case WIRE_APP_ARENA: wire_put_app_arena(out, m->app_arena_bytes); break;
    }
    if (m->type == WIRE_JOBS || m->type == WIRE_RESULTS)
        put_payloads(out, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_message first;
    static struct wire_message second;
    struct buf once = BUF_INIT;
    struct buf twice = BUF_INIT;
    const char *why = NULL;

    if (wire_decode((struct slice){data, size}, &first, &why) != WIRE_OK) {
        if (!why)
            abort();
        return 0;
    }
    put_again(&once, &first);
    if (once.len > size || wire_decode(buf_slice(&once), &second, NULL) != WIRE_OK)
        abort();
    put_again(&twice, &second);
    if (twice.len != once.len || __builtin_memcmp(once.data, twice.data, once.len) != 0)
        abort();
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
