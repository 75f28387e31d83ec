#include "server/workers/gate/gate_socket.h"

#include <assert.h>
#include <ev.h>
#include <nng/nng.h>
#include <arpa/inet.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "proto/wire.h"
#include "server/workers/link/rpc_address.h"
#include "server/workers/nng_faults/socket_closer.h"

/* Hellos that may wait for the fronts' offers at once. */
#define CONTEXTS 32

#define SOCKET_FILE_MODE 0660

/* How long closing the listener may take at the end. */
#define CLOSE_WAIT_MS 500

/* What a context's one operation under way is, and so what its callback means. */
enum request_state {
    REQUEST_RECEIVING, /* nng has it */
    REQUEST_OPEN,      /* the loop has it */
    REQUEST_SENDING    /* nng has it */
};

struct gate_request {
    struct gate_socket *rep;
    enum request_state state;
    nng_ctx context;
    nng_aio *aio;
    nng_msg *message; /* while open */
    struct list link; /* in rep->arrived */
};

struct gate_socket {
    struct ev_loop *loop;
    ev_async wake;
    void (*on_request)(void *ctx, struct gate_request *request);
    void *ctx;
    struct nng_tls_config *tls;
    nng_socket socket;
    nng_listener listener;
    const char *path; /* of the listener's file; NULL for none */
    struct stat file; /* as it was made */
    struct gate_request requests[CONTEXTS];

    pthread_mutex_t lock; /* guards the list */
    struct list arrived;
};

static void receive(struct gate_request *request)
{
    request->state = REQUEST_RECEIVING;
    nng_ctx_recv(request->context, request->aio);
}

static void arrive(struct gate_request *request)
{
    struct gate_socket *rep = request->rep;

    request->state = REQUEST_OPEN;
    request->message = nng_aio_get_msg(request->aio);
    pthread_mutex_lock(&rep->lock);
    list_append(&rep->arrived, &request->link);
    pthread_mutex_unlock(&rep->lock);
    ev_async_send(rep->loop, &rep->wake);
}

/* On an nng thread: the operation under way has ended. */
static void on_aio(void *arg)
{
    struct gate_request *request = arg;
    int error = nng_aio_result(request->aio);

    if (error == NNG_ECLOSED || error == NNG_ECANCELED)
        return;
    if (request->state == REQUEST_RECEIVING && error == 0) {
        arrive(request);
        return;
    }
    if (request->state == REQUEST_SENDING && error != 0)
        nng_msg_free(nng_aio_get_msg(request->aio)); /* the worker is gone */
    receive(request);
}

static struct gate_request *next_arrived(struct gate_socket *rep)
{
    struct list *link;

    pthread_mutex_lock(&rep->lock);
    link = list_shift(&rep->arrived);
    pthread_mutex_unlock(&rep->lock);
    return link == NULL ? NULL : container_of(link, struct gate_request, link);
}

static void on_wake(struct ev_loop *loop, ev_async *wake, int events)
{
    struct gate_socket *rep = container_of(wake, struct gate_socket, wake);
    struct gate_request *request;

    (void)loop;
    (void)events;
    while ((request = next_arrived(rep)) != NULL)
        rep->on_request(rep->ctx, request);
}

static void open_contexts(struct gate_socket *rep)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct gate_request *request = &rep->requests[i];

        request->rep = rep;
        list_init(&request->link);
        if (nng_ctx_open(&request->context, rep->socket) != 0 ||
            nng_aio_alloc(&request->aio, on_aio, request) != 0)
            log_fatal("out of memory opening the gate");
        receive(request);
    }
}

struct gate_socket *
gate_socket_create(struct ev_loop *loop, struct nng_tls_config *tls,
                   void (*on_request)(void *ctx, struct gate_request *request), void *ctx)
{
    struct gate_socket *rep = mem_zalloc(sizeof *rep);
    int error = nng_rep0_open(&rep->socket);

    if (error != 0)
        log_fatal("cannot open the gate's socket: %s", nng_strerror(error));
    nng_socket_set_size(rep->socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_HELLO_BYTES);
    rep->loop = loop;
    rep->tls = tls;
    rep->on_request = on_request;
    rep->ctx = ctx;
    list_init(&rep->arrived);
    pthread_mutex_init(&rep->lock, NULL);
    ev_async_init(&rep->wake, on_wake);
    ev_async_start(loop, &rep->wake);
    open_contexts(rep);
    return rep;
}

static void remember_file(struct gate_socket *rep, const char *url)
{
    rep->path = rpc_address_path(url);
    if (rep->path != NULL && stat(rep->path, &rep->file) != 0)
        rep->path = NULL;
}

/* Removes the file where it is there still, unless it is another gate's by now. */
static void remove_file(const struct gate_socket *rep)
{
    struct stat now;

    if (rep->path != NULL && stat(rep->path, &now) == 0 &&
        now.st_dev == rep->file.st_dev && now.st_ino == rep->file.st_ino)
        unlink(rep->path);
}

int gate_socket_listen(struct gate_socket *rep, const char *url, const char **why_r)
{
    int error = nng_listener_create(&rep->listener, rep->socket, url);

    if (error == 0 && rpc_address_path(url) != NULL)
        error = nng_listener_set_int(rep->listener, NNG_OPT_IPC_PERMISSIONS,
                                     SOCKET_FILE_MODE);
    if (error == 0 && rep->tls != NULL)
        error = nng_listener_set_ptr(rep->listener, NNG_OPT_TLS_CONFIG, rep->tls);
    if (error == 0)
        error = nng_listener_start(rep->listener, 0);
    if (error == 0) {
        remember_file(rep, url);
        return 0;
    }
    nng_listener_close(rep->listener);
    *why_r = nng_strerror(error);
    return -1;
}

int gate_socket_listen_again(struct gate_socket *rep, const char *url, const char **why_r)
{
    nng_listener_close(rep->listener);
    return gate_socket_listen(rep, url, why_r);
}

struct slice gate_request_bytes(const struct gate_request *request)
{
    assert(request->state == REQUEST_OPEN);
    return (struct slice){nng_msg_body(request->message), nng_msg_len(request->message)};
}

uint32_t gate_request_pipe(const struct gate_request *request)
{
    assert(request->state == REQUEST_OPEN);
    return (uint32_t)nng_pipe_id(nng_msg_get_pipe(request->message));
}

int gate_request_local_host(const struct gate_request *request, char *host_r, size_t room)
{
    char text[INET6_ADDRSTRLEN] = "";
    nng_sockaddr address;
    int len = -1;

    if (nng_pipe_get_addr(nng_msg_get_pipe(request->message), NNG_OPT_LOCADDR,
                          &address) != 0)
        return -1;
    if (address.s_family == NNG_AF_INET &&
        inet_ntop(AF_INET, &address.s_in.sa_addr, text, sizeof text) != NULL)
        len = snprintf(host_r, room, "%s", text);
    else if (address.s_family == NNG_AF_INET6 &&
             inet_ntop(AF_INET6, address.s_in6.sa_addr, text, sizeof text) != NULL)
        len = snprintf(host_r, room, "[%s]", text);
    return len > 0 && (size_t)len < room ? 0 : -1;
}

/* The message that came is used for the answer. */
void gate_request_answer(struct gate_request *request, struct slice answer)
{
    nng_msg *message = request->message;

    assert(request->state == REQUEST_OPEN);
    request->message = NULL;
    nng_msg_clear(message);
    if (nng_msg_append(message, answer.data, answer.len) != 0)
        log_fatal("out of memory answering a worker");
    request->state = REQUEST_SENDING;
    nng_aio_set_msg(request->aio, message);
    nng_ctx_send(request->context, request->aio);
}

void gate_request_drop(struct gate_request *request)
{
    assert(request->state == REQUEST_OPEN);
    nng_msg_free(request->message);
    request->message = NULL;
    receive(request);
}

/* On the socket closer's thread. */
static void close_listener(void *object)
{
    struct gate_socket *rep = object;

    nng_listener_close(rep->listener);
}

void gate_socket_close(struct gate_socket **rep)
{
    struct socket_closer *socket_closer = socket_closer_create();

    ev_async_stop((*rep)->loop, &(*rep)->wake);
    socket_closer_add(socket_closer, close_listener, *rep);
    if (!socket_closer_destroy(&socket_closer, CLOSE_WAIT_MS))
        log_warn("closing the gate's listener hangs; leaving it to the end");
    remove_file(*rep); /* where closing hung */
    *rep = NULL;
}
