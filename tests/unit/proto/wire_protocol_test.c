/* proto/PROTOCOL.md says the truth: its example bytes decode to what it says, and what
   it says encodes to its bytes. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/codec/codec.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "proto/call_options.h"

#define TEXT(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

static const struct wire_id worker_id = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct wire_id host_id = {{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                        0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf}};
static const struct wire_id other_id = {{0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
                                         0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf}};

/* ---- reading the document ---- */

static void take_hex_line(const char *line, struct buf *bytes)
{
    char *end;

    while (*line && *line != '#') {
        uint8_t byte;

        if (isspace((unsigned char)*line)) {
            line++;
            continue;
        }
        byte = (uint8_t)strtoul(line, &end, 16);
        assert_int_equal(end - line, 2);
        buf_append(bytes, &byte, 1);
        line = end;
    }
}

/* The bytes of the block "```hex NAME". */
static struct buf example(const char *name)
{
    FILE *file = fopen("proto/PROTOCOL.md", "r");
    struct buf bytes = BUF_INIT;
    char line[256];
    char head[64];
    int in_block = 0;

    assert_non_null(file);
    snprintf(head, sizeof(head), "```hex %s\n", name);
    while (fgets(line, sizeof(line), file)) {
        if (in_block && strncmp(line, "```", 3) == 0)
            break;
        if (in_block)
            take_hex_line(line, &bytes);
        in_block = in_block || strcmp(line, head) == 0;
    }
    fclose(file);
    assert_true(bytes.len > 3);
    return bytes;
}

/* Decodes the example; *bytes stays the caller's, for the slices point into it. */
static void decode_example(const char *name, enum wire_type type, struct buf *bytes,
                           struct wire_message *message_r)
{
    const char *why = NULL;

    *bytes = example(name);
    if (wire_decode(buf_slice(bytes), message_r, &why) != WIRE_OK)
        fail_msg("%s: %s", name, why);
    assert_int_equal(message_r->type, type);
}

/* What was encoded again must be the example, byte for byte. */
static void check_same(struct buf *encoded, struct buf *bytes)
{
    assert_int_equal(encoded->len, bytes->len);
    assert_memory_equal(encoded->data, bytes->data, bytes->len);
    buf_free(encoded);
    buf_free(bytes);
}

static void check_text(struct slice text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

/* ---- one test per message ---- */

static void test_hello(void **state)
{
    static struct wire_message message;
    struct wire_hello hello = {.worker = worker_id,
                               .host = host_id,
                               .pid = 4242,
                               .credits = 2,
                               .engine = TEXT("yajl")};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("HELLO", WIRE_HELLO, &bytes, &message);
    assert_memory_equal(&message.hello.worker, &worker_id, sizeof(worker_id));
    assert_memory_equal(&message.hello.host, &host_id, sizeof(host_id));
    assert_int_equal(message.hello.pid, 4242);
    assert_int_equal(message.hello.capabilities, 0);
    assert_int_equal(message.hello.credits, 2);
    check_text(message.hello.engine, "yajl");
    assert_int_equal(message.hello.auth.len, 0);
    assert_int_equal(message.hello.crash_count, 0);
    wire_put_hello(&out, &hello);
    check_same(&out, &bytes);
}

static void test_hello_with_everything(void **state)
{
    static struct wire_message message;
    struct wire_hello hello = {.worker = worker_id,
                               .host = host_id,
                               .pid = 4242,
                               .capabilities = WIRE_CAN_ARENA,
                               .credits = 2,
                               .engine = TEXT("direct"),
                               .auth = TEXT("secret"),
                               .crash_count = 1,
                               .crashes = {{other_id, 11}}};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("HELLO-CRASH", WIRE_HELLO, &bytes, &message);
    assert_int_equal(message.hello.capabilities, WIRE_CAN_ARENA);
    check_text(message.hello.auth, "secret");
    assert_int_equal(message.hello.crash_count, 1);
    assert_memory_equal(&message.hello.crashes[0].document, &other_id, sizeof(other_id));
    assert_int_equal(message.hello.crashes[0].signal, 11);
    wire_put_hello(&out, &hello);
    check_same(&out, &bytes);
}

static void test_welcome(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("WELCOME", WIRE_WELCOME, &bytes, &message);
    assert_int_equal(message.welcome.generation, 3);
    assert_int_equal(message.welcome.seat_count, 2);
    assert_int_equal(message.welcome.seats[0].front, 0);
    assert_int_equal(message.welcome.seats[0].incarnation, 70000);
    check_text(message.welcome.seats[0].url, "ipc:///run/offloop/3-0.w1");
    assert_int_equal(message.welcome.seats[1].front, 1);
    assert_int_equal(message.welcome.seats[1].incarnation, 70001);
    check_text(message.welcome.seats[1].url, "tcp://192.0.2.1:40001");
    wire_put_welcome(&out, &message.welcome);
    check_same(&out, &bytes);
}

static void test_refused(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("REFUSED", WIRE_REFUSED, &bytes, &message);
    assert_int_equal(message.refused.reason, WIRE_REFUSED_VERSION);
    check_text(message.refused.text, "speaks version 2, this server 1");
    wire_put_refused(&out, WIRE_REFUSED_VERSION, "speaks version 2, this server 1");
    check_same(&out, &bytes);
}

static void test_seat_hello(void **state)
{
    static struct wire_message message;
    struct wire_seat_hello hello = {worker_id, 70000};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("SEAT_HELLO", WIRE_SEAT_HELLO, &bytes, &message);
    assert_memory_equal(&message.seat_hello.worker, &worker_id, sizeof(worker_id));
    assert_int_equal(message.seat_hello.incarnation, 70000);
    wire_put_seat_hello(&out, &hello);
    check_same(&out, &bytes);
}

static void test_seat_welcome(void **state)
{
    static struct wire_message message;
    struct wire_seat_welcome welcome = {.incarnation = 70000};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("SEAT_WELCOME", WIRE_SEAT_WELCOME, &bytes, &message);
    assert_int_equal(message.seat_welcome.incarnation, 70000);
    assert_false(message.seat_welcome.has_arena);
    wire_put_seat_welcome(&out, &welcome);
    check_same(&out, &bytes);
}

static void test_seat_welcome_with_arena(void **state)
{
    static struct wire_message message;
    struct wire_seat_welcome welcome = {
        70000, true, TEXT("/run/offloop/arena"), 64 << 20, other_id, 0, false};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("SEAT_WELCOME-ARENA", WIRE_SEAT_WELCOME, &bytes, &message);
    assert_true(message.seat_welcome.has_arena);
    check_text(message.seat_welcome.arena_path, "/run/offloop/arena");
    assert_int_equal(message.seat_welcome.arena_bytes, 64 << 20);
    assert_memory_equal(&message.seat_welcome.arena_token, &other_id, sizeof(other_id));
    assert_int_equal(message.seat_welcome.pool_bytes, 0);
    wire_put_seat_welcome(&out, &welcome);
    check_same(&out, &bytes);
}

static void test_seat_welcome_with_pool(void **state)
{
    static struct wire_message message;
    struct wire_seat_welcome welcome = {
        70000, true, TEXT("/run/offloop/arena"), 64 << 20, other_id, 32 << 20, false};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("SEAT_WELCOME-POOL", WIRE_SEAT_WELCOME, &bytes, &message);
    assert_true(message.seat_welcome.has_arena);
    assert_int_equal(message.seat_welcome.arena_bytes, 64 << 20);
    assert_int_equal(message.seat_welcome.pool_bytes, 32 << 20);
    wire_put_seat_welcome(&out, &welcome);
    check_same(&out, &bytes);
}

static void test_seat_welcome_with_fastpath(void **state)
{
    static struct wire_message message;
    struct wire_seat_welcome welcome = {
        70000, true, TEXT("/run/offloop/arena"), 64 << 20, other_id, 0, true};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("SEAT_WELCOME-FASTPATH", WIRE_SEAT_WELCOME, &bytes, &message);
    assert_true(message.seat_welcome.has_arena && message.seat_welcome.has_fastpath);
    assert_int_equal(message.seat_welcome.arena_bytes, 64 << 20);
    assert_int_equal(message.seat_welcome.pool_bytes, 0);
    wire_put_seat_welcome(&out, &welcome);
    check_same(&out, &bytes);
    welcome.arena_bytes = 0; /* a fast path and nothing else */
    wire_put_seat_welcome(&out, &welcome);
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_OK);
    assert_int_equal(message.seat_welcome.arena_bytes, 0);
    out.data[out.len - 1] = 2; /* another kind */
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_BAD);
    out.data[out.len - 1] = 1;
    out.data[out.len - 2] = 1; /* a pool behind no arena */
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_BAD);
    buf_free(&out);
}

static void test_frame(void **state)
{
    static struct wire_message decoded;
    struct frame_reader reader;
    struct buf bytes = example("FRAME");
    struct slice message;
    uint8_t head[FRAME_HEAD_BYTES];
    size_t room;

    (void)state;
    frame_reader_init(&reader, WIRE_MAX_FAST_BYTES);
    memcpy(frame_reader_space(&reader, &room), bytes.data, bytes.len);
    frame_reader_add(&reader, bytes.len);
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MESSAGE);
    assert_int_equal(wire_decode(message, &decoded, NULL), WIRE_OK);
    assert_int_equal(decoded.type, WIRE_CANCEL);
    frame_put_head(head, message.len);
    assert_memory_equal(head, bytes.data, sizeof head);
    assert_int_equal(bytes.len, sizeof head + message.len);
    frame_reader_free(&reader);
    buf_free(&bytes);
}

/* A pool has bytes; and no message of five items, or of one that is not the pool's, is
   taken for one of four. */
static void test_seat_welcome_with_wrong_pool(void **state)
{
    static const uint8_t wrong[][3] = {{0x00}, {0xc0}, {0x01, 0x01}, {0xa1, 'x'}};
    static const size_t lengths[] = {1, 1, 2, 2};
    static struct wire_message message;
    struct buf bytes;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        decode_example("SEAT_WELCOME-POOL", WIRE_SEAT_WELCOME, &bytes, &message);
        bytes.len -= 5;
        assert_int_equal(wire_decode(buf_slice(&bytes), &message, NULL), WIRE_BAD);
        buf_append(&bytes, wrong[i], lengths[i]);
        assert_int_equal(wire_decode(buf_slice(&bytes), &message, NULL), WIRE_BAD);
        buf_free(&bytes);
    }
}

static void test_jobs(void **state)
{
    static struct wire_message message;
    struct wire_job jobs[] = {{.id = 7,
                               .op = CODEC_OP_DECODE,
                               .deadline_ms = 5000,
                               .max_output = WIRE_MAX_PAYLOAD_BYTES,
                               .payload = {.bytes = TEXT("{\"a\":1}")}},
                              {.id = 8,
                               .op = CODEC_OP_SEQUENCE,
                               .flags = WIRE_JOB_PRETTY,
                               .separator = ',',
                               .max_output = 1000,
                               .payload = {.bytes = TEXT("\x01\xc3")}}};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("JOBS", WIRE_JOBS, &bytes, &message);
    assert_int_equal(message.jobs.count, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct wire_job *job = &message.jobs.jobs[i];

        assert_int_equal(job->id, jobs[i].id);
        assert_int_equal(job->op, jobs[i].op);
        assert_int_equal(job->flags, jobs[i].flags);
        assert_int_equal(job->separator, jobs[i].separator);
        assert_int_equal(job->deadline_ms, jobs[i].deadline_ms);
        assert_int_equal(job->max_output, jobs[i].max_output);
        assert_false(job->has_reply_space);
        assert_int_equal(job->options.len, 0);
        assert_false(job->payload.in_arena);
        assert_int_equal(job->payload.bytes.len, jobs[i].payload.bytes.len);
        assert_memory_equal(job->payload.bytes.data, jobs[i].payload.bytes.data,
                            job->payload.bytes.len);
    }
    wire_put_jobs(&out, jobs, 2);
    buf_append(&out, "{\"a\":1}\x01\xc3", 9);
    check_same(&out, &bytes);
}

static void test_jobs_in_an_arena(void **state)
{
    static struct wire_message message;
    struct wire_job job = {
        .id = UINT64_C(1) << 40,
        .op = CODEC_OP_ENCODE,
        .flags = WIRE_JOB_PRETTY,
        .deadline_ms = 300,
        .max_output = 2000000,
        .has_reply_space = true,
        .reply_offset = 65536,
        .reply_bytes = 131072,
        .options = TEXT("\x91\xa1\x61"),
        .payload = {.bytes = {NULL, 200000}, .in_arena = true, .offset = 4096}};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("JOBS-ARENA", WIRE_JOBS, &bytes, &message);
    assert_int_equal(message.jobs.jobs[0].id, job.id);
    assert_int_equal(message.jobs.jobs[0].flags, WIRE_JOB_PRETTY);
    assert_true(message.jobs.jobs[0].has_reply_space);
    assert_int_equal(message.jobs.jobs[0].reply_offset, 65536);
    assert_int_equal(message.jobs.jobs[0].reply_bytes, 131072);
    check_text(message.jobs.jobs[0].options, "\x91\xa1\x61");
    assert_true(message.jobs.jobs[0].payload.in_arena);
    assert_null(message.jobs.jobs[0].payload.bytes.data);
    assert_int_equal(message.jobs.jobs[0].payload.bytes.len, 200000);
    assert_int_equal(message.jobs.jobs[0].payload.offset, 4096);
    wire_put_jobs(&out, &job, 1);
    check_same(&out, &bytes);
}

static void test_job_with_a_program(void **state)
{
    static struct wire_message message;
    struct codec_call call = {.op = CODEC_OP_ENCODE}, back = call;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("JOBS-PROGRAM", WIRE_JOBS, &bytes, &message);
    call.in = message.jobs.jobs[0].payload.bytes;
    assert_int_equal(call_options_read(message.jobs.jobs[0].options, &call), 0);
    assert_true(call.transform && !call.one && call.in.len == 1);
    check_text(call.argument, "\x92\xa6. + $x\x81\xa1x\x01");
    back = call;
    call_options_put(&out, &back);
    assert_int_equal(out.len, message.jobs.jobs[0].options.len);
    assert_memory_equal(out.data, message.jobs.jobs[0].options.data, out.len);
    buf_free(&out);
    wire_put_jobs(&out, message.jobs.jobs, 1);
    buf_append(&out, call.in.data, call.in.len + call.argument.len);
    check_same(&out, &bytes);
}

static void test_cancel(void **state)
{
    static struct wire_message message;
    const uint64_t ids[] = {7, 8};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("CANCEL", WIRE_CANCEL, &bytes, &message);
    assert_int_equal(message.cancel.count, 2);
    assert_memory_equal(message.cancel.ids, ids, sizeof(ids));
    wire_put_cancel(&out, ids, 2);
    check_same(&out, &bytes);
}

static void test_results(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("RESULTS", WIRE_RESULTS, &bytes, &message);
    assert_int_equal(message.results.count, 3);
    assert_int_equal(message.results.results[0].id, 7);
    assert_int_equal(message.results.results[0].verdict, WIRE_DONE);
    assert_int_equal(message.results.results[0].status, CODEC_OK);
    assert_int_equal(message.results.results[0].queue_us, 15);
    assert_int_equal(message.results.results[0].codec_us, 3);
    check_text(message.results.results[0].payload.bytes, "\x81\xa1\x61\x01");
    assert_int_equal(message.results.results[1].status, CODEC_SYNTAX);
    assert_int_equal(message.results.results[1].fault_offset, 4);
    assert_int_equal(message.results.results[2].verdict, WIRE_EXPIRED);
    assert_int_equal(message.results.results[2].queue_us, 12000);
    wire_put_results(&out, message.results.results, 3);
    buf_append(&out, "\x81\xa1\x61\x01", 4);
    check_same(&out, &bytes);
}

static void test_text_of_a_failure(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("RESULTS-TEXT", WIRE_RESULTS, &bytes, &message);
    assert_int_equal(message.results.results[0].status, CODEC_FAILED);
    check_text(message.results.results[0].payload.bytes, "nope");
    wire_put_results(&out, message.results.results, 1);
    buf_append_str(&out, "nope");
    check_same(&out, &bytes);
}

static void test_results_in_an_arena(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("RESULTS-ARENA", WIRE_RESULTS, &bytes, &message);
    assert_true(message.results.results[0].payload.in_arena);
    assert_int_equal(message.results.results[0].payload.bytes.len, 123456);
    assert_int_equal(message.results.results[0].payload.offset, 65536);
    wire_put_results(&out, message.results.results, 1);
    check_same(&out, &bytes);
}

static void test_ping_prompt_alive_and_bye(void **state)
{
    static struct wire_message message;
    const struct wire_alive alive = {99, 8, 250};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("PING", WIRE_PING, &bytes, &message);
    assert_int_equal(message.ping_token, 99);
    wire_put_ping(&out, 99);
    check_same(&out, &bytes);
    decode_example("PROMPT", WIRE_PROMPT, &bytes, &message);
    wire_put_prompt(&out);
    check_same(&out, &bytes);
    decode_example("ALIVE", WIRE_ALIVE, &bytes, &message);
    assert_int_equal(message.alive.token, alive.token);
    assert_int_equal(message.alive.running_id, alive.running_id);
    assert_int_equal(message.alive.running_ms, alive.running_ms);
    wire_put_alive(&out, &alive);
    check_same(&out, &bytes);
    decode_example("BYE", WIRE_BYE, &bytes, &message);
    assert_int_equal(message.bye, WIRE_BYE_DRAIN);
    wire_put_bye(&out, WIRE_BYE_DRAIN);
    check_same(&out, &bytes);
}

static void test_app_hello(void **state)
{
    static struct wire_message message;
    const struct wire_app_hello hello = {1, TEXT("billing"), 0};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("APP_HELLO", WIRE_APP_HELLO, &bytes, &message);
    assert_int_equal(message.app_hello.version, 1);
    check_text(message.app_hello.name, "billing");
    assert_int_equal(message.app_hello.capabilities, 0);
    wire_put_app_hello(&out, &hello);
    check_same(&out, &bytes);
}

static void test_app_welcome(void **state)
{
    static struct wire_message message;
    const struct wire_app_welcome welcome = {1, 1024, 128 << 20, WIRE_APP_ZSTD,
                                             TEXT("yajl")};
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("APP_WELCOME", WIRE_APP_WELCOME, &bytes, &message);
    assert_int_equal(message.app_welcome.version, 1);
    assert_int_equal(message.app_welcome.max_jobs, 1024);
    assert_int_equal(message.app_welcome.max_bytes, 128 << 20);
    assert_int_equal(message.app_welcome.capabilities, WIRE_APP_ZSTD);
    check_text(message.app_welcome.engine, "yajl");
    wire_put_app_welcome(&out, &welcome);
    check_same(&out, &bytes);
}

static void test_app_arena(void **state)
{
    static struct wire_message message;
    struct buf bytes, out = BUF_INIT;

    (void)state;
    decode_example("APP_ARENA", WIRE_APP_ARENA, &bytes, &message);
    assert_int_equal(message.app_arena_bytes, 32 << 20);
    wire_put_app_arena(&out, 32 << 20);
    check_same(&out, &bytes);
}

static void test_app_results(void **state)
{
    static struct wire_message message;
    struct buf bytes;
    struct buf out = BUF_INIT;

    (void)state;
    decode_example("RESULTS-APP", WIRE_RESULTS, &bytes, &message);
    assert_int_equal(message.results.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(message.results.results[i].verdict, WIRE_OVERLOADED + i);
    wire_put_results(&out, message.results.results, 4);
    check_same(&out, &bytes);
}

static void test_greeting(void **state)
{
    struct buf bytes = example("GREETING");

    (void)state;
    assert_int_equal(bytes.len, WIRE_GREETING_BYTES);
    assert_memory_equal(bytes.data, WIRE_GREETING, WIRE_GREETING_BYTES);
    buf_free(&bytes);
}

/* The document's table of types is the header's. */
static void test_table_of_types(void **state)
{
    static const struct {
        const char *name;
        unsigned value;
    } types[] = {
#define X(name, value) {#name, value},
        WIRE_TYPE_MAP(X)
#undef X
    };
    char document[65536];
    FILE *file = fopen("proto/PROTOCOL.md", "r");
    size_t len;

    (void)state;
    assert_non_null(file);
    len = fread(document, 1, sizeof(document) - 1, file);
    document[len] = '\0';
    fclose(file);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        char row[64];

        snprintf(row, sizeof(row), "\n| %02x | %s |", types[i].value, types[i].name);
        if (!strstr(document, row))
            fail_msg("no row for %s", types[i].name);
        assert_string_equal(wire_type_name((enum wire_type)types[i].value),
                            types[i].name);
    }
    assert_string_equal(wire_type_name((enum wire_type)255), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_hello_with_everything),
        cmocka_unit_test(test_welcome),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_seat_hello),
        cmocka_unit_test(test_seat_welcome),
        cmocka_unit_test(test_seat_welcome_with_arena),
        cmocka_unit_test(test_seat_welcome_with_pool),
        cmocka_unit_test(test_seat_welcome_with_wrong_pool),
        cmocka_unit_test(test_seat_welcome_with_fastpath),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_jobs_in_an_arena),
        cmocka_unit_test(test_job_with_a_program),
        cmocka_unit_test(test_text_of_a_failure),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_results_in_an_arena),
        cmocka_unit_test(test_ping_prompt_alive_and_bye),
        cmocka_unit_test(test_app_hello),
        cmocka_unit_test(test_app_welcome),
        cmocka_unit_test(test_app_arena),
        cmocka_unit_test(test_app_results),
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_table_of_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
