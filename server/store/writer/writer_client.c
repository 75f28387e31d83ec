#include "server/store/writer/writer_client.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/store/store_backend.h"
#include "server/store/writer/writer_protocol.h"

#define RETRY_MIN_S  0.01
#define RETRY_MAX_S  0.5
#define IOV_MAX_SEND 64
#define IN_BYTES     (WRITER_HEAD_BYTES * 512)

/* What a writer must get done, beside the timeout. */
#define BYTES_PER_S (16. * 1024 * 1024)

enum link_state {
    LINK_DOWN,   /* not connected; the retry timer runs */
    LINK_HELLO,  /* connected; waiting for the writer's HELLO */
    LINK_UP,     /* writes go out and answers come in */
    LINK_LEAVING /* the writer said BYE; waiting for the last answers and its end */
};

/* One write on its way. */
struct outgoing {
    struct store_flight flight;
    struct list link;      /* in queued or sent */
    struct store_put *put; /* NULL once cancelled */
    struct blob *blob;     /* until it is sent; NULL for a delete */
    uint64_t payload_len;
    uint64_t number; /* told to the writer; set when sending begins */
    size_t sent;     /* bytes, of head and payload */
    size_t head_len;
    struct writer_client *owner;
    uint8_t head[WRITER_HEAD_BYTES + STORE_NAME_MAX + STORE_NAME_MAX];
};

struct writer_client {
    struct ev_loop *loop;
    struct sockaddr_un address;
    socklen_t address_len;
    void (*on_up)(void *ctx);
    void *ctx;
    enum link_state state;
    int fd;
    struct ev_io io;
    struct ev_prepare flush; /* runs when a write waits to be sent at this turn's end */
    struct ev_timer retry;
    double retry_s;
    struct ev_timer hold;
    struct ev_timer overdue; /* runs while writes wait in UP and LEAVING */
    double timeout_s;
    bool hung;
    bool met;     /* a writer was there once */
    bool holding; /* writes wait for a writer; else they are DOWN */
    struct list queued;
    struct list sent;
    uint64_t writes; /* in both lists */
    uint64_t bytes;  /* payloads in both lists */
    uint64_t next_number;
    uint64_t last_version; /* as the writer's HELLO told it */
    struct store_counters counters;
    size_t in_len;
    uint8_t in[IN_BYTES];
};

static void try_connect(struct writer_client *link);

/* ---- the deadline ---- */

/* The writer has done something, or there is something new for it: the deadline begins
   anew. */
static void restart_overdue(struct writer_client *link)
{
    bool waits =
        link->writes > 0 && (link->state == LINK_UP || link->state == LINK_LEAVING);

    link->overdue.repeat =
        waits ? link->timeout_s + (double)link->bytes / BYTES_PER_S : 0.;
    ev_timer_again(link->loop, &link->overdue); /* stops it where repeat is 0 */
}

/* ---- writes ---- */

static struct outgoing *first_of(struct list *head)
{
    assert(!list_is_empty(head));
    return container_of(head->next, struct outgoing, link);
}

/* Takes a write out of its list, frees it, and tells its request, if it still has one. */
static void end_outgoing(struct outgoing *out, enum store_status status, uint64_t version)
{
    struct store_put *put = out->put;

    list_remove(&out->link);
    out->owner->writes--;
    out->owner->bytes -= out->payload_len;
    blob_unref(&out->blob);
    mem_free(out);
    if (put == NULL)
        return;
    put->request.backend = NULL;
    put->status = status;
    put->version = version;
    put->done(put);
}

/* Ends all writes of a list; the callbacks may queue and cancel others. */
static void end_all(struct list *head, enum store_status status)
{
    struct list local;

    list_init(&local);
    while (!list_is_empty(head))
        list_append(&local, list_shift(head));
    while (!list_is_empty(&local))
        end_outgoing(first_of(&local), status, 0);
}

static void cancel_outgoing(struct store_flight *flight)
{
    struct outgoing *out = container_of(flight, struct outgoing, flight);

    out->put = NULL;
    if (out->sent == 0) /* nobody has seen any of it */
        end_outgoing(out, STORE_DOWN, 0);
}

static struct outgoing *outgoing_new(struct writer_client *link, struct store_put *put)
{
    struct outgoing *out = mem_zalloc(sizeof *out);

    out->flight.cancel = cancel_outgoing;
    list_init(&out->link);
    out->owner = link;
    out->put = put;
    out->blob = put->remove ? NULL : blob_ref(put->blob);
    out->payload_len = put->remove ? 0 : put->blob->bytes.len;
    out->number = link->next_number++;
    writer_put_head(out->head, &(struct writer_head){
                                   .type = WRITER_WRITE,
                                   .format = put->remove ? 0 : (uint8_t)put->format,
                                   .condition = (uint8_t)put->condition,
                                   .remove = put->remove,
                                   .collection_len = (uint16_t)put->key.collection.len,
                                   .id_len = (uint16_t)put->key.id.len,
                                   .number = out->number,
                                   .version = put->if_version,
                                   .payload_len = out->payload_len,
                               });
    out->head_len = WRITER_HEAD_BYTES;
    memcpy(out->head + out->head_len, put->key.collection.data, put->key.collection.len);
    out->head_len += put->key.collection.len;
    memcpy(out->head + out->head_len, put->key.id.data, put->key.id.len);
    out->head_len += put->key.id.len;
    return out;
}

static void end_now(struct store_put *put, enum store_status status)
{
    put->status = status;
    put->done(put);
}

void writer_client_put(struct writer_client *link, struct store_put *put)
{
    uint64_t len = put->remove ? 0 : put->blob->bytes.len;
    struct outgoing *out;

    if (len > STORE_DOCUMENT_MAX) {
        end_now(put, STORE_ERROR);
        return;
    }
    /* a write over the bound on bytes passes where it is alone */
    if ((link->state != LINK_UP && !link->holding) ||
        link->writes >= WRITER_CLIENT_MAX_WRITES ||
        (link->writes > 0 && link->bytes + len > WRITER_CLIENT_MAX_BYTES)) {
        end_now(put, STORE_DOWN);
        return;
    }
    out = outgoing_new(link, put);
    put->request.backend = &out->flight;
    list_append(&link->queued, &out->link);
    link->writes++;
    link->bytes += len;
    if (link->state == LINK_UP)
        ev_prepare_start(link->loop, &link->flush);
    if (link->writes == 1)
        restart_overdue(link);
}

/* ---- the connection ---- */

static void watch(struct writer_client *link, int events)
{
    if (ev_is_active(&link->io) && link->io.events == events)
        return;
    ev_io_stop(link->loop, &link->io);
    ev_io_set(&link->io, link->fd, events);
    ev_io_start(link->loop, &link->io);
}

static void start_hold(struct writer_client *link)
{
    link->holding = true;
    ev_timer_stop(link->loop, &link->hold);
    ev_timer_set(&link->hold, WRITER_CLIENT_HOLD_S, 0.);
    ev_timer_start(link->loop, &link->hold);
}

static void retry_later(struct writer_client *link)
{
    assert(link->state == LINK_DOWN);
    ev_timer_stop(link->loop, &link->retry);
    ev_timer_set(&link->retry, link->retry_s, 0.);
    ev_timer_start(link->loop, &link->retry);
    link->retry_s = link->retry_s * 2 < RETRY_MAX_S ? link->retry_s * 2 : RETRY_MAX_S;
}

static void close_fd(struct writer_client *link)
{
    ev_io_stop(link->loop, &link->io);
    ev_prepare_stop(link->loop, &link->flush);
    ev_timer_stop(link->loop, &link->overdue);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->in_len = 0;
}

/* The writer is gone: what it had is lost, what it had not waits. A write that it had a
   part of has not happened; it does not wait, in case it was the end of the writer. */
static void drop(struct writer_client *link)
{
    enum link_state before = link->state;
    struct list partly;

    list_init(&partly);
    close_fd(link);
    link->state = LINK_DOWN;
    if (before == LINK_UP)
        start_hold(link);
    if (!list_is_empty(&link->queued) && first_of(&link->queued)->sent > 0)
        list_append(&partly, list_shift(&link->queued));
    for (struct list *at = link->sent.next; at != &link->sent; at = at->next)
        link->counters.writes_unsure++;
    /* a writer that ended well is followed by another at once */
    if (before == LINK_LEAVING)
        link->retry_s = RETRY_MIN_S;
    retry_later(link);
    end_all(&link->sent, STORE_UNSURE);
    end_all(&partly, STORE_DOWN);
}

/* Collects the unsent bytes of the first writes; in LEAVING, of the one that was begun.
 */
static size_t gather(struct writer_client *link, struct iovec *iov)
{
    size_t count = 0;

    for (struct list *at = link->queued.next;
         at != &link->queued && count + 2 <= IOV_MAX_SEND; at = at->next) {
        struct outgoing *out = container_of(at, struct outgoing, link);
        size_t skip = out->sent > out->head_len ? out->sent - out->head_len : 0;

        if (link->state == LINK_LEAVING && out->sent == 0)
            break;
        if (out->sent < out->head_len)
            iov[count++] =
                (struct iovec){out->head + out->sent, out->head_len - out->sent};
        if (out->payload_len > skip)
            iov[count++] =
                (struct iovec){(void *)(uintptr_t)(out->blob->bytes.data + skip),
                               out->payload_len - skip};
    }
    return count;
}

/* Marks bytes as sent, and moves what is sent whole. */
static void account(struct writer_client *link, size_t bytes)
{
    while (bytes > 0) {
        struct outgoing *out = first_of(&link->queued);
        size_t left = out->head_len + out->payload_len - out->sent;
        size_t part = bytes < left ? bytes : left;

        out->sent += part;
        bytes -= part;
        if (part < left)
            return;
        list_remove(&out->link);
        list_append(&link->sent, &out->link);
        blob_unref(&out->blob);
        link->counters.writes_sent++;
    }
}

/* Sends once, and says by the watcher whether there is more. Returns -1 on a dead
   connection. */
static int send_some(struct writer_client *link)
{
    struct iovec iov[IOV_MAX_SEND];
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = gather(link, iov)};
    ssize_t n;

    if (message.msg_iovlen > 0) {
        n = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0) {
            account(link, (size_t)n);
            restart_overdue(link);
        }
    }
    if (gather(link, iov) > 0) {
        watch(link, EV_READ | EV_WRITE);
        return 0;
    }
    watch(link, EV_READ);
    if (link->state == LINK_LEAVING)
        shutdown(link->fd, SHUT_WR);
    return 0;
}

/* ---- what the writer says ---- */

static int on_reply(struct writer_client *link, const struct writer_head *head)
{
    struct outgoing *out;

    if (list_is_empty(&link->sent))
        return -1;
    out = first_of(&link->sent);
    if (out->number != head->number)
        return -1;
    link->counters.writer_commits = head->commits;
    link->counters.writer_writes = head->writes;
    end_outgoing(out, (enum store_status)head->status, head->version);
    restart_overdue(link);
    return 0;
}

static int on_hello(struct writer_client *link, const struct writer_head *head)
{
    link->state = LINK_UP;
    if (link->met)
        link->counters.writer_restarts++;
    if (link->hung)
        log_info("store: a writer answers again");
    link->met = true;
    link->last_version = head->last_version;
    link->hung = false;
    link->holding = false;
    link->retry_s = RETRY_MIN_S;
    ev_timer_stop(link->loop, &link->hold);
    if (!list_is_empty(&link->queued))
        ev_prepare_start(link->loop, &link->flush);
    restart_overdue(link);
    link->on_up(link->ctx);
    return 0;
}

static int on_message(struct writer_client *link, const struct writer_head *head)
{
    switch (head->type) {
    case WRITER_HELLO: return link->state == LINK_HELLO ? on_hello(link, head) : -1;
    case WRITER_REPLY: return link->state == LINK_HELLO ? -1 : on_reply(link, head);
    case WRITER_BYE:
        if (link->state != LINK_UP)
            return -1;
        link->state = LINK_LEAVING;
        ev_prepare_stop(link->loop, &link->flush);
        start_hold(link);
        return send_some(link);
    case WRITER_WRITE: break;
    }
    return -1;
}

/* Works through the bytes that are there; -1 where the writer broke a rule. */
static int take_messages(struct writer_client *link)
{
    size_t at = 0;

    for (; link->in_len - at >= WRITER_HEAD_BYTES; at += WRITER_HEAD_BYTES) {
        struct writer_head head;

        if (writer_read_head(link->in + at, &head) < 0 || on_message(link, &head) < 0) {
            log_warn("store: the writer sent a bad message");
            return -1;
        }
    }
    link->in_len -= at;
    memmove(link->in, link->in + at, link->in_len);
    return 0;
}

static int receive_some(struct writer_client *link)
{
    ssize_t n = recv(link->fd, link->in + link->in_len, sizeof link->in - link->in_len,
                     MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    link->in_len += (size_t)n;
    return take_messages(link);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct writer_client *link = io->data;
    int rc = 0;

    (void)loop;
    if (events & EV_READ)
        rc = receive_some(link);
    if (rc == 0 && (events & EV_WRITE))
        rc = send_some(link);
    if (rc < 0)
        drop(link);
}

static void on_flush(struct ev_loop *loop, struct ev_prepare *flush, int events)
{
    struct writer_client *link = flush->data;

    (void)events;
    ev_prepare_stop(loop, flush);
    if (!(link->io.events & EV_WRITE) && send_some(link) < 0)
        drop(link);
}

/* ---- connecting ---- */

static int open_socket(struct writer_client *link)
{
    uint8_t hello[WRITER_HEAD_BYTES];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    writer_put_head(hello, &(struct writer_head){.type = WRITER_HELLO,
                                                 .number = WRITER_MAGIC,
                                                 .version = WRITER_VERSION});
    /* a fresh socket takes the hello whole */
    if (connect(fd, (struct sockaddr *)&link->address, link->address_len) == 0 &&
        writer_peer_is_ours(fd) &&
        send(fd, hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t)sizeof hello)
        return fd;
    close(fd);
    return -1;
}

static void try_connect(struct writer_client *link)
{
    assert(link->state == LINK_DOWN && link->fd < 0);
    link->fd = open_socket(link);
    if (link->fd < 0) {
        retry_later(link);
        return;
    }
    link->state = LINK_HELLO;
    watch(link, EV_READ);
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    try_connect(timer->data);
}

static void on_hold(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct writer_client *link = timer->data;
    struct list *partly = NULL;

    (void)loop;
    (void)events;
    link->holding = false;
    if (link->state == LINK_LEAVING && !list_is_empty(&link->queued) &&
        first_of(&link->queued)->sent > 0)
        partly = list_shift(&link->queued); /* still being sent */
    end_all(&link->queued, STORE_DOWN);
    if (partly != NULL)
        list_insert_before(link->queued.next, partly);
}

/* The master looks after the writer itself, and replaces one that hangs. */
static void on_overdue(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct writer_client *link = timer->data;

    (void)events;
    if (link->writes == 0) {
        ev_timer_stop(loop, timer); /* what waited was taken back */
        return;
    }
    log_warn("store: the writer hangs: %" PRIu64
             " writes end without its answer; those that it has received may or may not "
             "have happened",
             link->writes);
    link->hung = true;
    drop(link);
}

static void init_watchers(struct writer_client *link)
{
    ev_init(&link->io, on_io);
    ev_init(&link->retry, on_retry);
    ev_init(&link->hold, on_hold);
    ev_init(&link->overdue, on_overdue);
    /* where this process stood still the answers that are there come first */
    ev_set_priority(&link->overdue, EV_MINPRI);
    ev_prepare_init(&link->flush, on_flush);
    link->io.data = link->retry.data = link->hold.data = link->flush.data = link;
    link->overdue.data = link;
}

struct writer_client *writer_client_create(struct ev_loop *loop, int listen_fd,
                                           double timeout_s, void (*on_up)(void *ctx),
                                           void *ctx)
{
    struct writer_client *link = mem_zalloc(sizeof *link);

    link->loop = loop;
    link->timeout_s = timeout_s;
    link->on_up = on_up;
    link->ctx = ctx;
    link->fd = -1;
    link->retry_s = RETRY_MIN_S;
    list_init(&link->queued);
    list_init(&link->sent);
    init_watchers(link);
    link->address_len = sizeof link->address;
    if (getsockname(listen_fd, (struct sockaddr *)&link->address, &link->address_len) <
            0 ||
        link->address.sun_family != AF_UNIX) {
        log_warn("store: descriptor %d is not the writer's listening socket", listen_fd);
        mem_free(link);
        return NULL;
    }
    start_hold(link);
    try_connect(link);
    return link;
}

void writer_client_destroy(struct writer_client **link)
{
    struct writer_client *l = *link;

    *link = NULL;
    if (l == NULL)
        return;
    close_fd(l);
    ev_timer_stop(l->loop, &l->retry);
    ev_timer_stop(l->loop, &l->hold);
    for (struct list *at = l->queued.next; at != &l->queued; at = at->next)
        assert(container_of(at, struct outgoing, link)->put == NULL);
    for (struct list *at = l->sent.next; at != &l->sent; at = at->next)
        assert(container_of(at, struct outgoing, link)->put == NULL);
    end_all(&l->queued, STORE_DOWN);
    end_all(&l->sent, STORE_UNSURE);
    mem_free(l);
}

bool writer_client_is_up(const struct writer_client *link)
{
    return link->state == LINK_UP;
}

uint64_t writer_client_last_version(const struct writer_client *link)
{
    return link->last_version;
}

bool writer_client_is_hung(const struct writer_client *link)
{
    return link->hung;
}

void writer_client_read_counters(const struct writer_client *link,
                                 struct store_counters *counters_r)
{
    *counters_r = link->counters;
    counters_r->writes_waiting = link->writes;
}
