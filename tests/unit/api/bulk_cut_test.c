/* Streams of lines, fed in pieces of any size, come out as blocks of whole lines. */
#include "server/api/bulk/bulk_cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LINE_MAX ((size_t)1000000)

/* What came out: the blocks' bytes, "!" and a newline for each line that was too long. */
struct outcome {
    struct buf text;
    uint64_t lines, blocks, too_long;
    size_t largest;
};

static void take(struct bulk_cut *cut, enum bulk_cut_event event, struct outcome *outcome)
{
    struct buf block;
    uint64_t lines, ends = 0;

    if (event == BULK_CUT_TOO_LONG) {
        outcome->too_long++;
        buf_append_str(&outcome->text, "!\n");
        return;
    }
    assert_int_equal(event, BULK_CUT_BLOCK);
    lines = bulk_cut_take(cut, &block);
    for (size_t i = 0; i < block.len; i++)
        ends += block.data[i] == '\n';
    assert_true(ends == lines ||
                (ends == lines - 1 && block.data[block.len - 1] != '\n'));
    outcome->lines += lines;
    outcome->blocks++;
    if (block.len > outcome->largest)
        outcome->largest = block.len;
    buf_append(&outcome->text, block.data, block.len);
    buf_free(&block);
}

static struct outcome cut_all(const struct buf *in, size_t piece, size_t line_max)
{
    struct outcome outcome = {.text = BUF_INIT};
    struct bulk_cut cut;
    enum bulk_cut_event event;

    bulk_cut_init(&cut, line_max);
    for (size_t at = 0; at < in->len; at += piece) {
        size_t left = in->len - at;
        struct slice bytes = {in->data + at, left < piece ? left : piece};

        while ((event = bulk_cut_feed(&cut, &bytes)) != BULK_CUT_MORE)
            take(&cut, event, &outcome);
        assert_int_equal(bytes.len, 0);
        assert_true(cut.text.len <= line_max + BULK_CUT_BYTES + 1);
    }
    while ((event = bulk_cut_end(&cut)) != BULK_CUT_MORE)
        take(&cut, event, &outcome);
    bulk_cut_free(&cut);
    return outcome;
}

static void append_line(struct buf *buf, char fill, size_t len)
{
    memset(buf_reserve(buf, len + 1), fill, len);
    buf->len += len;
    buf_append(buf, "\n", 1);
}

static const size_t pieces[] = {1, 2, 7, 999, 65536, SIZE_MAX / 2};

#define FOR_EACH_PIECE(i) for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)

static void test_lines(void **state)
{
    struct buf in = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 2000; i++)
        append_line(&in, 'x', i % 300);
    FOR_EACH_PIECE(i) {
        struct outcome got = cut_all(&in, pieces[i], LINE_MAX);

        assert_int_equal(got.lines, 2000);
        assert_int_equal(got.text.len, in.len);
        assert_memory_equal(got.text.data, in.data, in.len);
        assert_int_equal(got.blocks, 5);
        assert_in_range(got.largest, BULK_CUT_BYTES, BULK_CUT_BYTES + 300);
        buf_free(&got.text);
    }
    buf_free(&in);
}

static void test_last_line_without_its_end(void **state)
{
    struct buf in = BUF_INIT;

    (void)state;
    buf_append_str(&in, "one\n\ntwo");
    FOR_EACH_PIECE(i) {
        struct outcome got = cut_all(&in, pieces[i], LINE_MAX);

        assert_int_equal(got.lines, 3);
        assert_int_equal(got.blocks, 1);
        assert_int_equal(got.text.len, in.len);
        buf_free(&got.text);
    }
    buf_free(&in);
}

static void test_nothing(void **state)
{
    struct buf in = BUF_INIT;
    struct outcome got = cut_all(&in, 1, LINE_MAX);

    (void)state;
    assert_int_equal(got.blocks + got.too_long, 0);
}

/* A long line is a block of its own, so that what stands around it does not wait. */
static void test_long_lines(void **state)
{
    struct buf in = BUF_INIT;

    (void)state;
    append_line(&in, 'a', 10);
    append_line(&in, 'b', 5 * BULK_CUT_BYTES);
    append_line(&in, 'c', 10);
    append_line(&in, 'd', 10);
    FOR_EACH_PIECE(i) {
        struct outcome got = cut_all(&in, pieces[i], LINE_MAX);

        assert_int_equal(got.lines, 4);
        assert_int_equal(got.blocks, 3);
        assert_int_equal(got.largest, 5 * BULK_CUT_BYTES + 1);
        assert_memory_equal(got.text.data, in.data, in.len);
        buf_free(&got.text);
    }
    buf_free(&in);
}

/* The limit is exact, wherever the pieces end; what is over it is not held. */
static void test_too_long_lines(void **state)
{
    struct buf in = BUF_INIT, expected = BUF_INIT;

    (void)state;
    append_line(&in, 'a', 100);
    append_line(&in, 'b', 101);
    append_line(&in, 'c', 5000000);
    append_line(&in, 'd', 101);
    append_line(&in, 'e', 100);
    append_line(&in, 'f', 200);
    in.len--; /* the last lacks its end */
    append_line(&expected, 'a', 100);
    buf_append_str(&expected, "!\n!\n!\n");
    append_line(&expected, 'e', 100);
    buf_append_str(&expected, "!\n");
    FOR_EACH_PIECE(i) {
        struct outcome got = cut_all(&in, pieces[i], 100);

        assert_int_equal(got.too_long, 4);
        assert_int_equal(got.text.len, expected.len);
        assert_memory_equal(got.text.data, expected.data, expected.len);
        buf_free(&got.text);
    }
    buf_free(&in);
    buf_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_last_line_without_its_end),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_too_long_lines)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
