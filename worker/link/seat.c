#include "worker/link/seat.h"

#include <assert.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "worker/memory/arena.h"
#include "worker/link/fastpath.h"
#include "worker/link/seat_state.h"

/* ---- receiving ---- */

/* The connection that we have said hello on; 0 for none. */
static uint32_t seat_greeted(struct seat *seat)
{
    uint32_t greeted;

    pthread_mutex_lock(&seat->lock);
    greeted = seat->greeted == seat->pipe.id ? seat->greeted : 0;
    pthread_mutex_unlock(&seat->lock);
    return greeted;
}

static void seat_send_small(struct seat *seat, uint32_t peer, struct buf *envelope)
{
    seat_send_message(seat, peer, envelope, (struct slice){NULL, 0});
}

static void seat_send_alive(struct seat *seat, uint32_t peer, uint64_t token)
{
    struct runner_state state = runner_state_of(seat->world->runner, &seat->sink);
    struct wire_alive alive = {token, state.running_id, state.running_ms};
    struct buf envelope = BUF_INIT;

    wire_put_alive(&envelope, &alive);
    seat_send_small(seat, peer, &envelope);
}

static const char *seat_take_welcome(struct seat *seat, uint32_t peer,
                                     const struct wire_seat_welcome *welcome)
{
    bool is_right;

    pthread_mutex_lock(&seat->lock);
    is_right = welcome->incarnation == seat->incarnation;
    pthread_mutex_unlock(&seat->lock);
    if (!is_right)
        return "another front process than the gate named";
    if (welcome->has_arena)
        seat_take_offer(seat, peer, welcome);
    return NULL;
}

/* Says who we are, and that we leave where we do. */
static void seat_greet(struct seat *seat, uint32_t peer)
{
    struct wire_seat_hello hello = {seat->world->hello->worker, 0};
    struct buf envelope = BUF_INIT;
    unsigned bye;

    pthread_mutex_lock(&seat->lock);
    hello.incarnation = seat->incarnation;
    pthread_mutex_unlock(&seat->lock);
    wire_put_seat_hello(&envelope, &hello);
    seat_send_small(seat, peer, &envelope);
    pthread_mutex_lock(&seat->lock);
    seat->greeted = peer;
    bye = seat->bye;
    pthread_mutex_unlock(&seat->lock);
    if (bye) {
        wire_put_bye(&envelope, (enum wire_bye)bye);
        seat_send_small(seat, peer, &envelope);
    }
}

static const char *seat_take_challenge(struct seat *seat, uint32_t peer,
                                       const struct wire_challenge *challenge)
{
    struct buf proof = BUF_INIT;
    const char *why = "another connection's challenge";

    pthread_mutex_lock(&seat->lock);
    if (peer == seat->pipe.id)
        why = secret_exchange_answer_front(&seat->secret_exchange, seat->world->secret,
                                           challenge, &seat->world->hello->worker,
                                           seat->incarnation, &proof);
    pthread_mutex_unlock(&seat->lock);
    if (why)
        return why;
    seat_send_small(seat, peer, &proof);
    seat_greet(seat, peer);
    return NULL;
}

/* Does what one message asks for; clears *message where it was kept. Returns NULL, or
   what is wrong with it. */
static const char *seat_take_message(struct seat *seat, uint32_t peer, nng_msg **message)
{
    struct slice bytes = {nng_msg_body(*message), nng_msg_len(*message)};
    struct wire_message decoded;
    const char *why;

    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    if (seat->world->secret.len > 0 && decoded.type == WIRE_CHALLENGE)
        return seat_take_challenge(seat, peer, &decoded.challenge);
    if (seat->world->secret.len > 0 && seat_greeted(seat) != peer)
        return "it does not show that it knows the worker secret";
    switch (decoded.type) {
    case WIRE_JOBS: return seat_take_jobs(seat, peer, &decoded.jobs, message);
    case WIRE_CANCEL: seat_cancel(seat, peer, &decoded.cancel); return NULL;
    case WIRE_PING: seat_send_alive(seat, peer, decoded.ping_token); return NULL;
    case WIRE_PROMPT: seat->world->on_prompt(seat->world->arg); return NULL;
    case WIRE_SEAT_WELCOME: return seat_take_welcome(seat, peer, &decoded.seat_welcome);
    default: return "a message that a front does not send";
    }
}

/* nng: a message came. The aio is armed again before any job runs, so from there on
   another thread may be in here. */
static void seat_on_received(void *arg)
{
    struct seat *seat = arg;
    nng_msg *message = NULL;
    const char *why = NULL;
    int error = nng_aio_result(seat->receiving);

    if (error == NNG_ECLOSED)
        return;
    if (error == 0) {
        nng_pipe pipe;

        message = nng_aio_get_msg(seat->receiving);
        nng_aio_set_msg(seat->receiving, NULL);
        pipe = nng_msg_get_pipe(message);
        why = seat_take_message(seat, (uint32_t)nng_pipe_id(pipe), &message);
        if (message)
            nng_msg_free(message);
        if (why)
            seat_drop_peer(seat, pipe, why);
    }
    nng_recv_aio(seat->socket, seat->receiving);
    runner_run(seat->world->runner);
}

/* ---- connecting ---- */

/* No connection now: what waits to be sent, and the jobs of the one before, are void. */
static void seat_forget_peer(struct seat *seat)
{
    struct list unsent;
    struct list *link;
    struct arena *arena;
    struct fastpath_link *fast;
    uint32_t peer;

    list_init(&unsent);
    pthread_mutex_lock(&seat->lock);
    peer = seat->pipe.id;
    seat->pipe.id = 0;
    arena = seat->arena;
    seat->arena = NULL;
    fast = seat->fast;
    seat->fast = NULL;
    while ((link = list_shift(&seat->unsent)))
        list_append(&unsent, link);
    seat->unsent_count = 0;
    pthread_mutex_unlock(&seat->lock);
    seat_free_unsent(&unsent);
    arena_unref(&arena);
    if (fast)
        fastpath_link_hang_up(fast);
    fastpath_link_unref(&fast);
    nng_aio_cancel(seat->sending);
    if (peer)
        seat_forget_jobs(seat, peer);
}

/* nng: a connection is about to come. Nothing of an earlier one may be sent on it; what
   is still in nng's hands would be, before our hello. */
static void seat_on_pipe_coming(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct seat *seat = arg;

    (void)event;
    pthread_mutex_lock(&seat->lock);
    pipe_order_note_coming(&seat->pipe_order, pipe.id);
    pthread_mutex_unlock(&seat->lock);
    seat_forget_peer(seat);
}

/* nng: connected. The hello goes first; where there is a secret, the front has to show
   before it that it knows it. */
static void seat_on_pipe_up(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct seat *seat = arg;
    struct buf envelope = BUF_INIT;
    bool is_here;

    (void)event;
    pthread_mutex_lock(&seat->lock);
    is_here = pipe_order_is_here(&seat->pipe_order, pipe.id);
    if (is_here)
        seat->pipe = pipe;
    if (is_here && seat->world->secret.len > 0)
        secret_exchange_ask(&seat->secret_exchange, &seat->world->hello->worker,
                            &envelope);
    pthread_mutex_unlock(&seat->lock);
    if (envelope.len > 0)
        seat_send_small(seat, pipe.id, &envelope);
    else if (is_here)
        seat_greet(seat, pipe.id);
}

/* nng: disconnected. */
static void seat_on_pipe_down(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct seat *seat = arg;
    bool is_ours;

    (void)event;
    pthread_mutex_lock(&seat->lock);
    is_ours = seat->pipe.id == pipe.id;
    pipe_order_note_gone(&seat->pipe_order, pipe.id);
    pthread_mutex_unlock(&seat->lock);
    if (!is_ours)
        return;
    seat_forget_peer(seat);
    seat->world->on_lost(seat->world->arg);
}

/* ---- the main thread's ---- */

static int seat_open_socket(struct seat *seat)
{
    nng_socket socket;

    if (nng_pair0_open(&seat->socket) != 0)
        return -1;
    socket = seat->socket;
    if (nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_MESSAGE_BYTES) != 0 ||
        nng_socket_set_int(socket, NNG_OPT_SENDBUF, 0) != 0 ||
        nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, seat_on_pipe_coming, seat) != 0 ||
        nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, seat_on_pipe_up, seat) != 0 ||
        nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, seat_on_pipe_down, seat) != 0 ||
        nng_aio_alloc(&seat->receiving, seat_on_received, seat) != 0 ||
        nng_aio_alloc(&seat->sending, seat_on_sent, seat) != 0)
        return -1;
    return 0;
}

struct seat *seat_create(const struct seat_world *world)
{
    struct seat *seat = mem_zalloc(sizeof(*seat));

    seat->sink = seat_make_sink();
    seat->world = world;
    list_init(&seat->unsent);
    pthread_mutex_init(&seat->lock, NULL);
    if (seat_open_socket(seat) != 0) {
        log_warn("cannot open another socket for a front");
        mem_free(seat);
        return NULL;
    }
    nng_recv_aio(seat->socket, seat->receiving);
    return seat;
}

int seat_start(struct seat *seat, const struct wire_seat *front,
               struct nng_tls_config *tls)
{
    assert(!seat_is_used(seat) && front->url.len < sizeof(seat->url));
    pthread_mutex_lock(&seat->lock);
    memcpy(seat->url, front->url.data, front->url.len);
    seat->url[front->url.len] = '\0';
    seat->incarnation = front->incarnation;
    pthread_mutex_unlock(&seat->lock);
    return dial_start(&seat->dial, seat->socket, seat->url, tls);
}

void seat_stop(struct seat *seat)
{
    dial_stop(&seat->dial);
}

bool seat_is_used(const struct seat *seat)
{
    return seat->dial.url != NULL;
}

bool seat_is_for(const struct seat *seat, const struct wire_seat *front)
{
    return seat_is_used(seat) && seat->incarnation == front->incarnation &&
           strlen(seat->url) == front->url.len &&
           memcmp(seat->url, front->url.data, front->url.len) == 0;
}

bool seat_has_moved(const struct seat *seat, const struct wire_seat *front)
{
    return seat_is_used(seat) && seat->incarnation == front->incarnation &&
           !seat_is_for(seat, front);
}

static uint32_t seat_peer(struct seat *seat)
{
    uint32_t peer;

    pthread_mutex_lock(&seat->lock);
    peer = seat->pipe.id;
    pthread_mutex_unlock(&seat->lock);
    return peer;
}

void seat_hang_up(struct seat *seat)
{
    nng_pipe pipe = {seat_peer(seat)};

    seat_stop(seat);
    if (pipe.id != 0)
        nng_pipe_close(pipe);
}

bool seat_is_connected(struct seat *seat)
{
    return seat_peer(seat) != 0;
}

/* Where the connection we believe in does not exist after all, there is none. */
static void seat_doubt_peer(struct seat *seat)
{
    nng_pipe pipe = {seat_peer(seat)};

    if (pipe.id == 0 || nng_dialer_id(nng_pipe_dialer(pipe)) > 0)
        return;
    if (pipe.id == seat_peer(seat))
        seat_forget_peer(seat);
}

void seat_tick(struct seat *seat)
{
    uint32_t peer;

    if (!seat_is_used(seat))
        return;
    seat_doubt_peer(seat);
    peer = seat_peer(seat);
    dial_check(&seat->dial, peer != 0);
    if (peer && peer == seat_greeted(seat))
        seat_send_alive(seat, peer, 0);
}

bool seat_is_delivered(struct seat *seat)
{
    bool is_delivered;

    pthread_mutex_lock(&seat->lock);
    is_delivered =
        !seat->is_sending && (!seat->fast || fastpath_link_is_delivered(seat->fast));
    pthread_mutex_unlock(&seat->lock);
    return is_delivered;
}

void seat_say_bye(struct seat *seat, enum wire_bye reason)
{
    struct buf envelope = BUF_INIT;
    uint32_t peer;

    pthread_mutex_lock(&seat->lock);
    seat->bye = reason;
    peer = seat->greeted == seat->pipe.id ? seat->pipe.id : 0;
    pthread_mutex_unlock(&seat->lock);
    if (!peer)
        return;
    wire_put_bye(&envelope, reason);
    seat_send_small(seat, peer, &envelope);
}
