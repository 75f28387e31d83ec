/*
 * What the tests of the HTTP room stand on: a server on a loop of its own, a
 * client's end of a socket pair, and a handler that notes all it is told. Nothing
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

#define RIG_UNUSED     __attribute__((unused))
#define RIG_WATCHDOG_S 60.

struct rig {
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

static void rig_note_request(struct http_exchange *x, void *context) RIG_UNUSED;
static void rig_note_request(struct http_exchange *x, void *context)
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

static RIG_UNUSED void rig_note_body(struct http_exchange *x, struct slice bytes)
{
    (void)x;
    assert_true(bytes.len > 0);
    buf_append(&rig_current->body, bytes.data, bytes.len);
}

static RIG_UNUSED void rig_note_body_end(struct http_exchange *x)
{
    (void)x;
    rig_current->body_ends++;
}

static RIG_UNUSED void rig_note_writable(struct http_exchange *x)
{
    (void)x;
    rig_current->writables++;
}

static RIG_UNUSED void rig_note_close(struct http_exchange *x, int status, uint64_t sent)
{
    if (rig_current->exchange == x)
        rig_current->exchange = NULL;
    rig_current->closes++;
    rig_current->closed_status = status;
    rig_current->closed_bytes = sent;
}

static RIG_UNUSED void rig_note_refused(const struct http_refusal *refusal, void *context)
{
    struct rig *rig = context;

    rig->refused = refusal->status;
    snprintf(rig->refused_line, sizeof rig->refused_line, "%.*s", (int)refusal->line.len,
             refusal->line.len > 0 ? (const char *)refusal->line.data : "");
}

static RIG_UNUSED void rig_bark(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)timer, (void)revents;
    fail_msg("what the test waits for never came");
}

/* A rig whose handler only notes; a test replaces callbacks before rig_start(). */
static RIG_UNUSED void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig_current = rig;
    rig->limits = http_limits_default();
    rig->callbacks = (struct http_callbacks){.on_request = rig_note_request,
                                             .on_body = rig_note_body,
                                             .on_body_end = rig_note_body_end,
                                             .on_writable = rig_note_writable,
                                             .on_close = rig_note_close,
                                             .on_refused = rig_note_refused};
}

static RIG_UNUSED void rig_start(struct rig *rig)
{
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&rig->watchdog, rig_bark, RIG_WATCHDOG_S, 0.);
    ev_timer_start(rig->loop, &rig->watchdog);
    rig->server = http_server_create(rig->loop, &rig->limits, &rig->callbacks, rig);
}

static RIG_UNUSED void rig_end(struct rig *rig)
{
    http_server_destroy(&rig->server);
    assert_null(rig->exchange);
    ev_timer_stop(rig->loop, &rig->watchdog);
    ev_loop_destroy(rig->loop);
    buf_free(&rig->seen);
    buf_free(&rig->body);
}

/* A connection; returns the client's end, which the test closes. */
static RIG_UNUSED int rig_connect(struct rig *rig)
{
    int ends[2];

    assert_int_equal(
        0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
    http_server_adopt(rig->server, ends[1]);
    return ends[0];
}

/* A TCP listener of the server's on a free port. */
static RIG_UNUSED void rig_listen(struct rig *rig)
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
static RIG_UNUSED int rig_connect_tcp(struct rig *rig)
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
static RIG_UNUSED void rig_wait(struct rig *rig)
{
    ev_run(rig->loop, ev_pending_count(rig->loop) > 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
}

/* Turns enough for all that is due now; never sleeps. */
static RIG_UNUSED void rig_turns(struct rig *rig)
{
    for (int i = 0; i < 6; i++)
        ev_run(rig->loop, EVRUN_NOWAIT);
}

/* Sends all, turning the loop where the socket is full. Returns false once the server has
   closed. */
static RIG_UNUSED bool rig_send_bytes(struct rig *rig, int fd, const void *bytes,
                                      size_t len)
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

static RIG_UNUSED void rig_send(struct rig *rig, int fd, const char *text)
{
    rig_send_bytes(rig, fd, text, strlen(text));
    rig_turns(rig);
}

/* Receives what is there. Returns true at the connection's end (*reset_r where it was a
   reset; may be NULL). */
static RIG_UNUSED bool rig_receive(int fd, struct buf *got, bool *reset_r)
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
static RIG_UNUSED const char *rig_text(struct buf *got)
{
    *buf_reserve(got, 1) = '\0';
    return (const char *)got->data;
}

/* Turns the loop until `text` has come. */
static RIG_UNUSED void rig_await(struct rig *rig, int fd, struct buf *got,
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
static RIG_UNUSED bool rig_await_end(struct rig *rig, int fd, struct buf *got)
{
    bool reset = false;

    while (!rig_receive(fd, got, &reset))
        rig_wait(rig);
    return reset;
}

/* How many replies of HTTP/1.1 start in what came. */
static RIG_UNUSED unsigned rig_count(struct buf *got, const char *text)
{
    unsigned count = 0;

    for (const char *at = rig_text(got); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* Replies with the text. */
static RIG_UNUSED void rig_reply(struct http_exchange *x, int status, const char *text)
{
    struct blob *blob = blob_new_copy(text, strlen(text));
    struct http_reply reply = {
        .status = status, .content_type = "text/plain", .body = blob};

    http_reply(x, &reply);
    blob_unref(&blob);
}

/* A handler that answers each request with its method, path and body. */
static RIG_UNUSED void rig_echo_end(struct http_exchange *x)
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

static RIG_UNUSED void rig_echo_request(struct http_exchange *x, void *context)
{
    rig_note_request(x, context);
    http_collect_body(x);
}

/* A rig that echoes. */
static RIG_UNUSED void rig_start_echo(struct rig *rig)
{
    rig_init(rig);
    rig->callbacks.on_request = rig_echo_request;
    rig->callbacks.on_body_end = rig_echo_end;
    rig_start(rig);
}

/* Bytes of heap in use; 0 under sanitizers, whose heap tells nothing. */
static RIG_UNUSED size_t rig_heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* For a timer that only ends a wait. */
static RIG_UNUSED void rig_stop_waiting(struct ev_loop *loop, struct ev_timer *timer,
                                        int revents)
{
    (void)loop, (void)timer, (void)revents;
}

/* Ends a test of one connection: the client's end, what it got, and the rig. */
static RIG_UNUSED void rig_finish(struct rig *rig, int fd, struct buf *got)
{
    close(fd);
    buf_free(got);
    rig_end(rig);
}

/* A rig that notes, with one request handed up and waiting; returns the client's end. */
static RIG_UNUSED int rig_open(struct rig *rig, const char *request)
{
    int fd;

    rig_init(rig);
    rig_start(rig);
    fd = rig_connect(rig);
    rig_send(rig, fd, request);
    assert_non_null(rig->exchange);
    return fd;
}

/* Descriptors this process has open. */
static RIG_UNUSED unsigned rig_count_fds(void)
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
