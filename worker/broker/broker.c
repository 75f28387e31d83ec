#include "worker/broker/broker.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "common/address/endpoint.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/loop/background_free.h"
#include "common/process/loop_child.h"
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

/* A message of a client without an arena lies in memory that was used before, up to this
   size: fresh memory costs a page fault for each page... */
#define REUSED_BLOCK_BYTES ((size_t)8 << 20)
/* ...of which so much is kept while it is not needed. */
#define SPARE_BYTES ((size_t)32 << 20)

struct broker {
    const struct broker_config *config;
    const struct spawn_self *self;
    struct loop_child child;
    struct stats *stats;
    struct stats_front *slot;
    struct jobs *jobs;
    struct apps *apps;
    struct ops *ops; /* NULL where there is no operations listener */
    struct http_server *operators;
    uint64_t accepted_before; /* by predecessors in the slot */
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
    broker->accepted_before = stats_read(&broker->slot->connections_total);
    stats_loop_watch(broker->child.loop, broker->slot);
}

/* ---- draining ---- */

static void on_operators_drained(void *context)
{
    struct broker *broker = context;

    ev_break(broker->child.loop, EVBREAK_ALL);
}

static void on_apps_drained(void *context)
{
    struct broker *broker = context;

    if (broker->operators != NULL)
        http_server_drain(broker->operators, on_operators_drained, broker);
    else
        ev_break(broker->child.loop, EVBREAK_ALL);
}

static void cut(void *context)
{
    const struct broker *broker = context;

    log_warn("drain timeout: %u applications are cut", apps_count(broker->apps));
}

static void drain(void *context)
{
    struct broker *broker = context;

    if (broker->ops != NULL)
        ops_drain(broker->ops);
    apps_drain(broker->apps, on_apps_drained, broker);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct broker *broker = watcher->data;

    (void)loop, (void)events;
    stats_set(&broker->slot->connections, apps_count(broker->apps));
    stats_set(&broker->slot->connections_total,
              broker->accepted_before + apps_accepted(broker->apps));
}

static void watch(struct broker *broker)
{
    loop_child_watch(&broker->child);
    ev_prepare_init(&broker->on_prepare, on_prepare);
    broker->on_prepare.data = broker;
    ev_prepare_start(broker->child.loop, &broker->on_prepare);
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
                                     .on_stuck = loop_child_replace,
                                     .stuck_ctx = &broker->child};

    broker->jobs = jobs_create(broker->child.loop, &jobs);
}

static void create_apps(struct broker *broker)
{
    const struct apps_config config = {.loop = broker->child.loop,
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
    const struct ops_config config = {.loop = broker->child.loop,
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
        http_server_create(broker->child.loop, &limits, &callbacks, broker->ops);
    http_server_set_hosts(broker->operators, &hosts);
}

static void serve(void *context)
{
    struct broker *broker = context;

    apps_listen(broker->apps, SPAWN_FD_BROKER_LISTEN);
    if (broker->operators != NULL)
        http_server_listen(broker->operators, SPAWN_FD_BROKER_ADMIN);
    spawn_tell(SPAWN_READY);
}

static bool has_worker(void *context)
{
    const struct broker *broker = context;

    return jobs_workers(broker->jobs) > 0;
}

static void close_all(struct broker *broker)
{
    stats_loop_unwatch(broker->child.loop);
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
    struct broker broker = {.config = config,
                            .self = self,
                            .child = {.context = &broker,
                                      .drain_timeout_ns = config->drain_timeout_ns,
                                      .serve = serve,
                                      .has_worker = has_worker,
                                      .drain = drain,
                                      .cut = cut}};

    loop_child_open(&broker.child);
    mem_reuse(REUSED_BLOCK_BYTES, SPARE_BYTES);
    open_stats(&broker);
    create_jobs(&broker);
    watch(&broker);
    create_apps(&broker);
    create_operators(&broker);
    /* The first generation has nobody that could serve meanwhile. */
    loop_child_serve(&broker.child, self->generation <= 1);
    ev_run(broker.child.loop, 0);
    close_all(&broker);
    return 0;
}
