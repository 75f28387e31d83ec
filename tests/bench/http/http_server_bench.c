/*
 * The HTTP room alone, for ab, curl and the like: answers every request with
 * the number of bytes its path names (/2048), or with what was sent.
 *
 *     http_server_bench [PORT]
 *
 * SIGTERM drains and exits; with a second line on stdout then: bytes of heap in
 * use per connection while all were open (as last seen).
 */
#include <arpa/inet.h>
#include <ev.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "server/http/http.h"

static void reply_blob(struct http_exchange *x, struct blob *blob)
{
    struct http_reply reply = {
        .status = 200, .content_type = "application/octet-stream", .body = blob};

    http_reply(x, &reply);
    blob_unref(&blob);
}

static void on_request(struct http_exchange *x, void *context)
{
    struct slice path = http_request(x)->path;
    char text[24];
    struct buf body = BUF_INIT;

    (void)context;
    if (http_request(x)->has_body) {
        http_collect_body(x);
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)path.len - 1, (const char *)path.data + 1);
    body.len = strtoul(text, NULL, 10) % (64 << 20);
    body.data = mem_zalloc(body.len);
    body.cap = body.len;
    reply_blob(x, blob_new_steal(&body));
}

static void on_body_end(struct http_exchange *x)
{
    reply_blob(x, http_take_body(x));
}

static void on_drained(void *context)
{
    ev_break(context, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *signal, int revents)
{
    (void)revents;
    http_server_drain(signal->data, on_drained, loop);
}

static void on_second(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct mallinfo2 heap = mallinfo2();
    unsigned count = http_server_connections(timer->data);

    (void)loop, (void)revents;
    if (count >= 100) {
        printf("%u connections, %zu heap bytes each\n", count, heap.uordblks / count);
        fflush(stdout);
    }
}

static int listen_on(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("listen");
        exit(1);
    }
    printf("http://127.0.0.1:%u/2048\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(0);
    const struct http_callbacks callbacks = {.on_request = on_request,
                                             .on_body_end = on_body_end};
    const struct http_limits limits = http_limits_default();
    struct http_server *server = http_server_create(loop, &limits, &callbacks, NULL);
    struct ev_signal term;
    struct ev_timer second;

    http_server_listen(server, listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)));
    ev_signal_init(&term, on_signal, SIGTERM);
    term.data = server;
    ev_signal_start(loop, &term);
    ev_timer_init(&second, on_second, 1., 1.);
    second.data = server;
    ev_timer_start(loop, &second);
    ev_run(loop, 0);
    http_server_destroy(&server);
    ev_loop_destroy(loop);
    return 0;
}
