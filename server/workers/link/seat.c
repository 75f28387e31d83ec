#include "server/workers/link/seat.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/workers/link/inbox.h"
#include "server/workers/nng_faults/socket_closer.h"

/* Messages that nng queues for a peer that does not read. Never more are in flight: the
   window of jobs is smaller, and the rest are notes. */
#define SEND_BUFFER_MESSAGES 8

/* Received and not yet dealt with; beyond this the peer is not read from. A multiple of
   what a peer may rightly send at once, unless its messages are huge. */
#define MAX_UNREAD_BYTES ((size_t)64 << 20)
#define MAX_UNREAD       1024

/* nng 1.5.2 loses track of a connection that is closed just when the head of a message
   has come and its body has not: its thread for ends then waits for ever, and tells of no
   other end either. A seat that reads no more leaves the rest in the kernel, so that
   after this long nothing is halfway. */
#define SETTLE_MS 20

/* Files of ipc sockets: workers may run as another user of the same group. */
#define SOCKET_FILE_MODE 0660

struct seat {
    uint64_t id;
    struct inbox *inbox;
    nng_socket socket;
    nng_aio *receive;
    nng_aio *send;
    uint64_t closed_ns; /* when seat_close() was called */

    pthread_mutex_t lock; /* guards the rest, shared with nng's threads */
    size_t unread_bytes;
    unsigned unread;
    bool paused;  /* no receive is under way */
    bool closing; /* none shall be any more */
};

/* Counts a message in; false where the seat must stop reading. */
static bool count_unread(struct seat *seat, size_t bytes)
{
    bool go_on;

    pthread_mutex_lock(&seat->lock);
    seat->unread++;
    seat->unread_bytes += bytes;
    go_on = seat->unread < MAX_UNREAD && seat->unread_bytes < MAX_UNREAD_BYTES;
    seat->paused = !go_on;
    go_on = go_on && !seat->closing;
    pthread_mutex_unlock(&seat->lock);
    return go_on;
}

/* On an nng thread: one message has come, or the socket is being closed. */
static void on_received(void *arg)
{
    struct seat *seat = arg;
    nng_msg *message;
    bool go_on;

    if (nng_aio_result(seat->receive) != 0)
        return;
    message = nng_aio_get_msg(seat->receive);
    go_on = count_unread(seat, nng_msg_len(message));
    inbox_push(seat->inbox, INBOX_MESSAGE, seat->id,
               nng_pipe_id(nng_msg_get_pipe(message)), message);
    if (go_on)
        nng_recv_aio(seat->socket, seat->receive);
}

/* On an nng thread. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct seat *seat = arg;

    inbox_push(seat->inbox, event == NNG_PIPE_EV_ADD_POST ? INBOX_JOINED : INBOX_LEFT,
               seat->id, nng_pipe_id(pipe), NULL);
}

static int set_options(struct seat *seat, size_t max_message_bytes)
{
    int error = nng_socket_set_size(seat->socket, NNG_OPT_RECVMAXSZ, max_message_bytes);

    if (error == 0)
        error = nng_socket_set_int(seat->socket, NNG_OPT_SENDBUF, SEND_BUFFER_MESSAGES);
    if (error == 0)
        error = nng_pipe_notify(seat->socket, NNG_PIPE_EV_ADD_POST, on_pipe, seat);
    if (error == 0)
        error = nng_pipe_notify(seat->socket, NNG_PIPE_EV_REM_POST, on_pipe, seat);
    return error;
}

static int start_listening(struct seat *seat, struct rpc_address *address,
                           struct nng_tls_config *tls)
{
    nng_listener listener;
    int port = 0;
    int error = nng_listener_create(&listener, seat->socket, address->url);

    if (error != 0)
        return error;
    if (rpc_address_path(address->url) != NULL)
        error = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, SOCKET_FILE_MODE);
    if (error == 0 && tls != NULL)
        error = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls);
    if (error == 0)
        error = nng_listener_start(listener, 0);
    if (error == 0 && rpc_address_path(address->url) == NULL) {
        error = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
        if (error == 0)
            rpc_address_set_port(address, port);
    }
    return error;
}

/* Frees a seat whose socket is closed: no callback can come any more. */
static void seat_free(struct seat *seat)
{
    nng_aio_free(seat->receive);
    nng_aio_free(seat->send);
    pthread_mutex_destroy(&seat->lock);
    mem_free(seat);
}

static struct seat *seat_new(struct inbox *inbox, uint64_t id)
{
    struct seat *seat = mem_zalloc(sizeof *seat);

    seat->id = id;
    seat->inbox = inbox;
    pthread_mutex_init(&seat->lock, NULL);
    if (nng_aio_alloc(&seat->receive, on_received, seat) != 0 ||
        nng_aio_alloc(&seat->send, NULL, NULL) != 0)
        log_fatal("out of memory making a seat");
    /* A send that would have to wait fails at once instead. */
    nng_aio_set_timeout(seat->send, NNG_DURATION_ZERO);
    return seat;
}

struct seat *seat_open(struct inbox *inbox, uint64_t id, struct rpc_address *address,
                       size_t max_message_bytes, struct nng_tls_config *tls,
                       const char **why_r)
{
    struct seat *seat = seat_new(inbox, id);
    int error = nng_pair0_open(&seat->socket);

    if (error != 0) {
        *why_r = nng_strerror(error);
        seat_free(seat);
        return NULL;
    }
    error = set_options(seat, max_message_bytes);
    if (error == 0)
        nng_recv_aio(seat->socket, seat->receive);
    if (error == 0)
        error = start_listening(seat, address, tls);
    if (error == 0)
        return seat;
    *why_r = nng_strerror(error);
    nng_close(seat->socket);
    seat_free(seat);
    return NULL;
}

nng_msg *seat_make_message(struct slice head, size_t bytes_behind)
{
    nng_msg *message;

    if (nng_msg_alloc(&message, head.len + bytes_behind) != 0)
        log_fatal("out of memory making a message of %zu bytes", bytes_behind);
    memcpy(nng_msg_body(message), head.data, head.len);
    return message;
}

int seat_send(struct seat *seat, nng_msg *message)
{
    nng_aio_set_msg(seat->send, message);
    nng_send_aio(seat->socket, seat->send);
    nng_aio_wait(seat->send);
    return nng_aio_result(seat->send) == 0 ? 0 : -1;
}

void seat_took(struct seat *seat, size_t bytes)
{
    bool resume;

    pthread_mutex_lock(&seat->lock);
    assert(seat->unread > 0 && seat->unread_bytes >= bytes);
    seat->unread--;
    seat->unread_bytes -= bytes;
    resume = seat->paused && seat->unread == 0;
    if (resume)
        seat->paused = false;
    pthread_mutex_unlock(&seat->lock);
    if (resume)
        nng_recv_aio(seat->socket, seat->receive);
}

/* On the socket closer's thread. */
static void close_now(void *object)
{
    struct seat *seat = object;
    uint64_t waited_ms;

    nng_aio_stop(seat->receive);
    waited_ms = (clock_now_ns() - seat->closed_ns) / NS_PER_MS;
    if (waited_ms < SETTLE_MS)
        nng_msleep((nng_duration)(SETTLE_MS - waited_ms));
    nng_close(seat->socket);
    seat_free(seat);
}

void seat_close(struct seat **seat, struct socket_closer *socket_closer)
{
    struct seat *s = *seat;

    *seat = NULL;
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    nng_aio_cancel(s->receive);
    s->closed_ns = clock_now_ns();
    socket_closer_add(socket_closer, close_now, s);
}
