#include "server/http/http_listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/address/endpoint.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/http/http_connection.h"

/* Connections accepted in a turn of the loop. The processes that share a socket get their
   parts of many new ones, too. */
#define ACCEPTS_PER_TURN 16

/* A drain accepts at most so many from the queue of a socket. */
#define ACCEPTS_LAST 4096

/* A connection that has been idle for less is not closed for another one, because its
   client may be about to send. */
#define EVICT_IDLE_NS NS_PER_S

#define PAUSE_S          0.1
#define PAUSES_UNTIL_503 10

struct http_listener {
    struct list link; /* of the server's listeners */
    struct http_server *server;
    struct ev_io io;
    struct ev_timer pause;
    unsigned pauses; /* in a row */
    int spare;       /* a descriptor in reserve; -1 for none */
    bool is_local;   /* only this host reaches it */
};

static void peer_of(struct http_peer *peer_r, const struct sockaddr_storage *address)
{
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;

    peer_r->family = address->ss_family;
    if (address->ss_family == AF_INET) {
        memcpy(peer_r->address, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six)) {
        /* An IPv4 client of a socket that takes both: logs show its IPv4 address. */
        peer_r->family = AF_INET;
        memcpy(peer_r->address, six->s6_addr + 12, 4);
    } else if (address->ss_family == AF_INET6) {
        memcpy(peer_r->address, six, 16);
    } else {
        peer_r->family = AF_UNIX;
    }
}

static void open_spare(struct http_listener *listener)
{
    if (listener->spare < 0)
        listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Answers one waiting client with 503 in place of letting it wait. */
static void send_away(struct http_listener *listener)
{
    struct buf text = BUF_INIT;
    int fd;

    if (listener->spare < 0)
        return;
    close(listener->spare);
    listener->spare = -1;
    fd = accept4(listener->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        http_head_refusal(&text, 503, "too many connections",
                          http_server_date(listener->server), false);
        if (send(fd, text.data, text.len, MSG_NOSIGNAL) < 0)
            log_warn("cannot answer a client that descriptors ran out");
        close(fd);
    }
    buf_free(&text);
    open_spare(listener);
}

static void begin_pause(struct http_listener *listener)
{
    struct ev_loop *loop = listener->server->loop;

    if (listener->pauses++ == 0)
        log_warn("descriptors or buffers ran out (%s): accepting pauses",
                 strerror(errno));
    if (listener->pauses > PAUSES_UNTIL_503)
        send_away(listener);
    ev_io_stop(loop, &listener->io);
    ev_timer_stop(loop, &listener->pause);
    ev_timer_set(&listener->pause, PAUSE_S, 0.);
    ev_timer_start(loop, &listener->pause);
}

static void on_pause_end(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct http_listener *listener = container_of(timer, struct http_listener, pause);

    (void)revents;
    open_spare(listener);
    ev_io_start(loop, &listener->io);
}

/* Errors of the one connection, which is gone, as accept(2) lists them. */
static bool concerns_one(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO ||
           error == ENETDOWN || error == ENOPROTOOPT || error == EHOSTDOWN ||
           error == ENONET || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == EOPNOTSUPP || error == EPERM;
}

/* Closes the connection that has been idle longest, where that is at least a second.
   Returns false where there is none. */
static bool evict_idle(struct http_server *server)
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

/* Accepts one connection. Returns false where no more can be accepted now. */
static bool accept_one(struct http_listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    struct http_peer peer = {0};
    int fd = accept4(listener->io.fd, (struct sockaddr *)&address, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        listener->pauses = 0;
        peer_of(&peer, &address);
        peer.is_local = listener->is_local;
        http_connection_open(listener->server, fd, &peer);
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    if (concerns_one(errno))
        return true;
    if ((errno == EMFILE || errno == ENFILE) && evict_idle(listener->server))
        return true;
    begin_pause(listener);
    return false;
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct http_listener *listener = container_of(io, struct http_listener, io);

    (void)loop, (void)revents;
    for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(listener); i++)
        ;
}

void http_listener_open(struct http_server *server, int fd)
{
    struct http_listener *listener = mem_zalloc(sizeof *listener);
    struct endpoint endpoint;
    int on = 1;

    assert(fd >= 0);
    listener->server = server;
    listener->spare = -1;
    listener->is_local =
        endpoint_of_socket(fd, &endpoint) == 0 && endpoint_is_local(&endpoint);
    open_spare(listener);
    list_init(&listener->link);
    list_append(&server->listeners, &listener->link);
    /* Accepted sockets inherit it. It fails for Unix sockets, which do not need it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ev_io_init(&listener->io, on_connection, fd, EV_READ);
    ev_init(&listener->pause, on_pause_end);
    ev_io_start(server->loop, &listener->io);
}

static void listener_close(struct http_listener *listener)
{
    struct ev_loop *loop = listener->server->loop;

    ev_io_stop(loop, &listener->io);
    ev_timer_stop(loop, &listener->pause);
    list_remove(&listener->link);
    close(listener->io.fd);
    if (listener->spare >= 0)
        close(listener->spare);
    mem_free(listener);
}

void http_listener_close_all(struct http_server *server, bool accept_waiting)
{
    assert(server->draining || !accept_waiting);
    while (!list_is_empty(&server->listeners)) {
        struct http_listener *listener =
            container_of(server->listeners.next, struct http_listener, link);

        for (int i = 0; accept_waiting && i < ACCEPTS_LAST && accept_one(listener); i++)
            ;
        listener_close(listener);
    }
}
