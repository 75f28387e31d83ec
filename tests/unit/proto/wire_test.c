/* Reading messages is strict: what is not exactly a message is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/codec/codec.h"
#include "proto/wire.h"

#define ID     \
    "\xc4\x10" \
    "0123456789abcdef"
#define BYTES(literal)                                  \
    (struct slice)                                      \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

static struct wire_message message;

/* Decodes a copy of exactly that size, so that ASan sees a read beyond it. */
static enum wire_error decode(struct slice bytes, const char **why_r)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    enum wire_error error;

    assert_non_null(copy);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    error = wire_decode((struct slice){copy, bytes.len}, &message, why_r);
    free(copy);
    return error;
}

static void check_bad(struct slice bytes, const char *expected)
{
    const char *why = NULL;

    assert_int_equal(decode(bytes, &why), WIRE_BAD);
    assert_string_equal(why, expected);
}

static void check_good(struct slice bytes)
{
    const char *why = NULL;

    if (decode(bytes, &why) != WIRE_OK)
        fail_msg("%s", why);
}

static void test_head(void **state)
{
    const char *why;

    (void)state;
    check_bad((struct slice){NULL, 0}, "ends too early");
    check_bad(BYTES("\x4f"), "ends too early");
    check_bad(BYTES("\x4f\x01"), "ends too early");
    check_bad(BYTES("\x4e\x01\x14\x91\x01"), "not a message of ours");
    check_bad(BYTES("\x4f\x01\x00\x91\x01"), "unknown type");
    check_bad(BYTES("\x4f\x01\xff\x91\x01"), "unknown type");
    assert_int_equal(decode(BYTES("\x4f\x02\x14\x91\x01"), &why), WIRE_BAD_VERSION);
    assert_string_equal(why, "another protocol version");
    assert_int_equal(decode(BYTES("\x4f\x00"), NULL), WIRE_BAD_VERSION);
}

static void test_integers_of_any_width(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x14\x91\xcc\x05"));
    check_good(BYTES("\x4f\x01\x14\x91\xcd\x00\x05"));
    check_good(BYTES("\x4f\x01\x14\x91\xce\x00\x00\x00\x05"));
    check_good(BYTES("\x4f\x01\x14\x91\xcf\x00\x00\x00\x00\x00\x00\x00\x05"));
    assert_int_equal(message.ping_token, 5);
    check_good(BYTES("\x4f\x01\x14\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_true(message.ping_token == UINT64_MAX);
    check_bad(BYTES("\x4f\x01\x14\x91\xff"), "not an unsigned integer");
    check_bad(BYTES("\x4f\x01\x14\x91\xd0\x05"), "not an unsigned integer");
    check_bad(BYTES("\x4f\x01\x14\x91\xca\x00\x00\x00\x00"), "not an unsigned integer");
    check_bad(BYTES("\x4f\x01\x14\x91\xc0"), "not an unsigned integer");
    check_bad(BYTES("\x4f\x01\x14\x91\xcd\x00"), "ends too early");
}

static void test_ranges(void **state)
{
    (void)state;
    check_bad(BYTES("\x4f\x01\x14\x91\x00"), "integer out of range");
    check_bad(BYTES("\x4f\x01\x23\x91\x00"), "integer out of range");
    check_bad(BYTES("\x4f\x01\x23\x91\x03"), "integer out of range");
    check_bad(BYTES("\x4f\x01\x22\x93\x00\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
              "integer out of range");
}

static void test_arrays_of_the_right_size(void **state)
{
    (void)state;
    check_bad(BYTES("\x4f\x01\x14\x90"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x14\x92\x01\x01"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x14\x81\x01\x01"), "not an array");
    check_bad(BYTES("\x4f\x01\x14\x01"), "not an array");
    check_good(BYTES("\x4f\x01\x14\xdc\x00\x01\x01"));
    check_bad(BYTES("\x4f\x01\x13\x90"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x12\x90"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x20\xdc\xff\xff"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x12\xdd\x00\x00\x00\x01"), "not an array");
}

static void test_nothing_may_be_left_over(void **state)
{
    (void)state;
    check_bad(BYTES("\x4f\x01\x14\x91\x01\x01"), "bytes left over");
    check_bad(BYTES("\x4f\x01\x23\x91\x01\xc0"), "bytes left over");
}

static void test_texts(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x03\x92\x00\xa0"));
    check_good(BYTES("\x4f\x01\x03\x92\x00\xd9\x01x"));
    check_good(BYTES("\x4f\x01\x03\x92\x00\xda\x00\x01x"));
    check_bad(BYTES("\x4f\x01\x03\x92\x00\xa2x"), "ends too early");
    check_bad(BYTES("\x4f\x01\x03\x92\x00\xa1\x00"), "NUL in a string");
    check_bad(BYTES("\x4f\x01\x03\x92\x00\xda\x01\x00"), "string too long");
    check_bad(BYTES("\x4f\x01\x03\x92\x00\xc4\x01x"), "not a string");
    check_bad(BYTES("\x4f\x01\x03\x92\x00\xdb\x00\x00\x00\x01x"), "not a string");
}

static void test_unknown_refusals_are_other(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x03\x92\x63\xa2no"));
    assert_int_equal(message.refused.reason, WIRE_REFUSED_OTHER);
}

static void test_hello(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x01\xa1x\xc0\x90"));
    check_bad(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x00\xa1x\xc0\x90"), "no credits");
    check_bad(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x41\xa1x\xc0\x90"),
              "integer out of range");
    check_bad(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x01\xa1x\xc4\x00\x90"),
              "empty bin where nil is meant");
    check_bad(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x01\xa1x\xc4\x41\x90"),
              "bin too long");
    check_bad(BYTES("\x4f\x01\x01\x98" ID ID "\x01\x00\x01\xa1x\xc0\x95"),
              "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x01\x98\xc4\x0f"
                    "0123456789abcde" ID "\x01\x00\x01\xa1x\xc0\x90"),
              "bin of the wrong size");
    check_bad(BYTES("\x4f\x01\x01\x98\xb0"
                    "0123456789abcdef" ID "\x01\x00\x01\xa1x\xc0\x90"),
              "not a bin");
}

static void test_welcome(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x02\x92\x01\x90"));
    check_bad(BYTES("\x4f\x01\x02\x92\x01\x91\x93\x00\x01\xa0"), "seat without a URL");
    check_bad(BYTES("\x4f\x01\x02\x92\x01\xdc\x01\x01"), "array of the wrong size");
    check_bad(BYTES("\x4f\x01\x02\x92\x01\x91\x93\xce\x00\x01\x00\x00\x01\xa1x"),
              "integer out of range");
}

static void test_jobs(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x00\x00\x00\x00\xc0\xc0\x01\xc0x"));
    check_good(BYTES("\x4f\x01\x12\x91\x9a\x01\xcc\xff\x00\x00\x00\x00\xc0\xc0\x00\xc0"));
    check_bad(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x04\x00\x00\x00\xc0\xc0\x01\xc0x"),
              "integer out of range");
    check_bad(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x00\x00\x00\x00\xc0\xc0\x02\xc0x"),
              "ends too early");
    check_bad(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x00\x00\x00\x00\xc0\xc0\x00\xc0x"),
              "bytes left over");
    check_bad(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x00\x00\x00\xce\x20\x00\x00\x01\xc0\xc0"
                    "\x00\xc0"),
              "integer out of range");
    check_bad(BYTES("\x4f\x01\x12\x91\x9a\x01\x00\x00\x00\x00\x00\xc0\xc0\xce\x20\x00\x00"
                    "\x01\xc0"),
              "integer out of range");
}

/* Lengths that add up beyond the message, each of them allowed. */
static void test_payloads_share_the_message(void **state)
{
#define JOB(len) "\x9a\x01\x00\x00\x00\x00\x00\xc0\xc0" len "\xc0"
    (void)state;
    check_good(BYTES("\x4f\x01\x12\x92" JOB("\x01") JOB("\x02") "abb"));
    assert_int_equal(message.jobs.jobs[0].payload.bytes.len, 1);
    assert_int_equal(message.jobs.jobs[1].payload.bytes.len, 2);
    check_bad(BYTES("\x4f\x01\x12\x92" JOB("\x02") JOB("\x02") "abb"), "ends too early");
    check_bad(BYTES("\x4f\x01\x12\x92" JOB("\xce\x20\x00\x00\x00")
                        JOB("\xce\x20\x00\x00\x00") "abb"),
              "ends too early");
#undef JOB
}

static void test_results(void **state)
{
    (void)state;
    check_good(BYTES("\x4f\x01\x20\x91\x98\x01\x00\x00\x00\x00\x00\x01\xc0x"));
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x07\x00\x00\x00\x00\x00\xc0"),
              "integer out of range");
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x00\xcd\x01\x00\x00\x00\x00\x00\xc0"),
              "integer out of range");
    check_good(BYTES("\x4f\x01\x20\x91\x98\x01\x00\xcc\xff\x00\x00\x00\x00\xc0"));
    assert_int_equal(message.results.results[0].status, CODEC_UNSUPPORTED);
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x01\x01\x00\x00\x00\x00\xc0"),
              "codec status of a job that did not run");
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x00\x01\x00\x00\x00\x01\xc0x"),
              "payload of a failed job");
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x02\x00\x00\x00\x00\x01\xc0x"),
              "payload of a failed job");
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x00\x16\x00\x00\x00\x01\x00"),
              "payload of a failed job"); /* a text is never in an arena */
    check_bad(BYTES("\x4f\x01\x20\x91\x98\x01\x00\x16\x00\x00\x00\xcd\x02\x01\xc0"),
              "payload of a failed job"); /* and no longer than 512 bytes */
}

/* Whatever length a good message is cut to, it is bad; so it is with a byte more. */
static void check_every_cut(struct buf *out)
{
    check_good(buf_slice(out));
    for (size_t len = 0; len < out->len; len++)
        assert_int_equal(decode((struct slice){out->data, len}, NULL), WIRE_BAD);
    buf_append(out, "", 1);
    assert_int_equal(decode(buf_slice(out), NULL), WIRE_BAD);
    buf_free(out);
}

static void test_cut_anywhere(void **state)
{
    struct wire_job jobs[WIRE_MAX_BATCH] = {{.options = BYTES("abc")}};
    struct wire_result results[WIRE_MAX_BATCH] = {{.id = 1}};
    struct wire_hello hello = {.credits = 1, .auth = BYTES("x"), .crash_count = 4};
    static struct wire_welcome welcome = {.seat_count = WIRE_MAX_SEATS};
    struct buf out = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < WIRE_MAX_BATCH; i++) {
        jobs[i].has_reply_space = i % 2;
        jobs[i].payload.in_arena = i % 3;
        results[i].payload.in_arena = i % 2;
    }
    jobs[0].payload.bytes = BYTES("payload");
    wire_put_jobs(&out, jobs, WIRE_MAX_BATCH);
    buf_append(&out, "payload", 7);
    check_every_cut(&out);
    wire_put_results(&out, results, WIRE_MAX_BATCH);
    check_every_cut(&out);
    wire_put_hello(&out, &hello);
    check_every_cut(&out);
    for (unsigned i = 0; i < WIRE_MAX_SEATS; i++)
        welcome.seats[i].url = BYTES("ipc://x");
    wire_put_welcome(&out, &welcome);
    check_every_cut(&out);
}

/* The largest answer to a hello fits what is allowed for one. */
static void test_hello_limits_hold(void **state)
{
    static struct wire_welcome welcome = {UINT64_MAX, WIRE_MAX_SEATS, {{0}}};
    static const uint8_t url[WIRE_MAX_TEXT_BYTES] = "x";
    struct buf out = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < WIRE_MAX_SEATS; i++)
        welcome.seats[i] = (struct wire_seat){UINT16_MAX, UINT64_MAX, {url, sizeof(url)}};
    wire_put_welcome(&out, &welcome);
    assert_true(out.len <= WIRE_MAX_HELLO_BYTES);
    buf_free(&out);
}

/* The largest envelope fits beside the largest payload. */
static void test_message_limit_holds(void **state)
{
    static const uint8_t options[WIRE_MAX_OPTIONS_BYTES];
    static struct wire_job jobs[WIRE_MAX_BATCH];
    struct buf out = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < WIRE_MAX_BATCH; i++)
        jobs[i] = (struct wire_job){.id = UINT64_MAX,
                                    .op = UINT8_MAX,
                                    .deadline_ms = UINT32_MAX,
                                    .max_output = WIRE_MAX_PAYLOAD_BYTES,
                                    .has_reply_space = true,
                                    .reply_offset = UINT64_MAX,
                                    .reply_bytes = WIRE_MAX_PAYLOAD_BYTES,
                                    .options = {options, sizeof(options)}};
    wire_put_jobs(&out, jobs, WIRE_MAX_BATCH);
    assert_true(out.len + WIRE_MAX_PAYLOAD_BYTES <= WIRE_MAX_MESSAGE_BYTES);
    check_good(buf_slice(&out));
    buf_free(&out);
}

static void test_refusal_text_is_cut(void **state)
{
    char text[1000];
    struct buf out = BUF_INIT;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    wire_put_refused(&out, WIRE_REFUSED_FULL, text);
    check_good(buf_slice(&out));
    assert_int_equal(message.refused.text.len, WIRE_MAX_TEXT_BYTES);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_integers_of_any_width),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_arrays_of_the_right_size),
        cmocka_unit_test(test_nothing_may_be_left_over),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_unknown_refusals_are_other),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_welcome),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_payloads_share_the_message),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_hello_limits_hold),
        cmocka_unit_test(test_message_limit_holds),
        cmocka_unit_test(test_refusal_text_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
