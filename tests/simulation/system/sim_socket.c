#include "tests/simulation/system/sim_socket.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/uio.h>

#include "common/base/alloc.h"
#include "tests/simulation/system/sim_world.h"

/* Numbers that no descriptor of this process has. */
#define FIRST_FD    (1 << 20)
#define LISTENER_FD (FIRST_FD - 1)
#define SPARE_FD    (FIRST_FD - 2)
#define SOCKETS_MAX 64

struct sim_socket {
    int fd;
    bool accepted, is_open; /* the front's end */
    bool hard;              /* it is to be closed with RST */
    bool front_fin, front_reset;
    bool client_fin, client_reset;
    struct buf in; /* to the front, from in_start on */
    size_t in_start;
    struct buf out; /* to the client, from out_start on */
    size_t out_start;
    size_t capacity; /* of out */
    void *owner;
    void (*wake)(void *owner);
};

static struct {
    struct sim_socket *sockets[SOCKETS_MAX];
    int count;
    int accepted; /* of them; in order */
    bool listens, has_spare;
    bool out_of_descriptors; /* for a while */
    struct sim_random random;
} net;

void sim_sockets_begin(void)
{
    net.count = net.accepted = 0;
    net.listens = true;
    net.has_spare = net.out_of_descriptors = false;
    net.random = sim_random_stream('n', 0);
}

void sim_sockets_end(void)
{
    if (net.listens || net.has_spare)
        sim_fail("the listening socket or the spare descriptor is left open");
    for (int i = 0; i < net.count; i++) {
        struct sim_socket *socket = net.sockets[i];

        if (socket->is_open)
            sim_fail("a connection's descriptor is left open");
        buf_free(&socket->in);
        buf_free(&socket->out);
        mem_free(socket);
    }
    net.count = 0;
}

/* ---- the client's end ---- */

struct sim_socket *sim_socket_connect(void *owner, void (*wake)(void *owner),
                                      size_t capacity)
{
    struct sim_socket *socket = mem_zalloc(sizeof *socket);

    assert(net.count < SOCKETS_MAX && capacity > 0);
    socket->fd = FIRST_FD + net.count;
    socket->owner = owner;
    socket->wake = wake;
    socket->capacity = capacity;
    socket->front_reset = !net.listens; /* refused */
    net.sockets[net.count++] = socket;
    return socket;
}

static bool is_deaf(const struct sim_socket *socket)
{
    return socket->front_reset || (socket->accepted && !socket->is_open);
}

void sim_socket_write(struct sim_socket *socket, struct slice bytes)
{
    assert(!socket->client_fin && !socket->client_reset);
    if (is_deaf(socket))
        socket->front_reset = true; /* the kernel answers so what comes after a close */
    else
        buf_append(&socket->in, bytes.data, bytes.len);
}

static size_t unread(const struct sim_socket *socket)
{
    return socket->out.len - socket->out_start;
}

size_t sim_socket_read(struct sim_socket *socket, size_t most, struct buf *to)
{
    size_t len = unread(socket) < most ? unread(socket) : most;

    buf_append(to, socket->out.data + socket->out_start, len);
    socket->out_start += len;
    if (unread(socket) == 0)
        socket->out.len = socket->out_start = 0;
    return len;
}

bool sim_socket_is_over(const struct sim_socket *socket)
{
    return unread(socket) == 0 && (socket->front_fin || socket->front_reset);
}

bool sim_socket_was_reset(const struct sim_socket *socket)
{
    return socket->front_reset;
}

bool sim_socket_is_closed(const struct sim_socket *socket)
{
    return socket->front_reset || (socket->accepted && !socket->is_open);
}

void sim_socket_finish(struct sim_socket *socket)
{
    socket->client_fin = true;
}

void sim_socket_reset(struct sim_socket *socket)
{
    socket->client_reset = socket->client_fin = true;
    socket->out.len = socket->out_start = 0;
    socket->in.len = socket->in_start = 0;
}

/* ---- the front's end ---- */

int sim_socket_listener(void)
{
    return LISTENER_FD;
}

static struct sim_socket *socket_of(int fd)
{
    assert(fd >= FIRST_FD && fd < FIRST_FD + net.count);
    return net.sockets[fd - FIRST_FD];
}

bool sim_socket_is_ours(int fd)
{
    return fd >= SPARE_FD && fd < FIRST_FD + SOCKETS_MAX;
}

bool sim_socket_is_open(int fd)
{
    if (fd == LISTENER_FD)
        return net.listens;
    return fd >= FIRST_FD && fd < FIRST_FD + net.count && socket_of(fd)->is_open;
}

static size_t unread_by_front(const struct sim_socket *socket)
{
    return socket->in.len - socket->in_start;
}

int sim_socket_ready(int fd)
{
    const struct sim_socket *socket;

    if (fd == LISTENER_FD)
        return net.accepted < net.count ? EV_READ : 0;
    socket = socket_of(fd);
    if (socket->client_reset)
        return EV_READ | EV_WRITE;
    return (unread_by_front(socket) > 0 || socket->client_fin ? EV_READ : 0) |
           (unread(socket) < (socket->capacity + 1) / 2 ? EV_WRITE : 0);
}

int sim_socket_open_spare(void)
{
    assert(!net.has_spare);
    if (net.out_of_descriptors) {
        errno = EMFILE;
        return -1;
    }
    net.has_spare = true;
    return SPARE_FD;
}

/* Descriptors run out for some calls, but for the one that was kept in reserve. */
static bool fails_to_accept(void)
{
    if (!sim_has(SIM_ACCEPT_FAILS))
        return false;
    if (sim_chance(&net.random, net.out_of_descriptors ? 256 : 128))
        net.out_of_descriptors = !net.out_of_descriptors;
    errno = sim_chance(&net.random, 64) ? ECONNABORTED : EMFILE;
    return net.out_of_descriptors && net.has_spare;
}

int sim_socket_accept(int fd)
{
    struct sim_socket *socket;

    assert(fd == LISTENER_FD && net.listens);
    if (net.accepted == net.count) {
        errno = EAGAIN;
        return -1;
    }
    if (fails_to_accept())
        return -1;
    socket = net.sockets[net.accepted++];
    socket->accepted = socket->is_open = true;
    sim_trace("accepted %d", socket->fd - FIRST_FD);
    return socket->fd;
}

/* How much of what could be moved is moved at once. */
static size_t some_of(size_t most)
{
    return sim_chance(&net.random, 128) ? 1 + sim_below(&net.random, most) : most;
}

ssize_t sim_socket_recv(int fd, void *bytes, size_t most)
{
    struct sim_socket *socket = socket_of(fd);
    size_t len = unread_by_front(socket);

    if (!socket->is_open)
        sim_fail("recv() on a closed descriptor");
    if (socket->client_reset) {
        errno = ECONNRESET;
        return -1;
    }
    if (len == 0 && socket->client_fin)
        return 0;
    if (len == 0) {
        errno = EAGAIN;
        return -1;
    }
    len = some_of(len < most ? len : most);
    memcpy(bytes, socket->in.data + socket->in_start, len);
    socket->in_start += len;
    if (unread_by_front(socket) == 0)
        socket->in.len = socket->in_start = 0;
    return (ssize_t)len;
}

static size_t gather(struct sim_socket *socket, const struct iovec *iov, size_t count,
                     size_t most)
{
    size_t done = 0;

    for (size_t i = 0; i < count && done < most; i++) {
        size_t len = iov[i].iov_len < most - done ? iov[i].iov_len : most - done;

        buf_append(&socket->out, iov[i].iov_base, len);
        done += len;
    }
    return done;
}

ssize_t sim_socket_send(int fd, const struct iovec *iov, size_t count)
{
    struct sim_socket *socket = socket_of(fd);
    size_t most = socket->capacity - unread(socket), sent;

    if (!socket->is_open || socket->front_fin)
        sim_fail("sendmsg() on a descriptor that was closed or shut down");
    if (socket->client_reset) {
        errno = EPIPE;
        return -1;
    }
    if (most == 0) {
        errno = EAGAIN;
        return -1;
    }
    sent = gather(socket, iov, count, some_of(most));
    socket->wake(socket->owner);
    return (ssize_t)sent;
}

int sim_socket_unacknowledged(int fd)
{
    return (int)unread(socket_of(fd));
}

int sim_socket_shutdown(int fd)
{
    struct sim_socket *socket = socket_of(fd);

    if (socket->client_reset) {
        errno = ENOTCONN;
        return -1;
    }
    socket->front_fin = true;
    socket->wake(socket->owner);
    return 0;
}

void sim_socket_linger_hard(int fd)
{
    socket_of(fd)->hard = true;
}

static void close_socket(struct sim_socket *socket)
{
    if (!socket->is_open)
        sim_fail("a connection's descriptor is closed twice");
    socket->is_open = false;
    socket->front_fin = true;
    socket->front_reset =
        socket->front_reset || socket->hard || unread_by_front(socket) > 0;
    /* What a reset overtakes is lost. */
    if (socket->front_reset && sim_chance(&net.random, 512))
        socket->out.len = socket->out_start = 0;
    sim_trace("closed %d%s", socket->fd - FIRST_FD, socket->front_reset ? " (RST)" : "");
    if (!socket->client_reset)
        socket->wake(socket->owner);
}

int sim_socket_close(int fd)
{
    if (fd == SPARE_FD) {
        assert(net.has_spare);
        net.has_spare = false;
        return 0;
    }
    if (fd != LISTENER_FD) {
        close_socket(socket_of(fd));
        return 0;
    }
    assert(net.listens);
    net.listens = false;
    for (int i = net.accepted; i < net.count; i++) {
        net.sockets[i]->front_reset = true;
        net.sockets[i]->wake(net.sockets[i]->owner);
    }
    return 0;
}
