#include "rig.h"

#include "server/http/http_connection_state.h"

static void test_answers_in_order(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(
        rig,
        GET("/1")
            GET("/2") "PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" GET(
                "/4"));
    rig_await(rig, "GET /4 ");
    assert_int_equal(4, rig_count(&rig->got, "HTTP/1.1 200 OK\r\n"));
    assert_true(strstr(rig_text(&rig->got), "GET /1 ") <
                strstr(rig_text(&rig->got), "GET /2 "));
    assert_true(strstr(rig_text(&rig->got), "GET /2 ") <
                strstr(rig_text(&rig->got), "PUT /3 body"));
    assert_true(strstr(rig_text(&rig->got), "PUT /3 ") <
                strstr(rig_text(&rig->got), "GET /4 "));
    assert_int_equal(4, rig->closes);
}

/* Many requests in one segment neither recurse nor keep another connection waiting. */
static void test_pipelining_is_fair(void **state)
{
    struct rig *rig = *state;
    struct buf flood = BUF_INIT, other = BUF_INIT;
    int second;

    rig_start_echo(rig);
    for (int i = 0; i < 300; i++)
        buf_append_str(&flood, GET("/flood"));
    rig->fd = rig_connect(rig);
    second = rig_connect(rig);
    assert_int_equal(flood.len, send(rig->fd, flood.data, flood.len, MSG_NOSIGNAL));
    assert_true(send(second, GET("/other"), strlen(GET("/other")), MSG_NOSIGNAL) > 0);
    rig_await_at(rig, second, &other, "GET /other ");
    assert_true(rig->requests < 100);
    while (rig_count(&rig->got, "GET /flood ") < 300) {
        rig_receive(rig->fd, &rig->got, NULL);
        ev_run(rig->loop, EVRUN_NOWAIT);
    }
    assert_int_equal(301, rig->requests);
    close(second);
    buf_free(&flood);
    buf_free(&other);
}

/* While an exchange runs, what follows is read up to a bound, and then answered. */
static void test_reads_ahead_a_bounded_amount(void **state)
{
    struct rig *rig = *state;
    struct buf flood = BUF_INIT;
    size_t sent;
    int size = 4096;

    rig_open(rig);
    setsockopt(rig->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 20000; i++)
        buf_append_str(&flood, GET("/flood"));
    sent = rig_send_until_full(rig, flood.data, flood.len);
    assert_int_equal(1, rig->requests);
    assert_true(sent < 256 * 1024);
    rig_reply(rig->exchange, 200, "one");
    rig_await(rig, "one");
    assert_int_equal(2, rig->requests);
    buf_free(&flood);
}

static void test_half_close_still_gets_answers(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1") GET("/2"));
    shutdown(rig->fd, SHUT_WR);
    rig_turns(rig);
    assert_int_equal(1, rig->requests);
    rig_reply(rig->exchange, 200, "first");
    rig_await(rig, "first");
    assert_int_equal(2, rig->requests);
    assert_non_null(rig->exchange);
    rig_reply(rig->exchange, 200, "second");
    assert_false(rig_await_end(rig));
    assert_got(rig, "second");
    assert_int_equal(0, http_server_connections(rig->server));
}

/* After the FIN, with a reply outstanding, the loop sleeps. */
static void test_half_close_does_not_spin(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    shutdown(rig->fd, SHUT_WR);
    rig_turns(rig);
    for (int i = 0; i < 10; i++)
        ev_run(rig->loop, EVRUN_NOWAIT);
    assert_int_equal(0, ev_pending_count(rig->loop));
    assert_false(
        ev_is_active(&((struct http_connection *)rig->exchange->connection)->io));
    rig_finish(rig);
    assert_int_equal(1, rig->closes);
    assert_int_equal(0, rig->closed_status);
}

static void test_lost_connection_ends_the_exchange(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    assert_int_equal(1, rig->requests);
    /* A reply in between makes the peer's close a reset: unread data. */
    rig_reply(rig->exchange, 200, "nobody reads this");
    rig_turns(rig);
    rig_send(rig, GET("/2"));
    assert_int_equal(2, rig->requests);
    rig_hang_up(rig);
    while (rig->closes < 2)
        rig_wait(rig);
    assert_int_equal(0, rig->closed_status);
    assert_null(rig->exchange);
    assert_int_equal(0, http_server_connections(rig->server));
}

static void test_head_sends_the_length_alone(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(rig, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" GET("/next"));
    rig_await(rig, "GET /next ");
    assert_got(rig, "Content-Length: 10\r\n");
    assert_not_got(rig, "HEAD /abc");
    assert_int_equal(0, rig_text(&rig->got)[rig->got.len]);
}

static void test_bodiless_statuses(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig, GET("/1"));
    rig_reply(rig->exchange, 204, "not sent");
    rig_await(rig, "\r\n\r\n");
    assert_not_got(rig, "Content-Length");
    assert_not_got(rig, "not sent");
    rig_send(rig, GET("/2"));
    rig_reply(rig->exchange, 304, "not sent");
    rig_await(rig, "HTTP/1.1 304 Not Modified\r\n");
    rig_turns(rig);
    rig_receive(rig->fd, &rig->got, NULL);
    assert_not_got(rig, "not sent");
}

static void test_old_clients_keep_alive(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(rig, "GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    rig_await(rig, "GET /1 ");
    assert_got(rig, "HTTP/1.1 200 OK\r\n");
    assert_got(rig, "Connection: keep-alive\r\n");
    assert_got(rig, "Content-Length: 7\r\n");
    rig_send(rig, "GET /2 HTTP/1.0\r\n\r\n");
    assert_false(rig_await_end(rig));
    assert_got(rig, "Connection: close\r\n");
}

static void test_close_is_honoured_before_what_follows(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(rig, "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n" GET("/2"));
    rig_await(rig, "GET /1 ");
    shutdown(rig->fd, SHUT_WR);
    assert_false(rig_await_end(rig));
    assert_int_equal(1, rig->requests);
    assert_got(rig, "Connection: close\r\n");
}

static void test_expect_continue(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                  "Content-Length: 2\r\n\r\n");
    rig_await(rig, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(strlen("HTTP/1.1 100 Continue\r\n\r\n"), rig->got.len);
    rig_send(rig, "ok");
    rig_await(rig, "PUT /1 ok");
    /* Not where the body comes without waiting. */
    buf_free(&rig->got);
    rig_send(rig, "PUT /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\nok");
    rig_await(rig, "PUT /2 ok");
    assert_not_got(rig, "100 Continue");
}

/* A final answer instead of 100: nobody can tell whether the body will come. */
static void test_expect_answered_at_once_closes(void **state)
{
    struct rig *rig = *state;

    rig_open(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\n");
    http_reply_problem(
        rig->exchange, 401, "no \"token\"", -1,
        (struct slice){(const uint8_t *)"WWW-Authenticate: Bearer\r\n", 26});
    rig_await(rig, "}\n");
    assert_got(rig, "Connection: close\r\n");
    assert_got(rig, "WWW-Authenticate: Bearer\r\n");
    assert_got(rig, "\"detail\":\"no \\\"token\\\"\"");
    rig_send(rig, "ok" GET("/2"));
    shutdown(rig->fd, SHUT_WR);
    assert_false(rig_await_end(rig));
    assert_int_equal(1, rig->requests);
    assert_int_equal(401, rig->closed_status);
}

static void test_early_reply_drops_a_small_body(void **state)
{
    struct rig *rig = *state;

    rig_open_request(rig,
                     "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n12345");
    rig_reply(rig->exchange, 404, "none");
    rig_await(rig, "none");
    assert_int_equal(0, rig->closes);
    rig_send(rig, "678901234567890" GET("/2"));
    assert_int_equal(1, rig->closes);
    assert_int_equal(2, rig->requests);
    assert_string_equal("PUT /1\nGET /2\n", rig_text(&rig->seen));
    rig_reply(rig->exchange, 200, "two");
    rig_await(rig, "two");
    assert_int_equal(0, rig->body_ends);
}

/* A client that sends all of a body before it reads can read the refusal. */
static void test_refusal_of_a_large_body_can_be_read(void **state)
{
    struct rig *rig = *state;
    struct blob *body = rig_blob(8000000);

    rig->limits.body_bytes = 1000;
    rig_open_collecting(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    assert_true(rig_send_bytes(rig, rig->fd, body->bytes.data, 8000000));
    shutdown(rig->fd, SHUT_WR);
    assert_false(rig_await_end(rig));
    assert_got(rig, "HTTP/1.1 413 Content Too Large\r\n");
    assert_int_equal(413, rig->closed_status);
    assert_int_equal(0, rig->body_ends);
    blob_unref(&body);
}

/* Bytes that never end get no more time than that. */
static void test_linger_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct buf body = BUF_INIT;

    rig->limits.linger_timeout_ms = 30;
    rig_open(rig);
    rig_send(rig, "BAD\r\n\r\n");
    memset(buf_reserve(&body, 65536), 'x', 65536);
    while (rig_send_bytes(rig, rig->fd, body.data, 65536))
        ;
    rig_await_none(rig);
    assert_int_equal(400, rig->refused);
    buf_free(&body);
}

static void test_collects_chunks_and_hands_the_body_over(void **state)
{
    struct rig *rig = *state;
    struct blob *blob;

    rig_open_collecting(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                  "5;a=b\r\nhello\r\n00001\r\n!\r\n0\r\nX: y\r\n\r\n");
    assert_int_equal(1, rig->body_ends);
    blob = http_take_body(rig->exchange);
    assert_int_equal(6, blob->bytes.len);
    assert_memory_equal("hello!", blob->bytes.data, 6);
    assert_int_equal(0, http_body(rig->exchange).len);
    blob_unref(&blob);
    rig_reply(rig->exchange, 200, "");
    rig_turns(rig);
    assert_int_equal(1, rig->closes);
}

/* What a growing body has too much of is given back when it is taken. */
static void test_collects_many_chunks(void **state)
{
    struct rig *rig = *state;
    struct buf body = BUF_INIT;
    struct blob *blob;

    rig_open_collecting(rig);
    for (int i = 0; i < 22000; i++)
        buf_printf(&body, "6\r\n%06d\r\n", i);
    buf_append_str(&body, "0\r\n\r\n");
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    rig_send_bytes(rig, rig->fd, body.data, body.len);
    rig_await_body(rig);
    blob = http_take_body(rig->exchange);
    assert_int_equal(6 * 22000, blob->bytes.len);
    for (int i = 0; i < 22000; i++) {
        char text[12];

        snprintf(text, sizeof text, "%06d", i);
        assert_memory_equal(text, blob->bytes.data + 6 * i, 6);
    }
    blob_unref(&blob);
    buf_free(&body);
}

/* Megabytes, received in place: what comes is what was sent. */
static void test_collects_a_large_body(void **state)
{
    const size_t len = 5 * 1000 * 1000 + 3;
    struct rig *rig = *state;
    struct buf body = BUF_INIT;
    char head[100];

    rig_open_collecting(rig);
    buf_reserve(&body, len);
    for (body.len = 0; body.len < len; body.len++)
        body.data[body.len] = (uint8_t)(body.len * 7 + body.len / 251);
    snprintf(head, sizeof head,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
    rig_send(rig, head);
    rig_send_bytes(rig, rig->fd, body.data, len);
    rig_await_body(rig);
    assert_int_equal(len, http_body(rig->exchange).len);
    assert_memory_equal(body.data, http_body(rig->exchange).data, len);
    buf_free(&body);
}

static void stream_request(struct http_exchange *x, void *context)
{
    rig_record_request(x, context);
    http_stream_body(x);
}

static void test_streams_a_body_with_backpressure(void **state)
{
    struct rig *rig = *state;
    struct buf body = BUF_INIT;
    size_t sent;

    rig->callbacks.on_request = stream_request;
    rig_open(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\nx");
    assert_int_equal(1, rig->body.len);
    http_pause_body(rig->exchange);
    memset(buf_reserve(&body, 3999999), 'x', 3999999);
    sent = rig_send_until_full(rig, body.data, 3999999);
    assert_true(sent < 2000000);
    assert_int_equal(1, rig->body.len);
    http_resume_body(rig->exchange);
    assert_true(rig_send_bytes(rig, rig->fd, body.data, 3999999 - sent));
    rig_await_body(rig);
    assert_int_equal(4000000, rig->body.len);
    buf_free(&body);
}

/* A body that ended too early is refused when the handler goes on. */
static void test_half_close_behind_a_paused_body(void **state)
{
    struct rig *rig = *state;

    rig->callbacks.on_request = stream_request;
    rig_open(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
    http_pause_body(rig->exchange);
    shutdown(rig->fd, SHUT_WR);
    rig_turns(rig);
    assert_int_equal(0, rig->closes);
    http_resume_body(rig->exchange);
    rig_await(rig, "the request ended within its body");
    assert_int_equal(400, rig->closed_status);
}

/* A body whose last bytes make the handler pause is whole, although the client has sent
   its FIN behind them. */
static void pause_body(struct http_exchange *x, struct slice bytes)
{
    rig_record_body(x, bytes);
    http_pause_body(x);
}

static void test_half_close_behind_a_whole_body(void **state)
{
    struct rig *rig = *state;

    rig->callbacks.on_request = stream_request;
    rig->callbacks.on_body = pause_body;
    rig_open(rig);
    rig_put(rig->fd, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    shutdown(rig->fd, SHUT_WR);
    rig_turns(rig);
    assert_int_equal(1, rig->body.len);
    assert_int_equal(0, rig->closes);
    http_resume_body(rig->exchange);
    rig_await_body(rig);
    rig_reply(rig->exchange, 200, "x");
    rig_await(rig, "\r\n\r\nx");
}

static void test_body_without_bytes_ends_too(void **state)
{
    struct rig *rig = *state;

    rig->callbacks.on_request = stream_request;
    rig_open(rig);
    rig_send(rig, "POST /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(1, rig->body_ends);
    assert_int_equal(0, rig->body.len);
    assert_false(http_request(rig->exchange)->has_body);
    rig_reply(rig->exchange, 200, "x");
    rig_send(
        rig,
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_int_equal(2, rig->body_ends);
    assert_int_equal(-1, http_request(rig->exchange)->length);
}

/* A bad chunk is answered and the handler told, once. */
static void test_bad_body_is_refused(void **state)
{
    struct rig *rig = *state;

    rig_open_collecting(rig);
    rig_send(rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhelloXX" GET("/2"));
    rig_await(rig, "}\n");
    assert_got(rig, "HTTP/1.1 400 Bad Request\r\n");
    assert_got(rig, "Content-Type: application/problem+json\r\n");
    assert_int_equal(1, rig->closes);
    assert_int_equal(400, rig->closed_status);
    assert_int_equal(0, rig->body_ends);
    assert_int_equal(1, rig->requests);
}

static void test_truncated_requests(void **state)
{
    static const struct {
        const char *text;
        unsigned requests;
        const char *answer; /* NULL: closed without a word */
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost:", 0, "HTTP/1.1 400"},
        {"\r\n", 0, NULL},
        {"", 0, NULL},
        {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1234", 1, "HTTP/1.1 400"},
        {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", 1,
         "HTTP/1.1 400"},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_init(rig);
        rig_open_echo(rig);
        rig_send(rig, cases[i].text);
        shutdown(rig->fd, SHUT_WR);
        assert_false(rig_await_end(rig));
        assert_int_equal(cases[i].requests, rig->requests);
        assert_int_equal(cases[i].requests, rig->closes);
        if (cases[i].answer != NULL)
            assert_ptr_equal(rig_text(&rig->got),
                             strstr(rig_text(&rig->got), cases[i].answer));
        else
            assert_int_equal(0, rig->got.len);
        assert_int_equal(0, http_server_connections(rig->server));
        rig_finish(rig);
    }
}

static void test_headers_can_be_looked_up(void **state)
{
    struct rig *rig = *state;
    struct slice value;

    rig_open(rig);
    rig_send(rig, "GET http://b:80/p%20q?x=%zz HTTP/1.1\r\nHost: a\r\nAccept:  a/b \r\n"
                  "aCCEPT: c/d\r\nEmpty:\r\n\r\n");
    value = http_header(rig->exchange, "accept");
    assert_int_equal(3, value.len);
    assert_memory_equal("a/b", value.data, 3);
    value = http_header_joined(rig->exchange, "Accept");
    assert_int_equal(8, value.len);
    assert_memory_equal("a/b, c/d", value.data, 8);
    value = http_header_joined(rig->exchange, "HOST");
    assert_int_equal(1, value.len);
    value = http_header(rig->exchange, "Empty");
    assert_non_null(value.data);
    assert_int_equal(0, value.len);
    assert_null(http_header(rig->exchange, "Accep").data);
    assert_null(http_header_joined(rig->exchange, "Accepts").data);
    assert_memory_equal("/p%20q", http_request(rig->exchange)->path.data, 6);
    assert_memory_equal("x=%zz", http_request(rig->exchange)->query.data, 5);
    assert_int_equal(5, http_request(rig->exchange)->query.len);
    assert_string_equal("unix", http_peer(rig->exchange));
    assert_null(*http_user(rig->exchange));
    *http_user(rig->exchange) = rig;
    assert_ptr_equal(rig, *http_user(rig->exchange));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_answers_in_order),
        RIG_TEST(test_pipelining_is_fair),
        RIG_TEST(test_reads_ahead_a_bounded_amount),
        RIG_TEST(test_half_close_still_gets_answers),
        RIG_TEST(test_half_close_does_not_spin),
        RIG_TEST(test_lost_connection_ends_the_exchange),
        RIG_TEST(test_head_sends_the_length_alone),
        RIG_TEST(test_bodiless_statuses),
        RIG_TEST(test_old_clients_keep_alive),
        RIG_TEST(test_close_is_honoured_before_what_follows),
        RIG_TEST(test_expect_continue),
        RIG_TEST(test_expect_answered_at_once_closes),
        RIG_TEST(test_early_reply_drops_a_small_body),
        RIG_TEST(test_refusal_of_a_large_body_can_be_read),
        RIG_TEST(test_linger_is_bounded),
        RIG_TEST(test_collects_chunks_and_hands_the_body_over),
        RIG_TEST(test_collects_many_chunks),
        RIG_TEST(test_collects_a_large_body),
        RIG_TEST(test_streams_a_body_with_backpressure),
        RIG_TEST(test_half_close_behind_a_paused_body),
        RIG_TEST(test_half_close_behind_a_whole_body),
        RIG_TEST(test_body_without_bytes_ends_too),
        RIG_TEST(test_bad_body_is_refused),
        RIG_TEST(test_truncated_requests),
        RIG_TEST(test_headers_can_be_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
