#include "rig.h"

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET10(path) "GET " path " HTTP/1.0\r\n\r\n"

static void begin(struct http_exchange *x, int status)
{
    struct http_reply reply = {.status = status, .content_type = "application/json"};

    http_reply_begin(x, &reply);
}

static bool chunk(struct http_exchange *x, const char *text)
{
    struct blob *blob = blob_new_copy(text, strlen(text));
    bool room = http_reply_chunk(x, blob, blob->bytes);

    blob_unref(&blob);
    return room;
}

static void test_streams_in_chunks(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    assert_false(http_replied(rig.exchange));
    begin(rig.exchange, 200);
    assert_true(http_replied(rig.exchange));
    rig_await(&rig, fd, &got, "\r\n\r\n");
    assert_non_null(strstr(rig_text(&got), "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(rig_text(&got), "Content-Length"));
    assert_non_null(
        strstr(rig_text(&got), "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n"));
    buf_free(&got);
    assert_true(chunk(rig.exchange, "[0123456789abcdef"));
    rig_await(&rig, fd, &got, "abcdef");
    assert_true(chunk(rig.exchange, ""));
    assert_true(chunk(rig.exchange, "]"));
    http_reply_end(rig.exchange);
    rig_await(&rig, fd, &got, "0\r\n\r\n");
    assert_string_equal("11\r\n[0123456789abcdef\r\n1\r\n]\r\n0\r\n\r\n", rig_text(&got));
    assert_int_equal(1, rig.closes);
    assert_int_equal(18, rig.closed_bytes);
    assert_int_equal(200, rig.closed_status);
    /* The connection goes on. */
    rig_send(&rig, fd, GET("/2"));
    assert_int_equal(2, rig.requests);
    rig_finish(&rig, fd, &got);
}

static void test_streams_nothing(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    begin(rig.exchange, 200);
    http_reply_end(rig.exchange);
    rig_await(&rig, fd, &got, "\r\n\r\n0\r\n\r\n");
    assert_int_equal(0, rig.closed_bytes);
    rig_finish(&rig, fd, &got);
}

static void test_streams_until_the_close_to_old_clients(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    (void)state;
    begin(rig.exchange, 200);
    chunk(rig.exchange, "[1,");
    chunk(rig.exchange, "2]");
    http_reply_end(rig.exchange);
    assert_false(rig_await_end(&rig, fd, &got));
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    assert_null(strstr(rig_text(&got), "Transfer-Encoding"));
    assert_non_null(strstr(rig_text(&got), "\r\n\r\n[1,2]"));
    rig_finish(&rig, fd, &got);
}

static void test_stream_that_can_have_no_body(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    begin(rig.exchange, 304);
    assert_true(chunk(rig.exchange, "not sent"));
    http_reply_end(rig.exchange);
    rig_send(&rig, fd, GET("/2"));
    rig_reply(rig.exchange, 200, "second");
    rig_await(&rig, fd, &got, "second");
    assert_null(strstr(rig_text(&got), "not sent"));
    assert_null(strstr(rig_text(&got), "Transfer-Encoding"));
    rig_finish(&rig, fd, &got);
}

/* A stream begun instead of 100 Continue: whether the body comes is unknown. */
static void test_stream_instead_of_continue_closes(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                            "Content-Length: 5\r\n\r\n");

    (void)state;
    begin(rig.exchange, 200);
    chunk(rig.exchange, "all");
    http_reply_end(rig.exchange);
    rig_await(&rig, fd, &got, "all\r\n0\r\n\r\n");
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    assert_null(strstr(rig_text(&got), "100 Continue"));
    shutdown(fd, SHUT_WR);
    assert_false(rig_await_end(&rig, fd, &got));
    rig_finish(&rig, fd, &got);
}

static void test_head_of_a_stream(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, "HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/2"));

    (void)state;
    begin(rig.exchange, 200);
    assert_true(chunk(rig.exchange, "not sent"));
    http_reply_end(rig.exchange);
    rig_turns(&rig);
    rig_reply(rig.exchange, 200, "second");
    rig_await(&rig, fd, &got, "second");
    assert_null(strstr(rig_text(&got), "not sent"));
    assert_non_null(strstr(rig_text(&got), "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(rig_text(&got), "\r\n\r\nHTTP/1.1 200 OK"));
    rig_finish(&rig, fd, &got);
}

/* Nobody may take what came before an abort for the whole. */
static void test_abort_ends_without_a_last_chunk(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    begin(rig.exchange, 200);
    chunk(rig.exchange, "[1,");
    rig_await(&rig, fd, &got, "[1,");
    http_reply_abort(rig.exchange);
    rig_await_end(&rig, fd, &got);
    assert_null(strstr(rig_text(&got), "0\r\n\r\n"));
    assert_int_equal(1, rig.closes);
    assert_int_equal(200, rig.closed_status);
    assert_int_equal(3, rig.closed_bytes);
    assert_int_equal(0, http_server_connections(rig.server));
    rig_finish(&rig, fd, &got);
}

/* A reader that stops makes the stream wait, and costs no more than the queue holds. */
static void test_slow_reader_is_waited_for(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT, piece = BUF_INIT;
    struct blob *blob;
    uint64_t queued = 0;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    memset(buf_reserve(&piece, 65536), 'x', 65536);
    piece.len = 65536;
    blob = blob_new_steal(&piece);
    begin(rig.exchange, 200);
    for (int turns = 0; turns < 20; turns++) {
        while (http_reply_chunk(rig.exchange, blob, blob->bytes))
            queued += 65536;
        queued += 65536;
        for (unsigned told = rig.writables, i = 0; i < 20 && told == rig.writables; i++)
            rig_turns(&rig);
        if (rig.writables <= (unsigned)turns)
            break;
    }
    /* Full, and nobody reads. */
    assert_true(queued < 4 * 1024 * 1024);
    for (unsigned told = rig.writables; told == rig.writables;) {
        rig_receive(fd, &got, NULL);
        rig_wait(&rig);
    }
    http_reply_end(rig.exchange);
    rig_await(&rig, fd, &got, "\r\n0\r\n\r\n");
    assert_int_equal(queued, rig.closed_bytes);
    assert_int_equal(1, blob->refs);
    blob_unref(&blob);
    rig_finish(&rig, fd, &got);
}

/* A piece fills the queue and an empty one follows: the caller is told to wait, since
   on_writable is owed, and it comes once. */
static void test_empty_piece_of_a_full_queue(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT, piece = BUF_INIT;
    struct blob *blob;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    memset(buf_reserve(&piece, 261000), 'x', 261000);
    piece.len = 261000;
    blob = blob_new_steal(&piece);
    begin(rig.exchange, 200);
    assert_true(http_reply_chunk(rig.exchange, blob, blob->bytes));
    blob_unref(&blob);
    while (chunk(rig.exchange, ","))
        continue;
    assert_false(chunk(rig.exchange, ""));
    while (rig.writables == 0) {
        rig_receive(fd, &got, NULL);
        rig_wait(&rig);
    }
    assert_true(chunk(rig.exchange, ""));
    http_reply_end(rig.exchange);
    rig_await(&rig, fd, &got, "\r\n0\r\n\r\n");
    assert_int_equal(1, rig.writables);
    rig_finish(&rig, fd, &got);
}

/* A reply of megabytes does not keep the others waiting for its end. */
static void test_large_replies_share_the_loop(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT, other = BUF_INIT, large = BUF_INIT;
    const size_t len = 3 * 1024 * 1024;
    struct http_reply reply = {.status = 200};
    int fd = rig_open(&rig, GET("/1")), second;

    (void)state;
    memset(buf_reserve(&large, len), 'x', len);
    large.len = len;
    reply.body = blob_new_steal(&large);
    http_reply(rig.exchange, &reply);
    blob_unref(&reply.body);
    second = rig_connect(&rig);
    rig_send(&rig, second, GET("/2"));
    assert_int_equal(2, rig.requests);
    rig_reply(rig.exchange, 200, "second");
    rig_await(&rig, second, &other, "second");
    while (rig.closes < 2) {
        rig_receive(fd, &got, NULL);
        rig_wait(&rig);
    }
    rig_receive(fd, &got, NULL);
    assert_true(got.len > len);
    close(fd);
    close(second);
    buf_free(&got);
    buf_free(&other);
    rig_end(&rig);
}

static void test_replies_with_a_part_of_a_blob(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    struct blob *blob = blob_new_copy("0123456789", 10);
    struct http_reply reply = {.status = 201,
                               .content_type = "a/b",
                               .headers = {(const uint8_t *)"ETag: \"1-j\"\r\n", 13},
                               .body = blob,
                               .body_part = {blob->bytes.data + 2, 3}};
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    http_reply(rig.exchange, &reply);
    rig_await(&rig, fd, &got, "\r\n\r\n234");
    assert_non_null(strstr(rig_text(&got), "HTTP/1.1 201 Created\r\nDate: "));
    assert_non_null(strstr(rig_text(&got), "Content-Length: 3\r\n"));
    assert_non_null(strstr(rig_text(&got), "Content-Type: a/b\r\n"));
    assert_non_null(strstr(rig_text(&got), "ETag: \"1-j\"\r\n"));
    assert_null(strstr(rig_text(&got), "Server:"));
    assert_int_equal(3, rig.closed_bytes);
    assert_int_equal(1, blob->refs);
    blob_unref(&blob);
    rig_finish(&rig, fd, &got);
}

static void test_reply_without_body(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    struct http_reply reply = {.status = 200};
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    http_reply(rig.exchange, &reply);
    rig_await(&rig, fd, &got, "\r\n\r\n");
    assert_non_null(strstr(rig_text(&got), "Content-Length: 0\r\n"));
    rig_finish(&rig, fd, &got);
}

static void test_problem(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    http_reply_problem(rig.exchange, 400, "bad \\ \"value\"\n\x01\xff", 17,
                       (struct slice){NULL, 0});
    rig_await(&rig, fd, &got, "}\n");
    assert_non_null(strstr(rig_text(&got), "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(rig_text(&got),
                           "\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\","
                           "\"status\":400,\"detail\":\"bad \\\\ \\\"value\\\"???\","
                           "\"offset\":17}\n"));
    rig_finish(&rig, fd, &got);
}

/* Replies while the body still comes, and the body goes on to the handler. */
static void stream_both(struct http_exchange *x, void *context)
{
    rig_note_request(x, context);
    http_stream_body(x);
    begin(x, 200);
}

static void echo_body(struct http_exchange *x, struct slice bytes)
{
    struct blob *blob = blob_new_copy(bytes.data, bytes.len);

    http_reply_chunk(x, blob, blob->bytes);
    blob_unref(&blob);
}

static void test_streams_both_ways(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = stream_both;
    rig.callbacks.on_body = echo_body;
    rig.callbacks.on_body_end = http_reply_end;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    rig_await(&rig, fd, &got, "3\r\nabc");
    rig_send(&rig, fd, "def" GET("/2"));
    rig_await(&rig, fd, &got, "3\r\ndef\r\n0\r\n\r\n");
    assert_int_equal(2, rig.requests);
    rig_finish(&rig, fd, &got);
}

/* A body that turns out bad behind the start of a streamed reply: cut off. */
static void test_bad_body_cuts_a_stream_off(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = stream_both;
    rig.callbacks.on_body = echo_body;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabcXX");
    rig_await_end(&rig, fd, &got);
    assert_null(strstr(rig_text(&got), "0\r\n\r\n"));
    assert_null(strstr(rig_text(&got), "400"));
    assert_int_equal(1, rig.closes);
    assert_int_equal(200, rig.closed_status);
    rig_finish(&rig, fd, &got);
}

/* Replying to one exchange from inside another's callback is fine. */
static struct http_exchange *waiting;

static void reply_to_the_other(struct http_exchange *x, void *context)
{
    rig_note_request(x, context);
    if (waiting == NULL) {
        waiting = x;
        return;
    }
    rig_reply(waiting, 200, "first");
    rig_reply(x, 200, "second");
    waiting = NULL;
}

static void test_replies_across_connections(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int one, two;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = reply_to_the_other;
    rig_start(&rig);
    one = rig_connect(&rig);
    two = rig_connect(&rig);
    rig_send(&rig, one, GET("/1"));
    rig_send(&rig, two, GET("/2"));
    rig_await(&rig, one, &got, "first");
    rig_await(&rig, two, &got, "second");
    assert_int_equal(2, rig.closes);
    close(one);
    close(two);
    buf_free(&got);
    rig_end(&rig);
}

static void test_destroy_with_open_exchanges(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd = rig_open(&rig, GET("/1"));

    (void)state;
    begin(rig.exchange, 200);
    chunk(rig.exchange, "[");
    rig_end(&rig);
    assert_int_equal(1, rig.closes);
    close(fd);
    buf_free(&got);
}

/* To HTTP/1.0 the reply's end is the connection's: an abort must be a reset. Over TCP,
   since a socket pair knows none. */
static void test_abort_resets_old_clients(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    fd = rig_connect_tcp(&rig);
    rig_send(&rig, fd, GET10("/1"));
    while (rig.exchange == NULL)
        rig_wait(&rig);
    begin(rig.exchange, 200);
    chunk(rig.exchange, "[1,");
    rig_await(&rig, fd, &got, "[1,");
    http_reply_abort(rig.exchange);
    assert_true(rig_await_end(&rig, fd, &got));
    assert_string_equal("127.0.0.1", rig.peer);
    rig_finish(&rig, fd, &got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_in_chunks),
        cmocka_unit_test(test_streams_nothing),
        cmocka_unit_test(test_streams_until_the_close_to_old_clients),
        cmocka_unit_test(test_stream_that_can_have_no_body),
        cmocka_unit_test(test_stream_instead_of_continue_closes),
        cmocka_unit_test(test_head_of_a_stream),
        cmocka_unit_test(test_abort_ends_without_a_last_chunk),
        cmocka_unit_test(test_slow_reader_is_waited_for),
        cmocka_unit_test(test_empty_piece_of_a_full_queue),
        cmocka_unit_test(test_large_replies_share_the_loop),
        cmocka_unit_test(test_replies_with_a_part_of_a_blob),
        cmocka_unit_test(test_reply_without_body),
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_streams_both_ways),
        cmocka_unit_test(test_bad_body_cuts_a_stream_off),
        cmocka_unit_test(test_replies_across_connections),
        cmocka_unit_test(test_destroy_with_open_exchanges),
        cmocka_unit_test(test_abort_resets_old_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
