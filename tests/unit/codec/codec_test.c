/* What the codec ensures with every engine: names, output, budgets, sequences. */
#include "common/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/codec/codec_run.h"

static struct codec *codec;

/* Runs a test once for each engine. */
static void each_engine(void (*test)(void))
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        assert_non_null(codec);
        assert_string_equal(codec_engine_name(codec), *name);
        test();
        codec_destroy(&codec);
        assert_null(codec);
    }
}

#define ENGINE_TEST(name)           \
    static void check_##name(void); \
    static void name(void **state)  \
    {                               \
        (void)state;                \
        each_engine(check_##name);  \
    }                               \
    static void check_##name(void)

static void assert_bytes(const struct buf *buf, const char *expected)
{
    assert_int_equal(buf->len, strlen(expected));
    assert_memory_equal(buf->data, expected, buf->len);
}

static void test_names(void **state)
{
    struct codec *none = codec_create("no such engine");

    (void)state;
    assert_null(none);
    codec_destroy(&none);
    assert_null(codec_create(""));
    assert_string_equal(codec_engine_names()[0], "yajl");
    assert_string_equal(codec_op_name(CODEC_OP_DECODE), "decode");
    assert_string_equal(codec_op_name(CODEC_OP_VALIDATE), "validate");
    assert_string_equal(codec_op_name(CODEC_OPS), "unknown");
    assert_string_equal(codec_status_text(CODEC_UTF8), "ill-formed UTF-8");
    assert_string_equal(codec_status_text(CODEC_STATUSES), "unknown failure");
    assert_int_equal(codec_status_http(CODEC_OK), 200);
    assert_int_equal(codec_status_http(CODEC_SYNTAX), 400);
    assert_int_equal(codec_status_http(CODEC_TOO_LARGE), 413);
    assert_int_equal(codec_status_http(CODEC_STATUSES), 500);
}

ENGINE_TEST(test_result_is_appended)
{
    struct buf out = BUF_INIT;
    struct codec_call call = {.op = CODEC_OP_ENCODE,
                              .in = {(const uint8_t *)"\x91\x05", 2},
                              .max_output = 3,
                              .max_memory = 1000};
    struct codec_fault fault;

    buf_append_str(&out, "before");
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_int_equal(fault.status, CODEC_OK);
    assert_int_equal(fault.offset, 0);
    assert_bytes(&out, "before[5]");
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_bytes(&out, "before[5][5]");
    buf_free(&out);
}

ENGINE_TEST(test_failure_restores_output)
{
    static const char text[] =
        "[1,2,\"some longer text than the buffer has room for: "
        "0123456789012345678901234567890123456789012345678901234567"
        "890123456789012345678901234567890123456789012345678901234567"
        "89012345678901234567890123456789012345678901234567890\",x]";
    struct buf out = BUF_INIT;
    struct codec_call call = {.op = CODEC_OP_DECODE,
                              .in = {(const uint8_t *)text, strlen(text)},
                              .max_output = 10000,
                              .max_memory = 100000};
    struct codec_fault fault;
    size_t cap;

    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_SYNTAX);
    assert_int_equal(fault.offset, strlen(text) - 2);
    assert_null(out.data);
    assert_int_equal(out.cap, 0);
    buf_append_str(&out, "kept");
    cap = out.cap;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_SYNTAX);
    assert_bytes(&out, "kept");
    assert_int_equal(out.cap, cap);
    buf_free(&out);
}

ENGINE_TEST(test_usable_after_every_failure)
{
    static const char *const bad[] = {
        "",     "[",       "[[[[",     "{\"a\":[1,2,{\"b\":", "\"\\ud800\"", "01",
        "[1,]", "{}\"abc", "\"\xff\"", "[\"\\n\\n\\n"};
    struct buf packed = BUF_INIT, text = BUF_INIT;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_not_equal(run_text(codec, CODEC_OP_DECODE, bad[i], &packed).status,
                             CODEC_OK);
        assert_int_equal(
            run_text(codec, CODEC_OP_DECODE, "{\"a\":[1,2]}", &packed).status, CODEC_OK);
        assert_int_equal(run_text(codec, CODEC_OP_ENCODE, "\x92\x01", &text).status,
                         CODEC_TRUNCATED);
        assert_int_equal(run_buf(codec, CODEC_OP_ENCODE, &packed, &text).status,
                         CODEC_OK);
        assert_bytes(&text, "{\"a\":[1,2]}");
    }
    buf_free(&packed);
    buf_free(&text);
}

/* A document with every kind of value, and with widened container headers. */
static void make_sample(struct buf *text)
{
    buf_append_str(text, "{\"list\":[");
    for (int i = 0; i < 40; i++)
        buf_printf(text, "%s{\"n\":%d,\"x\":%d.5,\"s\":\"a\\n\\u00e9\"}", i ? "," : "", i,
                   i);
    buf_append_str(text, "],\"big\":123456789012345678901234567890,\"none\":null}");
}

/* Tries a call with every limit from 0 up to where it first succeeds, which is returned.
   Every failure must be `status` and leave nothing. */
static size_t least_limit(struct codec_call call, size_t *limit, enum codec_status status)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    for (*limit = 0; codec_run(codec, &call, &out, &fault) != CODEC_OK;) {
        assert_int_equal(fault.status, status);
        assert_int_equal(fault.offset, 0);
        assert_int_equal(out.len, 0);
        assert_int_equal(out.cap, 0);
        ++*limit;
        call.max_output = status == CODEC_TOO_LARGE ? *limit : call.max_output;
        call.max_memory = status == CODEC_MEMORY ? *limit : call.max_memory;
    }
    buf_free(&out);
    return *limit;
}

static void check_limits(enum codec_op op, bool pretty, const struct buf *in)
{
    struct codec_call call = {
        .op = op, .pretty = pretty, .separator = ',', .in = buf_slice(in)};
    struct buf out = BUF_INIT;
    struct codec_fault fault;
    size_t limit, exact;

    call.max_output = call.max_memory = SIZE_MAX;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    exact = out.len;
    call.max_output = 0;
    assert_int_equal(least_limit(call, &limit, CODEC_TOO_LARGE), exact);
    call.max_output = SIZE_MAX;
    call.max_memory = 0;
    assert_true(least_limit(call, &limit, CODEC_MEMORY) < 4 * exact + 4 * in->len + 4096);
    buf_free(&out);
}

ENGINE_TEST(test_limits_are_exact)
{
    struct buf text = BUF_INIT, packed = BUF_INIT;

    make_sample(&text);
    assert_int_equal(run_buf(codec, CODEC_OP_DECODE, &text, &packed).status, CODEC_OK);
    check_limits(CODEC_OP_DECODE, false, &text);
    check_limits(CODEC_OP_ENCODE, false, &packed);
    check_limits(CODEC_OP_ENCODE, true, &packed);
    check_limits(CODEC_OP_SEQUENCE, false, &packed);
    check_limits(CODEC_OP_VALIDATE, false, &packed);
    buf_free(&text);
    buf_free(&packed);
}

ENGINE_TEST(test_small_limits_after_large_jobs)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct codec_call small = {.op = CODEC_OP_DECODE,
                               .in = {(const uint8_t *)"[1,2,3]", 7},
                               .max_output = 4,
                               .max_memory = 400};
    struct codec_fault fault;

    buf_append_str(&text, "[0");
    for (int i = 0; i < 100000; i++)
        buf_append_str(&text, ",[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]");
    buf_append_str(&text, "]");
    assert_int_equal(run_buf(codec, CODEC_OP_DECODE, &text, &out).status, CODEC_OK);
    assert_true(codec_peak_bytes(codec) > out.len);
    /* Scratch memory that a large job left does not make a small job fail. */
    buf_free(&out);
    assert_int_equal(codec_run(codec, &small, &out, &fault), CODEC_OK);
    codec_trim(codec, 0);
    out.len = 0;
    assert_int_equal(codec_run(codec, &small, &out, &fault), CODEC_OK);
    assert_bytes(&out, "\x93\x01\x02\x03");
    buf_free(&text);
    buf_free(&out);
}

static void check_sequence(const char *in, size_t len, char separator, bool pretty,
                           const char *expected)
{
    struct codec_call call = {.op = CODEC_OP_SEQUENCE,
                              .pretty = pretty,
                              .separator = (uint8_t)separator,
                              .in = {(const uint8_t *)in, len},
                              .max_output = 100,
                              .max_memory = 1000};
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_bytes(&out, expected);
    buf_free(&out);
}

ENGINE_TEST(test_sequences)
{
    check_sequence("", 0, ',', false, "");
    check_sequence("\x01", 1, ',', false, "1");
    check_sequence("\x01\x02\x90", 3, ',', false, "1,2,[]");
    check_sequence("\xa1\x61\x91\x01\xc0", 5, '\n', false, "\"a\"\n[1]\nnull");
    check_sequence("\x91\x01\x02", 3, '\n', true, "[\n  1\n]\n2");
    /* the elements of an array, as its brackets would have them */
    check_sequence("\x91\x01\x02\x90", 4, ',', true, "\n  [\n    1\n  ],\n  2,\n  []");
    check_sequence("\x81\xa1\x61\x01\x81\xa1\x62\x02", 8, ',', false,
                   "{\"a\":1},{\"b\":2}");
}

static void check_pretty(const char *text, const char *expected)
{
    struct buf packed = BUF_INIT, out = BUF_INIT;
    struct codec_call call = {
        .op = CODEC_OP_ENCODE, .pretty = true, .max_output = 10000, .max_memory = 100000};
    struct codec_fault fault;

    assert_int_equal(run_text(codec, CODEC_OP_DECODE, text, &packed).status, CODEC_OK);
    call.in = buf_slice(&packed);
    buf_append_str(&out, "x");
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    buf_consume(&out, 1);
    assert_bytes(&out, expected);
    buf_free(&packed);
    buf_free(&out);
}

ENGINE_TEST(test_pretty)
{
    check_pretty("1", "1");
    check_pretty("\"a,b\"", "\"a,b\"");
    check_pretty("[]", "[]");
    check_pretty("{}", "{}");
    check_pretty("[[],{}]", "[\n  [],\n  {}\n]");
    check_pretty("[1,[2]]", "[\n  1,\n  [\n    2\n  ]\n]");
    check_pretty("{\"a\":{\"b\":[true,null]}}",
                 "{\n  \"a\": {\n    \"b\": [\n      true,\n      null\n    ]\n  }\n}");
    check_pretty("{\"a:{\":\"[,]\",\"\\\"\":\"\\\\\"}",
                 "{\n  \"a:{\": \"[,]\",\n  \"\\\"\": \"\\\\\"\n}");
}

ENGINE_TEST(test_unsupported)
{
    struct buf out = BUF_INIT;

    assert_int_equal(run_text(codec, CODEC_OPS, "1", &out).status, CODEC_UNSUPPORTED);
    assert_int_equal(run_text(codec, (enum codec_op)77, "1", &out).status,
                     CODEC_UNSUPPORTED);
    buf_free(&out);
}

/* 4 GiB of text are refused before they are read: the pointer leads nowhere. */
ENGINE_TEST(test_lengths_beyond_32_bits)
{
    struct buf out = BUF_INIT;
    const uint8_t *nowhere = (const uint8_t *)(uintptr_t)4096;

    assert_int_equal(
        run_bytes(codec, CODEC_OP_DECODE, nowhere, (size_t)1 << 32, &out).status,
        CODEC_TOO_LARGE);
    assert_int_equal(
        run_bytes(codec, CODEC_OP_ENCODE, nowhere, SIZE_MAX / 2, &out).status,
        CODEC_TOO_LARGE);
    buf_free(&out);
}

/* Two codecs of one engine share nothing. */
ENGINE_TEST(test_codecs_are_independent)
{
    struct codec *other = codec_create(codec_engine_name(codec));
    struct buf a = BUF_INIT, b = BUF_INIT;

    assert_int_equal(run_text(codec, CODEC_OP_DECODE, "[[[1", &a).status,
                     CODEC_TRUNCATED);
    assert_int_equal(run_text(other, CODEC_OP_DECODE, "[2]", &b).status, CODEC_OK);
    assert_bytes(&b, "\x91\x02");
    codec_destroy(&other);
    assert_int_equal(run_text(codec, CODEC_OP_DECODE, "[3]", &a).status, CODEC_OK);
    assert_bytes(&a, "\x91\x03");
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_result_is_appended),
        cmocka_unit_test(test_failure_restores_output),
        cmocka_unit_test(test_usable_after_every_failure),
        cmocka_unit_test(test_limits_are_exact),
        cmocka_unit_test(test_small_limits_after_large_jobs),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_pretty),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_lengths_beyond_32_bits),
        cmocka_unit_test(test_codecs_are_independent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
