/* Deadlines, bounds and what an idle connection costs. */
#include "rig.h"

#include <malloc.h>

#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "common/loop/background_free.h"
#include "server/http/http_connection_state.h"

static void test_idle_is_closed_silently(void **state)
{
    struct rig *rig = *state;
    int used;

    rig->limits.idle_timeout_ms = 20;
    rig->callbacks.on_request = rig_echo_request;
    rig->callbacks.on_body_end = rig_echo_end;
    rig_open(rig);
    used = rig_connect(rig);
    assert_false(rig_await_end(rig));
    assert_int_equal(0, rig->got.len);
    rig_await_end_at(rig, used, &rig->got);
    assert_int_equal(0, rig->got.len);
    rig_hang_up(rig);
    close(used);
    rig->fd = rig_connect(rig);
    rig_send(rig, GET("/1"));
    assert_false(rig_await_end(rig));
    assert_int_equal(1, rig_count(&rig->got, "HTTP/1.1"));
}

static struct http_connection *only_connection(struct rig *rig)
{
    assert_int_equal(1, http_server_connections(rig->server));
    return container_of(rig->server->connections.next, struct http_connection, all_link);
}

static uint64_t last_deadline_ns;

static void record_deadline(struct http_exchange *x, void *context)
{
    rig_record_request(x, context);
    last_deadline_ns = x->connection->deadline_ns;
    rig_reply(x, 200, "ok");
}

/* Each request gives the connection its whole idle time again, also where it is answered
   in the turn that brought it. */
static void test_requests_renew_the_idle_time(void **state)
{
    struct rig *rig = *state;
    uint64_t before;

    rig->callbacks.on_request = record_deadline;
    rig_open(rig);
    rig_send(rig, GET("/1"));
    before = last_deadline_ns;
    assert_true(before > 0);
    rig_send(rig, GET("/2"));
    assert_int_equal(2, rig->requests);
    assert_true(last_deadline_ns > before);
    before = last_deadline_ns;
    rig_send(rig, GET("/3") GET("/4"));
    assert_int_equal(4, rig->requests);
    assert_true(last_deadline_ns > before);
}

/* The timer that was armed for the first deadline finds a later one, and waits on. */
static void test_early_timers_wait_on(void **state)
{
    struct rig *rig = *state;

    rig->limits.idle_timeout_ms = 40;
    rig->callbacks.on_request = record_deadline;
    rig_open(rig);
    rig_pause(rig, 0.02);
    rig_send(rig, GET("/1"));
    assert_false(rig_await_end(rig));
    assert_int_equal(1, rig_count(&rig->got, "HTTP/1.1 200 OK"));
}

/* The deadline is absolute: a byte now and then does not move it. */
static void test_slow_head_is_refused(void **state)
{
    struct rig *rig = *state;

    rig->limits.head_timeout_ms = 30;
    rig_open(rig);
    rig_send(rig, "GET / HTTP/1.1\r\nX: ");
    rig_send_slowly(rig);
    assert_got(rig, "HTTP/1.1 408 Request Timeout\r\n");
    assert_got(rig, "application/problem+json");
    assert_int_equal(408, rig->refused);
    assert_int_equal(0, rig->requests);
}

/* A stray empty line is no request: silence, not 408. */
static void test_stray_line_is_idle(void **state)
{
    struct rig *rig = *state;

    rig->limits.head_timeout_ms = 10;
    rig->limits.idle_timeout_ms = 30;
    rig_open(rig);
    rig_send(rig, "\r\n");
    assert_false(rig_await_end(rig));
    assert_int_equal(0, rig->got.len);
    assert_int_equal(0, rig->refused);
}

/* A stray line that comes in the last moment of the idle time gives the client some more,
   and not for ever. */
static void test_late_stray_line_is_no_end(void **state)
{
    struct rig *rig = *state;

    rig->limits.idle_timeout_ms = rig->limits.head_timeout_ms = 20;
    rig_open(rig);
    /* Only its time tells the server of the bytes. */
    ev_io_stop(rig->loop, &only_connection(rig)->io);
    assert_int_equal(2, send(rig->fd, "\r\n", 2, MSG_NOSIGNAL));
    assert_false(rig_await_end(rig));
    assert_int_equal(0, rig->got.len);
}

static void test_slow_body_is_refused(void **state)
{
    struct rig *rig = *state;

    rig->limits.body_grace_ms = 30;
    rig->limits.body_min_rate = 1000000000; /* a byte a turn is slower anywhere */
    rig_open_collecting(rig);
    rig_send(rig, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    rig_send_slowly(rig);
    assert_got(rig, "HTTP/1.1 408 Request Timeout\r\n");
    assert_int_equal(408, rig->closed_status);
    assert_int_equal(0, rig->body_ends);
}

/* A body that comes fast enough may take many windows. */
static void test_steady_body_is_not_refused(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[1000] = {0};

    rig->limits.body_grace_ms = 5;
    rig->limits.body_min_rate = 1;
    rig_open_collecting(rig);
    rig_send(rig, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sizeof bytes, send(rig->fd, bytes, sizeof bytes, MSG_NOSIGNAL));
        rig_wait(rig);
    }
    rig_await_body(rig);
    assert_int_equal(0, rig->closes);
}

/* While the handler thinks, or holds a body back, the client is not to blame. */
static void test_the_handler_may_take_its_time(void **state)
{
    struct rig *rig = *state;

    rig->limits.body_grace_ms = rig->limits.head_timeout_ms =
        rig->limits.idle_timeout_ms = 1;
    rig->limits.send_timeout_ms = 1;
    rig_open_request(rig, GET("/1"));
    rig_pause(rig, 0.05);
    assert_non_null(rig->exchange);
    assert_int_equal(1, http_server_connections(rig->server));
}

static void test_reader_without_progress_is_cut_off(void **state)
{
    struct rig *rig = *state;

    rig->limits.send_timeout_ms = 30;
    rig_open_request(rig, GET("/1"));
    rig_reply_large(rig->exchange, 8000000);
    rig_await_close(rig);
    assert_int_equal(200, rig->closed_status);
    assert_true(rig->closed_bytes < 8000000);
    assert_int_equal(0, http_server_connections(rig->server));
}

/* A reply in memory that a client's end takes a little of at a time. */
struct slow_reader {
    struct ev_timer timer;
    int fd;
    unsigned takes; /* left */
};

static void take_some(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct slow_reader *reader = container_of(timer, struct slow_reader, timer);
    static char bytes[32768];

    (void)revents;
    if (recv(reader->fd, bytes, sizeof bytes, MSG_DONTWAIT) < 0)
        assert_int_equal(EAGAIN, errno);
    if (--reader->takes == 0)
        ev_timer_stop(loop, timer);
}

/* Asks for 8 MB, of which the socket takes 400 KB at once and further ones only when a
   lot has been read. */
static void start_slow_reader(struct rig *rig, struct slow_reader *reader)
{
    int bytes = 400000;

    rig_start(rig);
    reader->fd = rig_connect(rig);
    rig_send_to(rig, reader->fd, GET("/1"));
    setsockopt(rig->exchange->connection->io.fd, SOL_SOCKET, SO_SNDBUF, &bytes,
               sizeof bytes);
    rig_reply_large(rig->exchange, 8000000);
    ev_timer_init(&reader->timer, take_some, 0.1, 0.1);
    ev_timer_start(rig->loop, &reader->timer);
}

/* Bodies count as they come; small ones always fit. */
static void test_body_that_does_not_fit_is_refused(void **state)
{
    static const char head[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
    struct rig *rig = *state;
    struct buf body = BUF_INIT;
    uint64_t used = memory_budget_used(), freed = background_free_count();

    background_free_start();
    rig_start_echo(rig);
    memory_budget_set_limit(8000000);
    memset(buf_reserve(&body, 3000000), 'x', 3000000);
    rig->fd = rig_connect(rig);
    rig_send(rig, head);
    rig_send(rig, "3000001\r\n\r\n");
    rig_send_bytes(rig, rig->fd, body.data, 3000000);
    rig_turns(rig);
    assert_true(memory_budget_used() - used >= 3000000);
    memory_budget_hold(6000000);
    rig_send(rig, "x");
    rig_await(rig, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_got(rig, "Retry-After: 1\r\n");
    rig_hang_up(rig);
    rig->fd = rig_connect(rig);
    rig_send(rig, head);
    rig_send(rig, "5000000\r\nExpect: 100-continue\r\n\r\n");
    rig_await(rig, "\r\n\r\n");
    assert_got(rig, "HTTP/1.1 503 Service Unavailable\r\n");
    rig_hang_up(rig);
    memory_budget_hold(6000000);
    rig->fd = rig_connect(rig);
    rig_send(rig, head);
    rig_send(rig, "60000\r\n\r\n");
    rig_send_bytes(rig, rig->fd, body.data, 60000);
    rig_await(rig, "HTTP/1.1 200 OK\r\n");
    memory_budget_release(12000000);
    memory_budget_set_limit(0);
    buf_free(&body);
    rig_finish(rig);
    assert_int_equal(used, memory_budget_used());
    background_free_stop();
    assert_true(background_free_count() > freed); /* on the loop it would take too long */
}

/* Where memory is short, who takes nothing is cut off, and who takes a lot is not. */
static void test_slowest_make_room(void **state)
{
    struct slow_reader reader = {.takes = UINT32_MAX};
    struct rig *rig = *state;
    struct http_connection *slow, *quick;

    start_slow_reader(rig, &reader);
    slow = only_connection(rig);
    rig->fd = rig_connect(rig);
    quick = container_of(rig->server->connections.prev, struct http_connection, all_link);
    rig_send(rig, GET("/2"));
    rig_reply_large(rig->exchange, 8000000);
    rig_turns(rig);
    assert_int_equal(HTTP_CONNECTION_SENDING, slow->state);
    assert_int_equal(HTTP_CONNECTION_SENDING, quick->state);
    /* As if both had been looked at for long enough. */
    slow->progress.window_ns -= 10 * NS_PER_S;
    quick->progress.window_ns -= 10 * NS_PER_S;
    quick->progress.window_bytes += 100000000;
    memory_budget_set_limit(1000000);
    http_server_look_at_memory(rig->server);
    assert_int_equal(1, http_server_cuts(rig->server));
    rig_turns(rig);
    assert_ptr_equal(quick, only_connection(rig));
    memory_budget_set_limit(0);
    ev_timer_stop(rig->loop, &reader.timer);
    close(reader.fd);
}

/* What counts is that the peer takes bytes, not that the socket does: that happens far
   more seldom than the peer is given time for. */
static void test_slow_readers_are_waited_for(void **state)
{
    struct slow_reader reader = {.takes = 20};
    struct rig *rig = *state;

    rig->limits.send_timeout_ms = 1000;
    start_slow_reader(rig, &reader);
    while (ev_is_active(&reader.timer)) {
        rig_wait(rig);
        assert_int_equal(0, rig->closes);
    }
    /* It takes no more now. */
    rig_await_close(rig);
    assert_true(rig->closed_bytes < 8000000);
    close(reader.fd);
}

static void test_readers_below_the_least_rate_are_cut_off(void **state)
{
    struct slow_reader reader = {.takes = UINT32_MAX};
    struct rig *rig = *state;

    rig->limits.send_timeout_ms = 500;
    rig->limits.send_min_rate = 1000000000;
    start_slow_reader(rig, &reader);
    rig_await_close(rig);
    assert_int_equal(200, rig->closed_status);
    ev_timer_stop(rig->loop, &reader.timer);
    close(reader.fd);
}

/* A pause is no end: the time without a byte begins again with each. */
static void test_lingers_while_bytes_come(void **state)
{
    struct rig *rig = *state;
    uint64_t first;

    rig->callbacks.on_request = record_deadline;
    rig_open(rig);
    rig_send(rig, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n");
    rig_await(rig, "ok");
    rig_send(rig, "0123456789");
    assert_int_equal(1, http_server_connections(rig->server));
    first = only_connection(rig)->deadline_ns;
    assert_int_equal(HTTP_CONNECTION_LINGER, only_connection(rig)->state);
    rig_send(rig, "0123456789");
    assert_true(only_connection(rig)->deadline_ns > first);
    assert_true(only_connection(rig)->deadline_ns < only_connection(rig)->linger_ns);
}

static void test_linger_ends(void **state)
{
    struct rig *rig = *state;

    rig->limits.linger_idle_ms = 20;
    rig_open(rig);
    rig_send(rig, "BAD\r\n");
    rig_await(rig, "}\n");
    assert_int_equal(1, http_server_connections(rig->server));
    rig_await_none(rig);
}

/* A body that is dropped behind an early reply has to end, too. */
static void test_dropped_body_has_bounds(void **state)
{
    struct rig *rig = *state;
    struct buf chunk = BUF_INIT;

    rig->limits.linger_timeout_ms = 30;
    rig_open(rig);
    rig_send(rig, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    rig_reply(rig->exchange, 404, "none");
    rig_await(rig, "none");
    buf_append_str(&chunk, "10000\r\n");
    memset(buf_reserve(&chunk, 65536), 'x', 65536);
    chunk.len += 65536;
    buf_append_str(&chunk, "\r\n");
    while (rig_send_bytes(rig, rig->fd, chunk.data, chunk.len))
        ;
    rig_await_none(rig);
    assert_int_equal(1, rig->closes);
    assert_int_equal(404, rig->closed_status);
    buf_free(&chunk);
}

/* Memory is not given on promises. */
static void test_promised_bytes_cost_nothing(void **state)
{
    struct rig *rig = *state;
    size_t before;
    int fds[40];

    rig->callbacks.on_request = rig_echo_request;
    rig_start(rig);
    before = rig_heap_bytes();
    for (int i = 0; i < 40; i++) {
        fds[i] = rig_connect(rig);
        rig_send_to(rig, fds[i],
                    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n");
        rig_send_to(rig, fds[i], "x");
    }
    assert_true(rig_heap_bytes() - before < 40 * 1100 * 1024);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
}

/* Between requests a connection holds its struct and nothing else, whatever it did
   before; one that sends its head slowly holds little more. */
static void test_memory_of_waiting_connections(void **state)
{
    enum { COUNT = 200 };
    struct rig *rig = *state;
    size_t before, idle, slow;
    int fds[COUNT];

    rig_start_echo(rig);
    fds[0] = rig_connect(rig);
    rig_send_to(rig, fds[0], GET("/warm"));
    close(fds[0]);
    rig_turns(rig);
    before = rig_heap_bytes();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = rig_connect(rig);
        rig_send_to(rig, fds[i],
                    GET("/1") "PUT /2 HTTP/1.1\r\nHost: a\r\n"
                              "Content-Length: 5\r\n\r\nhello");
        rig_receive(fds[i], &rig->got, NULL);
        buf_free(&rig->got);
    }
    assert_int_equal(2 * COUNT + 1, rig->closes);
    buf_free(&rig->seen);
    idle = (rig_heap_bytes() - before) / COUNT;
    for (int i = 0; i < COUNT; i++)
        rig_send_to(rig, fds[i], "GET /slow HTTP/1.1\r\nX: y");
    slow = (rig_heap_bytes() - before) / COUNT;
    print_message("heap bytes per connection: idle %zu, in a head %zu\n", idle, slow);
    assert_true(idle < 1024);
    assert_true(slow < 4096);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

/* However many clients take large replies, a turn of the loop sends no more than keeps it
   short. */
static void test_turns_stay_short(void **state)
{
    enum { COUNT = 20, BYTES = 1000000 };
    struct rig *rig = *state;
    struct blob *blob = rig_blob(BYTES);
    struct http_exchange *exchanges[COUNT];
    size_t sent = 0;
    int fds[COUNT];

    rig_start(rig);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = rig_connect(rig);
        rig_send_to(rig, fds[i], GET("/1"));
        exchanges[i] = rig->exchange;
    }
    for (int i = 0; i < COUNT; i++) {
        struct http_reply reply = {.status = 200, .body = blob};

        http_reply(exchanges[i], &reply);
    }
    ev_run(rig->loop, EVRUN_NOWAIT);
    for (int i = 0; i < COUNT; i++) {
        assert_false(rig_receive(fds[i], &rig->got, NULL));
        assert_true(rig->got.len > 0); /* nobody is left out */
        sent += rig->got.len;
        buf_free(&rig->got);
    }
    /* What was ready before the turn goes first, as a turn of its own. */
    assert_true(sent <= 2 * (HTTP_SERVER_TURN_BYTES + HTTP_OUTPUT_STEP_BYTES +
                             COUNT * HTTP_SERVER_SHARE_BYTES));
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    blob_unref(&blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_idle_is_closed_silently),
        RIG_TEST(test_requests_renew_the_idle_time),
        RIG_TEST(test_early_timers_wait_on),
        RIG_TEST(test_slow_head_is_refused),
        RIG_TEST(test_stray_line_is_idle),
        RIG_TEST(test_late_stray_line_is_no_end),
        RIG_TEST(test_body_that_does_not_fit_is_refused),
        RIG_TEST(test_slowest_make_room),
        RIG_TEST(test_turns_stay_short),
        RIG_TEST(test_slow_body_is_refused),
        RIG_TEST(test_steady_body_is_not_refused),
        RIG_TEST(test_the_handler_may_take_its_time),
        RIG_TEST(test_reader_without_progress_is_cut_off),
        RIG_TEST(test_slow_readers_are_waited_for),
        RIG_TEST(test_readers_below_the_least_rate_are_cut_off),
        RIG_TEST(test_lingers_while_bytes_come),
        RIG_TEST(test_linger_ends),
        RIG_TEST(test_dropped_body_has_bounds),
        RIG_TEST(test_promised_bytes_cost_nothing),
        RIG_TEST(test_memory_of_waiting_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
