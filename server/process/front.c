#include "server/process/front.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/credentials/credentials.h"
#include "common/loop/background_free.h"
#include "common/base/log.h"
#include "common/loop/memory_budget.h"
#include "common/process/loop_child.h"
#include "server/process/access_log.h"
#include "server/api/api.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"
#include "server/ops/ops.h"
#include "server/ops/profiler.h"
#include "server/stats/stats_loop.h"
#include "server/stats/stats.h"
#include "server/store/store.h"

/* The size of an arena is a multiple of this, which is the least that --arena takes. */
#define ARENA_UNIT_BYTES (UINT64_C(1) << 20)

/* How often the memory that clients use is counted. */
#define MEMORY_LOOK_S 0.5

/* What one codec job on the loop may use; workers have their own --memory. */
#define INLINE_MEMORY_BYTES (UINT64_C(1) << 30)

struct front {
    struct server_config *config;
    const struct spawn_self *self;
    struct loop_child child;
    struct stats *stats;
    struct stats_front *slot;
    struct store *store;
    struct credentials credentials;
    struct jobs *jobs;
    struct auth *auth;   /* NULL where clients need no tokens */
    struct views *views; /* NULL for none */
    struct api *api;
    struct ops *ops;
    struct http_server *clients;
    struct http_server *operators; /* NULL where there is no operations listener */
    struct access_log *access_log; /* NULL for none */
    bool told_did;
    uint64_t accepted_before; /* by predecessors in the slot */
    ev_timer on_memory;
    uint64_t refusals_before, cuts_before; /* by predecessors in the slot */
    ev_prepare on_prepare;
};

/* Counts by the bytes that went over the wire in both directions. */
static void count_latency(struct stats_front *slot, const struct api_event *event)
{
    const struct http_request *request = http_request(event->x);
    uint64_t bytes = event->sent_bytes;

    if (request->length > 0)
        bytes += (uint64_t)request->length;
    stats_histogram_add(&slot->latency[stats_size_of(bytes)],
                        event->duration_us * NS_PER_US);
}

/* An exchange has ended: the death of the front after this is no crash loop. */
static void on_event(void *context, const struct api_event *event)
{
    struct front *front = context;

    if (!front->told_did) {
        front->told_did = true;
        spawn_tell(SPAWN_DID);
    }
    if (event->status > 0)
        count_latency(front->slot, event);
    if (front->access_log != NULL)
        access_log_put(front->access_log, event);
}

static void on_refused(void *context, const struct http_refusal *refusal)
{
    struct front *front = context;

    if (front->access_log != NULL)
        access_log_put_refused(front->access_log, refusal);
}

static void open_stats(struct front *front)
{
    front->stats = stats_open(SPAWN_FD_SHARED);
    if (front->stats == NULL)
        log_fatal("cannot map the statistics: %s", strerror(errno));
    if (front->self->index >= stats_fronts(front->stats))
        log_panic("front %u has no slot in the statistics", front->self->index);
    front->slot = stats_slot(front->stats, front->self->index);
    stats_front_take(front->slot, (uint64_t)getpid());
    front->accepted_before = stats_read(&front->slot->connections_total);
    front->refusals_before = stats_read(&front->slot->memory_refusals);
    front->cuts_before = stats_read(&front->slot->memory_cuts);
    stats_loop_watch(front->child.loop, front->slot);
}

static void unpack_credentials(struct front *front)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(front->config);
    const struct credentials_texts texts = CREDENTIALS_TEXTS(front->config);

    credentials_unpack(&texts, &front->credentials);
    credentials_forget_texts(&options);
}

static void open_store(struct front *front)
{
    const struct store_config config = {
        .url = front->config->store,
        .tls = {front->credentials.cert, front->credentials.key, front->credentials.ca},
        .max_value_bytes = front->config->max_body_bytes,
        .lmdb_max = front->config->lmdb_max_bytes,
        .timeout_ns = server_config_store_timeout_ns(front->config),
        .writer_listen_fd = SPAWN_FD_WRITER};

    front->store = store_open(front->child.loop, &config);
    if (front->store == NULL)
        log_fatal("cannot open the store: see above");
}

static void load_auth(struct front *front)
{
    struct buf why = BUF_INIT;

    if (!server_config_has_auth(front->config))
        return;
    front->auth = auth_load(front->config->auth_file, &why);
    if (front->auth == NULL)
        log_fatal("--auth-file: %s: %.*s", front->config->auth_file, (int)why.len,
                  (const char *)why.data);
}

static void load_views(struct front *front)
{
    struct buf why = BUF_INIT;

    if (!server_config_has_views(front->config))
        return;
    front->views = views_load(front->config->views, &why);
    if (front->views == NULL)
        log_fatal("--views: %.*s", (int)why.len, (const char *)why.data);
}

static bool is_off(const struct option_list *list)
{
    return list->count == 0 || strcmp(list->items[0], "off") == 0;
}

/* The lists of --cors and --cors-headers; empty where they are off. */
static struct cors cors_of(const struct server_config *config)
{
    struct cors cors = {.origins = NULL};

    if (!is_off(&config->cors)) {
        cors.origins = config->cors.items;
        cors.count = config->cors.count;
    }
    if (!is_off(&config->cors_headers)) {
        cors.headers = config->cors_headers.items;
        cors.header_count = config->cors_headers.count;
    }
    return cors;
}

static struct http_limits limits_of(const struct server_config *config)
{
    struct http_limits limits = http_limits_default();

    limits.body_bytes = config->max_body_bytes;
    limits.idle_timeout_ms = (unsigned)(config->idle_timeout_ns / NS_PER_MS);
    limits.send_timeout_ms = (unsigned)(config->send_timeout_ns / NS_PER_MS);
    return limits;
}

/* The hosts that requests may name. Without --host these are any hosts where clients need
   tokens, because a page of another site has none. */
static struct http_hosts hosts_of(const struct server_config *config, bool has_tokens)
{
    const struct option_list *list = &config->host;

    if (list->count == 0)
        return (struct http_hosts){.rule =
                                       has_tokens ? HTTP_HOST_ANY : HTTP_HOST_SAFE_LOCAL};
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], "any") == 0)
            return (struct http_hosts){.rule = HTTP_HOST_ANY};
    return (struct http_hosts){HTTP_HOST_LISTED, list->items, list->count};
}

static void create_clients(struct front *front)
{
    const struct server_config *config = front->config;
    const struct api_config api = {.loop = front->child.loop,
                                   .store = front->store,
                                   .jobs = front->jobs,
                                   .stats = front->slot,
                                   .mode = (enum jobs_mode)config->mode,
                                   .store_json = config->representation != 0 ||
                                                 store_is_foreign(front->store),
                                   .keep_numbers = config->numbers != 0,
                                   .mode_header = config->mode_header,
                                   .server_timing = config->server_timing,
                                   .max_reply_bytes = config->max_reply_bytes,
                                   .reply_cache_bytes = config->reply_cache_bytes,
                                   .max_memory_bytes = INLINE_MEMORY_BYTES,
                                   .max_body_bytes = config->max_body_bytes,
                                   .job_timeout_ns = config->job_timeout_ns,
                                   .auth = front->auth,
                                   .programs = server_config_programs(config->jq),
                                   .views = front->views,
                                   .cors = cors_of(config),
                                   .base_path = config->base_path,
                                   .on_event = on_event,
                                   .on_refused = on_refused,
                                   .context = front};
    const struct http_limits limits = limits_of(config);
    const struct http_hosts hosts = hosts_of(config, server_config_has_auth(config));
    const struct http_callbacks callbacks = api_callbacks();

    front->api = api_create(&api);
    front->clients =
        http_server_create(front->child.loop, &limits, &callbacks, front->api);
    http_server_set_hosts(front->clients, &hosts);
}

static bool is_ready(void *context, const char **why_r)
{
    const struct front *front = context;

    return store_is_ready(front->store, why_r);
}

static void create_operators(struct front *front)
{
    const struct ops_config config = {.loop = front->child.loop,
                                      .stats = front->stats,
                                      .front_index = front->self->index,
                                      .jobs = front->jobs,
                                      .mode = (enum jobs_mode)front->config->mode,
                                      .is_ready = is_ready,
                                      .context = front};
    const struct http_limits limits = limits_of(front->config);
    const struct http_hosts hosts = hosts_of(front->config, false);
    const struct http_callbacks callbacks = ops_callbacks();

    if (!server_config_has_admin(front->config))
        return;
    front->ops = ops_create(&config);
    front->operators =
        http_server_create(front->child.loop, &limits, &callbacks, front->ops);
    http_server_set_hosts(front->operators, &hosts);
}

static void serve(void *context)
{
    struct front *front = context;

    for (size_t i = 0; i < front->config->listen.count; i++)
        http_server_listen(front->clients, SPAWN_FD_CLIENT + (int)i);
    if (front->operators != NULL)
        http_server_listen(front->operators, SPAWN_FD_ADMIN);
    spawn_tell(SPAWN_READY);
}

static bool has_worker(void *context)
{
    const struct front *front = context;

    return jobs_workers(front->jobs) > 0;
}

/* The first generation serves at once, because no front before it could serve meanwhile.
 */
static bool serves_at_once(const struct front *front)
{
    return front->self->generation <= 1 || front->config->mode == JOBS_INLINE ||
           front->config->mode == JOBS_THREADS;
}

static void on_operators_drained(void *context)
{
    struct front *front = context;

    ev_break(front->child.loop, EVBREAK_ALL);
}

/* The listener of operators closes last, so that they can watch the drain. */
static void on_clients_drained(void *context)
{
    struct front *front = context;

    if (front->operators != NULL)
        http_server_drain(front->operators, on_operators_drained, front);
    else
        ev_break(front->child.loop, EVBREAK_ALL);
}

static void cut(void *context)
{
    const struct front *front = context;

    log_warn("drain timeout: %u connections are cut",
             http_server_connections(front->clients));
}

static void drain(void *context)
{
    struct front *front = context;

    if (front->ops != NULL)
        ops_drain(front->ops);
    http_server_drain(front->clients, on_clients_drained, front);
}

/* The arenas count in the memory budget, so each is much smaller than that. */
static uint64_t arena_bytes(const struct server_config *config)
{
    uint64_t most = config->memory_bytes / 8 & ~(ARENA_UNIT_BYTES - 1);

    return config->arena_bytes < most ? config->arena_bytes : most;
}

static void create_jobs(struct front *front)
{
    const struct server_config *config = front->config;
    const struct jobs_config jobs = {.engine = config->codec,
                                     .mode = (enum jobs_mode)config->mode,
                                     .queue_max = config->queue,
                                     .job_timeout_ns = config->job_timeout_ns,
                                     .inline_budget_ns = config->inline_budget_ns,
                                     .max_memory_bytes = INLINE_MEMORY_BYTES,
                                     .max_output_bytes = config->max_reply_bytes,
                                     .front_index = (int)front->self->index,
                                     .generation = front->self->generation,
                                     .gate_listen_fd = SPAWN_FD_GATE,
                                     .arena_bytes = arena_bytes(config),
                                     .fastpath = config->fastpath,
                                     .rpc_url = config->rpc,
                                     .credentials = &front->credentials,
                                     .stats = front->slot,
                                     .on_stuck = loop_child_replace,
                                     .stuck_ctx = &front->child};

    front->jobs = jobs_create(front->child.loop, &jobs);
    assert(front->jobs != NULL);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct front *front = watcher->data;

    (void)loop, (void)events;
    stats_set(&front->slot->connections, http_server_connections(front->clients));
    stats_set(&front->slot->connections_total,
              front->accepted_before + http_server_accepted(front->clients));
}

/* The pages of the arenas and of the pool that are in use: memory of this process, too.
   The counters' memory is shared as well, and no client makes it grow. */
static uint64_t shared_bytes(const struct stats *stats)
{
    uint64_t counters = stats_fronts(stats) * sizeof(struct stats_front), bytes;
    unsigned long long kib = 0;
    char text[4096];
    const char *line;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return 0;
    text[len] = '\0';
    line = strstr(text, "RssShmem:");
    bytes = line != NULL && sscanf(line, "RssShmem: %llu", &kib) == 1 ? kib * 1024 : 0;
    return bytes > counters ? bytes - counters : 0;
}

static void on_memory(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct front *front = timer->data;

    (void)loop, (void)events;
    memory_budget_set_shared(shared_bytes(front->stats));
    http_server_look_at_memory(front->clients);
    stats_set(&front->slot->memory_bytes, memory_budget_used());
    stats_set(&front->slot->memory_refusals,
              front->refusals_before + memory_budget_refusals());
    stats_set(&front->slot->memory_cuts,
              front->cuts_before + http_server_cuts(front->clients));
}

static void watch(struct front *front)
{
    loop_child_watch(&front->child);
    ev_timer_init(&front->on_memory, on_memory, MEMORY_LOOK_S, MEMORY_LOOK_S);
    front->on_memory.data = front;
    ev_timer_start(front->child.loop, &front->on_memory);
    ev_prepare_init(&front->on_prepare, on_prepare);
    front->on_prepare.data = front;
    ev_prepare_start(front->child.loop, &front->on_prepare);
}

static void open_access_log(struct front *front)
{
    const char *path = front->config->access_log;

    if (strcmp(path, "off") == 0)
        return;
    front->access_log = access_log_create(path);
    if (front->access_log == NULL)
        log_fatal("cannot open the access log %s: %s", path, strerror(errno));
}

/* One file for each process, so that a front does not overwrite the file of the front
   before it. */
static void open_profile(const struct front *front)
{
    char path[PATH_MAX];

    if (strcmp(front->config->profile, "off") == 0)
        return;
    snprintf(path, sizeof path, "%s.%ld", front->config->profile, (long)getpid());
    if (profiler_open_file(path) < 0)
        log_fatal("cannot write the profile %s: %s", path, strerror(errno));
}

static void close_all(struct front *front)
{
    profiler_close_file();
    stats_loop_unwatch(front->child.loop);
    http_server_destroy(&front->clients);
    http_server_destroy(&front->operators);
    api_destroy(&front->api);
    auth_destroy(&front->auth);
    views_destroy(&front->views);
    ops_destroy(&front->ops);
    access_log_destroy(&front->access_log);
    jobs_destroy(&front->jobs);
    credentials_free(&front->credentials);
    store_close(&front->store);
    background_free_stop();
    stats_front_leave(front->slot);
    stats_close(&front->stats);
}

int front_main(struct server_config *config, const struct spawn_self *self)
{
    struct front front = {.config = config,
                          .self = self,
                          .child = {.context = &front,
                                    .drain_timeout_ns = config->drain_timeout_ns,
                                    .serve = serve,
                                    .has_worker = has_worker,
                                    .drain = drain,
                                    .cut = cut}};
    char role[32];

    snprintf(role, sizeof role, "front %u", self->index);
    log_open("offloop-server", role);
    loop_child_open(&front.child);
    open_stats(&front);
    memory_budget_set_limit(config->memory_bytes);
    stats_set(&front.slot->memory_limit_bytes, config->memory_bytes);
    open_access_log(&front);
    open_profile(&front);
    unpack_credentials(&front);
    open_store(&front);
    create_jobs(&front);
    watch(&front);
    load_auth(&front);
    load_views(&front);
    create_clients(&front);
    create_operators(&front);
    loop_child_serve(&front.child, serves_at_once(&front));
    ev_run(front.child.loop, 0);
    close_all(&front);
    return 0;
}
