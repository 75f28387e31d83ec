#include "server/workers/nng_faults/gate_probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/nng_faults/tls_probe.h"
#include "common/base/list.h"
#include "server/workers/link/rpc_address.h"

#define PROBE_EVERY_S 1.0
#define ANSWER_S      1.0

/* A look through TLS costs both sides together some ten milliseconds of CPU; and one that
   is given up in the middle of its handshake may be what nng loses the listener to. */
#define TLS_PROBE_EVERY_S 4.0
#define TLS_ANSWER_S      4.0

/* One late answer may be a busy machine's; listening again cuts every worker off for a
   moment. */
#define MISSES_MEAN_DEAF 2

/* The first bytes of every SP connection, both ways: "\0SP\0", the protocol (0x30 is
   REQ0), zeros. */
#define HANDSHAKE 0, 'S', 'P', 0, 0, 0x30, 0, 0

#define QUESTION_BYTE '?'

/* A REQ0 message: its length (after the byte 1 over ipc), a request id with the highest
   bit set, and one byte that is no hello: the gate will say so. */
#define QUESTION 0, 0, 0, 0, 0, 0, 0, 5, 0x80, 0, 0, 1, QUESTION_BYTE

static const uint8_t ipc_bytes[] = {HANDSHAKE, 1, QUESTION};
static const uint8_t tcp_bytes[] = {HANDSHAKE, QUESTION};

/* The handshake of the other side and one byte more: nng has handed the question on, and
   an answer comes. */
#define ANSWER_BYTES 9

struct gate_probe {
    struct ev_loop *loop;
    ev_timer timer; /* until the next probe, or until the answer is late */
    ev_io io;       /* active while a probe is under way */
    struct sockaddr_storage address;
    socklen_t address_len;       /* 0 where nothing can be probed */
    struct tls_probe *tls_probe; /* NULL without TLS */
    bool is_asked;               /* the question is out */
    size_t got;                  /* bytes of the answer */
    bool works;      /* an answer has come, or is owed to everybody: misses count */
    unsigned misses; /* in a row */
    void (*on_deaf)(void *ctx);
    void *ctx;
};

static void parse_tcp(struct gate_probe *probe, const char *url)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found;
    char host[RPC_ADDRESS_MAX_BYTES];
    char *colon;

    snprintf(host, sizeof host, "%s", strstr(url, "://") + strlen("://"));
    colon = strrchr(host, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    if (host[0] == '[' && colon > host + 1) { /* [::1] */
        colon[-1] = '\0';
        memmove(host, host + 1, strlen(host));
    }
    if (getaddrinfo(host, strrchr(url, ':') + 1, &hints, &found) != 0)
        return;
    memcpy(&probe->address, found->ai_addr, found->ai_addrlen);
    probe->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static void parse_url(struct gate_probe *probe, const char *url)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&probe->address;
    const char *path = rpc_address_path(url);

    if (path == NULL) {
        parse_tcp(probe, url);
        return;
    }
    assert(strlen(path) < sizeof local->sun_path);
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path, strlen(path) + 1);
    probe->address_len = sizeof *local;
}

static void rest(struct gate_probe *probe, double seconds)
{
    ev_timer_stop(probe->loop, &probe->timer);
    ev_timer_set(&probe->timer, seconds, 0);
    ev_timer_start(probe->loop, &probe->timer);
}

/* The probe under way is over. */
static void end_probe(struct gate_probe *probe, bool answered)
{
    ev_io_stop(probe->loop, &probe->io);
    close(probe->io.fd);
    probe->io.fd = -1;
    probe->works = probe->works || answered;
    probe->misses = answered || !probe->works ? 0 : probe->misses + 1;
    rest(probe, probe->tls_probe != NULL && probe->misses == 0 ? TLS_PROBE_EVERY_S
                                                               : PROBE_EVERY_S);
    if (probe->misses < MISSES_MEAN_DEAF)
        return;
    probe->misses = 0;
    probe->on_deaf(probe->ctx);
}

/* What one call on a socket came to, in the words of a visitor's. */
static enum tls_probe_step step_of(ssize_t n, enum tls_probe_step later)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return later;
    return n > 0 ? TLS_PROBE_DONE : TLS_PROBE_FAILED;
}

static enum tls_probe_step ask(const struct gate_probe *probe)
{
    bool ipc = probe->address.ss_family == AF_UNIX;
    struct slice bytes = ipc ? (struct slice){ipc_bytes, sizeof ipc_bytes}
                             : (struct slice){tcp_bytes, sizeof tcp_bytes};
    ssize_t sent;

    if (probe->tls_probe != NULL)
        return tls_probe_send(probe->tls_probe, bytes);
    sent = send(probe->io.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    return sent > 0 && (size_t)sent < bytes.len ? TLS_PROBE_FAILED
                                                : step_of(sent, TLS_PROBE_WANTS_WRITE);
}

static enum tls_probe_step hear(struct gate_probe *probe)
{
    uint8_t answer[ANSWER_BYTES];
    size_t room = sizeof answer - probe->got, got = 0;
    enum tls_probe_step step;
    ssize_t n;

    assert(probe->got < sizeof answer);
    if (probe->tls_probe != NULL) {
        step = tls_probe_receive(probe->tls_probe, answer, room, &got);
    } else {
        n = recv(probe->io.fd, answer, room, 0);
        step = step_of(n, TLS_PROBE_WANTS_READ);
        got = n > 0 ? (size_t)n : 0;
    }
    probe->got += got;
    return step;
}

static enum tls_probe_step go_on(struct gate_probe *probe)
{
    enum tls_probe_step step = TLS_PROBE_DONE;

    if (!probe->is_asked)
        step = ask(probe);
    probe->is_asked = step == TLS_PROBE_DONE;
    while (step == TLS_PROBE_DONE && probe->got < ANSWER_BYTES)
        step = hear(probe);
    return step;
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct gate_probe *probe = container_of(io, struct gate_probe, io);
    enum tls_probe_step step = go_on(probe);
    int wants = step == TLS_PROBE_WANTS_WRITE ? EV_WRITE : EV_READ;

    (void)events;
    if (step == TLS_PROBE_DONE || step == TLS_PROBE_FAILED) {
        end_probe(probe, step == TLS_PROBE_DONE);
        return;
    }
    ev_io_stop(loop, io);
    ev_io_set(io, io->fd, wants);
    ev_io_start(loop, io);
}

static void start_probe(struct gate_probe *probe)
{
    int fd =
        socket(probe->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        rest(probe, PROBE_EVERY_S);
        return;
    }
    probe->got = 0;
    probe->is_asked = false;
    if (probe->tls_probe != NULL)
        tls_probe_begin(probe->tls_probe, fd);
    ev_io_set(&probe->io, fd, EV_WRITE);
    if (connect(fd, (struct sockaddr *)&probe->address, probe->address_len) != 0 &&
        errno != EINPROGRESS) {
        end_probe(probe, false);
        return;
    }
    ev_io_start(probe->loop, &probe->io);
    rest(probe, probe->tls_probe != NULL ? TLS_ANSWER_S : ANSWER_S);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gate_probe *probe = container_of(timer, struct gate_probe, timer);

    (void)loop;
    (void)events;
    if (ev_is_active(&probe->io))
        end_probe(probe, false);
    else
        start_probe(probe);
}

struct gate_probe *gate_probe_create(struct ev_loop *loop, const char *url,
                                     struct tls_probe *tls_probe,
                                     void (*on_deaf)(void *ctx), void *ctx)
{
    struct gate_probe *probe = mem_zalloc(sizeof *probe);

    assert((tls_probe != NULL) == rpc_address_is_tls(url));
    probe->loop = loop;
    probe->tls_probe = tls_probe;
    probe->works = tls_probe == NULL;
    probe->on_deaf = on_deaf;
    probe->ctx = ctx;
    parse_url(probe, url);
    ev_init(&probe->timer, on_timer);
    ev_init(&probe->io, on_io);
    probe->io.fd = -1;
    if (probe->address_len > 0)
        rest(probe, PROBE_EVERY_S);
    return probe;
}

bool gate_probe_works(const struct gate_probe *probe)
{
    return probe->works;
}

bool gate_probe_is_question(struct slice bytes)
{
    return bytes.len == 1 && bytes.data[0] == QUESTION_BYTE;
}

void gate_probe_destroy(struct gate_probe **probe)
{
    if (*probe == NULL)
        return;
    ev_timer_stop((*probe)->loop, &(*probe)->timer);
    ev_io_stop((*probe)->loop, &(*probe)->io);
    if ((*probe)->io.fd >= 0)
        close((*probe)->io.fd);
    mem_free(*probe);
    *probe = NULL;
}
