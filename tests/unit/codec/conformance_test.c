/* Every engine against the tables of JSON texts and MessagePack values. */
#include "common/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/codec/codec_run.h"
#include "tests/unit/codec/codec_table.h"

#define JSON_TABLE    "tests/unit/codec/conformance.txt"
#define MSGPACK_TABLE "tests/unit/codec/conformance_msgpack.txt"

static struct codec *codec; /* the engine under test */
static int failures;        /* rows that failed: all are printed, then the test fails */

static void fail_row(const struct table_row *row, const char *what,
                     const struct codec_fault *fault)
{
    print_error("line %d, engine %s: %s: %s at %llu\n", row->line,
                codec_engine_name(codec), what, codec_status_text(fault->status),
                (unsigned long long)fault->offset);
    failures++;
}

static bool is_expected(const struct table_row *row, const struct codec_fault *fault)
{
    return fault->status == row->status && fault->offset == row->offset;
}

/* A copy that ends where its memory ends, so that reading on is caught by ASan. */
static struct buf tight_copy(const struct buf *in)
{
    struct buf copy = {malloc(in->len + 1), in->len, in->len + 1};

    if (in->len > 0)
        memcpy(copy.data + 1, in->data, in->len);
    copy.data++;
    return copy;
}

static void tight_free(struct buf *copy)
{
    free(copy->data - 1);
}

static void check_json(const struct table_row *row)
{
    struct buf packed = BUF_INIT, text = BUF_INIT, in = tight_copy(&row->in);
    struct codec_fault fault = run_buf(codec, CODEC_OP_DECODE, &in, &packed);

    if (!is_expected(row, &fault)) {
        fail_row(row, "decode", &fault);
    } else if (row->status == CODEC_OK) {
        fault = run_buf(codec, CODEC_OP_ENCODE, &packed, &text);
        if (fault.status != CODEC_OK || !same_bytes(&text, &row->out))
            fail_row(row, "encode gave another text", &fault);
        fault = run_buf(codec, CODEC_OP_VALIDATE, &packed, &text);
        if (fault.status != CODEC_OK || !same_bytes(&text, &packed))
            fail_row(row, "own MessagePack not valid", &fault);
    }
    buf_free(&packed);
    buf_free(&text);
    tight_free(&in);
}

/* True for a fault that does not depend on the bytes after the text. */
static bool stays_with_more_behind(enum codec_status status)
{
    return status == CODEC_CONTROL || status == CODEC_UTF8 || status == CODEC_SURROGATE ||
           status == CODEC_NUMBER;
}

/* The same text as an array's item, far from both ends of the input: fast paths that read
   further than the text run only there. */
static void check_inside(const struct table_row *row)
{
    struct buf text = BUF_INIT, packed = BUF_INIT, alone = BUF_INIT;
    struct codec_fault fault;

    buf_printf(&text, "[%40s", "");
    buf_append(&text, row->in.data, row->in.len);
    buf_printf(&text, "%40s]", "");
    fault = run_buf(codec, CODEC_OP_DECODE, &text, &packed);
    if (stays_with_more_behind(row->status)) {
        if (fault.status != row->status || fault.offset != row->offset + 41)
            fail_row(row, "decode inside", &fault);
    } else if (row->status == CODEC_OK && fault.status != CODEC_DEPTH) {
        (void)run_buf(codec, CODEC_OP_DECODE, &row->in, &alone);
        if (fault.status != CODEC_OK || packed.len != alone.len + 1 ||
            memcmp(packed.data + 1, alone.data, alone.len) != 0)
            fail_row(row, "decode inside gave other bytes", &fault);
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&alone);
}

static void check_same(const struct table_row *row, const struct buf *text)
{
    struct buf packed = BUF_INIT;
    struct codec_fault fault = run_buf(codec, CODEC_OP_DECODE, text, &packed);

    if (fault.status != CODEC_OK || !same_bytes(&packed, &row->in))
        fail_row(row, "decode gave other bytes", &fault);
    buf_free(&packed);
}

static void check_msgpack(const struct table_row *row)
{
    struct buf text = BUF_INIT, copy = BUF_INIT, in = tight_copy(&row->in);
    struct codec_fault fault = run_buf(codec, CODEC_OP_VALIDATE, &in, &copy);

    if (!is_expected(row, &fault) ||
        (row->status == CODEC_OK && !same_bytes(&copy, &row->in)))
        fail_row(row, "validate", &fault);
    fault = run_buf(codec, CODEC_OP_ENCODE, &in, &text);
    if (!is_expected(row, &fault))
        fail_row(row, "encode", &fault);
    else if (row->status == CODEC_OK && !same_bytes(&text, &row->out))
        fail_row(row, "encode gave another text", &fault);
    else if (row->same)
        check_same(row, &text);
    buf_free(&text);
    buf_free(&copy);
    tight_free(&in);
}

/* In a sequence, the bytes before a value shift its offsets, and more values may follow.
 */
static void check_sequence(const struct table_row *row)
{
    struct buf in = BUF_INIT, text = BUF_INIT, expected = BUF_INIT;
    struct codec_fault fault;

    if (row->status == CODEC_TRAILING || row->in.len == 0)
        return;
    buf_append(&in, "\xc3\xa1x", 3);
    buf_append(&in, row->in.data, row->in.len);
    fault = run_buf(codec, CODEC_OP_SEQUENCE, &in, &text);
    if (row->status == CODEC_OK) {
        buf_append_str(&expected, "true,\"x\",");
        buf_append(&expected, row->out.data, row->out.len);
        if (fault.status != CODEC_OK || !same_bytes(&text, &expected))
            fail_row(row, "sequence", &fault);
    } else if (fault.status != row->status || fault.offset != row->offset + 3) {
        fail_row(row, "sequence", &fault);
    }
    buf_free(&in);
    buf_free(&text);
    buf_free(&expected);
}

static void run_table(const char *path, bool msgpack, int rows_min,
                      void (*check)(const struct table_row *row))
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        failures = 0;
        codec = codec_create(*name);
        assert_non_null(codec);
        assert_true(table_each(path, msgpack, check) >= rows_min);
        codec_destroy(&codec);
        assert_int_equal(failures, 0);
    }
}

static void test_json(void **state)
{
    (void)state;
    run_table(JSON_TABLE, false, 400, check_json);
}

static void test_json_inside(void **state)
{
    (void)state;
    run_table(JSON_TABLE, false, 400, check_inside);
}

static void test_msgpack(void **state)
{
    (void)state;
    run_table(MSGPACK_TABLE, true, 200, check_msgpack);
}

static void test_msgpack_in_sequences(void **state)
{
    (void)state;
    run_table(MSGPACK_TABLE, true, 200, check_sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_inside),
        cmocka_unit_test(test_msgpack),
        cmocka_unit_test(test_msgpack_in_sequences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
