#include "tests/simulation/front/sim_front.h"

#include <assert.h>
#include <ev.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "server/api/api.h"
#include "server/stats/stats.h"
#include "server/store/store.h"
#include "tests/simulation/clients/sim_clients.h"
#include "tests/simulation/front/sim_codec.h"
#include "tests/simulation/front/sim_jobs.h"
#include "tests/simulation/system/sim_loop.h"
#include "tests/simulation/system/sim_socket.h"
#include "tests/simulation/system/sim_world.h"

/* As in front.c. */
#define MEMORY_LOOK_S 0.5

/* What an execution may take at most: turns of the loop. */
#define TURNS_MAX 2000000

static struct {
    struct ev_loop *loop;
    struct stats_front slot;
    struct store *store;
    struct jobs *jobs;
    struct api *api;
    struct http_server *clients;
    ev_timer on_memory;
    ev_async wanted; /* a drain */
    bool drains, is_told;
    struct http_limits limits;
    bool stores_json;
    unsigned turns;
    uint64_t memory_limit;
} front;

static void after_turn(void)
{
    sim_jobs_check();
    sim_clients_check();
    if (++front.turns > TURNS_MAX)
        sim_fail("the loop turns on and on");
}

static void on_memory(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    http_server_look_at_memory(front.clients);
}

static void on_drained(void *context)
{
    (void)context;
    sim_trace("drained");
    ev_break(front.loop, EVBREAK_ALL);
}

static void on_wanted(struct ev_loop *loop, ev_async *async, int events)
{
    (void)loop, (void)async, (void)events;
    sim_trace("drains");
    front.is_told = true;
    http_server_drain(front.clients, on_drained, NULL);
}

static void choose_limits(struct sim_random *random)
{
    static const unsigned times_ms[] = {1000, 3000, 20000};

    front.limits = http_limits_default();
    front.limits.idle_timeout_ms = times_ms[sim_below(random, 3)];
    front.limits.head_timeout_ms = times_ms[sim_below(random, 3)];
    front.limits.body_grace_ms = times_ms[sim_below(random, 3)];
    front.limits.send_timeout_ms = times_ms[sim_below(random, 3)];
    front.limits.body_bytes = 1 << 20;
    front.memory_limit = 0;
    if (sim_has(SIM_SHORT_MEMORY))
        front.memory_limit = (UINT64_C(64) << 10) << sim_below(random, 7);
    else if (sim_chance(random, 256))
        front.memory_limit = UINT64_C(1) << 30;
}

static struct jobs_config choose_jobs(struct sim_random *random)
{
    static const uint64_t times_ns[] = {10 * NS_PER_S, 10 * NS_PER_S, 2 * NS_PER_S};
    static const uint64_t short_ns[] = {300 * NS_PER_MS, 50 * NS_PER_MS, 5 * NS_PER_MS};
    static const uint64_t budgets_ns[] = {1000, 20 * NS_PER_US, 200 * NS_PER_US};
    unsigned at = (unsigned)sim_below(random, 3);

    return (struct jobs_config){
        .engine = sim_chance(random, 512) ? "yajl" : "direct",
        .queue_max = sim_has(SIM_SHORT_QUEUE) ? 1 + (unsigned)sim_below(random, 4) : 1024,
        .inline_budget_ns = budgets_ns[sim_below(random, 3)],
        .job_timeout_ns = sim_has(SIM_SHORT_TIME) ? short_ns[at] : times_ns[at],
        .max_output_bytes = UINT64_C(8) << 20,
        .gate_listen_fd = -1,
        .arena_bytes = 1 << 20,
        .fastpath = true,
        .rpc_url = "ipc:///simulated",
        .stats = &front.slot};
}

static struct api_config choose_api(struct sim_random *random,
                                    const struct jobs_config *jobs)
{
    static const enum jobs_mode modes[] = {JOBS_AUTO, JOBS_AUTO,   JOBS_AUTO,
                                           JOBS_RPC,  JOBS_RPC,    JOBS_RPC,
                                           JOBS_RPC,  JOBS_INLINE, JOBS_THREADS};

    front.stores_json = sim_chance(random, 256);
    return (struct api_config){
        .loop = front.loop,
        .store = front.store,
        .jobs = front.jobs,
        .stats = &front.slot,
        .mode = modes[sim_below(random, sizeof modes / sizeof modes[0])],
        .store_json = front.stores_json,
        .keep_numbers = sim_chance(random, 512),
        .mode_header = true,
        .server_timing = sim_chance(random, 256),
        .max_reply_bytes = jobs->max_output_bytes,
        .reply_cache_bytes = sim_chance(random, 512) ? 0 : UINT64_C(1) << 16,
        .max_memory_bytes = UINT64_C(1) << 30,
        .max_body_bytes = front.limits.body_bytes,
        .job_timeout_ns = jobs->job_timeout_ns,
        .programs = API_PROGRAMS_ON};
}

static void create_clients(struct sim_random *random, const struct jobs_config *jobs)
{
    const struct api_config config = choose_api(random, jobs);
    const struct http_callbacks callbacks = api_callbacks();

    sim_trace("mode %s, queue %u, job timeout %llu ms, memory %llu",
              jobs_mode_name(config.mode), jobs->queue_max,
              (unsigned long long)(jobs->job_timeout_ns / NS_PER_MS),
              (unsigned long long)front.memory_limit);
    front.api = api_create(&config);
    front.clients = http_server_create(front.loop, &front.limits, &callbacks, front.api);
}

void sim_front_begin(void)
{
    struct sim_random random = sim_random_stream('F', 0);
    const struct store_config store = {.url = "lmdb:///simulated"};
    struct jobs_config jobs;

    memset(&front, 0, sizeof front);
    choose_limits(&random);
    jobs = choose_jobs(&random);
    sim_codec_begin(jobs.engine);
    sim_jobs_begin(jobs.queue_max);
    memory_budget_set_limit(front.memory_limit);
    (void)memory_budget_missing(); /* forgets what was refused before */
    front.loop = sim_loop_create(after_turn);
    front.store = store_open(front.loop, &store);
    front.jobs = jobs_create(front.loop, &jobs);
    ev_timer_init(&front.on_memory, on_memory, MEMORY_LOOK_S, MEMORY_LOOK_S);
    ev_timer_start(front.loop, &front.on_memory);
    ev_async_init(&front.wanted, on_wanted);
    ev_async_start(front.loop, &front.wanted);
    create_clients(&random, &jobs);
    http_server_listen(front.clients, sim_socket_listener());
}

void sim_front_run(void)
{
    ev_run(front.loop, 0);
    if (!front.is_told)
        sim_fail("the loop ends before the front has drained");
}

void sim_front_end(void)
{
    http_server_destroy(&front.clients);
    api_destroy(&front.api);
    sim_jobs_end();
    jobs_destroy(&front.jobs);
    store_close(&front.store);
    ev_timer_stop(front.loop, &front.on_memory);
    ev_async_stop(front.loop, &front.wanted);
    sim_codec_end();
    sim_loop_destroy(&front.loop);
    if (stats_read(&front.slot.queue_depth) != 0)
        sim_trace("the queue's gauge says %llu at the end",
                  (unsigned long long)stats_read(&front.slot.queue_depth));
}

void sim_front_drain(void)
{
    if (front.drains)
        return;
    front.drains = true;
    ev_async_send(front.loop, &front.wanted);
}

bool sim_front_drains(void)
{
    return front.drains;
}

unsigned sim_front_idle_ms(void)
{
    return front.limits.idle_timeout_ms;
}

bool sim_front_stores_json(void)
{
    return front.stores_json;
}
