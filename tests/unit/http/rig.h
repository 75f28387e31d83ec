/*
 * What the tests of the HTTP room stand on: a server on a loop of its own, a
 * client's end of a socket pair, and a handler that records all it is told. Nothing
 * sleeps: the loop runs until what is awaited is there, and a watchdog fails the
 * test where it never comes.
 */
#ifndef OFFLOOP_TESTS_UNIT_HTTP_RIG_H
#define OFFLOOP_TESTS_UNIT_HTTP_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "server/http/http.h"

#define RIG_WATCHDOG_S 60.

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* A test that gets a rig in *state, which it starts itself. */
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

/* What the rig's client has got, or not. */
#define assert_got(rig, text)     assert_non_null(strstr(rig_text(&(rig)->got), text))
#define assert_not_got(rig, text) assert_null(strstr(rig_text(&(rig)->got), text))

struct rig {
    int fd;         /* the client that the short calls below speak of; -1 for none */
    struct buf got; /* what it has got */
    struct ev_loop *loop;
    struct http_server *server;
    struct http_callbacks callbacks;
    struct http_limits limits;
    struct ev_timer watchdog;
    struct http_exchange *exchange; /* the latest, NULL after its on_close */
    struct buf seen;                /* "GET /path\n" of every request handed up */
    unsigned requests, body_ends, closes, writables;
    int refused; /* the last on_refused's status */
    char refused_line[256];
    int closed_status; /* the last on_close's */
    uint64_t closed_bytes;
    struct buf body; /* what on_body brought */
    char peer[48];   /* the latest request's */
    int listen_fd;   /* of rig_listen(); the server's */
    uint16_t port;
};

static struct rig *rig_current;

static inline void rig_record_request(struct http_exchange *x, void *context)
{
    const struct http_request *r = http_request(x);
    struct rig *rig = context;

    rig->exchange = x;
    rig->requests++;
    snprintf(rig->peer, sizeof rig->peer, "%s", http_peer(x));
    buf_append(&rig->seen, r->method_text.data, r->method_text.len);
    buf_append(&rig->seen, " ", 1);
    buf_append(&rig->seen, r->path.data, r->path.len);
    buf_append(&rig->seen, "\n", 1);
}

static inline void rig_record_body(struct http_exchange *x, struct slice bytes)
{
    (void)x;
    assert_true(bytes.len > 0);
    buf_append(&rig_current->body, bytes.data, bytes.len);
}

static inline void rig_record_body_end(struct http_exchange *x)
{
    (void)x;
    rig_current->body_ends++;
}

static inline void rig_record_writable(struct http_exchange *x)
{
    (void)x;
    rig_current->writables++;
}

static inline void rig_record_close(struct http_exchange *x, int status, uint64_t sent)
{
    if (rig_current->exchange == x)
        rig_current->exchange = NULL;
    rig_current->closes++;
    rig_current->closed_status = status;
    rig_current->closed_bytes = sent;
}

static inline void rig_record_refused(const struct http_refusal *refusal, void *context)
{
    struct rig *rig = context;

    rig->refused = refusal->status;
    snprintf(rig->refused_line, sizeof rig->refused_line, "%.*s", (int)refusal->line.len,
             refusal->line.len > 0 ? (const char *)refusal->line.data : "");
}

static inline void rig_bark(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)timer, (void)revents;
    fail_msg("what the test waits for never came");
}

/* A rig whose handler only records; a test replaces callbacks before rig_start(). */
static inline void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->fd = -1;
    rig_current = rig;
    rig->limits = http_limits_default();
    rig->callbacks = (struct http_callbacks){.on_request = rig_record_request,
                                             .on_body = rig_record_body,
                                             .on_body_end = rig_record_body_end,
                                             .on_writable = rig_record_writable,
                                             .on_close = rig_record_close,
                                             .on_refused = rig_record_refused};
}

static inline void rig_start(struct rig *rig)
{
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&rig->watchdog, rig_bark, RIG_WATCHDOG_S, 0.);
    ev_timer_start(rig->loop, &rig->watchdog);
    rig->server = http_server_create(rig->loop, &rig->limits, &rig->callbacks, rig);
}

/* Ends the server and its loop, once. */
static inline void rig_end(struct rig *rig)
{
    if (rig->loop == NULL)
        return;
    http_server_destroy(&rig->server);
    assert_null(rig->exchange);
    ev_timer_stop(rig->loop, &rig->watchdog);
    ev_loop_destroy(rig->loop);
    rig->loop = NULL;
    buf_free(&rig->seen);
    buf_free(&rig->body);
}

/* A connection; returns the client's end, which the test closes. */
static inline int rig_connect(struct rig *rig)
{
    int ends[2];

    assert_int_equal(
        0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
    http_server_adopt(rig->server, ends[1]);
    return ends[0];
}

/* A TCP listener of the server's on a free port. */
static inline void rig_listen(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(rig->listen_fd, (struct sockaddr *)&address, size));
    assert_int_equal(0, listen(rig->listen_fd, 128));
    assert_int_equal(0, getsockname(rig->listen_fd, (struct sockaddr *)&address, &size));
    rig->port = ntohs(address.sin_port);
    http_server_listen(rig->server, rig->listen_fd);
}

/* A client connected to the listener (made where there is none), non-blocking; it may
   still have to be accepted. */
static inline int rig_connect_tcp(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (rig->port == 0)
        rig_listen(rig);
    address.sin_port = htons(rig->port);
    assert_true(fd >= 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, ioctl(fd, FIONBIO, &on));
    return fd;
}

/* One turn of the loop, sleeping where nothing is due. (libev would sleep also where the
   turn's start found work to do, outside of any event.) */
static inline void rig_wait(struct rig *rig)
{
    ev_run(rig->loop, ev_pending_count(rig->loop) > 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
}

/* Turns enough for all that is due now; never sleeps. */
static inline void rig_turns(struct rig *rig)
{
    for (int i = 0; i < 6; i++)
        ev_run(rig->loop, EVRUN_NOWAIT);
}

/* Sends all, turning the loop where the socket is full. Returns false once the server has
   closed. */
static inline bool rig_send_bytes(struct rig *rig, int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        }
        if (len > 0)
            ev_run(rig->loop, EVRUN_NOWAIT);
    }
    return true;
}

static inline void rig_send_to(struct rig *rig, int fd, const char *text)
{
    rig_send_bytes(rig, fd, text, strlen(text));
    rig_turns(rig);
}

/* Receives what is there. Returns true at the connection's end (*reset_r where it was a
   reset; may be NULL). */
static inline bool rig_receive(int fd, struct buf *got, bool *reset_r)
{
    for (;;) {
        ssize_t n = recv(fd, buf_reserve(got, 65536), 65536, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return false;
        if (reset_r != NULL)
            *reset_r = n < 0;
        if (n <= 0)
            return true;
        got->len += (size_t)n;
    }
}

/* The bytes as a string, for strstr(). */
static inline const char *rig_text(struct buf *got)
{
    *buf_reserve(got, 1) = '\0';
    return (const char *)got->data;
}

/* Turns the loop until `text` has come. */
static inline void rig_await_at(struct rig *rig, int fd, struct buf *got,
                                const char *text)
{
    while (strstr(rig_text(got), text) == NULL) {
        if (rig_receive(fd, got, NULL) && strstr(rig_text(got), text) == NULL)
            fail_msg("closed; got: %s", rig_text(got));
        if (strstr(rig_text(got), text) == NULL)
            rig_wait(rig);
    }
}

/* Turns the loop until the server has closed. Returns true where with a reset. */
static inline bool rig_await_end_at(struct rig *rig, int fd, struct buf *got)
{
    bool reset = false;

    while (!rig_receive(fd, got, &reset))
        rig_wait(rig);
    return reset;
}

/* How many replies of HTTP/1.1 start in what came. */
static inline unsigned rig_count(struct buf *got, const char *text)
{
    unsigned count = 0;

    for (const char *at = rig_text(got); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* Sends the text and does not turn the loop. */
static inline void rig_put(int fd, const char *text)
{
    assert_int_equal(strlen(text), send(fd, text, strlen(text), MSG_NOSIGNAL));
}

/* A blob of so many bytes of 'x'. */
static inline struct blob *rig_blob(size_t len)
{
    uint8_t *bytes;
    struct blob *blob = blob_new(len, &bytes);

    memset(bytes, 'x', len);
    return blob;
}

/* Replies with so many bytes. */
static inline void rig_reply_large(struct http_exchange *x, size_t len)
{
    struct http_reply reply = {.status = 200, .body = rig_blob(len)};

    http_reply(x, &reply);
    blob_unref(&reply.body);
}

/* Replies with the text. */
static inline void rig_reply(struct http_exchange *x, int status, const char *text)
{
    struct blob *blob = blob_new_copy(text, strlen(text));
    struct http_reply reply = {
        .status = status, .content_type = "text/plain", .body = blob};

    http_reply(x, &reply);
    blob_unref(&blob);
}

/* A handler that answers each request with its method, path and body. */
static inline void rig_echo_end(struct http_exchange *x)
{
    const struct http_request *r = http_request(x);
    struct slice body = http_body(x);
    struct buf text = BUF_INIT;
    struct http_reply reply = {.status = 200, .content_type = "text/plain"};

    buf_append(&text, r->method_text.data, r->method_text.len);
    buf_append(&text, " ", 1);
    buf_append(&text, r->path.data, r->path.len);
    buf_append(&text, " ", 1);
    buf_append(&text, body.data, body.len);
    reply.body = blob_new_steal(&text);
    http_reply(x, &reply);
    blob_unref(&reply.body);
}

static inline void rig_echo_request(struct http_exchange *x, void *context)
{
    rig_record_request(x, context);
    http_collect_body(x);
}

/* Starts a rig that echoes. */
static inline void rig_start_echo(struct rig *rig)
{
    rig->callbacks.on_request = rig_echo_request;
    rig->callbacks.on_body_end = rig_echo_end;
    rig_start(rig);
}

/* Bytes of heap in use; 0 under sanitizers, whose heap tells nothing. */
static inline size_t rig_heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* For a timer that only ends a pause. */
static inline void rig_end_pause(struct ev_loop *loop, struct ev_timer *timer,
                                 int revents)
{
    (void)loop, (void)timer, (void)revents;
}

/* Turns the loop for so long. */
static inline void rig_pause(struct rig *rig, double seconds)
{
    struct ev_timer pause;

    ev_timer_init(&pause, rig_end_pause, seconds, 0.);
    ev_timer_start(rig->loop, &pause);
    while (ev_is_active(&pause))
        rig_wait(rig);
}

/* ---- the rig's own client ---- */

/* Starts the rig, and connects its client. */
static inline void rig_open(struct rig *rig)
{
    rig_start(rig);
    rig->fd = rig_connect(rig);
}

/* The same for a handler that collects the body and replies nothing. */
static inline void rig_open_collecting(struct rig *rig)
{
    rig->callbacks.on_request = rig_echo_request;
    rig_open(rig);
}

/* The same for a handler that echoes. */
static inline void rig_open_echo(struct rig *rig)
{
    rig_start_echo(rig);
    rig->fd = rig_connect(rig);
}

static inline void rig_send(struct rig *rig, const char *text)
{
    rig_send_to(rig, rig->fd, text);
}

/* As rig_open(), with a request that is handed up and waits for its reply. */
static inline void rig_open_request(struct rig *rig, const char *request)
{
    rig_open(rig);
    rig_send(rig, request);
    assert_non_null(rig->exchange);
}

/* Turns the loop until a request waits for its reply. */
static inline void rig_await_request(struct rig *rig)
{
    while (rig->exchange == NULL)
        rig_wait(rig);
}

/* As rig_open_request() with GET /1, over TCP. */
static inline void rig_open_request_tcp(struct rig *rig)
{
    rig_start(rig);
    rig->fd = rig_connect_tcp(rig);
    rig_put(rig->fd, GET("/1"));
    rig_await_request(rig);
}

static inline void rig_await(struct rig *rig, const char *text)
{
    rig_await_at(rig, rig->fd, &rig->got, text);
}

static inline bool rig_await_end(struct rig *rig)
{
    return rig_await_end_at(rig, rig->fd, &rig->got);
}

/* Turns the loop until an exchange has ended. */
static inline void rig_await_close(struct rig *rig)
{
    while (rig->closes == 0)
        rig_wait(rig);
}

/* Turns the loop until a body has come. */
static inline void rig_await_body(struct rig *rig)
{
    while (rig->body_ends == 0)
        rig_wait(rig);
}

/* Sends a byte a turn until an answer comes. */
static inline void rig_send_slowly(struct rig *rig)
{
    while (!rig_receive(rig->fd, &rig->got, NULL) && rig->got.len == 0) {
        send(rig->fd, "x", 1, MSG_NOSIGNAL);
        rig_wait(rig);
    }
}

/* Turns the loop until the server has no connection. */
static inline void rig_await_none(struct rig *rig)
{
    while (http_server_connections(rig->server) > 0)
        rig_wait(rig);
}

/* Sends until the server takes no more; returns how many bytes. */
static inline size_t rig_send_until_full(struct rig *rig, const uint8_t *bytes,
                                         size_t len)
{
    size_t sent = 0;

    for (int idle = 0; idle < 20;) {
        ssize_t n = send(rig->fd, bytes + sent, len - sent, MSG_NOSIGNAL);

        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        ev_run(rig->loop, EVRUN_NOWAIT);
    }
    return sent;
}

/* Closes the client's end, and forgets what it got. */
static inline void rig_hang_up(struct rig *rig)
{
    if (rig->fd >= 0)
        close(rig->fd);
    rig->fd = -1;
    buf_free(&rig->got);
}

/* The same over TCP with a reset. */
static inline void rig_reset(struct rig *rig)
{
    const struct linger hard = {1, 0};

    setsockopt(rig->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    rig_hang_up(rig);
}

/* Ends the client and the rig. */
static inline void rig_finish(struct rig *rig)
{
    rig_hang_up(rig);
    rig_end(rig);
}

static inline int rig_setup(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    *state = &rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    rig_finish(*state);
    return 0;
}

/* Descriptors this process has open. */
static inline unsigned rig_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

#endif
