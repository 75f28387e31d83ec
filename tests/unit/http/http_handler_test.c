#include "rig.h"

#define GET10(path) "GET " path " HTTP/1.0\r\n\r\n"

static void begin(struct http_exchange *x, int status)
{
    struct http_reply reply = {.status = status, .content_type = "application/json"};

    http_reply_begin(x, &reply);
}

static bool chunk(struct http_exchange *x, const char *text)
{
    struct blob *blob = blob_new_copy(text, strlen(text));
    bool may_go_on = http_reply_chunk(x, blob, blob->bytes);

    blob_unref(&blob);
    return may_go_on;
}

static void test_streams_in_chunks(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    assert_false(http_replied(rig->exchange));
    begin(rig->exchange, 200);
    assert_true(http_replied(rig->exchange));
    rig_await(rig, "\r\n\r\n");
    assert_got(rig, "Transfer-Encoding: chunked\r\n");
    assert_not_got(rig, "Content-Length");
    assert_got(rig, "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n");
    buf_free(&rig->got);
    assert_true(chunk(rig->exchange, "[0123456789abcdef"));
    rig_await(rig, "abcdef");
    assert_true(chunk(rig->exchange, ""));
    assert_true(chunk(rig->exchange, "]"));
    http_reply_end(rig->exchange);
    rig_await(rig, "0\r\n\r\n");
    assert_string_equal("11\r\n[0123456789abcdef\r\n1\r\n]\r\n0\r\n\r\n",
                        rig_text(&rig->got));
    assert_int_equal(1, rig->closes);
    assert_int_equal(18, rig->closed_bytes);
    assert_int_equal(200, rig->closed_status);
    /* The connection goes on. */
    rig_send(rig, GET("/2"));
    assert_int_equal(2, rig->requests);
}

static void test_streams_nothing(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    begin(rig->exchange, 200);
    http_reply_end(rig->exchange);
    rig_await(rig, "\r\n\r\n0\r\n\r\n");
    assert_int_equal(0, rig->closed_bytes);
}

static void test_streams_until_the_close_to_old_clients(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    begin(rig->exchange, 200);
    chunk(rig->exchange, "[1,");
    chunk(rig->exchange, "2]");
    http_reply_end(rig->exchange);
    assert_false(rig_await_end(rig));
    assert_got(rig, "Connection: close\r\n");
    assert_not_got(rig, "Transfer-Encoding");
    assert_got(rig, "\r\n\r\n[1,2]");
}

static void test_stream_that_can_have_no_body(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    begin(rig->exchange, 304);
    assert_true(chunk(rig->exchange, "not sent"));
    http_reply_end(rig->exchange);
    rig_send(rig, GET("/2"));
    rig_reply(rig->exchange, 200, "second");
    rig_await(rig, "second");
    assert_not_got(rig, "not sent");
    assert_not_got(rig, "Transfer-Encoding");
}

/* A stream begun instead of 100 Continue: whether the body comes is unknown. */
static void test_stream_instead_of_continue_closes(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                          "Content-Length: 5\r\n\r\n");
    begin(rig->exchange, 200);
    chunk(rig->exchange, "all");
    http_reply_end(rig->exchange);
    rig_await(rig, "all\r\n0\r\n\r\n");
    assert_got(rig, "Connection: close\r\n");
    assert_not_got(rig, "100 Continue");
    shutdown(rig->fd, SHUT_WR);
    assert_false(rig_await_end(rig));
}

static void test_head_of_a_stream(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, "HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/2"));
    begin(rig->exchange, 200);
    assert_true(chunk(rig->exchange, "not sent"));
    http_reply_end(rig->exchange);
    rig_turns(rig);
    rig_reply(rig->exchange, 200, "second");
    rig_await(rig, "second");
    assert_not_got(rig, "not sent");
    assert_got(rig, "Transfer-Encoding: chunked\r\n");
    assert_got(rig, "\r\n\r\nHTTP/1.1 200 OK");
}

/* Nobody may take what came before an abort for the whole. */
static void test_abort_ends_without_a_last_chunk(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    begin(rig->exchange, 200);
    chunk(rig->exchange, "[1,");
    rig_await(rig, "[1,");
    http_reply_abort(rig->exchange);
    rig_await_end(rig);
    assert_not_got(rig, "0\r\n\r\n");
    assert_int_equal(1, rig->closes);
    assert_int_equal(200, rig->closed_status);
    assert_int_equal(3, rig->closed_bytes);
    assert_int_equal(0, http_server_connections(rig->server));
}

/* A reader that stops makes the stream wait, and costs no more than the queue holds. */
static void test_slow_reader_is_waited_for(void **state)
{
    struct rig *rig = *state;
    struct blob *blob;
    uint64_t queued = 0;

    rig_open_request(rig, GET("/1"));
    blob = rig_blob(65536);
    begin(rig->exchange, 200);
    for (int turns = 0; turns < 20; turns++) {
        while (http_reply_chunk(rig->exchange, blob, blob->bytes))
            queued += 65536;
        queued += 65536;
        for (unsigned told = rig->writables, i = 0; i < 20 && told == rig->writables; i++)
            rig_turns(rig);
        if (rig->writables <= (unsigned)turns)
            break;
    }
    /* Full, and nobody reads. */
    assert_true(queued < 4 * 1024 * 1024);
    for (unsigned told = rig->writables; told == rig->writables;) {
        rig_receive(rig->fd, &rig->got, NULL);
        rig_wait(rig);
    }
    http_reply_end(rig->exchange);
    rig_await(rig, "\r\n0\r\n\r\n");
    assert_int_equal(queued, rig->closed_bytes);
    assert_int_equal(1, blob->refs);
    blob_unref(&blob);
}

/* A piece fills the queue and an empty one follows: the caller is told to wait, since
   on_writable is owed, and it comes once. */
static void test_empty_piece_of_a_full_queue(void **state)
{
    struct rig *rig = *state;
    struct blob *blob;

    rig_open_request(rig, GET("/1"));
    blob = rig_blob(261000);
    begin(rig->exchange, 200);
    assert_true(http_reply_chunk(rig->exchange, blob, blob->bytes));
    blob_unref(&blob);
    while (chunk(rig->exchange, ","))
        continue;
    assert_false(chunk(rig->exchange, ""));
    while (rig->writables == 0) {
        rig_receive(rig->fd, &rig->got, NULL);
        rig_wait(rig);
    }
    assert_true(chunk(rig->exchange, ""));
    http_reply_end(rig->exchange);
    rig_await(rig, "\r\n0\r\n\r\n");
    assert_int_equal(1, rig->writables);
}

/* A reply of megabytes does not keep the others waiting for its end. */
static void test_large_replies_share_the_loop(void **state)
{
    struct rig *rig = *state;
    struct buf other = BUF_INIT;
    const size_t len = 3 * 1024 * 1024;
    int second;

    rig_open_request(rig, GET("/1"));
    rig_reply_large(rig->exchange, len);
    second = rig_connect(rig);
    rig_send_to(rig, second, GET("/2"));
    assert_int_equal(2, rig->requests);
    rig_reply(rig->exchange, 200, "second");
    rig_await_at(rig, second, &other, "second");
    while (rig->closes < 2) {
        rig_receive(rig->fd, &rig->got, NULL);
        rig_wait(rig);
    }
    rig_receive(rig->fd, &rig->got, NULL);
    assert_true(rig->got.len > len);
    close(second);
    buf_free(&other);
}

static void test_replies_with_a_part_of_a_blob(void **state)
{
    struct rig *rig = *state;
    struct blob *blob = blob_new_copy("0123456789", 10);
    struct http_reply reply = {.status = 201,
                               .content_type = "a/b",
                               .headers = {(const uint8_t *)"ETag: \"1-j\"\r\n", 13},
                               .body = blob,
                               .body_part = {blob->bytes.data + 2, 3}};

    rig_open_request(rig, GET("/1"));
    http_reply(rig->exchange, &reply);
    rig_await(rig, "\r\n\r\n234");
    assert_got(rig, "HTTP/1.1 201 Created\r\nDate: ");
    assert_got(rig, "Content-Length: 3\r\n");
    assert_got(rig, "Content-Type: a/b\r\n");
    assert_got(rig, "ETag: \"1-j\"\r\n");
    assert_not_got(rig, "Server:");
    assert_int_equal(3, rig->closed_bytes);
    assert_int_equal(1, blob->refs);
    blob_unref(&blob);
}

static void test_reply_without_body(void **state)
{
    struct rig *rig = *state;
    struct http_reply reply = {.status = 200};

    rig_open_request(rig, GET("/1"));
    http_reply(rig->exchange, &reply);
    rig_await(rig, "\r\n\r\n");
    assert_got(rig, "Content-Length: 0\r\n");
}

static void test_problem(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    http_reply_problem(rig->exchange, 400, "bad \\ \"value\"\n\x01\xff", 17,
                       (struct slice){NULL, 0});
    rig_await(rig, "}\n");
    assert_got(rig, "Content-Type: application/problem+json\r\n");
    assert_got(rig, "\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\","
                    "\"status\":400,\"detail\":\"bad \\\\ \\\"value\\\"???\","
                    "\"offset\":17}\n");
}

/* Replies while the body still comes, and the body goes on to the handler. */
static void stream_both(struct http_exchange *x, void *context)
{
    rig_record_request(x, context);
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
    struct rig *rig = *state;

    rig->callbacks.on_request = stream_both;
    rig->callbacks.on_body = echo_body;
    rig->callbacks.on_body_end = http_reply_end;
    rig_open(rig);
    rig_send(rig, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    rig_await(rig, "3\r\nabc");
    rig_send(rig, "def" GET("/2"));
    rig_await(rig, "3\r\ndef\r\n0\r\n\r\n");
    assert_int_equal(2, rig->requests);
}

/* A body that turns out bad behind the start of a streamed reply: cut off. */
static void test_bad_body_cuts_a_stream_off(void **state)
{
    struct rig *rig = *state;

    rig->callbacks.on_request = stream_both;
    rig->callbacks.on_body = echo_body;
    rig_open(rig);
    rig_send(rig, "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabcXX");
    rig_await_end(rig);
    assert_not_got(rig, "0\r\n\r\n");
    assert_not_got(rig, "400");
    assert_int_equal(1, rig->closes);
    assert_int_equal(200, rig->closed_status);
}

/* Replying to one exchange from inside another's callback is fine. */
static struct http_exchange *waiting;

static void reply_to_the_other(struct http_exchange *x, void *context)
{
    rig_record_request(x, context);
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
    struct rig *rig = *state;
    int one, two;

    rig->callbacks.on_request = reply_to_the_other;
    rig_start(rig);
    one = rig_connect(rig);
    two = rig_connect(rig);
    rig_send_to(rig, one, GET("/1"));
    rig_send_to(rig, two, GET("/2"));
    rig_await_at(rig, one, &rig->got, "first");
    rig_await_at(rig, two, &rig->got, "second");
    assert_int_equal(2, rig->closes);
    close(one);
    close(two);
}

static void test_destroy_with_open_exchanges(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    begin(rig->exchange, 200);
    chunk(rig->exchange, "[");
    rig_end(rig);
    assert_int_equal(1, rig->closes);
}

/* To HTTP/1.0 the reply's end is the connection's: an abort must be a reset. Over TCP,
   since a socket pair knows none. */
static void test_abort_resets_old_clients(void **state)
{
    struct rig *rig = *state;

    rig_start(rig);
    rig->fd = rig_connect_tcp(rig);
    rig_send(rig, GET10("/1"));
    rig_await_request(rig);
    begin(rig->exchange, 200);
    chunk(rig->exchange, "[1,");
    rig_await(rig, "[1,");
    http_reply_abort(rig->exchange);
    assert_true(rig_await_end(rig));
    assert_string_equal("127.0.0.1", rig->peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_streams_in_chunks),
        RIG_TEST(test_streams_nothing),
        RIG_TEST(test_streams_until_the_close_to_old_clients),
        RIG_TEST(test_stream_that_can_have_no_body),
        RIG_TEST(test_stream_instead_of_continue_closes),
        RIG_TEST(test_head_of_a_stream),
        RIG_TEST(test_abort_ends_without_a_last_chunk),
        RIG_TEST(test_slow_reader_is_waited_for),
        RIG_TEST(test_empty_piece_of_a_full_queue),
        RIG_TEST(test_large_replies_share_the_loop),
        RIG_TEST(test_replies_with_a_part_of_a_blob),
        RIG_TEST(test_reply_without_body),
        RIG_TEST(test_problem),
        RIG_TEST(test_streams_both_ways),
        RIG_TEST(test_bad_body_cuts_a_stream_off),
        RIG_TEST(test_replies_across_connections),
        RIG_TEST(test_destroy_with_open_exchanges),
        RIG_TEST(test_abort_resets_old_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
