/* The list of containers' ends: every kind of value is stepped over as the cursor does.
 */
#include "common/codec/msgpack/tape.h"

#include "common/codec/msgpack/cursor.h"
#include "tests/unit/codec/codec_job.h"
#include "tests/unit/codec/codec_random.h"

static struct buf out = BUF_INIT;
static struct tape tape;

static enum codec_status build(struct slice in, size_t *used_r, uint64_t *fault_r)
{
    struct engine_job job = job_to(&out);
    enum codec_status status;

    job.scratch_bytes = tape.entries.cap;
    status = tape_build(&tape, &job, in, used_r);
    *fault_r = job.fault_offset;
    return status;
}

static void build_ok(struct slice in)
{
    uint64_t fault;

    assert_int_equal(build(in, NULL, &fault), CODEC_OK);
}

/* Where the value at `at` ends, by the cursor. */
static size_t end_of(struct slice in, size_t at)
{
    struct cursor cursor;

    cursor_init(&cursor, in, at);
    do
        assert_int_not_equal(cursor_next(&cursor), CURSOR_FAULT);
    while (cursor.depth > 0);
    return (size_t)(cursor.at - cursor.start);
}

/* Walks all values of the tape and compares each end with the cursor's. */
static void check_value(struct slice in, struct tape_value value)
{
    enum tape_kind kind = tape_kind(&tape, value);
    struct tape_value behind = tape_skip(&tape, value);
    uint32_t items = 0;
    struct tape_value at = {0, 0};

    assert_int_equal(behind.at, end_of(in, value.at));
    assert_int_equal(tape_bytes(&tape, value).len, behind.at - value.at);
    if (kind != TAPE_ARRAY && kind != TAPE_MAP) {
        assert_int_equal(behind.container, value.container);
        return;
    }
    at = tape_open(&tape, value, &items);
    for (uint32_t i = 0; i < items; i++) {
        if (kind == TAPE_MAP) {
            assert_int_equal(tape_kind(&tape, at), TAPE_STR);
            at = tape_skip(&tape, at);
        }
        check_value(in, at);
        at = tape_skip(&tape, at);
    }
    assert_int_equal(at.at, behind.at);
    assert_int_equal(at.container, behind.container);
}

#define BYTES(text)                                         \
    (struct slice)                                          \
    {                                                       \
        (const uint8_t *)(text), sizeof(text) - (size_t)(1) \
    }

/* One of each form, also those longer than needed. */
static void test_every_form(void **state)
{
    static const struct {
        struct slice bytes;
        enum tape_kind kind;
    } forms[] = {
        {BYTES("\x00"), TAPE_OTHER},
        {BYTES("\x7f"), TAPE_OTHER},
        {BYTES("\xe0"), TAPE_OTHER},
        {BYTES("\xff"), TAPE_OTHER},
        {BYTES("\xc0"), TAPE_NIL},
        {BYTES("\xc2"), TAPE_OTHER},
        {BYTES("\xc3"), TAPE_OTHER},
        {BYTES("\xca\x00\x00\x00\x00"), TAPE_OTHER},
        {BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00"), TAPE_OTHER},
        {BYTES("\xcc\x01"), TAPE_OTHER},
        {BYTES("\xcd\x01\x01"), TAPE_OTHER},
        {BYTES("\xce\x01\x01\x01\x01"), TAPE_OTHER},
        {BYTES("\xcf\x01\x01\x01\x01\x01\x01\x01\x01"), TAPE_OTHER},
        {BYTES("\xd0\x01"), TAPE_OTHER},
        {BYTES("\xd1\x01\x01"), TAPE_OTHER},
        {BYTES("\xd2\x01\x01\x01\x01"), TAPE_OTHER},
        {BYTES("\xd3\x01\x01\x01\x01\x01\x01\x01\x01"), TAPE_OTHER},
        {BYTES("\xd4\x01"
               "1"),
         TAPE_OTHER},
        {BYTES("\xd5\x01"
               "12"),
         TAPE_OTHER},
        {BYTES("\xd6\x01"
               "1234"),
         TAPE_OTHER},
        {BYTES("\xd7\x01"
               "12345678"),
         TAPE_OTHER},
        {BYTES("\xd8\x01"
               "1234567812345678"),
         TAPE_OTHER},
        {BYTES("\xc7\x03\x01"
               "1e9"),
         TAPE_OTHER},
        {BYTES("\xc8\x00\x03\x01"
               "1e9"),
         TAPE_OTHER},
        {BYTES("\xc9\x00\x00\x00\x03\x01"
               "1e9"),
         TAPE_OTHER},
        {BYTES("\xa0"), TAPE_STR},
        {BYTES("\xa2xy"), TAPE_STR},
        {BYTES("\xd9\x02xy"), TAPE_STR},
        {BYTES("\xda\x00\x02xy"), TAPE_STR},
        {BYTES("\xdb\x00\x00\x00\x02xy"), TAPE_STR},
        {BYTES("\x90"), TAPE_ARRAY},
        {BYTES("\x92\x01\x90"), TAPE_ARRAY},
        {BYTES("\xdc\x00\x01\xc0"), TAPE_ARRAY},
        {BYTES("\xdd\x00\x00\x00\x01\xc0"), TAPE_ARRAY},
        {BYTES("\x80"), TAPE_MAP},
        {BYTES("\x81\xa1x\x80"), TAPE_MAP},
        {BYTES("\xde\x00\x01\xa1x\xc0"), TAPE_MAP},
        {BYTES("\xdf\x00\x00\x00\x01\xa1x\xc0"), TAPE_MAP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint8_t inside[64] = {0x93, 0xc2};
        size_t len = forms[i].bytes.len;

        build_ok(forms[i].bytes);
        assert_int_equal(tape_kind(&tape, tape_root()), forms[i].kind);
        check_value(forms[i].bytes, tape_root());
        memcpy(inside + 2, forms[i].bytes.data, len);
        inside[len + 2] = 0xc3;
        build_ok((struct slice){inside, len + 3});
        check_value(tape.in, tape_root());
    }
}

static void test_text(void **state)
{
    static const struct slice strings[] = {BYTES("\xa2xy"), BYTES("\xd9\x02xy"),
                                           BYTES("\xda\x00\x02xy"),
                                           BYTES("\xdb\x00\x00\x00\x02xy")};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        build_ok(strings[i]);
        assert_int_equal(tape_text(&tape, tape_root()).len, 2);
        assert_memory_equal(tape_text(&tape, tape_root()).data, "xy", 2);
    }
    build_ok(BYTES("\xa0"));
    assert_int_equal(tape_text(&tape, tape_root()).len, 0);
}

static void test_random_documents(void **state)
{
    struct random random = {7396};

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct buf text = BUF_INIT, value = BUF_INIT;

        document_make(&random, 8, &text, &value);
        build_ok(buf_slice(&value));
        check_value(buf_slice(&value), tape_root());
        buf_free(&text);
        buf_free(&value);
    }
}

static void test_depth(void **state)
{
    uint8_t nested[CODEC_MAX_DEPTH + 1];
    uint64_t fault;

    (void)state;
    memset(nested, 0x91, sizeof nested);
    nested[CODEC_MAX_DEPTH] = 0xc0;
    build_ok((struct slice){nested, sizeof nested});
    assert_int_equal(tape.count, CODEC_MAX_DEPTH);
    check_value(tape.in, tape_root());
    nested[CODEC_MAX_DEPTH] = 0x90;
    assert_int_equal(build((struct slice){nested, sizeof nested}, NULL, &fault),
                     CODEC_DEPTH);
    assert_int_equal(fault, CODEC_MAX_DEPTH);
}

static void test_faults(void **state)
{
    static const struct {
        struct slice bytes;
        enum codec_status status;
        uint64_t offset;
    } faults[] = {
        {{NULL, 0}, CODEC_TRUNCATED, 0},        {BYTES("\x92\x01"), CODEC_TRUNCATED, 2},
        {BYTES("\x01\x02"), CODEC_TRAILING, 1}, {BYTES("\x90\xc1"), CODEC_TRAILING, 1},
        {BYTES("\x91\xc1"), CODEC_MSGPACK, 1},  {BYTES("\x81\x01\x02"), CODEC_KEY, 1},
        {BYTES("\x91\xc4\x00"), CODEC_TYPE, 1}, {BYTES("\x91\xa1\xff"), CODEC_UTF8, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint64_t fault = 99;

        assert_int_equal(build(faults[i].bytes, NULL, &fault), faults[i].status);
        assert_int_equal(fault, faults[i].offset);
    }
}

/* Values back to back: the length used is told, and is 0 on a fault. */
static void test_used(void **state)
{
    const struct slice in = BYTES("\x92\x01\x90\xa1x\xc0");
    size_t at = 0, used = 99, values = 0;
    uint64_t fault;

    (void)state;
    for (; at < in.len; at += used, values++) {
        struct slice rest = {in.data + at, in.len - at};

        assert_int_equal(build(rest, &used, &fault), CODEC_OK);
        assert_int_equal(used, end_of(rest, 0));
    }
    assert_int_equal(values, 3);
    assert_int_equal(build(BYTES("\x91"), &used, &fault), CODEC_TRUNCATED);
    assert_int_equal(used, 0);
}

/* The list is scratch memory under the job's budget. */
static void test_memory(void **state)
{
    struct buf arrays = packed("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
                               "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
    struct engine_job job = job_to(&out);
    struct tape small = {.count = 0};

    (void)state;
    job.max_memory = 256; /* 32 entries */
    job.fault_offset = 5;
    assert_int_equal(tape_build(&small, &job, buf_slice(&arrays), NULL), CODEC_MEMORY);
    assert_int_equal(job.fault_offset, 0);
    assert_true(job.scratch_bytes <= 256);
    job.max_memory = 512;
    assert_int_equal(tape_build(&small, &job, buf_slice(&arrays), NULL), CODEC_OK);
    assert_int_equal(small.count, 37);
    tape_free(&small);
    assert_null(small.entries.data);
    buf_free(&arrays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_form),
                                       cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_random_documents),
                                       cmocka_unit_test(test_depth),
                                       cmocka_unit_test(test_faults),
                                       cmocka_unit_test(test_used),
                                       cmocka_unit_test(test_memory)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tape_free(&tape);
    buf_free(&out);
    return failed;
}
