/*
 * Projection: what the text of fields may be, and what is kept of a document. The module
 * is compiled in, with its comparisons counted, so that its time is asserted without a
 * clock.
 */
#include "common/codec/msgpack/pack.h"
#include "tests/unit/codec/codec_job.h"
#include "tests/unit/codec/codec_random.h"

static size_t comparisons;

static int counted_memcmp(const void *a, const void *b, size_t len)
{
    comparisons++;
    return memcmp(a, b, len);
}

#define memcmp counted_memcmp
#include "common/codec/operations/fields.c"
#undef memcmp

static struct projection projection;

static struct slice text_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static enum codec_status project_text(const char *fields_text, struct slice documents,
                                      struct buf *out, uint64_t *fault_r)
{
    struct fields *fields = fields_parse(text_of(fields_text));
    struct engine_job job = job_to(out);
    enum codec_status status;

    assert_non_null(fields);
    assert_int_equal(fields_check(text_of(fields_text)), 0);
    job.scratch_bytes = projection.tape.entries.cap;
    status = fields_project(&projection, &job, fields, documents);
    *fault_r = job.fault_offset;
    fields_destroy(&fields);
    return status;
}

static void check(const char *fields, const char *document, const char *expected)
{
    struct buf value = packed(document), result = BUF_INIT;
    uint64_t fault;

    assert_int_equal(project_text(fields, buf_slice(&value), &result, &fault), CODEC_OK);
    assert_packed(buf_slice(&result), expected);
    assert_true(result.len <= value.len);
    buf_free(&value);
    buf_free(&result);
}

static void test_members(void **state)
{
    (void)state;
    check("a", "{\"a\":1,\"b\":2}", "{\"a\":1}");
    check("c", "{\"a\":1,\"b\":2}", "{}");
    check("b,a", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"b\":2}");
    check("a,a", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}");
    check("a.x", "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3}}", "{\"a\":{\"x\":1}}");
    check("a.x.y.z", "{\"a\":{\"x\":{\"y\":{\"z\":[1,{\"q\":2}],\"w\":1}}}}",
          "{\"a\":{\"x\":{\"y\":{\"z\":[1,{\"q\":2}]}}}}");
    check("ab", "{\"a\":1,\"ab\":2,\"abc\":3}", "{\"ab\":2}");
}

/* A whole member wins over its parts, in any order. */
static void test_whole_wins(void **state)
{
    (void)state;
    check("a,a.x", "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1,\"y\":2}}");
    check("a.x,a", "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1,\"y\":2}}");
    check("a.x,a.y", "{\"a\":{\"x\":1,\"y\":2,\"z\":3}}", "{\"a\":{\"x\":1,\"y\":2}}");
}

/* A container on a path stays; another value does not. */
static void test_paths_that_find_nothing(void **state)
{
    (void)state;
    check("a.x", "{\"a\":{\"y\":1}}", "{\"a\":{}}");
    check("a.x", "{\"a\":[1,2]}", "{\"a\":[]}");
    check("a.x", "{\"a\":7}", "{}");
    check("a.x", "{\"a\":null,\"b\":1}", "{}");
    check("a.x", "{\"a\":\"x\"}", "{}");
    check("a", "[1,2]", "[]");
    check("a", "{}", "{}");
}

static void test_documents_that_are_no_containers(void **state)
{
    (void)state;
    check("a", "7", "7");
    check("a", "null", "null");
    check("a.b", "\"text\"", "\"text\"");
    check("0", "-1.5", "-1.5");
}

static void test_arrays(void **state)
{
    (void)state;
    check("0,2", "[10,11,12,13]", "[10,12]");
    check("2,0", "[10,11,12,13]", "[10,12]");
    check("9", "[10]", "[]");
    check("00,01", "[10,11]", "[]");
    check("-1", "[10,11]", "[]");
    check("i.1.d", "{\"i\":[{\"d\":1},{\"c\":2,\"d\":3},{\"d\":4}]}",
          "{\"i\":[{\"d\":3}]}");
    check("i.0.d,i.2", "{\"i\":[{\"c\":0,\"d\":1},5,{\"c\":2}]}",
          "{\"i\":[{\"d\":1},{\"c\":2}]}");
    check("i.0.d,i.1.d", "{\"i\":[7,{\"d\":1}]}", "{\"i\":[{\"d\":1}]}");
    check("0", "{\"0\":1,\"1\":2}", "{\"0\":1}");
    check("10", "[0,1,2,3,4,5,6,7,8,9,\"ten\",11,12,13,14,15,16]", "[\"ten\"]");
}

static void test_duplicates_in_a_document(void **state)
{
    (void)state;
    check("a", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"a\":3}");
    check("a.x", "{\"a\":{\"x\":1,\"x\":2},\"a\":3,\"a\":{\"y\":4}}",
          "{\"a\":{\"x\":1,\"x\":2},\"a\":{}}");
}

static void test_encoded_names(void **state)
{
    (void)state;
    check("a%2eb", "{\"a.b\":1,\"a\":{\"b\":2}}", "{\"a.b\":1}");
    check("a%2Cb", "{\"a,b\":1,\"a\":2,\"b\":3}", "{\"a,b\":1}");
    check("%61", "{\"a\":1}", "{\"a\":1}");
    check("%,a.%.b", "{\"\":1,\"a\":{\"\":{\"b\":2,\"c\":3},\"d\":4},\"e\":5}",
          "{\"\":1,\"a\":{\"\":{\"b\":2}}}");
    check("a.%", "{\"a\":[{\"\":1},2]}", "{\"a\":[]}");
    check("%25", "{\"%\":1}", "{\"%\":1}");
    check("%00", "{\"\\u0000\":1,\"0\":2}", "{\"\\u0000\":1}");
    check("a+b,c%2bd", "{\"a b\":1,\"a+b\":2,\"c+d\":3}", "{\"a b\":1,\"c+d\":3}");
    check("%C3%BC,\xc3\xa4", "{\"\xc3\xbc\":1,\"\xc3\xa4\":2,\"u\":3}",
          "{\"\xc3\xbc\":1,\"\xc3\xa4\":2}");
}

static void check_malformed(struct slice text)
{
    struct fields *fields = fields_parse(text);

    assert_null(fields);
    fields_destroy(&fields);
    assert_int_equal(fields_check(text), -1);
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "",   ",",  ".",   "a,",  ",a", "a.",  ".a",   "a..b", "a,,b",   "a.,b",
        "%%", "%4", "%4x", "%x4", "a%", "a%2", "a,b.", "a%zz", "a.b,%g0"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_malformed(text_of(bad[i]));
}

static void test_limits(void **state)
{
    struct buf text = BUF_INIT;
    struct fields *fields;

    (void)state;
    for (unsigned i = 0; i < FIELDS_MAX_NAMES; i++)
        buf_printf(&text, "%s%x", i > 0 ? (i % 3 ? "," : ".") : "", i);
    fields = fields_parse(buf_slice(&text));
    assert_non_null(fields);
    fields_destroy(&fields);
    assert_int_equal(fields_check(buf_slice(&text)), 0);
    buf_append_str(&text, ",x1");
    check_malformed(buf_slice(&text));
    text.len -= 3; /* a name that is there already needs no space */
    buf_append_str(&text, ",1");
    fields = fields_parse(buf_slice(&text));
    assert_non_null(fields);
    fields_destroy(&fields);
    assert_int_equal(fields_check(buf_slice(&text)),
                     -1); /* fields_check() counts that name too */
    text.len = 0;
    append_times(&text, "x", FIELDS_MAX_BYTES);
    fields = fields_parse(buf_slice(&text));
    assert_non_null(fields);
    fields_destroy(&fields);
    assert_int_equal(fields_check(buf_slice(&text)), 0);
    buf_append_str(&text, "x");
    check_malformed(buf_slice(&text));
    buf_free(&text);
}

/* As many names as there may be, each found: the tree's order is right. */
static void test_many_names(void **state)
{
    struct buf text = BUF_INIT, document = BUF_INIT, expected = BUF_INIT;

    (void)state;
    buf_append_str(&document, "{");
    buf_append_str(&expected, "{");
    for (unsigned i = 0; i < 600; i++) {
        unsigned name = i * 577 % 600; /* the fields in another order */

        buf_printf(&document, "%s\"k%u\":{\"v\":%u,\"w\":0}", i ? "," : "", i, i);
        if (name % 2)
            buf_printf(&text, "%sk%u.v", text.len ? "," : "", name);
        if (i % 2)
            buf_printf(&expected, "%s\"k%u\":{\"v\":%u}", i > 1 ? "," : "", i, i);
    }
    buf_append(&document, "}", 2);
    buf_append(&expected, "}", 2);
    buf_append(&text, "", 1);
    check((const char *)text.data, (const char *)document.data,
          (const char *)expected.data);
    buf_free(&text);
    buf_free(&document);
    buf_free(&expected);
}

/* Reading the names takes n log n, whatever their order. */
static void test_many_names_are_read_fast(void **state)
{
    struct buf text = BUF_INIT;
    struct fields *fields;

    (void)state;
    for (unsigned i = 0; i < FIELDS_MAX_NAMES; i++)
        buf_printf(&text, "%s%x", i ? "," : "", i * 577 % FIELDS_MAX_NAMES);
    comparisons = 0;
    fields = fields_parse(buf_slice(&text));
    assert_non_null(fields);
    fields_destroy(&fields);
    assert_true(comparisons < (size_t)FIELDS_MAX_NAMES * 12); /* log2 is 10 */
    text.len = 0;
    for (unsigned i = 0; i < FIELDS_MAX_BYTES / 2; i++)
        buf_append_str(&text, i ? ",a" : "a");
    comparisons = 0;
    fields = fields_parse(buf_slice(&text));
    assert_non_null(fields);
    fields_destroy(&fields);
    assert_true(comparisons < (size_t)FIELDS_MAX_BYTES / 2 * 14);
    buf_free(&text);
}

static void test_deep(void **state)
{
    struct buf text = BUF_INIT, document = BUF_INIT;

    (void)state;
    append_times(&text, "a.", CODEC_MAX_DEPTH - 1);
    buf_append(&text, "a", 2);
    append_times(&document, "{\"a\":", CODEC_MAX_DEPTH);
    buf_append_str(&document, "1");
    append_times(&document, "}", CODEC_MAX_DEPTH);
    buf_append(&document, "", 1);
    check((const char *)text.data, (const char *)document.data,
          (const char *)document.data);
    buf_free(&text);
    buf_free(&document);
}

/* Several documents one after another, as in a listing's run. */
static void test_sequence(void **state)
{
    struct buf one = packed("{\"a\":1,\"b\":2}"), two = packed("[1]"),
               three = packed("3");
    struct buf in = BUF_INIT, result = BUF_INIT;
    static const uint8_t expected[] = {0x81, 0xa1, 'a', 1, 0x90, 3};
    uint64_t fault;

    (void)state;
    assert_int_equal(project_text("a", buf_slice(&in), &result, &fault), CODEC_OK);
    assert_int_equal(result.len, 0);
    buf_append(&in, one.data, one.len);
    buf_append(&in, two.data, two.len);
    buf_append(&in, three.data, three.len);
    assert_int_equal(project_text("a", buf_slice(&in), &result, &fault), CODEC_OK);
    assert_int_equal(result.len, sizeof expected);
    assert_memory_equal(result.data, expected, sizeof expected);
    buf_append(&in, "\x91\xc1", 2);
    assert_int_equal(project_text("a", buf_slice(&in), &result, &fault), CODEC_MSGPACK);
    assert_int_equal(fault, in.len - 1);
    buf_free(&one);
    buf_free(&two);
    buf_free(&three);
    buf_free(&in);
    buf_free(&result);
}

/* A fault of memory has no offset in the input. */
static void test_memory(void **state)
{
    struct buf in =
        packed("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}");
    struct fields *fields = fields_parse(text_of("a"));
    struct buf result = BUF_INIT, many = BUF_INIT;
    struct engine_job job = job_to(&result);
    struct projection own = {.tape = {.count = 0}};

    (void)state;
    buf_append(&many, "\x01", 1);
    buf_append(&many, in.data, in.len);
    job.max_memory = 200;
    assert_int_equal(fields_project(&own, &job, fields, buf_slice(&many)), CODEC_MEMORY);
    assert_int_equal(job.fault_offset, 0);
    projection_free(&own);
    fields_destroy(&fields);
    buf_free(&in);
    buf_free(&many);
    buf_free(&result);
}

/* With every name of the top level wanted, nothing is lost of any document. */
static void test_random_documents(void **state)
{
    struct random random = {42};

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct buf text = BUF_INIT, value = BUF_INIT, kept = BUF_INIT;
        uint64_t fault;

        document_make(&random, 6, &text, &value);
        assert_int_equal(project_text("0.1.2,\x01,zz", buf_slice(&value), &kept, &fault),
                         CODEC_OK);
        assert_true(kept.len <= value.len);
        buf_free(&text);
        buf_free(&value);
        buf_free(&kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_whole_wins),
        cmocka_unit_test(test_paths_that_find_nothing),
        cmocka_unit_test(test_documents_that_are_no_containers),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_duplicates_in_a_document),
        cmocka_unit_test(test_encoded_names),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_many_names_are_read_fast),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_random_documents),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    projection_free(&projection);
    return failed;
}
