/* Bulk lines to records and their strict reading, with both engines. */
#include "common/codec/operations/bulk.h"

#include "tests/unit/codec/codec_job.h"

static struct codec *codec;
static struct buf records = BUF_INIT;
static struct slice rest;

static struct codec_call call_of(const char *lines, enum codec_format format)
{
    return (struct codec_call){.op = CODEC_OP_BULK,
                               .format = format,
                               .in = {(const uint8_t *)lines, strlen(lines)},
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX};
}

static void run(const char *lines, enum codec_format format)
{
    struct codec_call call = call_of(lines, format);
    struct codec_fault fault;

    records.len = 0;
    assert_int_equal(codec_run(codec, &call, &records, &fault), CODEC_OK);
    rest = buf_slice(&records);
}

static struct bulk_record next(void)
{
    struct bulk_record record;

    assert_int_equal(bulk_read(&rest, &record), 0);
    return record;
}

static void expect_end(void)
{
    struct bulk_record record;

    assert_int_equal(rest.len, 0);
    assert_int_equal(bulk_read(&rest, &record), -1);
}

static void expect_document(const char *id, const char *document)
{
    struct bulk_record record = next();

    assert_int_equal(record.status, CODEC_OK);
    assert_int_equal(record.id.len, strlen(id));
    assert_memory_equal(record.id.data, id, record.id.len);
    assert_packed(record.document, document);
}

static void expect_failure(enum codec_status status, uint32_t offset)
{
    struct bulk_record record = next();

    assert_int_equal(record.status, status);
    assert_int_equal(record.offset, offset);
    assert_int_equal(record.id.len + record.document.len, 0);
}

static void expect_blank(void)
{
    struct bulk_record record = next();

    assert_int_equal(record.status, CODEC_OK);
    assert_int_equal(record.id.len + record.document.len, 0);
}

static void each_engine(void (*check)(void))
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        check();
        codec_destroy(&codec);
    }
}

static void check_lines(void)
{
    run("{\"id\":\"a\",\"document\":{\"x\":1}}\n"
        "\n"
        " { \"document\" : [1.0,null] , \"id\" : \"b:1\" } \r\n"
        " \t\r\n"
        "{\"id\":\"c\",\"other\":{\"id\":1,\"document\":2},\"document\":null}",
        CODEC_FORMAT_MSGPACK);
    expect_document("a", "{\"x\":1}");
    expect_blank();
    expect_document("b:1", "[1.0,null]");
    expect_blank();
    expect_document("c", "null");
    expect_end();
    run("", CODEC_FORMAT_MSGPACK);
    expect_end();
    run("\n\n", CODEC_FORMAT_JSON);
    expect_blank();
    expect_blank();
    expect_end();
}

static void test_lines(void **state)
{
    (void)state;
    each_engine(check_lines);
}

static void check_json(void)
{
    static const char text[] = "{\"x\":[1.0,\"A\"]}";
    struct bulk_record record;

    run("{\"id\":\"a\",\"document\": { \"x\" : [ 1.0, \"\\u0041\" ] } }\n7\n"
        "{\"id\":\"b\",\"document\":2}\n",
        CODEC_FORMAT_JSON);
    record = next();
    assert_int_equal(record.document.len, sizeof text - 1);
    assert_memory_equal(record.document.data, text, sizeof text - 1);
    expect_failure(CODEC_LINE, BULK_NO_OFFSET);
    record = next();
    assert_int_equal(record.document.len, 1);
    assert_int_equal(*record.document.data, '2');
    expect_end();
}

static void test_json(void **state)
{
    (void)state;
    each_engine(check_json);
}

/* Each of these fails, and the line behind it does not. */
static void check_bad_lines(void)
{
    static const struct {
        const char *line;
        enum codec_status status;
        uint32_t offset;
    } bad[] = {
        {"{\"id\":\"a\",\"document\":}", CODEC_SYNTAX, 21},
        {"{\"id\":\"a\",\"document\":1", CODEC_TRUNCATED, 22},
        {"{\"id\":\"a\",\"document\":1} x", CODEC_TRAILING, 24},
        {"{\"id\":\"a\",\"document\":\"\xff\"}", CODEC_UTF8, 22},
        {"x", CODEC_SYNTAX, 0},
        {"\"id\"", CODEC_LINE, BULK_NO_OFFSET},
        {"[\"id\",\"document\"]", CODEC_LINE, BULK_NO_OFFSET},
        {"null", CODEC_LINE, BULK_NO_OFFSET},
        {"{}", CODEC_LINE, BULK_NO_OFFSET},
        {"{\"id\":\"a\"}", CODEC_LINE, BULK_NO_OFFSET},
        {"{\"document\":1}", CODEC_LINE, BULK_NO_OFFSET},
        {"{\"id\":\"a\",\"id\":\"a\",\"document\":1}", CODEC_LINE, BULK_NO_OFFSET},
        {"{\"id\":\"a\",\"document\":1,\"document\":1}", CODEC_LINE, BULK_NO_OFFSET},
        {"{\"id\":1,\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":[\"a\"],\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":null,\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":\"\",\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":\"a b\",\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":\"a/b\",\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":\"a%41\",\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
        {"{\"id\":\"a\\u0000\",\"document\":1}", CODEC_NAME, BULK_NO_OFFSET},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf lines = BUF_INIT;

        buf_printf(&lines, "%s\n{\"id\":\"z\",\"document\":[%zu]}\n", bad[i].line, i);
        buf_append(&lines, "", 1);
        run((const char *)lines.data, CODEC_FORMAT_MSGPACK);
        expect_failure(bad[i].status, bad[i].offset);
        assert_int_equal(next().id.len, 1);
        expect_end();
        buf_free(&lines);
    }
}

static void test_bad_lines(void **state)
{
    (void)state;
    each_engine(check_bad_lines);
}

/* The longest id, one too long, and the deepest line. */
static void check_limits_of(enum codec_format format)
{
    struct buf lines = BUF_INIT;

    buf_append_str(&lines, "{\"id\":\"");
    append_times(&lines, "i", DOCUMENT_NAME_MAX_BYTES);
    buf_append_str(&lines, "\",\"document\":1}\n{\"id\":\"");
    append_times(&lines, "i", DOCUMENT_NAME_MAX_BYTES + 1);
    buf_append_str(&lines, "\",\"document\":1}\n{\"id\":\"d\",\"document\":");
    append_times(&lines, "[", CODEC_MAX_DEPTH);
    append_times(&lines, "]", CODEC_MAX_DEPTH);
    buf_append_str(&lines, "}\n{\"id\":\"d\",\"document\":");
    append_times(&lines, "[", CODEC_MAX_DEPTH + 1);
    append_times(&lines, "]", CODEC_MAX_DEPTH + 1);
    buf_append(&lines, "}", 2);
    run((const char *)lines.data, format);
    assert_int_equal(next().id.len, DOCUMENT_NAME_MAX_BYTES);
    expect_failure(CODEC_NAME, BULK_NO_OFFSET);
    assert_int_equal(next().document.len,
                     format == CODEC_FORMAT_JSON ? 2 * CODEC_MAX_DEPTH : CODEC_MAX_DEPTH);
    expect_failure(CODEC_DEPTH, 21 + CODEC_MAX_DEPTH);
    expect_end();
    buf_free(&lines);
}

static void check_limits(void)
{
    check_limits_of(CODEC_FORMAT_MSGPACK);
    check_limits_of(CODEC_FORMAT_JSON);
}

static void test_limits(void **state)
{
    (void)state;
    each_engine(check_limits);
}

/* Small budgets: lines fail one by one, or the job; what is written is always sound. */
static void check_budgets(void)
{
    struct codec_call call = call_of(
        "{\"id\":\"a\",\"document\":\"0123456789012345678901234567890123456789\"}\n"
        "{\"id\":\"b\",\"document\":[1,2,3]}\n",
        CODEC_FORMAT_MSGPACK);
    unsigned whole = 0;

    for (size_t budget = 0; budget < 2000; budget++) {
        for (unsigned memory = 0; memory < 2; memory++) {
            struct buf out = BUF_INIT;
            struct codec_fault fault;
            struct bulk_record record;

            call.format = budget & 1 ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK;
            call.max_output = memory ? SIZE_MAX : budget;
            call.max_memory = memory ? budget : SIZE_MAX;
            codec_trim(codec, 0);
            if (codec_run(codec, &call, &out, &fault) != CODEC_OK) {
                assert_null(out.data);
                continue;
            }
            assert_true(memory || out.len <= budget);
            rest = buf_slice(&out);
            assert_int_equal(bulk_read(&rest, &record), 0);
            assert_int_equal(bulk_read(&rest, &record), 0);
            whole += record.status == CODEC_OK;
            expect_end();
            buf_free(&out);
        }
    }
    assert_true(whole > 1000);
}

static void test_budgets(void **state)
{
    (void)state;
    each_engine(check_budgets);
}

/* Cut or changed anywhere, records are refused or read within their bounds. */
static void test_strict_reading(void **state)
{
    static const uint8_t good[] = {0, 1, 0, 0, 0, 2, 'a', 0x91, 1};
    static const uint8_t bad[][9] = {
        {CODEC_STATUSES, 0, 0, 0, 0, 0},  {0, 0, 0, 0, 0, 1, 1},
        {0, 1, 0, 0, 0, 0, 'a'},          {1, 1, 0, 0, 0, 0, 'a'},
        {0, 1, 0, 0, 0, 3, 'a', 0x91, 1}, {0, 1, 0xff, 0xff, 0xff, 0xff, 'a', 0x91, 1},
        {0, 9, 0, 0, 0, 1, 'a', 0x91, 1}, {0, 1, 0, 0, 0, 2, '/', 0x91, 1},
        {0, 1, 0, 0, 0, 2, 0, 0x91, 1},   {255, 0, 0, 0, 0, 0},
    };
    struct bulk_record record;

    (void)state;
    rest = (struct slice){good, sizeof good};
    assert_int_equal(bulk_read(&rest, &record), 0);
    assert_int_equal(rest.len, 0);
    for (size_t len = 0; len < sizeof good; len++) {
        rest = (struct slice){good, len};
        assert_int_equal(bulk_read(&rest, &record), -1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rest = (struct slice){bad[i], sizeof bad[i]};
        assert_int_equal(bulk_read(&rest, &record), -1);
    }
}

static void test_heads(void **state)
{
    const struct bulk_record failed = {.status = CODEC_SYNTAX, .offset = 0x01020304};
    uint8_t head[BULK_HEAD_BYTES];
    struct bulk_record record;

    (void)state;
    bulk_write_head(&failed, head);
    rest = (struct slice){head, sizeof head};
    assert_int_equal(bulk_read(&rest, &record), 0);
    assert_int_equal(record.status, CODEC_SYNTAX);
    assert_int_equal(record.offset, 0x01020304);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_budgets),   cmocka_unit_test(test_strict_reading),
        cmocka_unit_test(test_heads)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&records);
    return failed;
}
