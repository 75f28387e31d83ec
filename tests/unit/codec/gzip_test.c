/* gzip frames: what is accepted and refused, and the limits of both directions. */
#include "common/codec/coding/gzip.h"

#include "tests/unit/codec/codec_job.h"

static const char hello[] = "hello, hello, hello, hello, hello, hello";

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void compress_onto(struct slice in, struct buf *out)
{
    assert_int_equal(gzip_compress(in, SIZE_MAX, out), CODEC_OK);
}

static void check_expands(const struct buf *in, struct slice expected)
{
    struct buf out = BUF_INIT;

    buf_append_str(&out, "before");
    assert_int_equal(gzip_expand(buf_slice(in), SIZE_MAX, &out), CODEC_OK);
    assert_int_equal(out.len, 6 + expected.len);
    assert_memory_equal(out.data, "before", 6);
    if (expected.len > 0)
        assert_memory_equal(out.data + 6, expected.data, expected.len);
    buf_free(&out);
}

/* A refused input leaves the buffer as it was, with bytes in it and without. */
static void check_refused(struct slice in, size_t max_bytes, enum codec_status expected)
{
    struct buf out = BUF_INIT;
    size_t cap;

    assert_int_equal(gzip_expand(in, max_bytes, &out), expected);
    assert_null(out.data);
    buf_append_str(&out, "before");
    cap = out.cap;
    assert_int_equal(gzip_expand(in, max_bytes, &out), expected);
    assert_int_equal(out.len, 6);
    assert_int_equal(out.cap, cap);
    assert_memory_equal(out.data, "before", 6);
    buf_free(&out);
}

static void test_round_trip(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    assert_true(zipped.len < sizeof hello);
    assert_int_equal(zipped.data[0], 0x1f);
    assert_int_equal(zipped.data[1], 0x8b);
    check_expands(&zipped, slice_of(hello));
    buf_free(&zipped);
}

static void test_empty(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto((struct slice){NULL, 0}, &zipped);
    assert_true(zipped.len > 0);
    check_expands(&zipped, (struct slice){NULL, 0});
    buf_free(&zipped);
    check_refused((struct slice){NULL, 0}, SIZE_MAX, CODEC_GZIP);
}

/* RFC 1952 section 2.2: members one after another are one stream. */
static void test_members(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto(slice_of("one,"), &zipped);
    compress_onto((struct slice){NULL, 0}, &zipped);
    compress_onto(slice_of("two,"), &zipped);
    compress_onto(slice_of("three"), &zipped);
    check_expands(&zipped, slice_of("one,two,three"));
    buf_free(&zipped);
}

/* Cut anywhere, also in a second member, it is refused. */
static void test_truncated(void **state)
{
    struct buf zipped = BUF_INIT;
    size_t first;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    first = zipped.len;
    compress_onto(slice_of(hello), &zipped);
    for (size_t len = 0; len < zipped.len; len++)
        if (len != first)
            check_refused((struct slice){zipped.data, len}, SIZE_MAX, CODEC_GZIP);
    buf_free(&zipped);
}

static void test_garbage(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    for (const char *tail = "x\x1f\x8b"; *tail != '\0'; tail++) {
        buf_append(&zipped, tail, 1);
        check_refused(buf_slice(&zipped), SIZE_MAX, CODEC_GZIP);
        zipped.len--;
    }
    buf_append(&zipped, "\0", 1); /* padding is no member */
    check_refused(buf_slice(&zipped), SIZE_MAX, CODEC_GZIP);
    check_refused(slice_of(hello), SIZE_MAX, CODEC_GZIP);
    check_refused(slice_of("\x78\x9c"), SIZE_MAX, CODEC_GZIP); /* zlib's own frame */
    buf_free(&zipped);
}

/* One wrong bit: of the data, the checksum or the length. */
static void test_damage(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    for (size_t at = zipped.len - 8; at < zipped.len; at++) {
        zipped.data[at] ^= 1;
        check_refused(buf_slice(&zipped), SIZE_MAX, CODEC_GZIP);
        zipped.data[at] ^= 1;
    }
    buf_free(&zipped);
}

/* A bomb takes no more memory than allowed; the limit is exact. */
static void test_bomb(void **state)
{
    struct buf zeros = BUF_INIT, zipped = BUF_INIT, out = BUF_INIT;
    const size_t size = (size_t)20 << 20;

    (void)state;
    memset(buf_reserve(&zeros, size), 0, size);
    zeros.len = size;
    compress_onto(buf_slice(&zeros), &zipped);
    assert_true(zipped.len < size / 100);
    check_refused(buf_slice(&zipped), 0, CODEC_TOO_LARGE);
    check_refused(buf_slice(&zipped), 1000, CODEC_TOO_LARGE);
    check_refused(buf_slice(&zipped), size - 1, CODEC_TOO_LARGE);
    assert_int_equal(gzip_expand(buf_slice(&zipped), size, &out), CODEC_OK);
    assert_int_equal(out.len, size);
    assert_true(out.cap <= size + 1);
    buf_free(&zeros);
    buf_free(&zipped);
    buf_free(&out);
}

/* Two members that fit into the limit alone, but not together. */
static void test_limit_over_members(void **state)
{
    struct buf zipped = BUF_INIT;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    compress_onto(slice_of(hello), &zipped);
    check_refused(buf_slice(&zipped), 2 * strlen(hello) - 1, CODEC_TOO_LARGE);
    check_expands(&zipped, slice_of("hello, hello, hello, hello, hello, hello"
                                    "hello, hello, hello, hello, hello, hello"));
    buf_free(&zipped);
}

static void test_compress_limit(void **state)
{
    struct buf zipped = BUF_INIT, out = BUF_INIT;
    size_t len;

    (void)state;
    compress_onto(slice_of(hello), &zipped);
    len = zipped.len;
    for (size_t most = 0; most < len; most++) {
        assert_int_equal(gzip_compress(slice_of(hello), most, &out), CODEC_TOO_LARGE);
        assert_null(out.data);
    }
    assert_int_equal(gzip_compress(slice_of(hello), len, &out), CODEC_OK);
    assert_true(same_bytes(&out, &zipped));
    buf_free(&zipped);
    buf_free(&out);
}

/* More than one step of output, of bytes that do not compress. */
static void test_large(void **state)
{
    struct buf noise = BUF_INIT, zipped = BUF_INIT;
    uint32_t x = 1;

    (void)state;
    for (size_t i = 0; i < 1500000; i++) {
        x = x * 1664525 + 1013904223;
        buf_append(&noise, (uint8_t[]){(uint8_t)(x >> 24)}, 1);
    }
    compress_onto(buf_slice(&noise), &zipped);
    check_expands(&zipped, buf_slice(&noise));
    buf_free(&noise);
    buf_free(&zipped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_members),        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_garbage),        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bomb),           cmocka_unit_test(test_limit_over_members),
        cmocka_unit_test(test_compress_limit), cmocka_unit_test(test_large)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
