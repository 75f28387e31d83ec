/*
 * Engine direct's limits: it asks for space in steps that are larger than what it writes,
 * and that must never show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/codec.h"
#include "tests/unit/codec/codec_random.h"
#include "tests/unit/codec/codec_run.h"

#define UNLIMITED ((size_t)1 << 30)

static struct codec *codec;

static const char rich[] =
    " {\"symbol\":\"AURORA26DEC311640CE\",\"na\\u00efve\":[1,-2,3.25,-0,1e-7,1e400,null],"
    "\"a string that is long enough for two chunks\":{\"\":[[[\"\\ud83d\\ude00\"]]]},"
    "\"a\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],\"last\" : 12345678.5 }\n";

static struct codec_call call_of(enum codec_op op, const void *bytes, size_t len)
{
    return (struct codec_call){.op = op,
                               .in = {bytes, len},
                               .max_output = UNLIMITED,
                               .max_memory = 2 * UNLIMITED};
}

/* Runs the call with a fresh output, which is the caller's to free. */
static enum codec_status run(const struct codec_call *call, struct buf *out_r)
{
    struct codec_fault fault;

    *out_r = (struct buf)BUF_INIT;
    return codec_run(codec, call, out_r, &fault);
}

/* A result of exactly max_output bytes passes, also behind earlier output. */
static void check_limit(struct codec_call call, size_t len)
{
    struct codec_fault fault;

    for (size_t base = 0; base < 3; base++) {
        struct buf out = BUF_INIT;

        buf_append(&out, "abc", base);
        call.max_output = len;
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        assert_int_equal(out.len, base + len);
        out.len = base;
        call.max_output = len - 1;
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_TOO_LARGE);
        assert_int_equal(out.len, base);
        buf_free(&out);
    }
}

/* The same for a text and for the MessagePack it becomes. */
static void check_limits(const void *text, size_t len)
{
    struct codec_call decode = call_of(CODEC_OP_DECODE, text, len), encode;
    struct buf packed, back;

    assert_int_equal(run(&decode, &packed), CODEC_OK);
    check_limit(decode, packed.len);
    encode = call_of(CODEC_OP_ENCODE, packed.data, packed.len);
    assert_int_equal(run(&encode, &back), CODEC_OK);
    check_limit(encode, back.len);
    buf_free(&packed);
    buf_free(&back);
}

static void test_output_limit_is_exact(void **state)
{
    struct random random = {7};

    (void)state;
    check_limits(rich, sizeof rich - 1);
    check_limits("0", 1);
    check_limits("\"\"", 2);
    for (int i = 0; i < 2000; i++) {
        struct buf text = BUF_INIT, packed = BUF_INIT;

        document_make(&random, 6, &text, &packed);
        check_limits(text.data, text.len);
        buf_free(&text);
        buf_free(&packed);
    }
}

/* Runs out of memory at every size below what the job needs, and works afterwards. */
static void check_memory(struct codec_call call)
{
    size_t passes = 0;

    for (size_t memory = 0; memory < 4096; memory += 16) {
        struct buf out;
        enum codec_status status;

        call.max_memory = memory;
        status = run(&call, &out);
        assert_true(status == CODEC_OK || status == CODEC_MEMORY);
        assert_true(status == CODEC_OK || out.len == 0);
        passes += status == CODEC_OK;
        buf_free(&out);
    }
    assert_in_range(passes, 1, 255);
}

static void test_memory_that_runs_out(void **state)
{
    struct codec_call decode = call_of(CODEC_OP_DECODE, rich, sizeof rich - 1);
    struct buf packed;

    (void)state;
    check_memory(decode);
    assert_int_equal(run(&decode, &packed), CODEC_OK);
    check_memory(call_of(CODEC_OP_ENCODE, packed.data, packed.len));
    buf_free(&packed);
}

/* The most bytes of MessagePack for a byte of text: within four times the input. */
static void test_text_that_grows(void **state)
{
    enum { LEN = 3000000 };
    char *text = malloc(LEN);
    struct codec_call call = call_of(CODEC_OP_DECODE, text, LEN);
    struct buf out;

    (void)state;
    assert_non_null(text);
    for (size_t i = 1; i < LEN; i++)
        text[i] = "-0,"[(i - 1) % 3];
    text[0] = '[';
    text[LEN - 2] = '1';
    text[LEN - 1] = ']';
    call.max_memory = 4 * LEN;
    assert_int_equal(run(&call, &out), CODEC_OK);
    assert_in_range(out.len, LEN * 29L / 10, LEN * 3L);
    buf_free(&out);
    free(text);
}

/* The most text for a byte of MessagePack: six times the input. */
static void test_messagepack_that_grows(void **state)
{
    enum { LEN = 3000000 };
    uint8_t *bytes = malloc(LEN);
    struct codec_call call = call_of(CODEC_OP_ENCODE, bytes, LEN);
    struct buf out;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0x01, LEN);
    memcpy(bytes, "\xdb\x00\x2d\xc6\xbb", 5);
    call.max_memory = 7 * LEN;
    assert_int_equal(run(&call, &out), CODEC_OK);
    assert_int_equal(out.len, 6 * (LEN - 5) + 2);
    buf_free(&out);
    free(bytes);
}

/* A header of four thousand million items in six bytes is refused before any work. */
static void test_promises_cost_nothing(void **state)
{
    static const uint8_t promise[] = {0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0};
    struct codec_call call = call_of(CODEC_OP_ENCODE, promise, sizeof promise);
    struct buf out;

    (void)state;
    call.max_memory = 1000;
    assert_int_equal(run(&call, &out), CODEC_TRUNCATED);
    buf_free(&out);
}

static void test_output_of_the_size_of_the_input_is_not_doubled(void **state)
{
    enum { LEN = 100000 };
    struct codec *fresh = codec_create("direct");
    struct buf text = BUF_INIT, out = BUF_INIT;

    (void)state;
    memset(buf_reserve(&text, LEN), 's', LEN);
    text.len = LEN;
    text.data[0] = text.data[LEN - 1] = '"';
    assert_int_equal(run_buf(fresh, CODEC_OP_DECODE, &text, &out).status, CODEC_OK);
    assert_in_range(codec_peak_bytes(fresh), out.len, LEN + 1000);
    buf_free(&text);
    buf_free(&out);
    codec_destroy(&fresh);
}

static void test_scratch_is_given_back(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    assert_string_equal(codec_engine_name(codec), "direct");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_text(codec, CODEC_OP_DECODE, rich, &out).status, CODEC_OK);
        codec_trim(codec, i == 1 ? 1000000 : 0);
    }
    buf_free(&out);
}

static int create_direct(void **state)
{
    (void)state;
    codec = codec_create("direct");
    return codec == NULL;
}

static int destroy_direct(void **state)
{
    (void)state;
    codec_destroy(&codec);
    return codec != NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_limit_is_exact),
        cmocka_unit_test(test_memory_that_runs_out),
        cmocka_unit_test(test_text_that_grows),
        cmocka_unit_test(test_messagepack_that_grows),
        cmocka_unit_test(test_promises_cost_nothing),
        cmocka_unit_test(test_output_of_the_size_of_the_input_is_not_doubled),
        cmocka_unit_test(test_scratch_is_given_back),
    };

    return cmocka_run_group_tests(tests, create_direct, destroy_direct);
}
