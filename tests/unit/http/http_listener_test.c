/* Listening sockets, draining, and descriptors that run out. */
#include "rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>

static void test_accepts_over_tcp(void **state)
{
    struct rig *rig = *state;
    int fds[50];

    rig_start_echo(rig);
    for (int i = 0; i < 50; i++)
        fds[i] = rig_connect_tcp(rig);
    for (int i = 0; i < 50; i++) {
        rig_put(fds[i], GET("/1"));
        rig_await_at(rig, fds[i], &rig->got, "GET /1 ");
        buf_free(&rig->got);
    }
    assert_int_equal(50, http_server_connections(rig->server));
    assert_int_equal(50, http_server_accepted(rig->server));
    assert_string_equal("127.0.0.1", rig->peer);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    rig_await_none(rig);
}

static void test_accepts_over_unix_sockets(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    rig_start_echo(rig);
    rig->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* An abstract name of the kernel's choice. */
    assert_int_equal(0, bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)));
    assert_int_equal(0, listen(listener, 10));
    size = sizeof address;
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &size));
    http_server_listen(rig->server, listener);
    assert_int_equal(0, connect(rig->fd, (struct sockaddr *)&address, size));
    rig_put(rig->fd, GET("/1"));
    rig_await(rig, "GET /1 ");
    assert_string_equal("unix", rig->peer);
}

/* Asks over an IPv6 listener at that (loopback) address; returns false where the host has
   none. The peer's name is recorded in the rig. */
static bool ask_over_six(struct rig *rig, const char *text)
{
    struct buf got = BUF_INIT;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd;

    assert_int_equal(1, inet_pton(AF_INET6, text, &address.sin6_addr));
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0) {
        close(listener);
        return false;
    }
    assert_int_equal(0, listen(listener, 10));
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &size));
    http_server_listen(rig->server, listener);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, size));
    rig_put(fd, GET("/six"));
    rig_await_at(rig, fd, &got, "GET /six ");
    close(fd);
    buf_free(&got);
    return true;
}

/* An IPv4 client of an IPv6 socket is named as IPv4. */
static void test_names_peers_of_both_families(void **state)
{
    struct rig *rig = *state;

    rig_start_echo(rig);
    if (ask_over_six(rig, "::1"))
        assert_string_equal("::1", rig->peer);
    if (ask_over_six(rig, "::ffff:127.0.0.1"))
        assert_string_equal("127.0.0.1", rig->peer);
}

static void set_drained(void *context)
{
    *(bool *)context = true;
}

static void test_drain_of_nothing(void **state)
{
    struct rig *rig = *state;
    bool drained = false;

    rig_start_echo(rig);
    rig_listen(rig);
    http_server_drain(rig->server, set_drained, &drained);
    while (!drained)
        rig_wait(rig);
}

/* In flight: answered, with Connection: close. Waiting to be accepted: served. Idle: one
   more request may cross the drain, then closed. New: refused. */
static void test_drain(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool drained = false;
    int busy, waiting, idle, crossing, late;

    rig->limits.drain_idle_ms = 50;
    rig_start(rig);
    busy = rig_connect_tcp(rig);
    rig_send_to(rig, busy, GET("/busy"));
    rig_await_request(rig);
    idle = rig_connect(rig);
    crossing = rig_connect(rig);
    waiting = rig_connect_tcp(rig);
    rig_put(waiting, GET("/waiting"));

    http_server_drain(rig->server, set_drained, &drained);
    rig_reply(rig->exchange, 200, "busy");
    rig_await_at(rig, busy, &rig->got, "busy");
    assert_got(rig, "Connection: close\r\n");
    buf_free(&rig->got);
    while (strstr(rig_text(&rig->seen), "/waiting") == NULL)
        rig_wait(rig);
    assert_false(drained);
    rig_reply(rig->exchange, 200, "waited");
    rig_await_at(rig, waiting, &rig->got, "waited");
    assert_got(rig, "Connection: close\r\n");
    buf_free(&rig->got);
    rig_send_to(rig, crossing, GET("/crossing"));
    rig_reply(rig->exchange, 200, "crossed");
    rig_await_at(rig, crossing, &rig->got, "crossed");
    buf_free(&rig->got);
    address.sin_port = htons(rig->port);
    late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(-1, connect(late, (struct sockaddr *)&address, sizeof address));
    rig_await_end_at(rig, idle, &rig->got);
    assert_int_equal(0, rig->got.len);
    while (!drained)
        rig_wait(rig);
    assert_int_equal(0, http_server_connections(rig->server));
    close(busy);
    close(waiting);
    close(idle);
    close(crossing);
    close(late);
}

static void destroy_server(void *context)
{
    struct rig *rig = context;

    http_server_destroy(&rig->server);
}

static void test_drain_may_destroy(void **state)
{
    struct rig *rig = *state;

    rig_open_echo(rig);
    rig_send(rig, GET("/1"));
    http_server_drain(rig->server, destroy_server, rig);
    rig_hang_up(rig);
    while (rig->server != NULL)
        rig_wait(rig);
}

/* Leaves room for that many more descriptors; returns the former limit. */
static rlim_t limit_fds(unsigned more)
{
    struct rlimit limit;
    rlim_t before;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next + more;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
    return before;
}

static void restore_fds(rlim_t before)
{
    struct rlimit limit;

    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = before;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
}

/* No descriptor for the next client: accepting pauses without spinning, and goes on. */
static void test_out_of_descriptors(void **state)
{
    struct rig *rig = *state;
    rlim_t before;
    unsigned turns = 0;
    int second;

    rig_open_request_tcp(rig);
    second = rig_connect_tcp(rig);
    before = limit_fds(0);
    rig_put(second, GET("/2"));
    for (; turns < 5; turns++)
        rig_wait(rig);
    assert_int_equal(1, http_server_connections(rig->server));
    restore_fds(before);
    while (rig->requests < 2)
        rig_wait(rig);
    rig_reply(rig->exchange, 200, "second");
    rig_await_at(rig, second, &rig->got, "second");
    close(second);
}

/* When it lasts, waiting clients are told, by way of the descriptor in reserve. */
static void test_out_of_descriptors_for_long(void **state)
{
    struct rig *rig = *state;
    rlim_t before;
    int second;

    rig_open_request_tcp(rig);
    second = rig_connect_tcp(rig);
    before = limit_fds(0);
    rig_await_at(rig, second, &rig->got, "\r\n\r\n");
    assert_got(rig, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_got(rig, "Retry-After: ");
    restore_fds(before);
    close(second);
}

/* A connection idle for long makes room for a new one. */
static void test_idle_connections_make_room(void **state)
{
    struct rig *rig = *state;
    rlim_t before;
    int second;

    rig_start_echo(rig);
    rig->fd = rig_connect_tcp(rig);
    rig_send(rig, GET("/1"));
    rig_await(rig, "GET /1 ");
    buf_free(&rig->got);
    second = rig_connect_tcp(rig);
    before = limit_fds(0);
    rig_put(second, GET("/2"));
    rig_await_at(rig, second, &rig->got, "HTTP/1.1 200 OK");
    buf_free(&rig->got);
    rig_await_end(rig);
    restore_fds(before);
    close(second);
}

/* 10,000 clients that reset in the middle of a reply leave nothing behind. */
static void test_resets_leak_nothing(void **state)
{
    struct rig *rig = *state;
    struct http_reply reply = {.status = 200};
    unsigned fds = rig_count_fds();
    size_t heap;

    rig_start(rig);
    rig_listen(rig);
    reply.body = rig_blob(1000000);
    heap = 0;
    for (unsigned i = 0; i < 10000; i++) {
        rig->fd = rig_connect_tcp(rig);
        rig_put(rig->fd, GET("/1"));
        rig_await_request(rig);
        http_reply(rig->exchange, &reply);
        ev_run(rig->loop, EVRUN_NOWAIT);
        rig_reset(rig);
        while (rig->closes <= i)
            rig_wait(rig);
        buf_free(&rig->seen);
        if (i == 100)
            heap = rig_heap_bytes();
    }
    assert_int_equal(10000, http_server_accepted(rig->server));
    assert_int_equal(0, http_server_connections(rig->server));
    assert_int_equal(1, reply.body->refs);
    assert_true(rig_heap_bytes() <= heap);
    blob_unref(&reply.body);
    rig_end(rig);
    assert_int_equal(fds, rig_count_fds());
}

/* A client that resets while the handler works: told at once, so that work can stop. */
static void test_reset_ends_a_waiting_exchange(void **state)
{
    struct rig *rig = *state;

    rig_open_request_tcp(rig);
    rig_reset(rig);
    while (rig->exchange != NULL)
        rig_wait(rig);
    assert_int_equal(1, rig->closes);
    assert_int_equal(0, rig->closed_status);
    assert_int_equal(0, http_server_connections(rig->server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_accepts_over_tcp),
        RIG_TEST(test_accepts_over_unix_sockets),
        RIG_TEST(test_names_peers_of_both_families),
        RIG_TEST(test_drain_of_nothing),
        RIG_TEST(test_drain),
        RIG_TEST(test_drain_may_destroy),
        RIG_TEST(test_out_of_descriptors),
        RIG_TEST(test_out_of_descriptors_for_long),
        RIG_TEST(test_idle_connections_make_room),
        RIG_TEST(test_reset_ends_a_waiting_exchange),
        RIG_TEST(test_resets_leak_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
