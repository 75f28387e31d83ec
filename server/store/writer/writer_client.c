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

/* The rate at which a writer must commit the bytes that wait, beyond the timeout. */
#define BYTES_PER_S (16. * 1024 * 1024)

enum client_state {
    CLIENT_DOWN,   /* not connected; the retry timer runs */
    CLIENT_HELLO,  /* connected; awaits the writer's HELLO */
    CLIENT_UP,     /* sends writes, awaits answers; `overdue` runs while writes wait */
    CLIENT_LEAVING /* the writer sent BYE; awaits the last answers and the end of file */
};

/* One write on its way. */
struct outgoing {
    struct store_flight flight;
    struct list link;      /* in queued or sent */
    struct store_put *put; /* NULL once cancelled */
    struct blob *blob;     /* NULL for a delete, and once it is sent */
    uint64_t payload_len;
    uint64_t number; /* the request's number in the protocol */
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
    enum client_state state;
    int fd;
    struct ev_io io;
    struct ev_prepare flush; /* sends new writes at the end of this turn of the loop */
    struct ev_timer retry;
    double retry_s;
    struct ev_timer wait;    /* runs while writes wait for a writer */
    struct ev_timer overdue; /* runs while writes wait in UP and LEAVING */
    double timeout_s;
    bool hung;
    bool was_up;     /* a writer has been connected before */
    bool is_waiting; /* without a writer, writes wait; else they end as DOWN */
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

/* Sets the state. */
static void enter(struct writer_client *client, enum client_state state)
{
    /* DOWN → HELLO → UP → LEAVING, and from each of them back to DOWN */
    assert(state == CLIENT_DOWN || state == client->state + 1);
    client->state = state;
}

/* ---- the deadline ---- */

/* Starts the deadline again: the writer has made progress, or the first write waits. */
static void restart_overdue(struct writer_client *client)
{
    bool waits = client->writes > 0 &&
                 (client->state == CLIENT_UP || client->state == CLIENT_LEAVING);

    client->overdue.repeat =
        waits ? client->timeout_s + (double)client->bytes / BYTES_PER_S : 0.;
    ev_timer_again(client->loop, &client->overdue); /* stops it if repeat is 0 */
}

/* ---- writes ---- */

static struct outgoing *first_of(struct list *head)
{
    assert(!list_is_empty(head));
    return container_of(head->next, struct outgoing, link);
}

/* Removes a write from its list, frees it, and ends its request, if that still exists. */
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
    put->version = version;
    STORE_BACKEND_END(put, status);
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
    if (out->sent == 0) /* the writer has no part of it */
        end_outgoing(out, STORE_DOWN, 0);
}

static struct outgoing *outgoing_new(struct writer_client *client, struct store_put *put)
{
    struct outgoing *out = mem_zalloc(sizeof *out);

    out->flight.cancel = cancel_outgoing;
    list_init(&out->link);
    out->owner = client;
    out->put = put;
    out->blob = put->remove ? NULL : blob_ref(put->blob);
    out->payload_len = put->remove ? 0 : put->blob->bytes.len;
    out->number = client->next_number++;
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

void writer_client_put(struct writer_client *client, struct store_put *put)
{
    uint64_t len = put->remove ? 0 : put->blob->bytes.len;
    struct outgoing *out;

    if (len > STORE_DOCUMENT_MAX) {
        STORE_BACKEND_END(put, STORE_ERROR);
        return;
    }
    /* a write over the limit on bytes is allowed if it is alone */
    if ((client->state != CLIENT_UP && !client->is_waiting) ||
        client->writes >= WRITER_CLIENT_MAX_WRITES ||
        (client->writes > 0 && client->bytes + len > WRITER_CLIENT_MAX_BYTES)) {
        STORE_BACKEND_END(put, STORE_DOWN);
        return;
    }
    out = outgoing_new(client, put);
    put->request.backend = &out->flight;
    list_append(&client->queued, &out->link);
    client->writes++;
    client->bytes += len;
    if (client->state == CLIENT_UP)
        ev_prepare_start(client->loop, &client->flush);
    if (client->writes == 1)
        restart_overdue(client);
}

/* ---- the connection ---- */

static void watch(struct writer_client *client, int events)
{
    if (ev_is_active(&client->io) && client->io.events == events)
        return;
    ev_io_stop(client->loop, &client->io);
    ev_io_set(&client->io, client->fd, events);
    ev_io_start(client->loop, &client->io);
}

static void start_waiting(struct writer_client *client)
{
    client->is_waiting = true;
    ev_timer_stop(client->loop, &client->wait);
    ev_timer_set(&client->wait, WRITER_CLIENT_WAIT_S, 0.);
    ev_timer_start(client->loop, &client->wait);
}

static void retry_later(struct writer_client *client)
{
    assert(client->state == CLIENT_DOWN);
    ev_timer_stop(client->loop, &client->retry);
    ev_timer_set(&client->retry, client->retry_s, 0.);
    ev_timer_start(client->loop, &client->retry);
    client->retry_s =
        client->retry_s * 2 < RETRY_MAX_S ? client->retry_s * 2 : RETRY_MAX_S;
}

static void close_fd(struct writer_client *client)
{
    ev_io_stop(client->loop, &client->io);
    ev_prepare_stop(client->loop, &client->flush);
    ev_timer_stop(client->loop, &client->overdue);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->in_len = 0;
}

/* The writer is gone: sent writes are lost, unsent writes wait. A write that was sent in
   part has not happened; it does not wait, because it may have made the writer end. */
static void drop(struct writer_client *client)
{
    enum client_state before = client->state;
    struct list partly;

    list_init(&partly);
    close_fd(client);
    enter(client, CLIENT_DOWN);
    if (before == CLIENT_UP)
        start_waiting(client);
    if (!list_is_empty(&client->queued) && first_of(&client->queued)->sent > 0)
        list_append(&partly, list_shift(&client->queued));
    for (struct list *at = client->sent.next; at != &client->sent; at = at->next)
        client->counters.writes_unsure++;
    /* after a writer that sent BYE, the next one comes at once */
    if (before == CLIENT_LEAVING)
        client->retry_s = RETRY_MIN_S;
    retry_later(client);
    end_all(&client->sent, STORE_UNSURE);
    end_all(&partly, STORE_DOWN);
}

/* Collects the unsent bytes of the first writes; in LEAVING only of the write that has
   begun. */
static size_t gather(struct writer_client *client, struct iovec *iov)
{
    size_t count = 0;

    for (struct list *at = client->queued.next;
         at != &client->queued && count + 2 <= IOV_MAX_SEND; at = at->next) {
        struct outgoing *out = container_of(at, struct outgoing, link);
        size_t skip = out->sent > out->head_len ? out->sent - out->head_len : 0;

        if (client->state == CLIENT_LEAVING && out->sent == 0)
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

/* Marks bytes as sent, and moves writes that are sent whole. */
static void account(struct writer_client *client, size_t bytes)
{
    while (bytes > 0) {
        struct outgoing *out = first_of(&client->queued);
        size_t left = out->head_len + out->payload_len - out->sent;
        size_t part = bytes < left ? bytes : left;

        out->sent += part;
        bytes -= part;
        if (part < left)
            return;
        list_remove(&out->link);
        list_append(&client->sent, &out->link);
        blob_unref(&out->blob);
        client->counters.writes_sent++;
    }
}

/* Sends once, and watches for more if bytes are left. Returns -1 if the connection is
   lost. */
static int send_some(struct writer_client *client)
{
    struct iovec iov[IOV_MAX_SEND];
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = gather(client, iov)};
    ssize_t n;

    if (message.msg_iovlen > 0) {
        n = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0) {
            account(client, (size_t)n);
            restart_overdue(client);
        }
    }
    if (gather(client, iov) > 0) {
        watch(client, EV_READ | EV_WRITE);
        return 0;
    }
    watch(client, EV_READ);
    if (client->state == CLIENT_LEAVING)
        shutdown(client->fd, SHUT_WR);
    return 0;
}

/* ---- messages of the writer ---- */

static int on_reply(struct writer_client *client, const struct writer_head *head)
{
    struct outgoing *out;

    if (list_is_empty(&client->sent))
        return -1;
    out = first_of(&client->sent);
    if (out->number != head->number)
        return -1;
    client->counters.writer_commits = head->commits;
    client->counters.writer_writes = head->writes;
    end_outgoing(out, (enum store_status)head->status, head->version);
    restart_overdue(client);
    return 0;
}

static int on_hello(struct writer_client *client, const struct writer_head *head)
{
    enter(client, CLIENT_UP);
    if (client->was_up)
        client->counters.writer_restarts++;
    if (client->hung)
        log_info("store: a writer answers again");
    client->was_up = true;
    client->last_version = head->last_version;
    client->hung = false;
    client->is_waiting = false;
    client->retry_s = RETRY_MIN_S;
    ev_timer_stop(client->loop, &client->wait);
    if (!list_is_empty(&client->queued))
        ev_prepare_start(client->loop, &client->flush);
    restart_overdue(client);
    client->on_up(client->ctx);
    return 0;
}

static int on_message(struct writer_client *client, const struct writer_head *head)
{
    switch (head->type) {
    case WRITER_HELLO: return client->state == CLIENT_HELLO ? on_hello(client, head) : -1;
    case WRITER_REPLY: return client->state == CLIENT_HELLO ? -1 : on_reply(client, head);
    case WRITER_BYE:
        if (client->state != CLIENT_UP)
            return -1;
        enter(client, CLIENT_LEAVING);
        ev_prepare_stop(client->loop, &client->flush);
        start_waiting(client);
        return send_some(client);
    case WRITER_WRITE: break;
    }
    return -1;
}

/* Handles the messages received so far; -1 if the writer broke a rule. */
static int take_messages(struct writer_client *client)
{
    size_t at = 0;

    for (; client->in_len - at >= WRITER_HEAD_BYTES; at += WRITER_HEAD_BYTES) {
        struct writer_head head;

        if (writer_read_head(client->in + at, &head) < 0 ||
            on_message(client, &head) < 0) {
            log_warn("store: the writer sent a bad message");
            return -1;
        }
    }
    client->in_len -= at;
    memmove(client->in, client->in + at, client->in_len);
    return 0;
}

static int receive_some(struct writer_client *client)
{
    ssize_t n = recv(client->fd, client->in + client->in_len,
                     sizeof client->in - client->in_len, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    client->in_len += (size_t)n;
    return take_messages(client);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct writer_client *client = io->data;
    int rc = 0;

    (void)loop;
    if (events & EV_READ)
        rc = receive_some(client);
    if (rc == 0 && (events & EV_WRITE))
        rc = send_some(client);
    if (rc < 0)
        drop(client);
}

static void on_flush(struct ev_loop *loop, struct ev_prepare *flush, int events)
{
    struct writer_client *client = flush->data;

    (void)events;
    ev_prepare_stop(loop, flush);
    if (!(client->io.events & EV_WRITE) && send_some(client) < 0)
        drop(client);
}

/* ---- connecting ---- */

static int open_socket(struct writer_client *client)
{
    uint8_t hello[WRITER_HEAD_BYTES];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    writer_put_head(hello, &(struct writer_head){.type = WRITER_HELLO,
                                                 .number = WRITER_MAGIC,
                                                 .version = WRITER_VERSION});
    /* a new socket takes the whole HELLO */
    if (connect(fd, (struct sockaddr *)&client->address, client->address_len) == 0 &&
        writer_peer_is_ours(fd) &&
        send(fd, hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t)sizeof hello)
        return fd;
    close(fd);
    return -1;
}

static void try_connect(struct writer_client *client)
{
    assert(client->state == CLIENT_DOWN && client->fd < 0);
    client->fd = open_socket(client);
    if (client->fd < 0) {
        retry_later(client);
        return;
    }
    enter(client, CLIENT_HELLO);
    watch(client, EV_READ);
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    try_connect(timer->data);
}

static void on_wait_end(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct writer_client *client = timer->data;
    struct list *partly = NULL;

    (void)loop, (void)events;
    client->is_waiting = false;
    if (client->state == CLIENT_LEAVING && !list_is_empty(&client->queued) &&
        first_of(&client->queued)->sent > 0)
        partly = list_shift(&client->queued); /* its sending goes on */
    end_all(&client->queued, STORE_DOWN);
    if (partly != NULL)
        list_insert_before(client->queued.next, partly);
}

/* Drops the connection only: the master watches the writer, and replaces it if it hangs.
 */
static void on_overdue(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct writer_client *client = timer->data;

    (void)events;
    if (client->writes == 0) {
        ev_timer_stop(loop, timer); /* all writes were cancelled */
        return;
    }
    log_warn("store: the writer hangs: %" PRIu64
             " writes end without its answer; those that it has received may or may not "
             "have happened",
             client->writes);
    client->hung = true;
    drop(client);
}

static void init_watchers(struct writer_client *client)
{
    ev_init(&client->io, on_io);
    ev_init(&client->retry, on_retry);
    ev_init(&client->wait, on_wait_end);
    ev_init(&client->overdue, on_overdue);
    /* after a pause of this process, answers that have arrived are read first */
    ev_set_priority(&client->overdue, EV_MINPRI);
    ev_prepare_init(&client->flush, on_flush);
    client->io.data = client->retry.data = client->wait.data = client->flush.data =
        client;
    client->overdue.data = client;
}

struct writer_client *writer_client_create(struct ev_loop *loop, int listen_fd,
                                           double timeout_s, void (*on_up)(void *ctx),
                                           void *ctx)
{
    struct writer_client *client = mem_zalloc(sizeof *client);

    client->loop = loop;
    client->timeout_s = timeout_s;
    client->on_up = on_up;
    client->ctx = ctx;
    client->fd = -1;
    client->retry_s = RETRY_MIN_S;
    list_init(&client->queued);
    list_init(&client->sent);
    init_watchers(client);
    client->address_len = sizeof client->address;
    if (getsockname(listen_fd, (struct sockaddr *)&client->address,
                    &client->address_len) < 0 ||
        client->address.sun_family != AF_UNIX) {
        log_warn("store: descriptor %d is not the writer's listening socket", listen_fd);
        mem_free(client);
        return NULL;
    }
    start_waiting(client);
    try_connect(client);
    return client;
}

void writer_client_destroy(struct writer_client **client)
{
    struct writer_client *c = *client;

    *client = NULL;
    if (c == NULL)
        return;
    close_fd(c);
    ev_timer_stop(c->loop, &c->retry);
    ev_timer_stop(c->loop, &c->wait);
    for (struct list *at = c->queued.next; at != &c->queued; at = at->next)
        assert(container_of(at, struct outgoing, link)->put == NULL);
    for (struct list *at = c->sent.next; at != &c->sent; at = at->next)
        assert(container_of(at, struct outgoing, link)->put == NULL);
    end_all(&c->queued, STORE_DOWN);
    end_all(&c->sent, STORE_UNSURE);
    mem_free(c);
}

bool writer_client_is_up(const struct writer_client *client)
{
    return client->state == CLIENT_UP;
}

uint64_t writer_client_last_version(const struct writer_client *client)
{
    return client->last_version;
}

bool writer_client_is_hung(const struct writer_client *client)
{
    return client->hung;
}

void writer_client_read_counters(const struct writer_client *client,
                                 struct store_counters *counters_r)
{
    *counters_r = client->counters;
    counters_r->writes_waiting = client->writes;
}
