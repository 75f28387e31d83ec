/* A request as its exchange keeps it, without a connection: the head, its fields, its
 * body. */
#include "rig.h"

#include "server/http/http_exchange.h"

/* An exchange whose head is this text; the text itself does not have to stay. */
static struct http_exchange *make(const char *text)
{
    const struct http_parser_limits limits = {4096, 1024};
    struct http_exchange *x = http_exchange_create(NULL, &limits);
    struct buf head = BUF_INIT;

    buf_append_str(&head, text);
    assert_int_equal(HTTP_PARSER_DONE, http_parser_run(&x->parser, head.data, head.len));
    http_exchange_set_head(x, head.data);
    memset(head.data, '#', head.len);
    buf_free(&head);
    return x;
}

static void assert_slice(const char *expected, struct slice slice)
{
    assert_int_equal(strlen(expected), slice.len);
    if (slice.len > 0)
        assert_memory_equal(expected, slice.data, slice.len);
}

static void test_requests(void **state)
{
    static const struct {
        const char *head, *target, *path, *query, *authority;
        int64_t length;
        int minor;
        bool has_body;
    } cases[] = {
        {GET("/a?b=c"), "/a?b=c", "/a", "b=c", "", 0, 1, false},
        {"GET http://h:1/a HTTP/1.1\r\nHost: x\r\n\r\n", "http://h:1/a", "/a", "", "h:1",
         0, 1, false},
        {"GET https://h?q HTTP/1.1\r\nHost: x\r\n\r\n", "https://h?q", "/", "q", "h", 0,
         1, false},
        {"PUT / HTTP/1.0\r\nContent-Length: 7\r\n\r\n", "/", "/", "", "", 7, 0, true},
        {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "/", "/", "",
         "", -1, 1, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_exchange *x = make(cases[i].head);
        const struct http_request *request = http_request(x);

        assert_slice(cases[i].target, request->target);
        assert_slice(cases[i].path, request->path);
        assert_slice(cases[i].query, request->query);
        assert_slice(cases[i].authority, http_exchange_authority(x));
        assert_int_equal(cases[i].length, request->length);
        assert_int_equal(cases[i].minor, request->minor);
        assert_int_equal(cases[i].has_body, request->has_body);
        assert_int_equal(!cases[i].has_body, x->body_done);
        http_exchange_destroy(&x);
        assert_null(x);
    }
}

static void test_fields(void **state)
{
    struct http_exchange *x = make("GET / HTTP/1.1\r\nHost: a\r\nA: one\r\nB: X\r\n"
                                   "a: two\r\nb: x\r\nC: 1\r\nA: three\r\n\r\n");

    (void)state;
    assert_slice("one", http_header(x, "a"));
    assert_slice("one, two, three", http_header_joined(x, "A"));
    assert_slice("1", http_header_joined(x, "c"));
    assert_null(http_header(x, "d").data);
    assert_null(http_header_joined(x, "d").data);
    assert_true(http_exchange_fields_differ(x, "a"));
    assert_false(http_exchange_fields_differ(x, "b")); /* in case only */
    assert_false(http_exchange_fields_differ(x, "c"));
    assert_false(http_exchange_fields_differ(x, "d"));
    http_exchange_destroy(&x);
}

/* Which body is wanted from the socket: none before it is asked for, none when it has
   been read, and none while a streamed one is paused. */
static void test_when_the_body_is_read(void **state)
{
    struct http_exchange *x = make("PUT / HTTP/1.0\r\nContent-Length: 7\r\n\r\n");

    (void)state;
    x->want = HTTP_WANT_COLLECT;
    assert_false(http_exchange_reads(x)); /* the handler does not know of it */
    x->dispatched = true;
    assert_true(http_exchange_reads(x));
    x->paused = true;
    assert_true(http_exchange_reads(x));
    x->want = HTTP_WANT_STREAM;
    assert_false(http_exchange_reads(x));
    x->paused = false;
    assert_true(http_exchange_reads(x));
    x->want = HTTP_WANT_NOTHING;
    assert_false(http_exchange_reads(x));
    x->want = HTTP_WANT_DISCARD;
    assert_true(http_exchange_reads(x));
    x->body_done = true;
    assert_false(http_exchange_reads(x));
    http_exchange_destroy(&x);
}

/* The memory of a collected body grows as bytes come, up to the length and no further. */
static void test_a_body_grows(void **state)
{
    struct http_exchange *x = make("PUT / HTTP/1.0\r\nContent-Length: 5000000\r\n\r\n");
    struct blob *piece = rig_blob(700000);

    (void)state;
    while (x->body.len < 5000000) {
        size_t left = 5000000 - x->body.len;

        http_exchange_collect(
            x, (struct slice){piece->bytes.data, left < 700000 ? left : 700000});
        assert_true(x->body.cap <= 5000000);
        assert_true(x->body.cap <= 2 * x->body.len || x->body.cap <= 1024 * 1024);
    }
    assert_int_equal(5000000, x->body.cap);
    blob_unref(&piece);
    http_exchange_destroy(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_when_the_body_is_read),
        cmocka_unit_test(test_a_body_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
