#include "server/http/http_server.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/memory_budget.h"
#include "server/http/http_connection.h"
#include "server/http/http_listener.h"

/* A connection idle for less is not closed to make room: it may just be fast. */
#define EVICT_IDLE_NS NS_PER_S

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

/* Runs the connections that were ready when it began; those that become so meanwhile wait
   for the next turn, so that descriptors are looked at in between. */
static void run_ready(struct http_server *server)
{
    struct list batch;

    list_init(&batch);
    if (!list_is_empty(&server->ready)) {
        list_insert_before(&server->ready, &batch);
        list_remove(&server->ready);
    }
    for (struct list *link = list_shift(&batch); link != NULL; link = list_shift(&batch))
        http_connection_run(container_of(link, struct http_connection, ready_link), 0);
}

/* The last thing a callback does: the server may be gone afterwards. */
static void end_drain(struct http_server *server)
{
    void (*done)(void *context) = server->drain_done;

    if (!server->draining || server->count > 0 || done == NULL)
        return;
    server->drain_done = NULL;
    done(server->drain_context);
}

static void turn(struct http_server *server)
{
    server->turning = true;
    run_ready(server);
    server->turning = false;
    if (list_is_empty(&server->ready))
        ev_idle_stop(server->loop, &server->again);
    else
        ev_idle_start(server->loop, &server->again);
    end_drain(server);
}

static void on_kick(struct ev_loop *loop, struct ev_prepare *kick, int revents)
{
    (void)loop, (void)revents;
    turn(container_of(kick, struct http_server, kick));
}

static void on_again(struct ev_loop *loop, struct ev_idle *again, int revents)
{
    (void)loop, (void)revents;
    turn(container_of(again, struct http_server, again));
}

/* Behind all other events of this turn. */
static void kick(struct http_server *server)
{
    if (!ev_is_pending(&server->kick))
        ev_feed_event(server->loop, &server->kick, EV_CUSTOM);
}

void http_server_make_ready(struct http_server *server, struct http_connection *c)
{
    if (!list_is_empty(&c->ready_link))
        return;
    list_append(&server->ready, &c->ready_link);
    if (!server->turning && !ev_is_active(&server->again))
        kick(server);
}

struct http_server *http_server_create(struct ev_loop *loop,
                                       const struct http_limits *limits,
                                       const struct http_callbacks *callbacks,
                                       void *context)
{
    struct http_server *server = mem_zalloc(sizeof *server);

    assert(callbacks->on_request != NULL);
    server->loop = loop;
    server->limits = *limits;
    server->parser_limits =
        (struct http_parser_limits){limits->head_bytes, limits->target_bytes};
    server->callbacks = *callbacks;
    server->context = context;
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->idle);
    list_init(&server->ready);
    ev_prepare_init(&server->kick, on_kick);
    ev_set_priority(&server->kick, EV_MINPRI);
    ev_idle_init(&server->again, on_again);
    ev_set_priority(&server->again, EV_MAXPRI);
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
    assert(s->count == 0);
    ev_idle_stop(s->loop, &s->again);
    ev_clear_pending(s->loop, &s->kick);
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
    kick(server);
}

unsigned http_server_connections(const struct http_server *server)
{
    return server->count;
}

uint64_t http_server_accepted(const struct http_server *server)
{
    return server->accepted;
}

const char *http_server_date(struct http_server *server)
{
    time_t now = (time_t)ev_now(server->loop);

    if (now != server->date_second || server->date[0] == '\0') {
        server->date_second = now;
        http_head_date(server->date, now);
    }
    return server->date;
}

void http_server_add(struct http_server *server, struct http_connection *c)
{
    list_append(&server->connections, &c->all_link);
    server->count++;
    server->accepted++;
}

void http_server_remove(struct http_server *server, struct http_connection *c)
{
    list_remove(&c->all_link);
    assert(server->count > 0);
    server->count--;
    if (server->draining && server->count == 0 && server->drain_done != NULL)
        kick(server);
}

size_t http_server_share(struct http_server *server, size_t wanted)
{
    unsigned turn = ev_iteration(server->loop);

    if (turn != server->turn)
        server->turn_bytes = 0;
    server->turn = turn;
    if (wanted <= HTTP_SERVER_SHARE_BYTES || server->turn_bytes < HTTP_SERVER_TURN_BYTES)
        return wanted;
    return HTTP_SERVER_SHARE_BYTES;
}

void http_server_note_moved(struct http_server *server, size_t bytes)
{
    server->turn_bytes += bytes;
}

bool http_server_evict_idle(struct http_server *server)
{
    uint64_t idle_ns = server->limits.idle_timeout_ms * NS_PER_MS;
    struct http_connection *c;

    if (list_is_empty(&server->idle))
        return false;
    c = container_of(server->idle.next, struct http_connection, idle_link);
    if (clock_now_ns() + idle_ns < c->deadline_ns + EVICT_IDLE_NS)
        return false;
    http_connection_destroy(&c);
    return true;
}

/* The slowest that one look finds. */
#define SLOWEST_MAX 16

/* Looks for the slowest no more often than this: there may be thousands. */
#define RELIEVE_PAUSE_NS (100 * NS_PER_MS)

struct slowest {
    struct http_connection *connections[SLOWEST_MAX];
    struct http_slowness slowness[SLOWEST_MAX];
    unsigned count;
};

/* Puts a connection where it belongs among the slowest, slowest first. */
static void put_slow(struct slowest *slowest, struct http_connection *c,
                     const struct http_slowness *slowness)
{
    unsigned at = slowest->count;

    while (at > 0 && slowest->slowness[at - 1].rate > slowness->rate)
        at--;
    if (at == SLOWEST_MAX)
        return;
    if (slowest->count < SLOWEST_MAX)
        slowest->count++;
    for (unsigned i = slowest->count - 1; i > at; i--) {
        slowest->connections[i] = slowest->connections[i - 1];
        slowest->slowness[i] = slowest->slowness[i - 1];
    }
    slowest->connections[at] = c;
    slowest->slowness[at] = *slowness;
}

static void find_slowest(struct http_server *server, struct slowest *slowest_r)
{
    struct http_slowness slowness;

    slowest_r->count = 0;
    for (struct list *at = server->connections.next; at != &server->connections;
         at = at->next) {
        struct http_connection *c = container_of(at, struct http_connection, all_link);

        if (http_connection_is_slow(c, &slowness))
            put_slow(slowest_r, c, &slowness);
    }
}

bool http_server_relieve(struct http_server *server, uint64_t bytes)
{
    uint64_t now = clock_now_ns(), freed = 0;
    struct slowest slowest;

    if (now < server->relieve_ns + RELIEVE_PAUSE_NS)
        return false;
    server->relieve_ns = now;
    find_slowest(server, &slowest);
    for (unsigned i = 0; i < slowest.count && freed < bytes; i++) {
        freed += slowest.slowness[i].held_bytes;
        server->cuts++;
        http_connection_cut(slowest.connections[i]);
    }
    return freed >= bytes;
}

void http_server_look_at_memory(struct http_server *server)
{
    uint64_t missing = memory_budget_missing();

    if (missing > 0)
        http_server_relieve(server, missing);
}

uint64_t http_server_cuts(const struct http_server *server)
{
    return server->cuts;
}
