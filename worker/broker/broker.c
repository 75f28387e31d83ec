#include "worker/broker/broker.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "common/address/endpoint.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/background_free.h"
#include "common/process/process.h"
#include "common/process/spawn.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"
#include "server/ops/ops.h"
#include "server/stats/stats.h"
#include "server/stats/stats_loop.h"
#include "server/workers/gate/gate.h"
#include "worker/broker/apps.h"

/* Brokers of reloads run beside those that they take the place of. */
#define STATS_SLOTS 64

/* Memory that each worker shares with the broker. */
#define ARENA_BYTES (UINT64_C(64) << 20)

/* More than all applications together hold back in turns.h. */
#define QUEUE_MAX 1000000u

/* A broker of a reload takes no applications before a worker has come to it, or this
   long: the one before it goes on serving meanwhile. */
#define WORKER_WAIT_MS 500
#define WORKER_LOOK_S  0.002

/* As a front has it. */
#define REUSED_BLOCK_BYTES ((size_t)1 << 20)
#define SPARE_BYTES        ((size_t)8 << 20)

struct broker {
    const struct broker_config *config;
    const struct spawn_self *self;
    struct ev_loop *loop;
    struct stats *stats;
    struct stats_front *slot;
    struct jobs *jobs;
    struct apps *apps;
    struct ops *ops; /* NULL where there is no operations listener */
    struct http_server *operators;
    bool draining;
    uint64_t serve_by_ns; /* with workers or without */
    ev_signal on_term;
    ev_io on_control;
    ev_timer on_drain_timeout, on_alive;
    ev_timer on_worker_wait; /* active until it serves */
    ev_prepare on_prepare;
};

int broker_create_stats_fd(void)
{
    return stats_create_fd(STATS_SLOTS);
}

int broker_create_gate_fd(void)
{
    return endpoint_listen_abstract(SOCK_SEQPACKET);
}

static void tell_ready(void *context)
{
    (void)context;
    spawn_tell(SPAWN_READY);
}

static void tell_did(void *context)
{
    (void)context;
    spawn_tell(SPAWN_DID);
}

int broker_gate_main(const struct broker_config *config, const struct spawn_self *self)
{
    int status = rpc_gate_main(&(struct rpc_gate_config){
        .rpc_url = config->url,
        .generation = self->generation,
        .credentials = config->credentials,
        .listen_fd = SPAWN_FD_BROKER_GATE,
        .control_fd = SPAWN_FD_CONTROL,
        .on_ready = tell_ready,
        .on_did = tell_did,
    });

    if (status == EXIT_FATAL)
        log_warn("cannot serve the job socket's workers at %s (see above): give another "
                 "RUNTIME_DIRECTORY that this user may write",
                 config->url);
    return status;
}

static void open_stats(struct broker *broker)
{
    broker->stats = stats_open(SPAWN_FD_BROKER_STATS);
    if (broker->stats == NULL)
        log_fatal("cannot map the statistics: %s", strerror(errno));
    if (broker->self->index >= stats_fronts(broker->stats))
        log_panic("broker %u has no slot in the statistics", broker->self->index);
    broker->slot = stats_slot(broker->stats, broker->self->index);
    stats_front_take(broker->slot, (uint64_t)getpid());
    stats_loop_watch(broker->loop, broker->slot);
}

/* ---- draining ---- */

static void on_operators_drained(void *context)
{
    struct broker *broker = context;

    ev_break(broker->loop, EVBREAK_ALL);
}

static void on_apps_drained(void *context)
{
    struct broker *broker = context;

    if (broker->operators != NULL)
        http_server_drain(broker->operators, on_operators_drained, broker);
    else
        ev_break(broker->loop, EVBREAK_ALL);
}

static void on_drain_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct broker *broker = timer->data;

    (void)events;
    log_warn("drain timeout: %u applications are cut", apps_count(broker->apps));
    ev_break(loop, EVBREAK_ALL);
}

static void drain(struct broker *broker)
{
    if (broker->draining)
        return;
    broker->draining = true;
    ev_timer_stop(broker->loop, &broker->on_worker_wait);
    if (broker->ops != NULL)
        ops_drain(broker->ops);
    ev_timer_set(&broker->on_drain_timeout,
                 (double)broker->config->drain_timeout_ns / NS_PER_S, 0.);
    ev_timer_start(broker->loop, &broker->on_drain_timeout);
    apps_drain(broker->apps, on_apps_drained, broker);
}

/* What hangs ends with the process, and the master starts another. */
static void on_stuck(void *context)
{
    struct broker *broker = context;

    if (!broker->draining)
        log_warn("draining, to be replaced");
    drain(broker);
}

/* ---- watchers ---- */

static void on_term(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    drain(watcher->data);
}

/* The master never writes: what makes the control socket readable is its end. */
static void on_control(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ev_io_stop(loop, watcher);
    drain(watcher->data);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct broker *broker = watcher->data;

    (void)loop, (void)events;
    stats_set(&broker->slot->connections, apps_count(broker->apps));
    stats_set(&broker->slot->connections_total, apps_accepted(broker->apps));
}

/* The loop turns. */
static void on_alive(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    spawn_tell(SPAWN_ALIVE);
}

static void watch(struct broker *broker)
{
    const double every_s = SPAWN_ALIVE_EVERY_MS / 1e3;

    ev_timer_init(&broker->on_alive, on_alive, every_s, every_s);
    ev_timer_start(broker->loop, &broker->on_alive);
    ev_signal_init(&broker->on_term, on_term, SIGTERM);
    broker->on_term.data = broker;
    ev_signal_start(broker->loop, &broker->on_term);
    ev_io_init(&broker->on_control, on_control, SPAWN_FD_CONTROL, EV_READ);
    broker->on_control.data = broker;
    ev_io_start(broker->loop, &broker->on_control);
    ev_timer_init(&broker->on_drain_timeout, on_drain_timeout, 0., 0.);
    broker->on_drain_timeout.data = broker;
    ev_prepare_init(&broker->on_prepare, on_prepare);
    broker->on_prepare.data = broker;
    ev_prepare_start(broker->loop, &broker->on_prepare);
}

/* ---- start ---- */

static void create_jobs(struct broker *broker)
{
    const struct broker_config *config = broker->config;
    const struct jobs_config jobs = {.engine = config->engine,
                                     .mode = JOBS_RPC,
                                     .queue_max = QUEUE_MAX,
                                     .front_index = (int)broker->self->index,
                                     .generation = broker->self->generation,
                                     .gate_listen_fd = SPAWN_FD_BROKER_GATE,
                                     .arena_bytes = ARENA_BYTES,
                                     .fastpath = true,
                                     .rpc_url = config->url,
                                     .credentials = config->credentials,
                                     .stats = broker->slot,
                                     .on_stuck = on_stuck,
                                     .stuck_ctx = broker};

    broker->jobs = jobs_create(broker->loop, &jobs);
}

static void create_apps(struct broker *broker)
{
    const struct apps_config config = {.loop = broker->loop,
                                       .jobs = broker->jobs,
                                       .engine = broker->config->engine,
                                       .on_did = tell_did,
                                       .context = broker};

    broker->apps = apps_create(&config);
}

static void print_metrics(void *context, struct buf *text)
{
    const struct broker *broker = context;

    apps_print_metrics(broker->apps, text);
}

static void create_operators(struct broker *broker)
{
    const struct ops_config config = {.loop = broker->loop,
                                      .stats = broker->stats,
                                      .front_index = broker->self->index,
                                      .jobs = broker->jobs,
                                      .mode = JOBS_RPC,
                                      .print_metrics = print_metrics,
                                      .context = broker};
    const struct http_limits limits = http_limits_default();
    /* On loopback only names that no stranger can own: a page of another site must not
       read the metrics by a name that leads here (DNS rebinding). */
    const struct http_hosts hosts = {.rule = HTTP_HOST_SAFE_LOCAL};
    const struct http_callbacks callbacks = ops_callbacks();

    if (!broker->config->has_admin)
        return;
    broker->ops = ops_create(&config);
    broker->operators =
        http_server_create(broker->loop, &limits, &callbacks, broker->ops);
    http_server_set_hosts(broker->operators, &hosts);
}

static void serve(struct broker *broker)
{
    apps_listen(broker->apps, SPAWN_FD_BROKER_LISTEN);
    if (broker->operators != NULL)
        http_server_listen(broker->operators, SPAWN_FD_BROKER_ADMIN);
    spawn_tell(SPAWN_READY);
}

static void on_worker_wait(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct broker *broker = timer->data;

    (void)events;
    if (jobs_workers(broker->jobs) == 0 && clock_now_ns() < broker->serve_by_ns)
        return;
    ev_timer_stop(loop, timer);
    serve(broker);
}

/* The first generation has nobody that could serve meanwhile. */
static void serve_soon(struct broker *broker)
{
    ev_timer_init(&broker->on_worker_wait, on_worker_wait, 0., WORKER_LOOK_S);
    broker->on_worker_wait.data = broker;
    if (broker->self->generation <= 1) {
        serve(broker);
        return;
    }
    broker->serve_by_ns = clock_now_ns() + WORKER_WAIT_MS * NS_PER_MS;
    ev_timer_start(broker->loop, &broker->on_worker_wait);
}

static void close_all(struct broker *broker)
{
    stats_loop_unwatch(broker->loop);
    http_server_destroy(&broker->operators);
    ops_destroy(&broker->ops);
    apps_destroy(&broker->apps);
    jobs_destroy(&broker->jobs);
    background_free_stop();
    stats_front_leave(broker->slot);
    stats_close(&broker->stats);
}

int broker_main(const struct broker_config *config, const struct spawn_self *self)
{
    struct broker broker = {.config = config, .self = self};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C: the master decides */
    broker.loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (broker.loop == NULL)
        log_fatal("no event loop: epoll is missing");
    mem_reuse(REUSED_BLOCK_BYTES, SPARE_BYTES);
    process_raise_fd_limit();
    background_free_start();
    open_stats(&broker);
    create_jobs(&broker);
    watch(&broker);
    create_apps(&broker);
    create_operators(&broker);
    serve_soon(&broker);
    ev_run(broker.loop, 0);
    close_all(&broker);
    return 0;
}
