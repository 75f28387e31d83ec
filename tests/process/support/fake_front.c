#include "tests/process/support/fake_front.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/reqrep0/rep.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/codec/codec.h"

/* How long a seat waits for a connection before it listens anew. */
#define FAKE_FRONT_RELISTEN_MS 1000
/* How long the gate's thread takes at most to see that it is to end. */
#define FAKE_FRONT_LOOK_MS 50

struct fake_seat {
    nng_socket socket; /* id 0: does not listen */
    nng_listener listener;
    nng_pipe pipe; /* id 0: none */
    uint32_t left; /* id of the connection that was hung up last */
    bool is_listed;
    unsigned opened; /* how often, for a new URL each time */
    uint64_t incarnation;
    char *url;
    nng_msg *message; /* the last received */
    struct wire_message decoded;
};

struct fake_front {
    char directory[32];
    char *url;
    pthread_t gate_thread;
    nng_socket gate;
    nng_listener gate_listener;
    bool has_gate;

    pthread_mutex_t lock; /* over all below */
    bool gate_ends;
    pthread_cond_t changed;
    enum fake_gate_mode mode;
    unsigned hellos;
    struct wire_hello last_hello;
    struct fake_seat seats[FAKE_FRONT_SEATS];
};

struct fake_front *fake_front_create(void)
{
    struct fake_front *server = mem_zalloc(sizeof(*server));

    strcpy(server->directory, "/tmp/offloop-test-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    server->url = str_printf("ipc://%s/gate", server->directory);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    return server;
}

void fake_front_destroy(struct fake_front **server)
{
    struct fake_front *s = *server;

    fake_front_close_gate(s);
    for (unsigned i = 0; i < FAKE_FRONT_SEATS; i++) {
        fake_front_close_seat(s, i);
        if (s->seats[i].url)
            unlink(fake_front_seat_path(s, i));
        mem_free(s->seats[i].url);
    }
    assert_int_equal(rmdir(s->directory), 0);
    mem_free(s->url);
    mem_free(s);
    *server = NULL;
}

const char *fake_front_url(const struct fake_front *server)
{
    return server->url;
}

/* When the patience of a wait that begins now is over. */
static struct timespec fake_front_patience(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_FRONT_PATIENCE_MS / 1000;
    return until;
}

/* Waits for a change; fails the test when patience is over, however much has changed
   meanwhile: a worker's hellos come every second. The lock is held. */
static void fake_front_wait_change(struct fake_front *server,
                                   const struct timespec *until)
{
    if (pthread_cond_timedwait(&server->changed, &server->lock, until) != 0) {
        pthread_mutex_unlock(&server->lock);
        fail_msg("waited in vain");
    }
}

/* ---- the gate ---- */

/* The answer to a hello; the lock is held. */
static void fake_front_put_answer(struct fake_front *server, struct buf *out)
{
    struct wire_welcome welcome = {.generation = 1};

    for (unsigned i = 0; i < FAKE_FRONT_SEATS; i++) {
        struct fake_seat *seat = &server->seats[i];
        struct slice url = {(const uint8_t *)seat->url,
                            seat->url ? strlen(seat->url) : 0};

        if (seat->is_listed)
            welcome.seats[welcome.seat_count++] =
                (struct wire_seat){i, seat->incarnation, url};
    }
    if (server->mode == FAKE_GATE_REFUSE)
        wire_put_refused(out, WIRE_REFUSED_FULL, "too many");
    else if (server->mode == FAKE_GATE_GARBAGE)
        buf_append_str(out, "HTTP/1.1 400 Bad Request");
    else
        wire_put_welcome(out, &welcome);
    if (server->mode == FAKE_GATE_WRONG_VERSION)
        out->data[1] = WIRE_VERSION + 1;
}

static void fake_front_answer(struct fake_front *server, nng_socket gate,
                              struct slice bytes)
{
    struct wire_message *hello = mem_alloc(sizeof(*hello));
    struct buf out = BUF_INIT;
    bool is_silent;

    if (wire_decode(bytes, hello, NULL) != WIRE_OK || hello->type != WIRE_HELLO)
        abort();
    pthread_mutex_lock(&server->lock);
    fake_front_put_answer(server, &out);
    server->last_hello = hello->hello;
    is_silent = server->mode == FAKE_GATE_SILENT;
    pthread_mutex_unlock(&server->lock);
    if (!is_silent)
        (void)nng_send(gate, out.data, out.len, 0);
    /* counted only now, so that who waits for hellos knows them answered */
    pthread_mutex_lock(&server->lock);
    server->hellos++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    buf_free(&out);
    mem_free(hello);
}

static bool fake_front_gate_ends(struct fake_front *server)
{
    bool ends;

    pthread_mutex_lock(&server->lock);
    ends = server->gate_ends;
    pthread_mutex_unlock(&server->lock);
    return ends;
}

static void *fake_front_run_gate(void *arg)
{
    struct fake_front *server = arg;

    while (!fake_front_gate_ends(server)) {
        void *data;
        size_t len;

        if (nng_recv(server->gate, &data, &len, NNG_FLAG_ALLOC) != 0)
            continue;
        fake_front_answer(server, server->gate, (struct slice){data, len});
        nng_free(data, len);
    }
    return NULL;
}

void fake_front_open_gate(struct fake_front *server)
{
    assert_false(server->has_gate);
    assert_int_equal(nng_rep0_open(&server->gate), 0);
    nng_socket_set_ms(server->gate, NNG_OPT_RECVTIMEO, FAKE_FRONT_LOOK_MS);
    assert_int_equal(nng_listen(server->gate, server->url, &server->gate_listener, 0), 0);
    server->has_gate = true;
    server->gate_ends = false;
    assert_int_equal(
        pthread_create(&server->gate_thread, NULL, fake_front_run_gate, server), 0);
}

/* Closing its listener closes the connections too. The socket stays: nng_close() hangs
   now and then (nng issues 1543, 1813), and the process ends soon. */
void fake_front_close_gate(struct fake_front *server)
{
    if (!server->has_gate)
        return;
    pthread_mutex_lock(&server->lock);
    server->gate_ends = true;
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->gate_thread, NULL);
    nng_listener_close(server->gate_listener);
    server->has_gate = false;
}

void fake_front_set_gate(struct fake_front *server, enum fake_gate_mode mode)
{
    pthread_mutex_lock(&server->lock);
    server->mode = mode;
    pthread_mutex_unlock(&server->lock);
}

void fake_front_wait_hellos(struct fake_front *server, unsigned more)
{
    const struct timespec patience = fake_front_patience();
    unsigned until;

    pthread_mutex_lock(&server->lock);
    until = server->hellos + more;
    while (server->hellos < until)
        fake_front_wait_change(server, &patience);
    pthread_mutex_unlock(&server->lock);
}

unsigned fake_front_count_hellos(struct fake_front *server)
{
    unsigned count;

    pthread_mutex_lock(&server->lock);
    count = server->hellos;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void fake_front_wait_hellos_beyond(struct fake_front *server, unsigned count)
{
    const struct timespec patience = fake_front_patience();

    pthread_mutex_lock(&server->lock);
    while (server->hellos <= count)
        fake_front_wait_change(server, &patience);
    pthread_mutex_unlock(&server->lock);
}

struct wire_hello fake_front_last_hello(struct fake_front *server)
{
    struct wire_hello hello;

    pthread_mutex_lock(&server->lock);
    hello = server->last_hello;
    pthread_mutex_unlock(&server->lock);
    return hello;
}

/* ---- seats ---- */

/* nng: a seat's connection came or went. */
static void fake_front_on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct fake_front *server = arg;

    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < FAKE_FRONT_SEATS; i++) {
        struct fake_seat *seat = &server->seats[i];

        if (event == NNG_PIPE_EV_ADD_POST &&
            nng_socket_id(nng_pipe_socket(pipe)) == nng_socket_id(seat->socket))
            seat->pipe = pipe;
        else if (event == NNG_PIPE_EV_REM_POST && seat->pipe.id == pipe.id)
            seat->pipe.id = 0;
    }
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

void fake_front_name_seat(struct fake_front *server, unsigned seat, uint64_t incarnation)
{
    struct fake_seat *s = &server->seats[seat];

    pthread_mutex_lock(&server->lock);
    mem_free(s->url);
    s->url = str_printf("ipc://%s/seat-%u-%u", server->directory, seat, s->opened++);
    s->incarnation = incarnation;
    s->is_listed = true;
    pthread_mutex_unlock(&server->lock);
}

static void fake_front_open_socket(struct fake_front *server, struct fake_seat *s)
{
    nng_socket socket;

    assert_int_equal(nng_pair0_open(&socket), 0);
    nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, FAKE_FRONT_PATIENCE_MS);
    nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, FAKE_FRONT_PATIENCE_MS);
    /* nng notices a hang-up only while it reads: room for what the test does not take */
    nng_socket_set_int(socket, NNG_OPT_RECVBUF, 64);
    nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_MESSAGE_BYTES);
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, fake_front_on_pipe, server);
    nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, fake_front_on_pipe, server);
    pthread_mutex_lock(&server->lock);
    s->socket = socket;
    s->pipe.id = 0;
    pthread_mutex_unlock(&server->lock);
}

void fake_front_open_seat(struct fake_front *server, unsigned seat, uint64_t incarnation)
{
    struct fake_seat *s = &server->seats[seat];

    assert_int_equal(s->socket.id, 0);
    fake_front_open_socket(server, s);
    fake_front_name_seat(server, seat, incarnation);
    assert_int_equal(nng_listen(s->socket, s->url, &s->listener, 0), 0);
}

void fake_front_close_seat(struct fake_front *server, unsigned seat)
{
    struct fake_seat *s = &server->seats[seat];

    if (s->message)
        nng_msg_free(s->message);
    s->message = NULL;
    if (s->socket.id)
        nng_listener_close(s->listener);
    pthread_mutex_lock(&server->lock);
    s->socket.id = 0;
    s->pipe.id = 0;
    pthread_mutex_unlock(&server->lock);
}

void fake_front_list_seat(struct fake_front *server, unsigned seat, bool is_listed)
{
    pthread_mutex_lock(&server->lock);
    server->seats[seat].is_listed = is_listed;
    pthread_mutex_unlock(&server->lock);
}

const char *fake_front_seat_path(struct fake_front *server, unsigned seat)
{
    return server->seats[seat].url + strlen("ipc://");
}

void fake_front_hang_up(struct fake_front *server, unsigned seat)
{
    nng_pipe pipe;

    pthread_mutex_lock(&server->lock);
    pipe = server->seats[seat].pipe;
    server->seats[seat].left = pipe.id;
    pthread_mutex_unlock(&server->lock);
    if (pipe.id)
        nng_pipe_close(pipe);
}

void fake_front_wait_gone(struct fake_front *server, unsigned seat)
{
    const struct timespec patience = fake_front_patience();

    pthread_mutex_lock(&server->lock);
    while (server->seats[seat].pipe.id)
        fake_front_wait_change(server, &patience);
    pthread_mutex_unlock(&server->lock);
}

const struct wire_message *fake_front_recv_any(struct fake_front *server, unsigned seat)
{
    struct fake_seat *s = &server->seats[seat];
    const char *why = NULL;

    if (s->message)
        nng_msg_free(s->message);
    s->message = NULL;
    assert_int_equal(nng_recvmsg(s->socket, &s->message, 0), 0);
    if (wire_decode((struct slice){nng_msg_body(s->message), nng_msg_len(s->message)},
                    &s->decoded, &why) != WIRE_OK)
        fail_msg("the worker sent a bad message: %s", why);
    return &s->decoded;
}

const struct wire_message *fake_front_recv(struct fake_front *server, unsigned seat)
{
    const struct wire_message *message;

    do
        message = fake_front_recv_any(server, seat);
    while (message->type == WIRE_ALIVE && message->alive.token == 0);
    return message;
}

const struct wire_message *fake_front_expect(struct fake_front *server, unsigned seat,
                                             enum wire_type type)
{
    const struct wire_message *message = fake_front_recv(server, seat);

    assert_string_equal(wire_type_name(message->type), wire_type_name(type));
    return message;
}

/* nng issue 1518: a listener that a connection was broken off from may never accept
   again, and neither may its socket after many such; another one does. The old socket is
   left to the end of the process, as closing it may hang. */
static void fake_front_listen_again(struct fake_front *server, struct fake_seat *seat)
{
    nng_pipe pipe;

    pthread_mutex_lock(&server->lock);
    pipe = seat->pipe;
    pthread_mutex_unlock(&server->lock);
    if (pipe.id != 0)
        nng_pipe_close(pipe); /* mute, or gone without our having been told in order */
    nng_listener_close(seat->listener);
    fake_front_open_socket(server, seat);
    assert_int_equal(nng_listen(seat->socket, seat->url, &seat->listener, 0), 0);
}

/* The next message that is not of the connection hung up last; NULL where none came for a
 * while. */
static const struct wire_message *fake_front_recv_current(struct fake_front *server,
                                                          unsigned seat)
{
    struct fake_seat *s = &server->seats[seat];

    do {
        struct pollfd readable = {.events = POLLIN};

        assert_int_equal(nng_socket_get_int(s->socket, NNG_OPT_RECVFD, &readable.fd), 0);
        if (poll(&readable, 1, FAKE_FRONT_RELISTEN_MS) != 1)
            return NULL;
        fake_front_recv_any(server, seat);
    } while ((uint32_t)nng_pipe_id(nng_msg_get_pipe(s->message)) == s->left);
    return &s->decoded;
}

void fake_front_expect_hello(struct fake_front *server, unsigned seat)
{
    uint64_t until_ns = clock_now_ns() + FAKE_FRONT_PATIENCE_MS * NS_PER_MS;
    struct wire_hello hello;
    const struct wire_message *message;

    while (!(message = fake_front_recv_current(server, seat)) ||
           message->type != WIRE_SEAT_HELLO) {
        assert_true(clock_now_ns() < until_ns);
        if (!message) {
            fake_front_listen_again(server, &server->seats[seat]);
            continue;
        }
        /* nng can lose the first message of a connection, but nothing else may come */
        fprintf(stderr, "no hello before %s\n", wire_type_name(message->type));
        assert_string_equal(wire_type_name(message->type), wire_type_name(WIRE_ALIVE));
        fake_front_hang_up(server, seat);
    }
    hello = fake_front_last_hello(server);
    assert_memory_equal(&message->seat_hello.worker, &hello.worker, sizeof(hello.worker));
    assert_int_equal(message->seat_hello.incarnation, server->seats[seat].incarnation);
}

void fake_front_send(struct fake_front *server, unsigned seat, struct slice bytes)
{
    nng_msg *message;

    assert_int_equal(nng_msg_alloc(&message, 0), 0);
    assert_int_equal(nng_msg_append(message, bytes.data, bytes.len), 0);
    assert_int_equal(nng_sendmsg(server->seats[seat].socket, message, 0), 0);
}

void fake_front_await_running(struct fake_front *server, unsigned seat, uint64_t id)
{
    struct buf ping = BUF_INIT;

    wire_put_ping(&ping, 1);
    do
        fake_front_send(server, seat, buf_slice(&ping));
    while (fake_front_expect(server, seat, WIRE_ALIVE)->alive.running_id != id);
    buf_free(&ping);
}

void fake_front_send_jobs(struct fake_front *server, unsigned seat,
                          const struct wire_job *jobs, unsigned count)
{
    struct buf out = BUF_INIT;

    wire_put_jobs(&out, jobs, count);
    for (unsigned i = 0; i < count; i++)
        buf_append(&out, jobs[i].payload.bytes.data, jobs[i].payload.bytes.len);
    fake_front_send(server, seat, buf_slice(&out));
    buf_free(&out);
}

struct wire_job fake_front_job(uint64_t id, unsigned op, const char *text)
{
    return (struct wire_job){.id = id,
                             .op = op,
                             .max_output = 1 << 20,
                             .payload = {.bytes = {(const uint8_t *)text, strlen(text)}}};
}
