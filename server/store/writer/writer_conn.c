#include "server/store/writer/writer_conn.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

#define SCRATCH_BYTES (64 * 1024)

/* Receives of one connection in one turn of the loop. */
#define TURN_RECEIVES 16

/* A front that does not read its answers is not read from either. */
#define OUT_MAX_BYTES (256 * 1024)

enum conn_state {
    CONN_HELLO, /* awaits the front's HELLO */
    CONN_UP,    /* awaits writes */
    CONN_ENDED, /* the front sends no more; closed when all its writes are answered */
    CONN_BROKEN /* closed at the next sweep */
};

struct writer_conn {
    struct list link;
    struct writer_shared *shared;
    enum conn_state state;
    int fd;
    struct ev_io io;
    unsigned unanswered; /* its writes in the group */
    /* the message under way */
    uint8_t head[WRITER_HEAD_BYTES];
    size_t head_len;
    struct writer_op *op; /* NULL while its head is incomplete */
    size_t op_have;       /* bytes of op->bytes */
    struct buf out;
};

/* Sets the state, which only goes forward. */
static void enter(struct writer_conn *conn, enum conn_state state)
{
    assert(state > conn->state);
    conn->state = state;
}

static size_t op_need(const struct writer_op *op)
{
    return op->head.collection_len + op->head.id_len + op->head.payload_len;
}

/* ---- bytes to writes ---- */

static void finish_op(struct writer_conn *conn)
{
    list_append(&conn->shared->group, &conn->op->link);
    conn->shared->group_writes++;
    conn->shared->group_bytes += conn->op->head.payload_len;
    conn->unanswered++;
    conn->op = NULL;
    conn->op_have = 0;
}

static void start_op(struct writer_conn *conn, const struct writer_head *head)
{
    size_t body = head->collection_len + head->id_len + head->payload_len;

    conn->op = mem_alloc(sizeof *conn->op + body);
    conn->op->head = *head;
    conn->op->origin = conn;
    conn->op->status = STORE_ERROR;
    conn->op->version = 0;
    conn->op_have = 0;
    list_init(&conn->op->link);
}

static int take_head(struct writer_conn *conn)
{
    struct writer_head head;

    conn->head_len = 0;
    if (writer_read_head(conn->head, &head) < 0)
        return -1;
    if (head.type == WRITER_HELLO && conn->state == CONN_HELLO) {
        enter(conn, CONN_UP);
        return 0;
    }
    if (head.type != WRITER_WRITE || conn->state != CONN_UP)
        return -1;
    start_op(conn, &head);
    return 0;
}

/* Copies the bytes that are still needed, as far as there are any; returns how many. */
static size_t take_part(uint8_t *to, size_t have, size_t need, const uint8_t *bytes,
                        size_t len)
{
    size_t part = need - have < len ? need - have : len;

    memcpy(to + have, bytes, part);
    return part;
}

/* A write under way always needs bytes, because no name is empty. */
int writer_conn_take(struct writer_conn *conn, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t part;

        if (conn->op != NULL) {
            part =
                take_part(conn->op->bytes, conn->op_have, op_need(conn->op), bytes, len);
            conn->op_have += part;
            if (conn->op_have == op_need(conn->op))
                finish_op(conn);
        } else {
            part = take_part(conn->head, conn->head_len, WRITER_HEAD_BYTES, bytes, len);
            conn->head_len += part;
            if (conn->head_len == WRITER_HEAD_BYTES && take_head(conn) < 0)
                return -1;
        }
        bytes += part;
        len -= part;
    }
    return 0;
}

/* ---- the socket ---- */

static void watch(struct writer_conn *conn)
{
    int events = conn->out.len > 0 ? EV_WRITE : 0;

    if (conn->state <= CONN_UP && conn->out.len < OUT_MAX_BYTES)
        events |= EV_READ;
    if (ev_is_active(&conn->io) && conn->io.events == events)
        return;
    ev_io_stop(conn->shared->loop, &conn->io);
    ev_io_set(&conn->io, conn->fd, events);
    if (events != 0)
        ev_io_start(conn->shared->loop, &conn->io);
}

/* Receives the rest of the document under way into its place, and later bytes into a
   scratch buffer. Returns as recv(). */
static ssize_t receive(struct writer_conn *conn, uint8_t *scratch, size_t *direct_r)
{
    struct iovec iov[2] = {{NULL, 0}, {scratch, SCRATCH_BYTES}};

    *direct_r = conn->op != NULL ? op_need(conn->op) - conn->op_have : 0;
    if (conn->op != NULL)
        iov[0] = (struct iovec){conn->op->bytes + conn->op_have, *direct_r};
    return readv(conn->fd, iov, 2);
}

static int take_received(struct writer_conn *conn, const uint8_t *scratch, size_t direct,
                         size_t got)
{
    size_t here = got < direct ? got : direct;

    if (conn->op != NULL) {
        conn->op_have += here;
        if (conn->op_have == op_need(conn->op))
            finish_op(conn);
    }
    return writer_conn_take(conn, scratch, got - here);
}

/* Returns 1 if there may be more, 0 if not, -1 at the end. */
static int receive_once(struct writer_conn *conn)
{
    uint8_t scratch[SCRATCH_BYTES];
    size_t direct;
    ssize_t n = receive(conn, scratch, &direct);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0) {
        if (conn->op != NULL || conn->head_len > 0)
            log_warn("store: a front closed its connection in the middle of a write");
        return -1;
    }
    if (take_received(conn, scratch, direct, (size_t)n) == 0)
        return (size_t)n == direct + SCRATCH_BYTES;
    log_warn("store: a front sent a bad message");
    enter(conn, CONN_BROKEN);
    return -1;
}

static void on_readable(struct writer_conn *conn)
{
    int more = 1;

    for (int i = 0; more > 0 && i < TURN_RECEIVES; i++) {
        more = receive_once(conn);
        if (conn->shared->group_writes >= WRITER_GROUP_WRITES ||
            conn->shared->group_bytes >= WRITER_GROUP_BYTES)
            break;
    }
    if (more < 0 && conn->state < CONN_ENDED)
        enter(conn, CONN_ENDED);
}

static void send_out(struct writer_conn *conn)
{
    ssize_t n;

    if (conn->out.len == 0 || conn->state == CONN_BROKEN)
        return;
    n = send(conn->fd, conn->out.data, conn->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        buf_consume(&conn->out, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        enter(conn, CONN_BROKEN);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct writer_conn *conn = io->data;

    (void)loop;
    if (events & EV_READ)
        on_readable(conn);
    if (events & EV_WRITE)
        send_out(conn);
    watch(conn);
}

/* ---- for the writer ---- */

static void queue_message(struct writer_conn *conn, const struct writer_head *head)
{
    writer_put_head(buf_reserve(&conn->out, WRITER_HEAD_BYTES), head);
    conn->out.len += WRITER_HEAD_BYTES;
}

struct writer_conn *writer_conn_create(struct writer_shared *shared, int fd)
{
    struct writer_conn *conn;

    if (!writer_peer_is_ours(fd)) {
        log_warn("store: a process of another user connected to the writer");
        close(fd);
        return NULL;
    }
    conn = mem_zalloc(sizeof *conn);
    conn->shared = shared;
    conn->fd = fd;
    conn->state = CONN_HELLO;
    list_init(&conn->link);
    list_append(&shared->conns, &conn->link);
    ev_init(&conn->io, on_io);
    conn->io.data = conn;
    queue_message(conn, &(struct writer_head){.type = WRITER_HELLO,
                                              .number = WRITER_MAGIC,
                                              .version = WRITER_VERSION,
                                              .last_version = shared->last_version});
    send_out(conn);
    watch(conn);
    return conn;
}

void writer_conn_answer(struct writer_op *op, struct writer_totals totals)
{
    struct writer_conn *conn = op->origin;

    assert(conn->unanswered > 0);
    conn->unanswered--;
    queue_message(conn, &(struct writer_head){.type = WRITER_REPLY,
                                              .status = (uint8_t)op->status,
                                              .number = op->head.number,
                                              .version = op->version,
                                              .commits = totals.commits,
                                              .writes = totals.writes});
    mem_free(op);
}

void writer_conn_say_bye_all(struct writer_shared *shared)
{
    for (struct list *at = shared->conns.next; at != &shared->conns; at = at->next)
        queue_message(container_of(at, struct writer_conn, link),
                      &(struct writer_head){.type = WRITER_BYE});
}

static void destroy(struct writer_conn *conn)
{
    ev_io_stop(conn->shared->loop, &conn->io);
    list_remove(&conn->link);
    close(conn->fd);
    buf_free(&conn->out);
    mem_free(conn->op);
    mem_free(conn);
}

static bool is_over(const struct writer_conn *conn)
{
    return conn->state == CONN_BROKEN ||
           (conn->state == CONN_ENDED && conn->out.len == 0 && conn->unanswered == 0);
}

unsigned writer_conn_sweep(struct writer_shared *shared)
{
    struct list *at = shared->conns.next;
    unsigned ended = 0;

    assert(list_is_empty(&shared->group));
    while (at != &shared->conns) {
        struct writer_conn *conn = container_of(at, struct writer_conn, link);

        at = at->next;
        send_out(conn);
        if (is_over(conn)) {
            destroy(conn);
            ended++;
        } else {
            watch(conn);
        }
    }
    return ended;
}

void writer_conn_close_all(struct writer_shared *shared)
{
    struct list *at;

    while ((at = list_shift(&shared->group)) != NULL)
        mem_free(container_of(at, struct writer_op, link));
    while (!list_is_empty(&shared->conns))
        destroy(container_of(shared->conns.next, struct writer_conn, link));
}
