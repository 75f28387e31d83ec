/* The limits of jobs of several steps: output and memory, at every step. */
#include "common/codec/coding/coding.h"
#include "tests/unit/codec/transform_calls.h"

/* Tries a call with growing limits. It fails with the expected status until it succeeds.
   Returns the first limit that is enough. */
static size_t find_budget(struct codec_call call, bool memory)
{
    size_t *budget = memory ? &call.max_memory : &call.max_output;
    enum codec_status expected = memory ? CODEC_MEMORY : CODEC_TOO_LARGE;
    struct codec_fault fault;
    struct buf out = BUF_INIT;

    for (*budget = 0;; *budget += 1 + *budget / 16) {
        enum codec_status status;

        codec_trim(codec, 0);
        status = codec_run(codec, &call, &out, &fault);
        assert_true(status == CODEC_OK || status == expected);
        if (status == CODEC_OK)
            break;
        assert_int_equal(fault.offset, 0);
        assert_null(out.data);
    }
    buf_free(&out);
    return *budget;
}

static void check_budgets(enum codec_format format)
{
    struct buf many = BUF_INIT, all, zipped;
    struct codec_call call;

    buf_append_str(&many, "{\"a\":[0");
    append_times(&many, ",{\"k\":\"value\"}", 200);
    buf_append(&many, "]}", 3);
    all = stored(format, (const char *const[]){(const char *)many.data, NULL});
    zipped = zip(slice_of((const char *)many.data));
    for (unsigned gzip = 0; gzip < 2; gzip++) {
        call = call_of(CODEC_OP_ENCODE, format);
        call.coding = gzip ? CODING_GZIP : CODING_NONE;
        call.in = buf_slice(&all);
        call.fields = slice_of("a");
        assert_true(find_budget(call, true) > many.len);
        assert_true(find_budget(call, false) > many.len / 40);
        call = call_of(CODEC_OP_PATCH, format);
        call.coding = gzip ? CODING_GZIP : CODING_NONE;
        call.gunzip = true;
        call.in = buf_slice(&all);
        call.argument = buf_slice(&zipped);
        assert_true(find_budget(call, true) > many.len);
        call = call_of(CODEC_OP_COMPACT, format);
        call.coding = gzip ? CODING_GZIP : CODING_NONE;
        call.gunzip = true;
        call.in = buf_slice(&zipped);
        assert_true(find_budget(call, true) > many.len);
        (void)find_budget(call, false);
    }
    buf_free(&many);
    buf_free(&all);
    buf_free(&zipped);
}

EACH_FORMAT_TEST(test_budgets, check_budgets)

/* Stored texts are decoded one after another into one buffer: all of it counts. */
static void test_budget_of_many_texts(void **state)
{
    struct buf texts = BUF_INIT, out = BUF_INIT;
    struct codec_call call = call_of(CODEC_OP_PROJECT, CODEC_FORMAT_JSON);
    struct codec_fault fault;

    (void)state;
    codec = codec_create("direct");
    append_times(&texts, "\"0123456789012345678901234567890123456789\"\n", 1000);
    call.in = buf_slice(&texts);
    call.max_memory = texts.len / 2;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_MEMORY);
    assert_null(out.data);
    call.max_memory = texts.len * 4;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_int_equal(out.len, 1000 * 42);
    buf_free(&texts);
    buf_free(&out);
    codec_destroy(&codec);
}

/* A bomb in a job takes no more memory than the job may use. */
static void test_bomb(void **state)
{
    struct buf blanks = BUF_INIT, zipped, out = BUF_INIT;
    struct codec_call call = call_of(CODEC_OP_DECODE, CODEC_FORMAT_MSGPACK);
    struct codec_fault fault;

    (void)state;
    codec = codec_create("direct");
    memset(buf_reserve(&blanks, (size_t)16 << 20), ' ', (size_t)16 << 20);
    blanks.len = (size_t)16 << 20;
    zipped = zip(buf_slice(&blanks));
    call.in = buf_slice(&zipped);
    call.gunzip = true;
    call.max_expanded = (size_t)1 << 20;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_TOO_LARGE);
    call.max_expanded = SIZE_MAX;
    call.max_memory = (size_t)1 << 20;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_MEMORY);
    call.max_memory = SIZE_MAX;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_TRUNCATED);
    assert_int_equal(fault.offset, blanks.len);
    assert_null(out.data);
    buf_free(&blanks);
    buf_free(&zipped);
    codec_destroy(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_budgets),
                                       cmocka_unit_test(test_budget_of_many_texts),
                                       cmocka_unit_test(test_bomb)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
