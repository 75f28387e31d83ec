/* The server as http.h shows it: it is made, listens, drains and ends. */
#include "server/http/http.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "server/http/http_connection.h"
#include "server/http/http_listener.h"

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .head_bytes = 32 * 1024,
        .target_bytes = 8 * 1024,
        .body_bytes = 64 * 1024 * 1024,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 75000,
        .send_timeout_ms = 300000,
        .send_min_rate = 256,
        .body_grace_ms = 10000,
        .body_min_rate = 1024,
        .linger_timeout_ms = 30000,
        .linger_idle_ms = 5000,
        .drain_idle_ms = 500,
    };
}

static void run_connection(struct list *ready_link)
{
    http_connection_run(container_of(ready_link, struct http_connection, ready_link), 0);
}

struct http_server *http_server_create(struct ev_loop *loop,
                                       const struct http_limits *limits,
                                       const struct http_callbacks *callbacks,
                                       void *context)
{
    struct http_server *server = mem_zalloc(sizeof *server);

    assert(callbacks->on_request != NULL);
    http_server_init(server, loop, run_connection);
    server->limits = *limits;
    server->parser_limits =
        (struct http_parser_limits){limits->head_bytes, limits->target_bytes};
    server->callbacks = *callbacks;
    server->context = context;
    return server;
}

void http_server_set_hosts(struct http_server *server, const struct http_hosts *hosts)
{
    server->hosts = *hosts;
}

void http_server_destroy(struct http_server **server)
{
    struct http_server *s = *server;

    *server = NULL;
    if (s == NULL)
        return;
    s->drain_done = NULL;
    http_listener_close_all(s, false);
    while (!list_is_empty(&s->connections)) {
        struct http_connection *c =
            container_of(s->connections.next, struct http_connection, all_link);

        http_connection_destroy(&c);
    }
    http_server_stop(s);
    mem_free(s);
}

void http_server_listen(struct http_server *server, int listen_fd)
{
    assert(!server->draining);
    http_listener_open(server, listen_fd);
}

void http_server_adopt(struct http_server *server, int fd)
{
    struct http_peer peer = {.family = AF_UNIX};
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    http_connection_open(server, fd, &peer);
}

void http_server_drain(struct http_server *server, void (*done)(void *context),
                       void *context)
{
    struct list *next;

    assert(!server->draining);
    server->draining = true;
    server->drain_done = done;
    server->drain_context = context;
    http_listener_close_all(server, true);
    for (struct list *at = server->connections.next; at != &server->connections;
         at = next) {
        next = at->next;
        http_connection_drain(container_of(at, struct http_connection, all_link));
    }
    http_server_kick(server);
}

unsigned http_server_connections(const struct http_server *server)
{
    return server->count;
}

uint64_t http_server_accepted(const struct http_server *server)
{
    return server->accepted;
}
