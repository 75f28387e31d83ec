#include "server/workers/gate/gate_client.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/workers/gate/gate_message.h"

#define CONNECT_AGAIN_S 0.1

#define NOTES_PER_TURN 32

struct gate_client {
    struct ev_loop *loop;
    ev_io readable; /* fd -1 while not connected */
    ev_timer again; /* active while not connected */
    struct gate_client_events events;
    void *ctx;
    struct sockaddr_un address;
    socklen_t address_len;
    bool failed; /* since the last success, and logged */
};

static void connect_later(struct gate_client *link)
{
    ev_timer_stop(link->loop, &link->again);
    ev_timer_set(&link->again, CONNECT_AGAIN_S, 0);
    ev_timer_start(link->loop, &link->again);
}

static void disconnect(struct gate_client *link)
{
    if (link->readable.fd < 0)
        return;
    ev_io_stop(link->loop, &link->readable);
    close(link->readable.fd);
    link->readable.fd = -1;
}

/* Hellos and prompts are for the owner; anything else is not from a gate. */
static int take_note(struct gate_client *link, struct slice datagram)
{
    struct wire_message message;
    struct gate_message note;

    if (gate_message_decode(datagram, &note) != 0)
        return -1;
    if (note.type == GATE_MESSAGE_PROMPT) {
        link->events.prompt(link->ctx);
        return 0;
    }
    if (note.type != GATE_MESSAGE_HELLO ||
        wire_decode(note.hello, &message, NULL) != WIRE_OK || message.type != WIRE_HELLO)
        return -1;
    link->events.hello(link->ctx, &message.hello);
    return 0;
}

static void on_readable(struct ev_loop *loop, ev_io *readable, int events)
{
    struct gate_client *link = container_of(readable, struct gate_client, readable);
    uint8_t bytes[GATE_MESSAGE_MAX_BYTES + 1];

    (void)loop;
    (void)events;
    for (unsigned i = 0; i < NOTES_PER_TURN && link->readable.fd >= 0; i++) {
        ssize_t got = recv(readable->fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got > 0 && take_note(link, (struct slice){bytes, (size_t)got}) == 0)
            continue;
        if (got > 0)
            log_warn("the gate sent what is no note; connecting again");
        disconnect(link);
        connect_later(link);
    }
}

static int connect_now(struct gate_client *link)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&link->address, link->address_len) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    ev_io_set(&link->readable, fd, EV_READ);
    ev_io_start(link->loop, &link->readable);
    return 0;
}

static void on_again(struct ev_loop *loop, ev_timer *again, int events)
{
    struct gate_client *link = container_of(again, struct gate_client, again);

    (void)loop;
    (void)events;
    assert(link->readable.fd < 0);
    if (connect_now(link) == 0) {
        link->failed = false;
        link->events.up(link->ctx);
        return;
    }
    if (!link->failed)
        log_warn("cannot connect to the gate: %s; still trying", strerror(errno));
    link->failed = true;
    connect_later(link);
}

struct gate_client *gate_client_create(struct ev_loop *loop, int gate_listen_fd,
                                       const struct gate_client_events *events, void *ctx)
{
    struct gate_client *link = mem_zalloc(sizeof *link);

    link->loop = loop;
    link->events = *events;
    link->ctx = ctx;
    link->address_len = sizeof link->address;
    if (getsockname(gate_listen_fd, (struct sockaddr *)&link->address,
                    &link->address_len) != 0)
        log_fatal("the gate's socket has no address: %s", strerror(errno));
    ev_init(&link->readable, on_readable);
    link->readable.fd = -1;
    ev_timer_init(&link->again, on_again, 0, 0);
    ev_timer_start(loop, &link->again);
    return link;
}

void gate_client_destroy(struct gate_client **link)
{
    if (*link == NULL)
        return;
    disconnect(*link);
    ev_timer_stop((*link)->loop, &(*link)->again);
    mem_free(*link);
    *link = NULL;
}

static void send_note(struct gate_client *link, struct buf *note)
{
    /* A gate that does not take it is gone or stuck: then the offers are made again when
       it is back, or at the worker's next hello. */
    if (link->readable.fd >= 0)
        (void)!send(link->readable.fd, note->data, note->len,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_free(note);
}

void gate_client_offer(struct gate_client *link, const struct wire_id *worker,
                       const struct wire_seat *seat)
{
    struct buf note = BUF_INIT;

    gate_message_put_offer(&note, worker, seat);
    send_note(link, &note);
}

void gate_client_gone(struct gate_client *link, const struct wire_id *worker)
{
    struct buf note = BUF_INIT;

    gate_message_put_gone(&note, worker);
    send_note(link, &note);
}
