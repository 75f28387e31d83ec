#include "server/workers/worker.h"

#include <assert.h>
#include <nng/nng.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/workers/memory/arena.h"
#include "server/workers/memory/job_memory.h"
#include "server/workers/fastpath.h"
#include "server/workers/link/inbox.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "server/workers/link/seat.h"
#include "server/workers/memory/transfer.h"
#include "server/workers/worker_message.h"
#include "server/workers/worker_send.h"
#include "server/stats/stats.h"

/* A worker that was offered a seat, has said hello again since and still has not come:
   its connection may have killed the listener (nng 1518). After so long it gets another
   seat, of which its next hello tells it; each time twice as long, should it just be
   slow. */
#define OFFER_STALE_NS          (1500 * NS_PER_MS)
#define OFFER_STALE_MAX_DOUBLES 5

/* From connecting to saying who it is. */
#define JOIN_WAIT_NS (5 * NS_PER_S)
/* Over TCP anybody can connect, and keep the worker out meanwhile. */
#define TCP_JOIN_WAIT_NS (2 * NS_PER_S)

/* Without a word for so long it is dead or cut off, though the connection stands. */
#define SILENCE_NS (30 * NS_PER_S)

/* Over a network: so long without a word on its seat and without a hello at the gate,
   both of which come every second and by connections of their own, and the network
   between us is cut; TCP would take minutes to find out, and long to recover. (On the
   seat alone the silence may be a large result on its way.) A little less is enough when
   a hello comes again: the seat's connection may still wait for its turn. */
#define CUT_NS          (3 * NS_PER_S)
#define CUT_AND_BACK_NS (2500 * NS_PER_MS)

/* A worker that has sent something wrong is not listened to for a while. */
#define BAN_NS (30 * NS_PER_S)

/* Without hello and connection for so long it is forgotten. */
#define FORGET_NS (5 * NS_PER_S)

static void set_state(struct rpc_worker *worker, enum worker_state state)
{
    assert((worker->seat == NULL) == (state == WORKER_AWAY || state == WORKER_BANNED));
    worker->state = state;
    worker->since_ns = clock_now_ns();
}

struct rpc_worker *worker_create(struct workers_shared *shared, const struct wire_id *id)
{
    struct rpc_worker *worker = mem_zalloc(sizeof *worker);

    list_init(&worker->link);
    list_init(&worker->transfers);
    worker->shared = shared;
    worker->id = *id;
    set_state(worker, WORKER_AWAY);
    return worker;
}

static void count_fastpaths(struct workers_shared *shared, int change)
{
    stats_counter *gauge = &shared->config->stats->fastpaths;

    if (change != 0)
        stats_set(gauge, stats_read(gauge) + (uint64_t)change);
}

/* What was under way to and from the worker, and what it shares with us. */
static void give_up_payloads(struct rpc_worker *worker)
{
    while (!list_is_empty(&worker->transfers)) {
        struct transfer *transfer =
            container_of(worker->transfers.next, struct transfer, owned);

        transfer_destroy(&transfer);
    }
    fastpath_destroy(&worker->fastpath);
    count_fastpaths(worker->shared, worker->has_fastpath ? -1 : 0);
    worker->has_fastpath = worker->has_open_offer = false;
    job_memory_leave_inputs(worker->job_memory, worker->shared->quarantine,
                            worker->process);
    job_memory_destroy(&worker->job_memory);
    arena_destroy(&worker->arena, worker->shared->unmapper);
    assert(worker->shared->pool_workers >= worker->has_pool);
    worker->shared->pool_workers -= worker->has_pool;
    worker->has_pool = worker->is_offered_pool = false;
}

void worker_destroy(struct rpc_worker **worker)
{
    list_remove(&(*worker)->link);
    give_up_payloads(*worker);
    seat_close(&(*worker)->seat, (*worker)->shared->socket_closer);
    mem_free(*worker);
    *worker = NULL;
}

/* Ends the seat, whatever its state, and reports a worker that was up as lost. */
static void leave_seat(struct rpc_worker *worker, enum worker_state next)
{
    struct workers_shared *shared = worker->shared;
    bool was_up = worker->state == WORKER_UP;

    assert(worker->seat != NULL);
    give_up_payloads(worker);
    seat_close(&worker->seat, shared->socket_closer);
    worker->pipe = 0;
    set_state(worker, next);
    if (!was_up)
        return;
    stats_add(&shared->config->stats->workers_lost, 1);
    shared->events->lost(shared->ctx, worker);
    worker->owner = NULL;
}

/* Somebody who did not come from the gate, or does not know the secret, was at the seat
   of a worker, which is not to blame: it gets another one. */
static void turn_away(struct rpc_worker *worker, const char *why)
{
    log_limited_warn(&worker->shared->refusals_log, LOG_EVERY_MINUTE,
                     "%s: a stranger was turned away: %s", worker->address.url, why);
    stats_add(&worker->shared->config->stats->peers_dropped, 1);
    leave_seat(worker, WORKER_AWAY);
}

/* True for seats that others than this host's processes may reach. */
static bool is_over_tcp(const struct rpc_worker *worker)
{
    return rpc_address_path(worker->address.url) == NULL;
}

/* The peer sent what no worker may send. */
static void drop(struct rpc_worker *worker, const char *why)
{
    if (is_over_tcp(worker) && !worker->has_greeted && !worker->is_misled) {
        turn_away(worker, why);
        return;
    }
    log_warn("worker process %llu dropped: %s", (unsigned long long)worker->pid, why);
    stats_add(&worker->shared->config->stats->peers_dropped, 1);
    leave_seat(worker, worker->is_misled ? WORKER_AWAY : WORKER_BANNED);
    worker->is_misled = false;
}

static void open_seat(struct rpc_worker *worker)
{
    struct workers_shared *shared = worker->shared;
    const char *why;

    worker->seat_id = shared->next_seat_id++;
    worker->left_pipe = 0;
    rpc_address_of_seat(shared->config->rpc_url, shared->config->generation, getpid(),
                        worker->seat_id, &worker->address);
    worker->seat = seat_open(shared->inbox, worker->seat_id, &worker->address,
                             WIRE_MAX_MESSAGE_BYTES, shared->tls, &why);
    if (worker->seat == NULL)
        log_warn("cannot listen at %s: %s", worker->address.url, why);
    else
        set_state(worker, WORKER_OFFERED);
}

/* True where the worker is on this host: it comes by a path, or says so. */
static bool is_here(const struct workers_shared *shared, const struct wire_hello *hello)
{
    static const struct wire_id unknown;

    if (rpc_address_path(shared->config->rpc_url) != NULL)
        return true;
    return memcmp(&hello->host, &shared->host, sizeof shared->host) == 0 &&
           memcmp(&hello->host, &unknown, sizeof unknown) != 0;
}

/* Both ways by which it is heard of have been silent for so long. */
static bool is_silent(const struct rpc_worker *worker, uint64_t now_ns, uint64_t for_ns)
{
    return is_over_tcp(worker) && now_ns - worker->heard_ns > for_ns &&
           now_ns - worker->hello_ns > for_ns;
}

/* True where it has not read the fast path for so long that it never will. */
static bool is_stuck(const struct rpc_worker *worker, uint64_t now_ns)
{
    uint64_t since_ns =
        worker->has_fastpath ? fastpath_stuck_since_ns(worker->fastpath) : 0;

    return since_ns != 0 && now_ns - since_ns > SILENCE_NS;
}

static void leave_cut_seat(struct rpc_worker *worker)
{
    log_warn("worker process %llu is cut off; leaving the connection",
             (unsigned long long)worker->pid);
    leave_seat(worker, WORKER_AWAY);
}

bool worker_take_hello(struct rpc_worker *worker, const struct wire_hello *hello)
{
    uint64_t now_ns = clock_now_ns();

    if (worker->state == WORKER_UP && is_silent(worker, now_ns, CUT_AND_BACK_NS))
        leave_cut_seat(worker);
    worker->hello_ns = now_ns;
    worker->pid = hello->pid;
    worker->credits = hello->credits;
    worker->can_arena =
        (hello->capabilities & WIRE_CAN_ARENA) != 0 && is_here(worker->shared, hello);
    worker->can_pool = worker->can_arena && (hello->capabilities & WIRE_CAN_POOL) != 0;
    worker->can_prompt = (hello->capabilities & WIRE_CAN_PROMPT) != 0;
    worker->can_fastpath = worker->shared->config->fastpath &&
                           (hello->capabilities & WIRE_CAN_FASTPATH) != 0 &&
                           is_here(worker->shared, hello);
    if (worker->state == WORKER_BANNED && now_ns - worker->since_ns > BAN_NS)
        set_state(worker, WORKER_AWAY);
    if (worker->state == WORKER_AWAY)
        open_seat(worker);
    return worker->seat != NULL;
}

static bool is_offer_stale(const struct rpc_worker *worker, uint64_t now_ns)
{
    uint64_t patience_ns = (uint64_t)OFFER_STALE_NS << worker->stale_offers;

    return now_ns - worker->since_ns > patience_ns &&
           worker->hello_ns > worker->since_ns + patience_ns / 4;
}

static void replace_seat(struct rpc_worker *worker)
{
    leave_seat(worker, WORKER_AWAY);
    open_seat(worker);
    if (worker->stale_offers < OFFER_STALE_MAX_DOUBLES)
        worker->stale_offers++;
}

static void join(struct rpc_worker *worker, int pipe)
{
    worker->pipe = pipe;
    worker->secret_state = (struct worker_secret){0};
    worker->has_greeted = false;
    worker->heard_ns = clock_now_ns();
    set_state(worker, WORKER_JOINED);
}

/* nng tells of joining, messages and leaving from different threads: a message may be
   handled before the event that its sender has joined, and the event that somebody has
   joined after the one that he has left. */
static void take_joined(struct rpc_worker *worker, int pipe)
{
    if (worker->state != WORKER_OFFERED)
        return;
    if (pipe == worker->left_pipe)
        leave_seat(worker, WORKER_AWAY);
    else
        join(worker, pipe);
}

static void take_left(struct rpc_worker *worker, int pipe)
{
    if (worker->pipe == pipe && worker->has_fastpath)
        fastpath_drain(worker->fastpath); /* it may have answered before it left */
    if (worker->pipe == pipe)
        leave_seat(worker, WORKER_AWAY);
    else if (worker->pipe == 0)
        worker->left_pipe = pipe;
}

static void take_message(struct rpc_worker *worker, struct inbox_event *event)
{
    const char *why;
    bool was_joined;

    seat_took(worker->seat, nng_msg_len(event->message));
    take_joined(worker, event->pipe);
    if (worker->pipe != event->pipe)
        return;
    was_joined = worker->state == WORKER_JOINED;
    worker->heard_ns = clock_now_ns();
    if (was_joined)
        why = worker_join_handle(worker, (struct slice){nng_msg_body(event->message),
                                                        nng_msg_len(event->message)});
    else
        why = worker_message_handle(worker, &event->message);
    if (why != NULL) {
        drop(worker, why);
        return;
    }
    if (worker->state == WORKER_UP)
        worker_send_again(worker);
    if (was_joined && worker->has_greeted) {
        set_state(worker, WORKER_UP);
        worker->stale_offers = 0;
        worker->shared->events->up(worker->shared->ctx, worker);
    }
}

void worker_take_event(struct rpc_worker *worker, struct inbox_event *event)
{
    assert(event->seat == worker->seat_id);
    if (worker->seat == NULL)
        return; /* it was closed while this was under way */
    switch (event->kind) {
    case INBOX_JOINED: take_joined(worker, event->pipe); break;
    case INBOX_MESSAGE: take_message(worker, event); break;
    case INBOX_LEFT: take_left(worker, event->pipe); break;
    }
}

void worker_take_transfer(struct rpc_worker *worker, struct transfer *transfer)
{
    const char *why;

    assert(worker->state == WORKER_UP);
    if (transfer->message != NULL)
        why = worker_send_finished(worker, transfer);
    else
        why = worker_message_finished(worker, transfer);
    if (why != NULL)
        drop(worker, why);
}

/* What the worker has sent on the fast path: one message. */
static const char *on_fast_message(void *ctx, struct slice bytes,
                                   struct frame_reader *reader)
{
    struct rpc_worker *worker = ctx;

    worker->heard_ns = clock_now_ns();
    return worker_message_handle_fast(worker, bytes, reader);
}

static void on_fast_received(void *ctx)
{
    worker_send_again(ctx);
}

static void on_fast_ended(void *ctx, const char *why)
{
    struct rpc_worker *worker = ctx;

    if (why != NULL)
        drop(worker, why);
    else
        leave_seat(worker, WORKER_AWAY);
    worker->shared->seat_gone(worker->shared, worker);
}

struct fastpath *worker_make_fastpath(struct rpc_worker *worker)
{
    static const struct fastpath_events events = {on_fast_message, on_fast_received,
                                                  on_fast_ended};

    return fastpath_create(worker->shared->loop, &events, worker);
}

/* True where it was offered what it says it has taken. */
static bool was_offered(const struct rpc_worker *worker, unsigned taken)
{
    unsigned mapped = taken & ~(unsigned)WIRE_TOOK_FASTPATH;

    return (mapped == 0 || worker->arena != NULL) &&
           (mapped != WIRE_TOOK_POOL || worker->is_offered_pool) &&
           (mapped == taken || worker->fastpath != NULL);
}

static void take_arena(struct rpc_worker *worker, bool with_pool)
{
    assert(worker->job_memory == NULL && !worker->has_pool);
    arena_close_fd(worker->arena);
    worker->job_memory =
        job_memory_create(worker->arena, with_pool ? worker->shared->pool : NULL);
    worker->has_pool = with_pool;
    worker->shared->pool_workers += with_pool;
}

void worker_take_offer(struct rpc_worker *worker, unsigned taken, pid_t process)
{
    assert(worker->has_open_offer);
    if (!was_offered(worker, taken))
        return;
    worker->has_open_offer = false;
    worker->process = process;
    if ((taken & (WIRE_TOOK_ARENA | WIRE_TOOK_POOL)) != 0)
        take_arena(worker, (taken & WIRE_TOOK_POOL) != 0);
    worker->has_fastpath = (taken & WIRE_TOOK_FASTPATH) != 0;
    count_fastpaths(worker->shared, worker->has_fastpath);
    if (worker->has_fastpath)
        fastpath_start(worker->fastpath);
    else
        fastpath_destroy(&worker->fastpath);
}

bool worker_tick(struct rpc_worker *worker)
{
    uint64_t now_ns = clock_now_ns();

    switch (worker->state) {
    case WORKER_JOINED:
        if (now_ns - worker->since_ns >
            (is_over_tcp(worker) ? TCP_JOIN_WAIT_NS : JOIN_WAIT_NS))
            drop(worker, "it connected and did not say who it is");
        return true;
    case WORKER_UP:
        if (now_ns - worker->heard_ns > SILENCE_NS) {
            log_warn("worker process %llu is silent; leaving it",
                     (unsigned long long)worker->pid);
            leave_seat(worker, WORKER_AWAY);
        } else if (is_silent(worker, now_ns, CUT_NS)) {
            leave_cut_seat(worker);
        } else if (is_stuck(worker, now_ns)) {
            drop(worker, "it does not read");
        } else {
            worker_send_again(worker);
        }
        return true;
    case WORKER_BANNED: return now_ns - worker->since_ns <= BAN_NS + FORGET_NS;
    case WORKER_OFFERED:
        if (is_offer_stale(worker, now_ns))
            replace_seat(worker);
        break;
    case WORKER_AWAY: break;
    }
    return now_ns - worker->hello_ns <= FORGET_NS;
}
