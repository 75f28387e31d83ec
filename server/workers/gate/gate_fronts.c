#include "server/workers/gate/gate_fronts.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/workers/gate/gate_message.h"

/* Datagrams read from one front before the others get their turn. */
#define READS_PER_TURN 64

struct offer {
    struct list link;
    struct wire_id worker;
    struct wire_seat seat; /* its url points to the text below */
    char url[WIRE_MAX_TEXT_BYTES];
};

struct front {
    struct list link;
    struct gate_fronts *fronts;
    ev_io readable;
    pid_t pid;
    struct list offers;
};

struct gate_fronts {
    struct ev_loop *loop;
    ev_io acceptable;
    struct gate_fronts_events events;
    void *ctx;
    struct list all;
};

static struct offer *find_offer(const struct front *front, const struct wire_id *worker)
{
    for (struct list *at = front->offers.next; at != &front->offers; at = at->next) {
        struct offer *offer = container_of(at, struct offer, link);

        if (gate_message_same_worker(&offer->worker, worker))
            return offer;
    }
    return NULL;
}

static void offer_destroy(struct offer **offer)
{
    list_remove(&(*offer)->link);
    mem_free(*offer);
    *offer = NULL;
}

static void front_destroy(struct front **front)
{
    struct front *f = *front;

    *front = NULL;
    while (!list_is_empty(&f->offers)) {
        struct offer *offer = container_of(f->offers.next, struct offer, link);

        offer_destroy(&offer);
    }
    list_remove(&f->link);
    ev_io_stop(f->fronts->loop, &f->readable);
    close(f->readable.fd);
    mem_free(f);
}

static void front_left(struct front **front)
{
    struct gate_fronts *fronts = (*front)->fronts;

    front_destroy(front);
    fronts->events.left(fronts->ctx);
    fronts->events.changed(fronts->ctx);
}

static void take_offer(struct front *front, const struct gate_message *note)
{
    struct offer *offer = find_offer(front, &note->worker);

    if (offer == NULL) {
        offer = mem_zalloc(sizeof *offer);
        offer->worker = note->worker;
        list_append(&front->offers, &offer->link);
    }
    assert(note->seat.url.len <= sizeof offer->url);
    memcpy(offer->url, note->seat.url.data, note->seat.url.len);
    offer->seat = note->seat;
    offer->seat.url.data = (const uint8_t *)offer->url;
}

/* Returns -1 where the datagram is not one of a front's. */
static int take_note(struct front *front, struct slice datagram)
{
    struct gate_message note;
    struct offer *offer;

    if (gate_message_decode(datagram, &note) != 0)
        return -1;
    switch (note.type) {
    case GATE_MESSAGE_OFFER: take_offer(front, &note); return 0;
    case GATE_MESSAGE_GONE:
        offer = find_offer(front, &note.worker);
        if (offer != NULL)
            offer_destroy(&offer);
        return 0;
    case GATE_MESSAGE_HELLO:
    case GATE_MESSAGE_PROMPT: break;
    }
    return -1;
}

static void on_readable(struct ev_loop *loop, ev_io *readable, int events)
{
    struct front *front = container_of(readable, struct front, readable);
    struct gate_fronts *fronts = front->fronts;
    uint8_t bytes[GATE_MESSAGE_MAX_BYTES + 1];

    (void)loop;
    (void)events;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = recv(readable->fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (got <= 0) {
            front_left(&front);
            return;
        }
        if (take_note(front, (struct slice){bytes, (size_t)got}) != 0) {
            log_warn("front process %d sent the gate what is no note; dropping it",
                     (int)front->pid);
            front_left(&front);
            return;
        }
    }
    fronts->events.changed(fronts->ctx);
}

/* Only processes of this server may offer seats. */
static int check_peer(int fd, pid_t *pid_r)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return -1;
    *pid_r = peer.pid;
    if (peer.uid == geteuid() || peer.uid == 0)
        return 0;
    log_warn("process %d of user %u is no front; dropping it", (int)peer.pid, peer.uid);
    return -1;
}

static void on_acceptable(struct ev_loop *loop, ev_io *acceptable, int events)
{
    struct gate_fronts *fronts = container_of(acceptable, struct gate_fronts, acceptable);
    int fd = accept4(acceptable->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct front *front;
    pid_t pid;

    (void)events;
    if (fd < 0)
        return;
    if (check_peer(fd, &pid) != 0) {
        close(fd);
        return;
    }
    front = mem_zalloc(sizeof *front);
    front->fronts = fronts;
    front->pid = pid;
    list_init(&front->link);
    list_init(&front->offers);
    list_append(&fronts->all, &front->link);
    ev_io_init(&front->readable, on_readable, fd, EV_READ);
    ev_io_start(loop, &front->readable);
    fronts->events.came(fronts->ctx);
}

struct gate_fronts *gate_fronts_create(struct ev_loop *loop, int listen_fd,
                                       const struct gate_fronts_events *events, void *ctx)
{
    struct gate_fronts *fronts = mem_zalloc(sizeof *fronts);

    fronts->loop = loop;
    fronts->events = *events;
    fronts->ctx = ctx;
    list_init(&fronts->all);
    ev_io_init(&fronts->acceptable, on_acceptable, listen_fd, EV_READ);
    ev_io_start(loop, &fronts->acceptable);
    return fronts;
}

void gate_fronts_destroy(struct gate_fronts **fronts)
{
    struct gate_fronts *all = *fronts;

    if (all == NULL)
        return;
    *fronts = NULL;
    while (!list_is_empty(&all->all)) {
        struct front *front = container_of(all->all.next, struct front, link);

        front_destroy(&front);
    }
    ev_io_stop(all->loop, &all->acceptable);
    mem_free(all);
}

static void tell_all(struct gate_fronts *fronts, const struct buf *note)
{
    for (struct list *at = fronts->all.next; at != &fronts->all; at = at->next) {
        struct front *front = container_of(at, struct front, link);

        /* One that is full misses a hello; the worker repeats it in a second. One that
           is gone is noticed when it is next read from. */
        (void)!send(front->readable.fd, note->data, note->len,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

void gate_fronts_tell(struct gate_fronts *fronts, struct slice hello)
{
    struct buf note = BUF_INIT;

    gate_message_put_hello(&note, hello);
    tell_all(fronts, &note);
    buf_free(&note);
}

void gate_fronts_prompt(struct gate_fronts *fronts)
{
    struct buf note = BUF_INIT;

    gate_message_put_prompt(&note);
    tell_all(fronts, &note);
    buf_free(&note);
}

bool gate_fronts_is_empty(const struct gate_fronts *fronts)
{
    return list_is_empty(&fronts->all);
}

bool gate_fronts_seats(const struct gate_fronts *fronts, const struct wire_id *worker,
                       struct wire_welcome *welcome)
{
    bool complete = !list_is_empty(&fronts->all);

    welcome->seat_count = 0;
    for (struct list *at = fronts->all.next; at != &fronts->all; at = at->next) {
        struct offer *offer = find_offer(container_of(at, struct front, link), worker);

        if (offer == NULL)
            complete = false;
        else if (welcome->seat_count < WIRE_MAX_SEATS)
            welcome->seats[welcome->seat_count++] = offer->seat;
    }
    return complete;
}
