#include "rig.h"

#include "server/http/http_connection.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_answers_in_order(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(
        &rig, fd,
        GET("/1")
            GET("/2") "PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" GET(
                "/4"));
    rig_await(&rig, fd, &got, "GET /4 ");
    assert_int_equal(4, rig_count(&got, "HTTP/1.1 200 OK\r\n"));
    assert_true(strstr(rig_text(&got), "GET /1 ") < strstr(rig_text(&got), "GET /2 "));
    assert_true(strstr(rig_text(&got), "GET /2 ") <
                strstr(rig_text(&got), "PUT /3 body"));
    assert_true(strstr(rig_text(&got), "PUT /3 ") < strstr(rig_text(&got), "GET /4 "));
    assert_int_equal(4, rig.closes);
    rig_finish(&rig, fd, &got);
}

/* Many requests in one segment neither recurse nor keep another connection waiting. */
static void test_pipelining_is_fair(void **state)
{
    struct rig rig;
    struct buf flood = BUF_INIT, got = BUF_INIT, other = BUF_INIT;
    int fd, second;

    (void)state;
    rig_start_echo(&rig);
    for (int i = 0; i < 300; i++)
        buf_append_str(&flood, GET("/flood"));
    fd = rig_connect(&rig);
    second = rig_connect(&rig);
    assert_int_equal(flood.len, send(fd, flood.data, flood.len, MSG_NOSIGNAL));
    assert_true(send(second, GET("/other"), strlen(GET("/other")), MSG_NOSIGNAL) > 0);
    rig_await(&rig, second, &other, "GET /other ");
    assert_true(rig.requests < 100);
    while (rig_count(&got, "GET /flood ") < 300) {
        rig_receive(fd, &got, NULL);
        ev_run(rig.loop, EVRUN_NOWAIT);
    }
    assert_int_equal(301, rig.requests);
    close(fd);
    close(second);
    buf_free(&flood);
    buf_free(&got);
    buf_free(&other);
    rig_end(&rig);
}

/* While an exchange runs, what follows is read up to a bound, and then answered. */
static void test_reads_ahead_a_bounded_amount(void **state)
{
    struct rig rig;
    struct buf flood = BUF_INIT, got = BUF_INIT;
    size_t sent = 0;
    int fd, size = 4096;
    ssize_t n;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    fd = rig_connect(&rig);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 20000; i++)
        buf_append_str(&flood, GET("/flood"));
    for (int idle = 0; idle < 20;) {
        n = send(fd, flood.data + sent, flood.len - sent, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        ev_run(rig.loop, EVRUN_NOWAIT);
    }
    assert_int_equal(1, rig.requests);
    assert_true(sent < 256 * 1024);
    rig_reply(rig.exchange, 200, "one");
    rig_await(&rig, fd, &got, "one");
    assert_int_equal(2, rig.requests);
    close(fd);
    buf_free(&flood);
    buf_free(&got);
    rig_end(&rig);
}

static void test_half_close_still_gets_answers(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    fd = rig_open(&rig, GET("/1") GET("/2"));
    shutdown(fd, SHUT_WR);
    rig_turns(&rig);
    assert_int_equal(1, rig.requests);
    rig_reply(rig.exchange, 200, "first");
    rig_await(&rig, fd, &got, "first");
    assert_int_equal(2, rig.requests);
    assert_non_null(rig.exchange);
    rig_reply(rig.exchange, 200, "second");
    assert_false(rig_await_end(&rig, fd, &got));
    assert_non_null(strstr(rig_text(&got), "second"));
    assert_int_equal(0, http_server_connections(rig.server));
    rig_finish(&rig, fd, &got);
}

/* After the FIN, with a reply outstanding, the loop sleeps. */
static void test_half_close_does_not_spin(void **state)
{
    struct rig rig;
    int fd;

    (void)state;
    fd = rig_open(&rig, GET("/1"));
    shutdown(fd, SHUT_WR);
    rig_turns(&rig);
    for (int i = 0; i < 10; i++)
        ev_run(rig.loop, EVRUN_NOWAIT);
    assert_int_equal(0, ev_pending_count(rig.loop));
    assert_false(ev_is_active(&((struct http_connection *)rig.exchange->connection)->io));
    close(fd);
    rig_end(&rig);
    assert_int_equal(1, rig.closes);
    assert_int_equal(0, rig.closed_status);
}

static void test_lost_connection_ends_the_exchange(void **state)
{
    struct rig rig;
    int fd;

    (void)state;
    fd = rig_open(&rig, GET("/1"));
    assert_int_equal(1, rig.requests);
    /* A reply in between makes the peer's close a reset: unread data. */
    rig_reply(rig.exchange, 200, "nobody reads this");
    rig_turns(&rig);
    rig_send(&rig, fd, GET("/2"));
    assert_int_equal(2, rig.requests);
    close(fd);
    while (rig.closes < 2)
        rig_wait(&rig);
    assert_int_equal(0, rig.closed_status);
    assert_null(rig.exchange);
    assert_int_equal(0, http_server_connections(rig.server));
    rig_end(&rig);
}

static void test_head_sends_the_length_alone(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" GET("/next"));
    rig_await(&rig, fd, &got, "GET /next ");
    assert_non_null(strstr(rig_text(&got), "Content-Length: 10\r\n"));
    assert_null(strstr(rig_text(&got), "HEAD /abc"));
    assert_int_equal(0, rig_text(&got)[got.len]);
    rig_finish(&rig, fd, &got);
}

static void test_bodiless_statuses(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    fd = rig_open(&rig, GET("/1"));
    rig_reply(rig.exchange, 204, "not sent");
    rig_await(&rig, fd, &got, "\r\n\r\n");
    assert_null(strstr(rig_text(&got), "Content-Length"));
    assert_null(strstr(rig_text(&got), "not sent"));
    rig_send(&rig, fd, GET("/2"));
    rig_reply(rig.exchange, 304, "not sent");
    rig_await(&rig, fd, &got, "HTTP/1.1 304 Not Modified\r\n");
    rig_turns(&rig);
    rig_receive(fd, &got, NULL);
    assert_null(strstr(rig_text(&got), "not sent"));
    rig_finish(&rig, fd, &got);
}

static void test_old_clients_keep_alive(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    rig_await(&rig, fd, &got, "GET /1 ");
    assert_non_null(strstr(rig_text(&got), "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(rig_text(&got), "Connection: keep-alive\r\n"));
    assert_non_null(strstr(rig_text(&got), "Content-Length: 7\r\n"));
    rig_send(&rig, fd, "GET /2 HTTP/1.0\r\n\r\n");
    assert_false(rig_await_end(&rig, fd, &got));
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    rig_finish(&rig, fd, &got);
}

static void test_close_is_honoured_before_what_follows(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n" GET("/2"));
    rig_await(&rig, fd, &got, "GET /1 ");
    shutdown(fd, SHUT_WR);
    assert_false(rig_await_end(&rig, fd, &got));
    assert_int_equal(1, rig.requests);
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    rig_finish(&rig, fd, &got);
}

static void test_expect_continue(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
             "Content-Length: 2\r\n\r\n");
    rig_await(&rig, fd, &got, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(strlen("HTTP/1.1 100 Continue\r\n\r\n"), got.len);
    rig_send(&rig, fd, "ok");
    rig_await(&rig, fd, &got, "PUT /1 ok");
    /* Not where the body comes without waiting. */
    buf_free(&got);
    rig_send(&rig, fd,
             "PUT /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
             "Content-Length: 2\r\n\r\nok");
    rig_await(&rig, fd, &got, "PUT /2 ok");
    assert_null(strstr(rig_text(&got), "100 Continue"));
    rig_finish(&rig, fd, &got);
}

/* A final answer instead of 100: nobody can tell whether the body will come. */
static void test_expect_answered_at_once_closes(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
             "Content-Length: 2\r\n\r\n");
    http_reply_problem(
        rig.exchange, 401, "no \"token\"", -1,
        (struct slice){(const uint8_t *)"WWW-Authenticate: Bearer\r\n", 26});
    rig_await(&rig, fd, &got, "}\n");
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    assert_non_null(strstr(rig_text(&got), "WWW-Authenticate: Bearer\r\n"));
    assert_non_null(strstr(rig_text(&got), "\"detail\":\"no \\\"token\\\"\""));
    rig_send(&rig, fd, "ok" GET("/2"));
    shutdown(fd, SHUT_WR);
    assert_false(rig_await_end(&rig, fd, &got));
    assert_int_equal(1, rig.requests);
    assert_int_equal(401, rig.closed_status);
    rig_finish(&rig, fd, &got);
}

static void test_early_reply_drops_a_small_body(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    fd = rig_open(&rig, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n12345");
    rig_reply(rig.exchange, 404, "none");
    rig_await(&rig, fd, &got, "none");
    assert_int_equal(0, rig.closes);
    rig_send(&rig, fd, "678901234567890" GET("/2"));
    assert_int_equal(1, rig.closes);
    assert_int_equal(2, rig.requests);
    assert_string_equal("PUT /1\nGET /2\n", rig_text(&rig.seen));
    rig_reply(rig.exchange, 200, "two");
    rig_await(&rig, fd, &got, "two");
    assert_int_equal(0, rig.body_ends);
    rig_finish(&rig, fd, &got);
}

/* A client that sends all of a body before it reads can read the refusal. */
static void test_refusal_of_a_large_body_can_be_read(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT, body = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.limits.body_bytes = 1000;
    rig.callbacks.on_request = rig_echo_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    memset(buf_reserve(&body, 8000000), 'x', 8000000);
    assert_true(rig_send_bytes(&rig, fd, body.data, 8000000));
    shutdown(fd, SHUT_WR);
    assert_false(rig_await_end(&rig, fd, &got));
    assert_non_null(strstr(rig_text(&got), "HTTP/1.1 413 Content Too Large\r\n"));
    assert_int_equal(413, rig.closed_status);
    assert_int_equal(0, rig.body_ends);
    close(fd);
    buf_free(&got);
    buf_free(&body);
    rig_end(&rig);
}

/* Bytes that never end get no more time than that. */
static void test_linger_is_bounded(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT, body = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.limits.linger_timeout_ms = 30;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "BAD\r\n\r\n");
    memset(buf_reserve(&body, 65536), 'x', 65536);
    while (rig_send_bytes(&rig, fd, body.data, 65536))
        ;
    while (http_server_connections(rig.server) > 0)
        rig_wait(&rig);
    assert_int_equal(400, rig.refused);
    close(fd);
    buf_free(&got);
    buf_free(&body);
    rig_end(&rig);
}

static void test_collects_chunks_and_hands_the_body_over(void **state)
{
    struct rig rig;
    struct blob *blob;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = rig_echo_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
             "5;a=b\r\nhello\r\n00001\r\n!\r\n0\r\nX: y\r\n\r\n");
    assert_int_equal(1, rig.body_ends);
    blob = http_take_body(rig.exchange);
    assert_int_equal(6, blob->bytes.len);
    assert_memory_equal("hello!", blob->bytes.data, 6);
    assert_int_equal(0, http_body(rig.exchange).len);
    blob_unref(&blob);
    rig_reply(rig.exchange, 200, "");
    rig_turns(&rig);
    assert_int_equal(1, rig.closes);
    close(fd);
    rig_end(&rig);
}

/* What a growing body has too much of is given back when it is taken. */
static void test_collects_many_chunks(void **state)
{
    struct rig rig;
    struct buf body = BUF_INIT;
    struct blob *blob;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = rig_echo_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    for (int i = 0; i < 22000; i++)
        buf_printf(&body, "6\r\n%06d\r\n", i);
    buf_append_str(&body, "0\r\n\r\n");
    rig_send(&rig, fd,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    rig_send_bytes(&rig, fd, body.data, body.len);
    while (rig.body_ends == 0)
        rig_wait(&rig);
    blob = http_take_body(rig.exchange);
    assert_int_equal(6 * 22000, blob->bytes.len);
    for (int i = 0; i < 22000; i++) {
        char text[12];

        snprintf(text, sizeof text, "%06d", i);
        assert_memory_equal(text, blob->bytes.data + 6 * i, 6);
    }
    blob_unref(&blob);
    rig_finish(&rig, fd, &body);
}

/* Megabytes, received in place: what comes is what was sent. */
static void test_collects_a_large_body(void **state)
{
    const size_t len = 5 * 1000 * 1000 + 3;
    struct rig rig;
    struct buf body = BUF_INIT;
    char head[100];
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = rig_echo_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    buf_reserve(&body, len);
    for (body.len = 0; body.len < len; body.len++)
        body.data[body.len] = (uint8_t)(body.len * 7 + body.len / 251);
    snprintf(head, sizeof head,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
    rig_send(&rig, fd, head);
    rig_send_bytes(&rig, fd, body.data, len);
    while (rig.body_ends == 0)
        rig_wait(&rig);
    assert_int_equal(len, http_body(rig.exchange).len);
    assert_memory_equal(body.data, http_body(rig.exchange).data, len);
    close(fd);
    buf_free(&body);
    rig_end(&rig);
}

static void stream_request(struct http_exchange *x, void *context)
{
    rig_note_request(x, context);
    http_stream_body(x);
}

static void test_streams_a_body_with_backpressure(void **state)
{
    struct rig rig;
    struct buf body = BUF_INIT;
    size_t sent = 0;
    ssize_t n;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = stream_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\nx");
    assert_int_equal(1, rig.body.len);
    http_pause_body(rig.exchange);
    memset(buf_reserve(&body, 3999999), 'x', 3999999);
    for (int idle = 0; idle < 20;) {
        n = send(fd, body.data, 3999999 - sent, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        ev_run(rig.loop, EVRUN_NOWAIT);
    }
    assert_true(sent < 2000000);
    assert_int_equal(1, rig.body.len);
    http_resume_body(rig.exchange);
    assert_true(rig_send_bytes(&rig, fd, body.data, 3999999 - sent));
    while (rig.body_ends == 0)
        rig_wait(&rig);
    assert_int_equal(4000000, rig.body.len);
    close(fd);
    buf_free(&body);
    rig_end(&rig);
}

static void test_body_without_bytes_ends_too(void **state)
{
    struct rig rig;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = stream_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "POST /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(1, rig.body_ends);
    assert_int_equal(0, rig.body.len);
    assert_false(http_request(rig.exchange)->has_body);
    rig_reply(rig.exchange, 200, "x");
    rig_send(
        &rig, fd,
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_int_equal(2, rig.body_ends);
    assert_int_equal(-1, http_request(rig.exchange)->length);
    close(fd);
    rig_end(&rig);
}

/* A bad chunk is answered and the handler told, once. */
static void test_bad_body_is_refused(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fd;

    (void)state;
    rig_init(&rig);
    rig.callbacks.on_request = rig_echo_request;
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\nhelloXX" GET("/2"));
    rig_await(&rig, fd, &got, "}\n");
    assert_non_null(strstr(rig_text(&got), "HTTP/1.1 400 Bad Request\r\n"));
    assert_non_null(strstr(rig_text(&got), "Content-Type: application/problem+json\r\n"));
    assert_int_equal(1, rig.closes);
    assert_int_equal(400, rig.closed_status);
    assert_int_equal(0, rig.body_ends);
    assert_int_equal(1, rig.requests);
    rig_finish(&rig, fd, &got);
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

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        struct buf got = BUF_INIT;
        int fd;

        rig_start_echo(&rig);
        fd = rig_connect(&rig);
        rig_send(&rig, fd, cases[i].text);
        shutdown(fd, SHUT_WR);
        assert_false(rig_await_end(&rig, fd, &got));
        assert_int_equal(cases[i].requests, rig.requests);
        assert_int_equal(cases[i].requests, rig.closes);
        if (cases[i].answer != NULL)
            assert_ptr_equal(rig_text(&got), strstr(rig_text(&got), cases[i].answer));
        else
            assert_int_equal(0, got.len);
        assert_int_equal(0, http_server_connections(rig.server));
        close(fd);
        buf_free(&got);
        rig_end(&rig);
    }
}

static void test_headers_can_be_looked_up(void **state)
{
    struct rig rig;
    struct slice value;
    int fd;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd,
             "GET http://b:80/p%20q?x=%zz HTTP/1.1\r\nHost: a\r\nAccept:  a/b \r\n"
             "aCCEPT: c/d\r\nEmpty:\r\n\r\n");
    value = http_header(rig.exchange, "accept");
    assert_int_equal(3, value.len);
    assert_memory_equal("a/b", value.data, 3);
    value = http_header_joined(rig.exchange, "Accept");
    assert_int_equal(8, value.len);
    assert_memory_equal("a/b, c/d", value.data, 8);
    value = http_header_joined(rig.exchange, "HOST");
    assert_int_equal(1, value.len);
    value = http_header(rig.exchange, "Empty");
    assert_non_null(value.data);
    assert_int_equal(0, value.len);
    assert_null(http_header(rig.exchange, "Accep").data);
    assert_null(http_header_joined(rig.exchange, "Accepts").data);
    assert_memory_equal("/p%20q", http_request(rig.exchange)->path.data, 6);
    assert_memory_equal("x=%zz", http_request(rig.exchange)->query.data, 5);
    assert_int_equal(5, http_request(rig.exchange)->query.len);
    assert_string_equal("unix", http_peer(rig.exchange));
    assert_null(*http_user(rig.exchange));
    *http_user(rig.exchange) = &rig;
    assert_ptr_equal(&rig, *http_user(rig.exchange));
    close(fd);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_order),
        cmocka_unit_test(test_pipelining_is_fair),
        cmocka_unit_test(test_reads_ahead_a_bounded_amount),
        cmocka_unit_test(test_half_close_still_gets_answers),
        cmocka_unit_test(test_half_close_does_not_spin),
        cmocka_unit_test(test_lost_connection_ends_the_exchange),
        cmocka_unit_test(test_head_sends_the_length_alone),
        cmocka_unit_test(test_bodiless_statuses),
        cmocka_unit_test(test_old_clients_keep_alive),
        cmocka_unit_test(test_close_is_honoured_before_what_follows),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_expect_answered_at_once_closes),
        cmocka_unit_test(test_early_reply_drops_a_small_body),
        cmocka_unit_test(test_refusal_of_a_large_body_can_be_read),
        cmocka_unit_test(test_linger_is_bounded),
        cmocka_unit_test(test_collects_chunks_and_hands_the_body_over),
        cmocka_unit_test(test_collects_many_chunks),
        cmocka_unit_test(test_collects_a_large_body),
        cmocka_unit_test(test_streams_a_body_with_backpressure),
        cmocka_unit_test(test_body_without_bytes_ends_too),
        cmocka_unit_test(test_bad_body_is_refused),
        cmocka_unit_test(test_truncated_requests),
        cmocka_unit_test(test_headers_can_be_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
