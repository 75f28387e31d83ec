/*
 * The whole connection: a client that sends anything in any pieces, half-closes,
 * reads or does not, goes away; a handler that does anything the interface allows.
 * The input is a script: each step is a byte that says what happens, and what
 * needs bytes takes them from the input behind it. Asserted: every request handed
 * up is closed, once and last; nothing is called afterwards; nothing leaks; what
 * was answered to whom adds up. Deadlines are short, so that they too strike.
 */
#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "server/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *at, *end;
    uint32_t choices;           /* the handler's behaviour, a few bits at a time */
    struct http_exchange *open; /* the one handed up and not closed; NULL for none */
    bool streaming, body_over;
    unsigned handed_up, closed;
};

static struct script *script;

static unsigned choose(unsigned count)
{
    script->choices = script->choices * 1664525 + 1013904223;
    return (script->choices >> 16) % count;
}

static void send_piece(struct http_exchange *x)
{
    static uint8_t bytes[100000];
    size_t len = choose(8) == 0 ? sizeof bytes : 1 + choose(300);
    struct blob *blob = blob_new_copy(bytes, len);

    http_reply_chunk(x, blob, blob->bytes);
    blob_unref(&blob);
}

static void reply_whole(struct http_exchange *x)
{
    static const int statuses[] = {200, 201, 204, 304, 404, 503};
    struct blob *blob = choose(4) ? blob_new_copy("0123456789", choose(11)) : NULL;
    struct http_reply reply = {.status = statuses[choose(6)],
                               .content_type = choose(2) ? "a/b" : NULL,
                               .headers = {(const uint8_t *)"X: y\r\n", choose(2) * 6},
                               .body = blob};

    if (choose(5) == 0)
        http_reply_problem(x, 400, "why", (int64_t)choose(3) - 1, reply.headers);
    else
        http_reply(x, &reply);
    blob_unref(&blob);
}

/* One thing a handler may do with an exchange now. */
static void act(struct http_exchange *x)
{
    struct http_reply head = {.status = 200};

    if (!http_replied(x)) {
        if (choose(3) == 0) {
            http_reply_begin(x, &head);
            script->streaming = true;
        } else if (choose(3) > 0) {
            reply_whole(x);
        }
    } else if (script->streaming) {
        switch (choose(6)) {
        case 0:
            http_reply_end(x);
            script->streaming = false;
            break;
        case 1:
            if (choose(4) == 0) {
                http_reply_abort(x);
                script->streaming = false;
            }
            break;
        default: send_piece(x);
        }
    }
}

static void on_request(struct http_exchange *x, void *context)
{
    (void)context;
    assert(script->open == NULL);
    script->open = x;
    script->streaming = script->body_over = false;
    script->handed_up++;
    assert(http_request(x)->path.len > 0);
    http_header_joined(x, "X");
    if (choose(3) == 0)
        act(x);
    switch (choose(3)) {
    case 0: http_collect_body(x); break;
    case 1: http_stream_body(x); break;
    default: break;
    }
    if (choose(2) == 0)
        act(x);
}

static void on_body(struct http_exchange *x, struct slice bytes)
{
    assert(x == script->open && bytes.len > 0 && !script->body_over);
    if (choose(4) == 0)
        http_pause_body(x);
    if (choose(4) == 0)
        act(x);
}

static void on_body_end(struct http_exchange *x)
{
    struct blob *blob;

    assert(x == script->open && !script->body_over);
    script->body_over = true;
    if (choose(2) == 0) {
        blob = http_take_body(x);
        assert(http_body(x).len == 0);
        blob_unref(&blob);
    }
    act(x);
}

static void on_writable(struct http_exchange *x)
{
    assert(x == script->open && script->streaming);
    act(x);
}

static void on_close(struct http_exchange *x, int status, uint64_t sent_bytes)
{
    assert(x == script->open);
    assert(status >= 0 && status < 600);
    assert(status != 0 || sent_bytes == 0);
    script->open = NULL;
    script->closed++;
}

/* The input's next bytes, at most `most`. */
static struct slice take(size_t most)
{
    size_t have = (size_t)(script->end - script->at);
    struct slice bytes = {script->at, most < have ? most : have};

    script->at += bytes.len;
    return bytes;
}

static void swallow(int fd)
{
    static uint8_t sink[300000];

    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}

/* One step of the script. */
static void step(struct ev_loop *loop, int fd)
{
    uint8_t what = *script->at++;
    struct slice bytes;

    script->choices ^= what;
    switch (what % 16) {
    case 0: shutdown(fd, SHUT_WR); break;
    case 1: shutdown(fd, SHUT_RD); break;
    case 2:
    case 3: swallow(fd); break;
    case 4:
        if (script->open != NULL)
            http_resume_body(script->open);
        break;
    case 5:
    case 6:
        if (script->open != NULL)
            act(script->open);
        break;
    case 7: usleep(1100); break;
    default:
        bytes = take(what % 16 == 8 ? 1 : what);
        if (send(fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            swallow(fd);
    }
    for (int i = 0; i <= what % 3; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

/* Looks at every byte of what is told of a refused request. */
static void on_refused(const struct http_refusal *refusal, void *context)
{
    const struct slice parts[] = {refusal->line, refusal->referer, refusal->user_agent};
    volatile uint8_t sum = 0;

    (void)context;
    if (refusal->status < 400)
        abort();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t at = 0; at < parts[i].len; at++)
            sum = (uint8_t)(sum + parts[i].data[at]);
}

static struct http_server *make_server(struct ev_loop *loop)
{
    const struct http_callbacks callbacks = {.on_request = on_request,
                                             .on_body = on_body,
                                             .on_body_end = on_body_end,
                                             .on_writable = on_writable,
                                             .on_close = on_close,
                                             .on_refused = on_refused};
    static char *names[] = {"a", "host.example"};
    const struct http_hosts hosts = {HTTP_HOST_LISTED, names, 2};
    struct http_server *server;
    struct http_limits limits = http_limits_default();

    limits.head_bytes = 600;
    limits.target_bytes = 200;
    limits.body_bytes = 400;
    limits.head_timeout_ms = limits.idle_timeout_ms = limits.send_timeout_ms = 3;
    limits.body_grace_ms = limits.linger_timeout_ms = limits.drain_idle_ms = 2;
    limits.linger_idle_ms = 1;
    server = http_server_create(loop, &limits, &callbacks, NULL);
    http_server_set_hosts(server, &hosts);
    return server;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ev_loop *loop;
    struct script s = {.at = data, .end = data + size, .choices = (uint32_t)size};
    struct http_server *server;
    int ends[2], small = 4096;

    if (loop == NULL)
        loop = ev_loop_new(EVBACKEND_EPOLL);
    script = &s;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        abort();
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    server = make_server(loop);
    http_server_adopt(server, ends[1]);
    while (s.at < s.end && http_server_connections(server) > 0)
        step(loop, ends[0]);
    if (size % 4 == 0)
        http_server_drain(server, NULL, NULL);
    close(ends[0]);
    for (int i = 0; i < 4; i++)
        ev_run(loop, EVRUN_NOWAIT);
    http_server_destroy(&server);
    assert(s.open == NULL && s.handed_up == s.closed);
    return 0;
}
