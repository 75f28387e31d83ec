/*
 * JSON Merge Patch. The module is compiled in, with its steps and comparisons counted, so
 * that its time is asserted without a clock.
 */
#include "common/codec/msgpack/tape.h"

#include <string.h>

#include "tests/unit/codec/codec_job.h"

static size_t steps, comparisons;

static struct tape_value counted_skip(const struct tape *tape, struct tape_value value)
{
    steps++;
    return tape_skip(tape, value);
}

static int counted_memcmp(const void *a, const void *b, size_t len)
{
    comparisons++;
    return memcmp(a, b, len);
}

#define tape_skip counted_skip
#define memcmp    counted_memcmp
#include "common/codec/operations/merge_patch.c"
#undef tape_skip
#undef memcmp

static struct merge merge;

static enum codec_status patch_bytes(const struct buf *target, const struct buf *patch,
                                     struct buf *result, uint64_t *fault_r)
{
    struct engine_job job = job_to(result);
    enum codec_status status;

    job.scratch_bytes =
        merge.target.entries.cap + merge.patch.entries.cap + merge.members.cap;
    status = merge_patch(&merge, &job, buf_slice(target), buf_slice(patch));
    *fault_r = job.fault_offset;
    return status;
}

static void check(const char *target_text, const char *patch_text, const char *expected)
{
    struct buf target = packed(target_text), patch = packed(patch_text);
    struct buf result = BUF_INIT;
    uint64_t fault;

    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_OK);
    assert_packed(buf_slice(&result), expected);
    buf_free(&target);
    buf_free(&patch);
    buf_free(&result);
}

static void test_appendix_a(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
         "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i][0], cases[i][1], cases[i][2]);
}

/* The example of RFC 7396 section 3. */
static void test_section_3(void **state)
{
    (void)state;
    check("{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":"
          "\"Doe\"},\"tags\":[\"example\",\"sample\"],\"content\":\"This will be "
          "unchanged\"}",
          "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{"
          "\"familyName\":null},\"tags\":[\"example\"]}",
          "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":["
          "\"example\"],\"content\":\"This will be "
          "unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}");
}

static void test_other_values(void **state)
{
    (void)state;
    check("7", "8", "8");
    check("null", "{}", "{}");
    check("{\"a\":1}", "{}", "{\"a\":1}");
    check("[1]", "{\"a\":null}", "{}");
    check("{\"a\":[null,{\"b\":null}]}", "{\"c\":[null,{\"d\":null}]}",
          "{\"a\":[null,{\"b\":null}],\"c\":[null,{\"d\":null}]}");
    check("{\"\":1,\"\\u0000\":2}", "{\"\":null,\"\\u0000\":3}", "{\"\\u0000\":3}");
    check("{\"a\":1}", "{\"a\":{\"b\":{\"c\":null,\"d\":1}}}",
          "{\"a\":{\"b\":{\"d\":1}}}");
    check("{\"n\":12345678901234567890123,\"f\":1.0}", "{\"f\":-0.0}",
          "{\"n\":12345678901234567890123,\"f\":-0.0}");
    check("{\"ab\":1,\"a\":2,\"abc\":3}", "{\"ab\":9,\"b\":8}",
          "{\"ab\":9,\"a\":2,\"abc\":3,\"b\":8}");
}

/* The target's order stays, new members follow in the patch's. */
static void test_order(void **state)
{
    (void)state;
    check("{\"z\":1,\"m\":2,\"a\":3}", "{\"y\":4,\"a\":5,\"b\":6,\"z\":7}",
          "{\"z\":7,\"m\":2,\"a\":5,\"y\":4,\"b\":6}");
    check("{\"a\":1}", "{\"z\":1,\"y\":{\"q\":1,\"p\":2},\"x\":null,\"w\":3}",
          "{\"a\":1,\"z\":1,\"y\":{\"q\":1,\"p\":2},\"w\":3}");
}

static void check_refused(const char *target_text, const char *patch_text)
{
    struct buf target = packed(target_text), patch = packed(patch_text);
    struct buf result = BUF_INIT;
    uint64_t fault;

    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_DUPLICATE);
    assert_true(fault == CODEC_NO_OFFSET);
    buf_free(&target);
    buf_free(&patch);
    buf_free(&result);
}

static void test_duplicates_in_a_patch(void **state)
{
    (void)state;
    check_refused("{}", "{\"a\":1,\"a\":2}");
    check_refused("{}", "{\"a\":1,\"b\":2,\"a\":null}");
    check_refused("{\"x\":{}}", "{\"x\":{\"a\":1,\"a\":1}}");
    check_refused("{\"x\":1}", "{\"x\":{\"a\":1,\"a\":1}}");
    check_refused("7", "{\"a\":1,\"\\u0061\":1}");
    /* within an array of the patch they are part of a value, and stay */
    check("{}", "{\"x\":[{\"a\":1,\"a\":2}]}", "{\"x\":[{\"a\":1,\"a\":2}]}");
}

static void test_duplicates_in_the_target(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":2,\"a\":3,\"b\":4,\"c\":5}", "{\"a\":9}",
          "{\"b\":2,\"a\":9,\"b\":4,\"c\":5}");
    check("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":null}", "{\"b\":2}");
    check("{\"a\":{\"x\":1},\"a\":{\"y\":1}}", "{\"a\":{\"z\":1}}",
          "{\"a\":{\"y\":1,\"z\":1}}");
    check("{\"a\":{\"x\":1},\"a\":2}", "{\"a\":{\"z\":1}}", "{\"a\":{\"z\":1}}");
    check("{\"a\":1,\"a\":2}", "{}", "{\"a\":1,\"a\":2}");
}

static struct buf chain(const char *open, const char *inside, unsigned depth)
{
    struct buf text = BUF_INIT, value;

    append_times(&text, open, depth);
    buf_append_str(&text, inside);
    append_times(&text, "}", depth);
    buf_append(&text, "", 1);
    value = packed((const char *)text.data);
    buf_free(&text);
    return value;
}

/* As deep as documents get, on both sides; every member is seen a fixed number of times.
 */
static void test_deep(void **state)
{
    struct buf target = chain("{\"s\":1,\"a\":", "0", CODEC_MAX_DEPTH);
    struct buf patch = chain("{\"a\":", "1", CODEC_MAX_DEPTH);
    struct buf expected = chain("{\"s\":1,\"a\":", "1", CODEC_MAX_DEPTH);
    struct buf result = BUF_INIT, scalar = packed("1");
    uint64_t fault;

    (void)state;
    steps = comparisons = 0;
    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_OK);
    assert_true(same_bytes(&result, &expected));
    assert_in_range(steps, 1, CODEC_MAX_DEPTH * 24);
    assert_in_range(comparisons, 1, CODEC_MAX_DEPTH * 8);
    result.len = 0;
    assert_int_equal(patch_bytes(&scalar, &patch, &result, &fault), CODEC_OK);
    assert_true(same_bytes(&result, &patch));
    buf_free(&target);
    buf_free(&patch);
    buf_free(&expected);
    buf_free(&result);
    buf_free(&scalar);
}

/* {"<name><from>":<value>,...} with numbered names where asked for. */
static struct buf wide(bool numbered, const char *value_text, unsigned from, unsigned to)
{
    struct buf text = BUF_INIT, value;

    buf_append_str(&text, "{");
    for (unsigned i = from; i < to; i++) {
        buf_append_str(&text, i > from ? "," : "");
        if (numbered)
            buf_printf(&text, "\"n%u\":%s", i, value_text);
        else
            buf_printf(&text, "\"n\":{\"x\":%u}", i);
    }
    buf_append(&text, "}", 2);
    value = packed((const char *)text.data);
    buf_free(&text);
    return value;
}

#define WIDE 100000

/* 100,000 members against 100,000, half of which are there: a fixed number of steps for
   each, and n log m comparisons. */
static void test_wide(void **state)
{
    struct buf target = wide(true, "[1]", 0, WIDE);
    struct buf patch = wide(true, "2", WIDE / 2, WIDE + WIDE / 2);
    struct buf same = wide(true, "[1]", 0, WIDE / 2);
    struct buf result = BUF_INIT;
    uint64_t fault;

    (void)state;
    steps = comparisons = 0;
    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_OK);
    assert_in_range(steps, 2 * WIDE, 24 * WIDE);
    assert_in_range(comparisons, WIDE, 4 * 18 * WIDE);
    assert_int_equal(result.data[0], 0xdf);
    assert_memory_equal(result.data + 5, same.data + 3, same.len - 3);
    result.len = 0;
    buf_free(&patch);
    patch = wide(true, "null", 0, WIDE);
    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_OK);
    assert_packed(buf_slice(&result), "{}");
    buf_free(&target);
    buf_free(&patch);
    buf_free(&same);
    buf_free(&result);
}

/* Duplicates of one patched name, and a patch inside each level: still linear. */
static void test_many_duplicates(void **state)
{
    struct buf target = wide(false, "", 0, WIDE), patch = packed("{\"n\":{}}");
    struct buf result = BUF_INIT;
    uint64_t fault;

    (void)state;
    steps = 0;
    assert_int_equal(patch_bytes(&target, &patch, &result, &fault), CODEC_OK);
    assert_packed(buf_slice(&result), "{\"n\":{\"x\":99999}}");
    assert_in_range(steps, WIDE, 10 * WIDE);
    buf_free(&target);
    buf_free(&patch);
    buf_free(&result);
}

/* Offsets are in the part that has the fault. */
static void test_faults(void **state)
{
    struct buf good = packed("{\"a\":1}"), bad = BUF_INIT, result = BUF_INIT;
    uint64_t fault;

    (void)state;
    buf_append(&bad, "\x91\x91\xc1", 3);
    assert_int_equal(patch_bytes(&bad, &good, &result, &fault), CODEC_MSGPACK);
    assert_int_equal(fault, 2);
    assert_int_equal(patch_bytes(&good, &bad, &result, &fault), CODEC_MSGPACK);
    assert_int_equal(fault, 2);
    bad.len = 0;
    assert_int_equal(patch_bytes(&good, &bad, &result, &fault), CODEC_TRUNCATED);
    assert_int_equal(fault, 0);
    assert_int_equal(result.len, 0);
    buf_free(&good);
    buf_free(&bad);
    buf_free(&result);
}

/* With every budget, the job ends with MEMORY or the right result. */
static void test_budget(void **state)
{
    struct buf target = wide(true, "{\"a\":[1]}", 0, 100);
    struct buf patch = wide(true, "{\"b\":{\"c\":null}}", 50, 150);
    enum codec_status status = CODEC_MEMORY;
    size_t tried = 0;

    (void)state;
    for (size_t budget = 0; status != CODEC_OK; budget += 97, tried++) {
        struct buf result = BUF_INIT;
        struct engine_job job = job_to(&result);
        struct merge own = {.member_count = 0};

        job.max_memory = budget;
        status = merge_patch(&own, &job, buf_slice(&target), buf_slice(&patch));
        assert_true(status == CODEC_OK || status == CODEC_MEMORY);
        assert_true(job.peak_bytes <= budget);
        merge_free(&own);
        buf_free(&result);
    }
    assert_true(tried > 20);
    buf_free(&target);
    buf_free(&patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_appendix_a),
                                       cmocka_unit_test(test_section_3),
                                       cmocka_unit_test(test_other_values),
                                       cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_duplicates_in_a_patch),
                                       cmocka_unit_test(test_duplicates_in_the_target),
                                       cmocka_unit_test(test_deep),
                                       cmocka_unit_test(test_wide),
                                       cmocka_unit_test(test_many_duplicates),
                                       cmocka_unit_test(test_faults),
                                       cmocka_unit_test(test_budget)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    merge_free(&merge);
    return failed;
}
