#include "server/workers/rpc_client.h"

#include <assert.h>
#include <ev.h>
#include <nng/nng.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/nng_faults/nng_cpus.h"
#include "common/address/host_id.h"
#include "common/base/log.h"
#include "server/workers/link/rpc_address.h"
#include "server/workers/memory/arena.h"
#include "server/workers/memory/descriptor_server.h"
#include "server/workers/fastpath.h"
#include "server/workers/gate/gate_client.h"
#include "server/workers/gate/gate_message.h"
#include "server/workers/memory/job_memory.h"
#include "server/workers/link/inbox.h"
#include "server/workers/memory/input_pool.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "server/workers/memory/memory_quarantine.h"
#include "server/workers/link/tls.h"
#include "server/workers/memory/transfer.h"
#include "server/workers/worker.h"
#include "server/workers/worker_send.h"
#include "server/stats/stats.h"

#define TICK_S 0.5

/* Closing a connection takes milliseconds. */
#define STUCK_NS (10 * NS_PER_S)

/* More than any host has; a gate that were told by a flood of hellos stops here. */
#define MAX_WORKERS 1024

/* Each has a socket that listens; new ones wait until those before have come. */
#define MAX_UNSEATED 128

/* Events handled before the loop gets its other work done. */
#define EVENTS_PER_TURN 256

#define CLOSE_WAIT_MS 1000

/* Of the pool, one byte in so many may be kept for workers that were lost. */
#define MEMORY_QUARANTINE_PART 2

/* Names that are tried for the descriptor server's socket. */
#define NAME_TRIES 16

struct rpc_client {
    struct ev_loop *loop;
    struct rpc_client_config config;
    struct rpc_client_events events;
    struct workers_shared shared;
    struct gate_client *gate;
    struct list workers;
    bool is_stuck; /* nng's closing hangs, and that was told */
    unsigned worker_count;
    struct log_limited floods_log;
    ev_timer tick;
    uint64_t ticked_ns; /* when it was last */
    ev_timer more;      /* active where events were left for the next turn */
};

static struct rpc_worker *find_by_id(struct rpc_client *client, const struct wire_id *id)
{
    for (struct list *at = client->workers.next; at != &client->workers; at = at->next) {
        struct rpc_worker *worker = container_of(at, struct rpc_worker, link);

        if (gate_message_same_worker(&worker->id, id))
            return worker;
    }
    return NULL;
}

static struct rpc_worker *find_by_seat(struct rpc_client *client, uint64_t seat_id)
{
    for (struct list *at = client->workers.next; at != &client->workers; at = at->next) {
        struct rpc_worker *worker = container_of(at, struct rpc_worker, link);

        if (worker->seat_id == seat_id)
            return worker;
    }
    return NULL;
}

static void offer(struct rpc_client *client, const struct rpc_worker *worker)
{
    const char *url = worker->address.url;
    const struct wire_seat seat = {.front = client->config.front_index,
                                   .incarnation = client->shared.incarnation,
                                   .url = {(const uint8_t *)url, strlen(url)}};

    gate_client_offer(client->gate, &worker->id, &seat);
}

static void on_gate_up(void *ctx)
{
    struct rpc_client *client = ctx;

    for (struct list *at = client->workers.next; at != &client->workers; at = at->next) {
        struct rpc_worker *worker = container_of(at, struct rpc_worker, link);

        if (worker->seat != NULL)
            offer(client, worker);
    }
}

/* Another front is there, with seats that our workers do not know of. */
static void on_prompt(void *ctx)
{
    struct rpc_client *client = ctx;

    for (struct list *at = client->workers.next; at != &client->workers; at = at->next)
        worker_send_prompt(container_of(at, struct rpc_worker, link));
}

/* Workers that said hello and are not connected. */
static unsigned count_unseated(const struct rpc_client *client)
{
    unsigned count = 0;

    for (struct list *at = client->workers.next; at != &client->workers; at = at->next)
        count += container_of(at, struct rpc_worker, link)->state != WORKER_UP;
    return count;
}

static struct rpc_worker *add_worker(struct rpc_client *client, const struct wire_id *id)
{
    struct rpc_worker *worker;

    if (client->worker_count == MAX_WORKERS || count_unseated(client) >= MAX_UNSEATED) {
        log_limited_warn(&client->floods_log, LOG_EVERY_MINUTE,
                         "%s: a stranger was turned away: too many workers that say "
                         "hello and do not come",
                         client->config.rpc_url);
        return NULL;
    }
    client->worker_count++;
    worker = worker_create(&client->shared, id);
    list_append(&client->workers, &worker->link);
    return worker;
}

/* The offer is repeated with every hello: an earlier one may have been lost. */
static void on_hello(void *ctx, const struct wire_hello *hello)
{
    enum stats_phase before = stats_phase_enter(STATS_RPC);
    struct rpc_client *client = ctx;
    struct rpc_worker *worker = find_by_id(client, &hello->worker);

    if (hello->crash_count > 0)
        client->events.crashes(client->shared.ctx, hello->crashes, hello->crash_count);
    if (worker == NULL)
        worker = add_worker(client, &hello->worker);
    if (worker != NULL) {
        if (worker_take_hello(worker, hello))
            offer(client, worker);
        else
            gate_client_gone(client->gate, &worker->id);
    }
    (void)stats_phase_enter(before);
}

static void take_event(struct rpc_client *client, struct inbox_event *event)
{
    struct rpc_worker *worker = find_by_seat(client, event->seat);
    bool had_seat = worker != NULL && worker->seat != NULL;

    if (worker == NULL)
        return; /* of a seat that is closed */
    worker_take_event(worker, event);
    if (had_seat && worker->seat == NULL)
        gate_client_gone(client->gate, &worker->id);
}

static void on_inbox(void *ctx)
{
    enum stats_phase before = stats_phase_enter(STATS_RPC);
    struct rpc_client *client = ctx;
    struct inbox_event *event;
    unsigned taken = 0;

    while (taken < EVENTS_PER_TURN &&
           (event = inbox_shift(client->shared.inbox)) != NULL) {
        take_event(client, event);
        inbox_event_destroy(&event);
        taken++;
    }
    if (taken == EVENTS_PER_TURN)
        ev_timer_start(client->loop, &client->more);
    (void)stats_phase_enter(before);
}

static void on_more(struct ev_loop *loop, ev_timer *more, int events)
{
    (void)loop;
    (void)events;
    on_inbox(container_of(more, struct rpc_client, more));
}

static void on_transfer(void *ctx, struct transfer *transfer)
{
    struct rpc_client *client = ctx;
    struct rpc_worker *worker = transfer->worker;

    worker_take_transfer(worker, transfer);
    if (worker->seat == NULL)
        gate_client_gone(client->gate, &worker->id);
}

/* The worker that has been offered something for this token. */
static struct rpc_worker *find_by_token(struct rpc_client *client,
                                        const struct wire_id *token)
{
    for (struct list *at = client->workers.next; at != &client->workers; at = at->next) {
        struct rpc_worker *worker = container_of(at, struct rpc_worker, link);

        if (worker->has_open_offer && gate_message_same_worker(&worker->token, token))
            return worker;
    }
    return NULL;
}

static unsigned on_arena_asked(void *ctx, const struct wire_id *token,
                               int files_r[DESCRIPTOR_SERVER_MAX_FILES])
{
    struct rpc_worker *worker = find_by_token(ctx, token);
    unsigned count = 0;

    if (worker == NULL)
        return 0;
    if (worker->arena != NULL)
        files_r[count++] = worker->arena->fd;
    if (worker->is_offered_pool)
        files_r[count++] = input_pool_fd(worker->shared->pool);
    if (worker->fastpath != NULL)
        files_r[count++] = fastpath_peer_fd(worker->fastpath);
    return count;
}

static void on_arena_mapped(void *ctx, const struct wire_id *token, unsigned taken,
                            pid_t process)
{
    struct rpc_worker *worker = find_by_token(ctx, token);

    if (worker != NULL)
        worker_take_offer(worker, taken, process);
}

static struct descriptor_server *create_descriptor_server(struct rpc_client *client)
{
    static const struct descriptor_server_events events = {on_arena_asked,
                                                           on_arena_mapped};
    struct workers_shared *shared = &client->shared;
    struct descriptor_server *descriptor_server = NULL;
    struct rpc_address address;

    if (rpc_address_path(client->config.rpc_url) == NULL)
        return descriptor_server_create(client->loop, NULL, &events, client);
    /* Another client of this process may have the first name. */
    for (unsigned i = 0; descriptor_server == NULL && i < NAME_TRIES; i++) {
        rpc_address_of_seat(client->config.rpc_url, client->config.generation, getpid(),
                            shared->next_seat_id++, &address);
        descriptor_server = descriptor_server_create(
            client->loop, rpc_address_path(address.url), &events, client);
    }
    return descriptor_server;
}

/* The gate may not be there yet, which makes the directory. */
static void open_descriptor_server(struct rpc_client *client)
{
    bool is_known = host_id_read(client->shared.host.bytes) == 0;

    if ((client->config.arena_bytes == 0 && !client->config.fastpath) ||
        (!is_known && rpc_address_path(client->config.rpc_url) == NULL))
        return;
    if (rpc_address_make_directory(client->config.rpc_url) == 0)
        client->shared.descriptor_server = create_descriptor_server(client);
    if (client->shared.descriptor_server == NULL)
        log_warn("no memory is shared with workers, and none has a fast path: %m");
}

static void on_seat_gone(struct workers_shared *shared, struct rpc_worker *worker)
{
    struct rpc_client *client = container_of(shared, struct rpc_client, shared);

    gate_client_gone(client->gate, &worker->id);
}

static void tick_worker(struct rpc_client *client, struct rpc_worker *worker)
{
    uint64_t seat_before = worker->seat == NULL ? 0 : worker->seat_id;
    bool stays = worker_tick(worker);

    if (stays && worker->seat != NULL && worker->seat_id != seat_before)
        offer(client, worker);
    else if (seat_before != 0 && (!stays || worker->seat == NULL))
        gate_client_gone(client->gate, &worker->id);
    if (!stays) {
        worker_destroy(&worker);
        client->worker_count--;
    }
}

/* Where a closing hangs, every worker that leaves costs memory and descriptors that only
   the end of this process gives back. */
static void look_at_socket_closer(struct rpc_client *client)
{
    if (client->is_stuck ||
        socket_closer_busy_ns(client->shared.socket_closer) < STUCK_NS)
        return;
    client->is_stuck = true;
    log_warn("closing the connection to a worker hangs");
    if (client->config.on_stuck != NULL)
        client->config.on_stuck(client->config.stuck_ctx);
}

static void on_tick(struct ev_loop *loop, ev_timer *tick, int events)
{
    struct rpc_client *client = container_of(tick, struct rpc_client, tick);

    uint64_t now_ns = clock_now_ns();
    bool is_late = now_ns - client->ticked_ns > (uint64_t)(2 * TICK_S * NS_PER_S);

    (void)loop;
    (void)events;
    client->ticked_ns = now_ns;
    if (is_late)
        return; /* this process stood still: it will now hear what the workers said */
    memory_quarantine_tick(client->shared.quarantine, now_ns);
    look_at_socket_closer(client);
    for (struct list *at = client->workers.next, *next; at != &client->workers;
         at = next) {
        next = at->next;
        tick_worker(client, container_of(at, struct rpc_worker, link));
    }
}

/* Has nng start its threads, few of them, blind to signals: those are the loop
   thread's. */
static void start_nng(void)
{
    sigset_t all, before;
    nng_aio *aio;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    nng_cpus_limit(1);
    if (nng_aio_alloc(&aio, NULL, NULL) != 0)
        log_fatal("cannot start nng");
    nng_aio_free(aio);
    nng_cpus_limit(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static uint64_t new_incarnation(void)
{
    uint64_t incarnation;

    if (getrandom(&incarnation, sizeof incarnation, 0) != sizeof incarnation)
        incarnation = clock_now_ns() ^ ((uint64_t)getpid() << 40);
    return incarnation;
}

struct rpc_client *rpc_client_create(struct ev_loop *loop,
                                     const struct rpc_client_config *config,
                                     const struct rpc_client_events *events, void *ctx)
{
    static const struct gate_client_events link_events = {on_gate_up, on_hello,
                                                          on_prompt};
    struct rpc_client *client = mem_zalloc(sizeof *client);

    assert(config->stats != NULL);
    start_nng();
    client->loop = loop;
    client->config = *config;
    client->config.rpc_url = str_dup(config->rpc_url);
    client->events = *events;
    list_init(&client->workers);
    client->shared = (struct workers_shared){
        .loop = loop,
        .seat_gone = on_seat_gone,
        .make_fastpath = worker_make_fastpath,
        .config = &client->config,
        .events = &client->events,
        .ctx = ctx,
        .inbox = inbox_create(loop, on_inbox, client),
        .socket_closer = socket_closer_create(),
        .unmapper = socket_closer_create(),
        .quarantine =
            memory_quarantine_create(config->arena_bytes / MEMORY_QUARANTINE_PART),
        .transfers = transfers_create(loop, on_transfer, client),
        .tls = rpc_tls_create(config->rpc_url, config->credentials),
        .incarnation = new_incarnation(),
        .next_seat_id = 1};
    open_descriptor_server(client);
    client->gate = gate_client_create(loop, config->gate_listen_fd, &link_events, client);
    client->ticked_ns = clock_now_ns();
    ev_timer_init(&client->tick, on_tick, TICK_S, TICK_S);
    ev_timer_start(loop, &client->tick);
    ev_timer_init(&client->more, on_more, 0, 0);
    return client;
}

void rpc_client_destroy(struct rpc_client **client)
{
    struct rpc_client *c = *client;
    bool all_closed;

    if (c == NULL)
        return;
    *client = NULL;
    gate_client_destroy(&c->gate);
    ev_timer_stop(c->loop, &c->tick);
    ev_timer_stop(c->loop, &c->more);
    while (!list_is_empty(&c->workers)) {
        struct rpc_worker *worker =
            container_of(c->workers.next, struct rpc_worker, link);

        worker_destroy(&worker);
    }
    memory_quarantine_destroy(&c->shared.quarantine);
    descriptor_server_destroy(&c->shared.descriptor_server);
    input_pool_destroy(&c->shared.pool, c->shared.unmapper);
    transfers_destroy(&c->shared.transfers);
    if (!socket_closer_destroy(&c->shared.unmapper, CLOSE_WAIT_MS))
        log_warn("giving back shared memory takes long; leaving it to the end");
    all_closed = socket_closer_destroy(&c->shared.socket_closer, CLOSE_WAIT_MS);
    if (!all_closed)
        log_warn("closing the connections to the workers hangs; leaving it to the end");
    rpc_tls_destroy(&c->shared.tls);
    inbox_destroy(&c->shared.inbox, !all_closed);
    buf_free(&c->shared.scratch);
    mem_free((char *)(uintptr_t)c->config.rpc_url);
    mem_free(c);
}

struct blob *rpc_client_make_input(struct rpc_client *client, size_t len,
                                   uint8_t **bytes_r)
{
    const struct workers_shared *shared = &client->shared;

    if (len < JOB_MEMORY_MIN_BYTES || shared->pool_workers == 0)
        return NULL;
    return input_pool_take(shared->pool, len, bytes_r);
}
