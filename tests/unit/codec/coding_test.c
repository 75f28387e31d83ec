/* Codings in one piece, and as streams that are joined from parts. The codec's own reader
   expands the results here; the end-to-end tests use other readers. */
#include "common/codec/coding/coding.h"

#include "common/codec/coding/gzip.h"
#include "common/codec/coding/zstd.h"
#include "tests/unit/codec/codec_job.h"

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void fill(struct buf *text, size_t len)
{
    for (uint32_t seed = 7; text->len < len; seed = seed * 1664525u + 1013904223u) {
        uint8_t byte = (uint8_t)("{}[],:\"0123456789abcdefghijklmnop"[seed >> 27]);

        buf_append(text, &byte, 1);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(coding_name(CODING_NONE), "identity");
    assert_string_equal(coding_name(CODING_GZIP), "gzip");
    assert_string_equal(coding_name(CODING_ZSTD), "zstd");
    assert_true(coding_is_there(CODING_NONE) && coding_is_there(CODING_GZIP));
    assert_int_equal(coding_is_there(CODING_ZSTD), zstd_is_there());
    assert_int_equal(coding_of(slice_of("\x1f\x8b\x08")), CODING_GZIP);
    assert_int_equal(coding_of(slice_of("(\xb5/\xfd ")), CODING_ZSTD);
    assert_int_equal(coding_of(slice_of("\x1f")), CODING_NONE);
    assert_int_equal(coding_of(slice_of("(\xb5/")), CODING_NONE);
    assert_int_equal(coding_of(slice_of("{\"a\":1}")), CODING_NONE);
    assert_int_equal(coding_of(slice_of("")), CODING_NONE);
}

/* Every coding of this build is recognized by its first bytes. */
static void test_in_one_piece(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    fill(&text, 10000);
    for (int coding = CODING_GZIP; coding < CODEC_CODINGS; coding++) {
        struct buf out = BUF_INIT;

        buf_append_str(&out, "before");
        if (!coding_is_there(coding)) {
            assert_int_equal(
                coding_compress(coding, false, buf_slice(&text), SIZE_MAX, &out),
                CODEC_UNSUPPORTED);
            buf_free(&out);
            continue;
        }
        assert_int_equal(coding_compress(coding, false, buf_slice(&text), SIZE_MAX, &out),
                         CODEC_OK);
        assert_memory_equal(out.data, "before", 6);
        assert_true(out.len < 9000);
        assert_int_equal(coding_of((struct slice){out.data + 6, out.len - 6}), coding);
        buf_free(&out);
    }
    buf_free(&text);
}

/* Every bound is enough, or the call fails and leaves the output unchanged. */
static void check_bounds(enum codec_coding coding, bool part)
{
    struct buf text = BUF_INIT, whole = BUF_INIT;

    fill(&text, 500);
    assert_int_equal(coding_compress(coding, part, buf_slice(&text), SIZE_MAX, &whole),
                     CODEC_OK);
    for (size_t most = 0; most <= whole.len + 2; most++) {
        struct buf out = BUF_INIT;
        enum codec_status status =
            coding_compress(coding, part, buf_slice(&text), most, &out);

        assert_int_equal(status == CODEC_OK, most >= whole.len);
        if (status == CODEC_OK)
            assert_true(out.len <= most);
        else
            assert_true(status == CODEC_TOO_LARGE && out.data == NULL);
        buf_free(&out);
    }
    buf_free(&whole);
    buf_free(&text);
}

static void test_bounds(void **state)
{
    (void)state;
    check_bounds(CODING_GZIP, false);
    check_bounds(CODING_GZIP, true);
}

static void test_bounds_of_zstd(void **state)
{
    struct buf text = BUF_INIT, out = BUF_INIT;

    (void)state;
    if (!zstd_is_there())
        skip();
    fill(&text, 5000);
    assert_int_equal(zstd_compress(buf_slice(&text), 100, &out), CODEC_TOO_LARGE);
    assert_null(out.data);
    buf_append_str(&out, "before");
    assert_int_equal(zstd_compress(buf_slice(&text), 0, &out), CODEC_TOO_LARGE);
    assert_int_equal(out.len, 6);
    assert_int_equal(zstd_compress(buf_slice(&text), 5000, &out), CODEC_OK);
    assert_true(out.len <= 5006 && out.len == out.cap);
    assert_memory_equal(out.data, "before", 6);
    buf_free(&out);
    assert_int_equal(zstd_compress(slice_of(""), SIZE_MAX, &out), CODEC_OK);
    assert_true(out.len > 0);
    buf_free(&out);
    buf_free(&text);
}

/* Puts a stream together of short texts and parts of those lengths, as a collection is;
 *plain_r is what it should expand to. */
static struct buf put_together(enum codec_coding coding, const size_t *lengths,
                               unsigned count, struct buf *plain_r)
{
    struct coding_stream stream;
    struct buf out = BUF_INIT;

    coding_stream_begin(&stream, coding, &out);
    coding_stream_put(&stream, slice_of("["), &out);
    buf_append_str(plain_r, "[");
    for (unsigned i = 0; i < count; i++) {
        struct buf text = BUF_INIT, made = BUF_INIT;
        struct slice part;

        fill(&text, lengths[i]);
        buf_append(plain_r, text.data, text.len);
        buf_append_str(plain_r, ",");
        if (coding == CODING_NONE)
            buf_append(&made, text.data, text.len);
        else
            assert_int_equal(
                coding_compress(coding, true, buf_slice(&text), SIZE_MAX, &made),
                CODEC_OK);
        part = buf_slice(&made);
        assert_int_equal(coding_stream_take(&stream, &part), 0);
        buf_append(&out, part.data, part.len);
        coding_stream_put(&stream, slice_of(","), &out);
        buf_free(&text);
        buf_free(&made);
    }
    coding_stream_put(&stream, slice_of(""), &out);
    coding_stream_end(&stream, &out);
    return out;
}

/* Lengths near the sizes of zlib's window and of the codec's steps. */
static const size_t lengths[] = {1,     0,      100,    1024,   32768,  65535, 65536,
                                 70000, 262143, 262144, 262145, 700000, 3};

static void test_stream_of_gzip(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= sizeof lengths / sizeof *lengths; count++) {
        struct buf plain = BUF_INIT, expanded = BUF_INIT;
        struct buf out = put_together(CODING_GZIP, lengths, count, &plain);

        assert_int_equal(gzip_expand(buf_slice(&out), SIZE_MAX, &expanded), CODEC_OK);
        assert_int_equal(expanded.len, plain.len);
        assert_memory_equal(expanded.data, plain.data, plain.len);
        /* one member: with its end cut off there is nothing whole in it */
        buf_free(&expanded);
        out.len--;
        assert_int_equal(gzip_expand(buf_slice(&out), SIZE_MAX, &expanded), CODEC_GZIP);
        buf_free(&expanded);
        buf_free(&plain);
        buf_free(&out);
    }
}

static void test_stream_of_none(void **state)
{
    struct buf plain = BUF_INIT;
    struct buf out = put_together(CODING_NONE, lengths, 5, &plain);

    (void)state;
    assert_int_equal(out.len, plain.len);
    assert_memory_equal(out.data, plain.data, plain.len);
    buf_free(&plain);
    buf_free(&out);
}

static void test_stream_of_zstd(void **state)
{
    static const char bracket[] =
        "\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00["; /* a raw block */
    struct buf plain = BUF_INIT, out;

    (void)state;
    if (!zstd_is_there())
        skip();
    out = put_together(CODING_ZSTD, lengths, 5, &plain);
    assert_true(out.len < plain.len);
    assert_memory_equal(out.data, bracket, sizeof bracket - 1);
    assert_memory_equal(out.data + sizeof bracket - 1, ZSTD_FRAME_MAGIC, 4);
    buf_free(&plain);
    buf_free(&out);
}

/* A worker's result is checked: it must be a part. */
static void test_parts_that_are_none(void **state)
{
    struct coding_stream stream;
    struct buf out = BUF_INIT;
    struct slice part = slice_of("eleven byte");

    (void)state;
    coding_stream_begin(&stream, CODING_GZIP, &out);
    assert_int_equal(coding_stream_take(&stream, &part), -1);
    part = slice_of("xx\x01\x02\x03\x04\xff\xff\xff\xff\xff\xff\xff\xff"); /* too long */
    assert_int_equal(coding_stream_take(&stream, &part), -1);
    part = (struct slice){(const uint8_t *)"xx\1\2\3\4\5\0\0\0\0\0\0\0", 14};
    assert_int_equal(coding_stream_take(&stream, &part), 0);
    assert_int_equal(part.len, 2);
    assert_int_equal(stream.length, 5);
    coding_stream_begin(&stream, CODING_ZSTD, &out);
    assert_int_equal(coding_stream_take(&stream, &part), -1);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_in_one_piece),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_bounds_of_zstd),
        cmocka_unit_test(test_stream_of_gzip), cmocka_unit_test(test_stream_of_none),
        cmocka_unit_test(test_stream_of_zstd), cmocka_unit_test(test_parts_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
