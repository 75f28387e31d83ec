/* The body decoder alone: each row whole, byte by byte, and cut at every place. */
#include "rig.h"

#include "server/http/parser/http_body.h"

struct row {
    const char *name;
    int64_t length; /* -1: chunked */
    const char *bytes;
    enum http_body_result result;
    int status;
    const char *body; /* decoded before the result */
    size_t rest;      /* input left over */
};

#define CHUNKED  -1
#define SIX      "abcdef"
#define THREE    "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n"
#define DONE     HTTP_BODY_DONE
#define MORE     HTTP_BODY_MORE
#define BAD(why) HTTP_BODY_BAD, why

static const struct row rows[] = {
    {"nothing", 0, "next", DONE, 0, "", 4},
    {"counted", 6, SIX, DONE, 0, SIX, 0},
    {"counted, more behind", 3, SIX, DONE, 0, "abc", 3},
    {"counted, not yet whole", 7, SIX, MORE, 0, SIX, 0},
    {"empty chunked", CHUNKED, "0\r\n\r\n", DONE, 0, "", 0},
    {"one chunk", CHUNKED, "6\r\nabcdef\r\n0\r\n\r\nnext", DONE, 0, SIX, 4},
    {"small chunks", CHUNKED, "1\r\na\r\n02\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", DONE, 0, SIX,
     0},
    {"extensions", CHUNKED, "6;a;b=c;d=\"e\\\"\"\r\nabcdef\r\n0;x\r\n\r\n", DONE, 0, SIX,
     0},
    {"trailers", CHUNKED, "6\r\nabcdef\r\n0\r\nA:b\r\nC: d \r\n\r\n", DONE, 0, SIX, 0},
    {"long trailer name", CHUNKED, "0\r\nContent-Length-And-More: 1\r\n\r\n", DONE, 0, "",
     0},
    {"trailer name one longer", CHUNKED, "0\r\nTransfer-Encodings: 1\r\n\r\n", DONE, 0,
     "", 0},
    {"more chunks than a size has digits", CHUNKED,
     THREE THREE THREE THREE THREE THREE "0\r\n\r\n", DONE, 0, "abcabcabcabcabcabc", 0},
    {"no size behind data", CHUNKED, "1\r\na\r\n\r\n\r\n", BAD(400), "a", 0},
    {"largest size", CHUNKED, "7fffffffffffffff\r\na", MORE, 0, "a", 0},
    {"cut in a size", CHUNKED, "6", MORE, 0, "", 0},
    {"cut in data", CHUNKED, "6\r\nabc", MORE, 0, "abc", 0},
    {"cut before the last line", CHUNKED, "6\r\nabcdef\r\n0\r\n", MORE, 0, SIX, 0},
    {"no size", CHUNKED, "\r\n", BAD(400), "", 0},
    {"a second size digit too many", CHUNKED, "00000000000000000", BAD(400), "", 0},
    {"too large", CHUNKED, "8000000000000000\r\n", BAD(413), "", 0},
    {"LF behind data", CHUNKED, "1\r\na\n", BAD(400), "a", 0},
    {"data behind data", CHUNKED, "1\r\nab", BAD(400), "a", 0},
    {"trailer Host", CHUNKED, "0\r\nhost:", BAD(400), "", 0},
    {"control in trailer", CHUNKED, "0\r\na:\x01", BAD(400), "", 0},
    {"escape in a quoted value", CHUNKED, "1;a=\"\\\n", BAD(400), "", 0},
};

/* Feeds one piece; collects what comes out. Returns the result behind all data. */
static enum http_body_result feed(struct http_body *body, const char *bytes, size_t len,
                                  struct buf *out, size_t *rest_r)
{
    uint8_t *copy = mem_alloc(len), *at = copy;
    enum http_body_result result;

    memcpy(copy, bytes, len);
    do {
        struct slice data;
        size_t used;

        result = http_body_next(body, at, len, &used, &data);
        assert_true(used <= len);
        assert_int_equal(result == HTTP_BODY_DATA, data.len > 0);
        buf_append(out, data.data, data.len);
        at += used;
        len -= used;
    } while (result == HTTP_BODY_DATA);
    if (result == HTTP_BODY_MORE)
        assert_int_equal(0, len);
    *rest_r = len;
    mem_free(copy);
    return result;
}

static void check(const struct row *row, size_t cut, size_t step)
{
    enum http_body_result result = HTTP_BODY_MORE;
    size_t len = strlen(row->bytes), at = 0, rest = 0;
    struct buf out = BUF_INIT;
    struct http_body body;

    http_body_init(&body, row->length);
    while (result == HTTP_BODY_MORE && at < len) {
        size_t end = at + (at == 0 && cut > 0 ? cut : step);

        end = end < len ? end : len;
        result = feed(&body, row->bytes + at, end - at, &out, &rest);
        at = end;
    }
    if (result != row->result || out.len != strlen(row->body) ||
        memcmp(rig_text(&out), row->body, out.len) != 0)
        fail_msg("%s, cut at %zu: %d, %s", row->name, cut, (int)result, rig_text(&out));
    if (result == HTTP_BODY_DONE)
        assert_int_equal(row->rest, rest + len - at);
    if (result == HTTP_BODY_BAD) {
        assert_int_equal(row->status, body.status);
        assert_non_null(body.reason);
        assert_int_equal(HTTP_BODY_BAD, feed(&body, "0\r\n\r\n", 5, &out, &rest));
    }
    buf_free(&out);
}

static void test_rows_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].bytes);

        check(&rows[i], len, len);
        check(&rows[i], 1, 1);
        for (size_t cut = 1; cut < len; cut++)
            check(&rows[i], cut, len);
    }
}

static void test_knows_what_is_left(void **state)
{
    struct http_body body;
    struct buf out = BUF_INIT;
    size_t rest;

    (void)state;
    http_body_init(&body, 10);
    assert_int_equal(10, http_body_left(&body));
    feed(&body, "abc", 3, &out, &rest);
    assert_int_equal(7, http_body_left(&body));
    http_body_init(&body, -1);
    assert_int_equal(0, http_body_left(&body));
    feed(&body, "ff\r\nabc", 7, &out, &rest);
    assert_int_equal(252, http_body_left(&body));
    buf_free(&out);
}

/* Extensions and trailers are bounded over the whole body. */
static void test_extensions_are_bounded(void **state)
{
    struct http_body body;
    struct buf out = BUF_INIT;
    enum http_body_result result = HTTP_BODY_MORE;
    size_t rest, bytes = 0;

    (void)state;
    http_body_init(&body, -1);
    for (int i = 0; i < 10000 && result == HTTP_BODY_MORE; i++) {
        result = feed(&body, "1;abcdefgh\r\nx\r\n", 15, &out, &rest);
        bytes += 9;
    }
    assert_int_equal(HTTP_BODY_BAD, result);
    assert_int_equal(400, body.status);
    assert_true(bytes <= HTTP_BODY_EXTENSIONS_MAX + 9);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_at_every_cut),
        cmocka_unit_test(test_knows_what_is_left),
        cmocka_unit_test(test_extensions_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
