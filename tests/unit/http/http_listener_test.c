/* Listening sockets, draining, and descriptors that run out. */
#include "rig.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_accepts_over_tcp(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    int fds[50];

    (void)state;
    rig_start_echo(&rig);
    for (int i = 0; i < 50; i++)
        fds[i] = rig_connect_tcp(&rig);
    for (int i = 0; i < 50; i++) {
        send(fds[i], GET("/1"), strlen(GET("/1")), MSG_NOSIGNAL);
        rig_await(&rig, fds[i], &got, "GET /1 ");
        buf_free(&got);
    }
    assert_int_equal(50, http_server_connections(rig.server));
    assert_int_equal(50, http_server_accepted(rig.server));
    assert_string_equal("127.0.0.1", rig.peer);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    while (http_server_connections(rig.server) > 0)
        rig_wait(&rig);
    rig_end(&rig);
}

static void test_accepts_over_unix_sockets(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)state;
    rig_start_echo(&rig);
    /* An abstract name of the kernel's choice. */
    assert_int_equal(0, bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)));
    assert_int_equal(0, listen(listener, 10));
    size = sizeof address;
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &size));
    http_server_listen(rig.server, listener);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, size));
    send(fd, GET("/1"), strlen(GET("/1")), MSG_NOSIGNAL);
    rig_await(&rig, fd, &got, "GET /1 ");
    assert_string_equal("unix", rig.peer);
    rig_finish(&rig, fd, &got);
}

/* Asks over an IPv6 listener at that (loopback) address; returns false where the host has
   none. The peer's name is noted in the rig. */
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
    send(fd, GET("/six"), strlen(GET("/six")), MSG_NOSIGNAL);
    rig_await(rig, fd, &got, "GET /six ");
    close(fd);
    buf_free(&got);
    return true;
}

/* An IPv4 client of an IPv6 socket is named as IPv4. */
static void test_names_peers_of_both_families(void **state)
{
    struct rig rig;

    (void)state;
    rig_start_echo(&rig);
    if (ask_over_six(&rig, "::1"))
        assert_string_equal("::1", rig.peer);
    if (ask_over_six(&rig, "::ffff:127.0.0.1"))
        assert_string_equal("127.0.0.1", rig.peer);
    rig_end(&rig);
}

static void note_drained(void *context)
{
    *(bool *)context = true;
}

static void test_drain_of_nothing(void **state)
{
    struct rig rig;
    bool drained = false;

    (void)state;
    rig_start_echo(&rig);
    rig_listen(&rig);
    http_server_drain(rig.server, note_drained, &drained);
    while (!drained)
        rig_wait(&rig);
    rig_end(&rig);
}

/* In flight: answered, with Connection: close. Waiting to be accepted: served. Idle: one
   more request may cross the drain, then closed. New: refused. */
static void test_drain(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool drained = false;
    int busy, waiting, idle, crossing, late;

    (void)state;
    rig_init(&rig);
    rig.limits.drain_idle_ms = 50;
    rig_start(&rig);
    busy = rig_connect_tcp(&rig);
    rig_send(&rig, busy, GET("/busy"));
    while (rig.exchange == NULL)
        rig_wait(&rig);
    idle = rig_connect(&rig);
    crossing = rig_connect(&rig);
    waiting = rig_connect_tcp(&rig);
    send(waiting, GET("/waiting"), strlen(GET("/waiting")), MSG_NOSIGNAL);

    http_server_drain(rig.server, note_drained, &drained);
    rig_reply(rig.exchange, 200, "busy");
    rig_await(&rig, busy, &got, "busy");
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    buf_free(&got);
    while (strstr(rig_text(&rig.seen), "/waiting") == NULL)
        rig_wait(&rig);
    assert_false(drained);
    rig_reply(rig.exchange, 200, "waited");
    rig_await(&rig, waiting, &got, "waited");
    assert_non_null(strstr(rig_text(&got), "Connection: close\r\n"));
    buf_free(&got);
    rig_send(&rig, crossing, GET("/crossing"));
    rig_reply(rig.exchange, 200, "crossed");
    rig_await(&rig, crossing, &got, "crossed");
    buf_free(&got);
    address.sin_port = htons(rig.port);
    late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(-1, connect(late, (struct sockaddr *)&address, sizeof address));
    rig_await_end(&rig, idle, &got);
    assert_int_equal(0, got.len);
    while (!drained)
        rig_wait(&rig);
    assert_int_equal(0, http_server_connections(rig.server));
    close(busy);
    close(waiting);
    close(idle);
    close(crossing);
    close(late);
    buf_free(&got);
    rig_end(&rig);
}

static void destroy_server(void *context)
{
    struct rig *rig = context;

    http_server_destroy(&rig->server);
}

static void test_drain_may_destroy(void **state)
{
    struct rig rig;
    int fd;

    (void)state;
    rig_start_echo(&rig);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, GET("/1"));
    http_server_drain(rig.server, destroy_server, &rig);
    close(fd);
    while (rig.server != NULL)
        rig_wait(&rig);
    rig_end(&rig);
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
    struct rig rig;
    struct buf got = BUF_INIT;
    rlim_t before;
    unsigned turns = 0;
    int first, second;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    first = rig_connect_tcp(&rig);
    rig_send(&rig, first, GET("/1"));
    while (rig.exchange == NULL)
        rig_wait(&rig);
    second = rig_connect_tcp(&rig);
    before = limit_fds(0);
    send(second, GET("/2"), strlen(GET("/2")), MSG_NOSIGNAL);
    for (; turns < 5; turns++)
        rig_wait(&rig);
    assert_int_equal(1, http_server_connections(rig.server));
    restore_fds(before);
    while (rig.requests < 2)
        rig_wait(&rig);
    rig_reply(rig.exchange, 200, "second");
    rig_await(&rig, second, &got, "second");
    close(first);
    close(second);
    buf_free(&got);
    rig_end(&rig);
}

/* When it lasts, waiting clients are told, by way of the descriptor in reserve. */
static void test_out_of_descriptors_for_long(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    rlim_t before;
    int first, second;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    first = rig_connect_tcp(&rig);
    rig_send(&rig, first, GET("/1"));
    while (rig.exchange == NULL)
        rig_wait(&rig);
    second = rig_connect_tcp(&rig);
    before = limit_fds(0);
    rig_await(&rig, second, &got, "\r\n\r\n");
    assert_non_null(strstr(rig_text(&got), "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(rig_text(&got), "Retry-After: "));
    restore_fds(before);
    close(first);
    close(second);
    buf_free(&got);
    rig_end(&rig);
}

/* A connection idle for long makes room for a new one. */
static void test_idle_connections_make_room(void **state)
{
    struct rig rig;
    struct buf got = BUF_INIT;
    rlim_t before;
    int first, second;

    (void)state;
    rig_start_echo(&rig);
    first = rig_connect_tcp(&rig);
    rig_send(&rig, first, GET("/1"));
    rig_await(&rig, first, &got, "GET /1 ");
    buf_free(&got);
    second = rig_connect_tcp(&rig);
    before = limit_fds(0);
    send(second, GET("/2"), strlen(GET("/2")), MSG_NOSIGNAL);
    rig_await(&rig, second, &got, "HTTP/1.1 200 OK");
    buf_free(&got);
    rig_await_end(&rig, first, &got);
    restore_fds(before);
    close(first);
    close(second);
    buf_free(&got);
    rig_end(&rig);
}

/* 10,000 clients that reset in the middle of a reply leave nothing behind. */
static void test_resets_leak_nothing(void **state)
{
    const struct linger hard = {1, 0};
    struct rig rig;
    struct buf large = BUF_INIT;
    struct http_reply reply = {.status = 200};
    unsigned fds = rig_count_fds();
    size_t heap;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    rig_listen(&rig);
    memset(buf_reserve(&large, 1000000), 'x', 1000000);
    large.len = 1000000;
    reply.body = blob_new_steal(&large);
    heap = 0;
    for (unsigned i = 0; i < 10000; i++) {
        int fd = rig_connect_tcp(&rig);

        send(fd, GET("/1"), strlen(GET("/1")), MSG_NOSIGNAL);
        while (rig.exchange == NULL)
            rig_wait(&rig);
        http_reply(rig.exchange, &reply);
        ev_run(rig.loop, EVRUN_NOWAIT);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
        while (rig.closes <= i)
            rig_wait(&rig);
        buf_free(&rig.seen);
        if (i == 100)
            heap = rig_heap_bytes();
    }
    assert_int_equal(10000, http_server_accepted(rig.server));
    assert_int_equal(0, http_server_connections(rig.server));
    assert_int_equal(1, reply.body->refs);
    assert_true(rig_heap_bytes() <= heap);
    blob_unref(&reply.body);
    rig_end(&rig);
    assert_int_equal(fds, rig_count_fds());
}

/* A client that resets while the handler works: told at once, so that work can stop. */
static void test_reset_ends_a_waiting_exchange(void **state)
{
    const struct linger hard = {1, 0};
    struct rig rig;
    int fd;

    (void)state;
    rig_init(&rig);
    rig_start(&rig);
    fd = rig_connect_tcp(&rig);
    send(fd, GET("/1"), strlen(GET("/1")), MSG_NOSIGNAL);
    while (rig.exchange == NULL)
        rig_wait(&rig);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    while (rig.exchange != NULL)
        rig_wait(&rig);
    assert_int_equal(1, rig.closes);
    assert_int_equal(0, rig.closed_status);
    assert_int_equal(0, http_server_connections(rig.server));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_over_tcp),
        cmocka_unit_test(test_accepts_over_unix_sockets),
        cmocka_unit_test(test_names_peers_of_both_families),
        cmocka_unit_test(test_drain_of_nothing),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_may_destroy),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_out_of_descriptors_for_long),
        cmocka_unit_test(test_idle_connections_make_room),
        cmocka_unit_test(test_reset_ends_a_waiting_exchange),
        cmocka_unit_test(test_resets_leak_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
