/*
 * The jobs of one front for tests of the dispatcher: linked instead of clock.h and
 * rpc_client.h are a clock that the test moves, and workers that take every job and say
 * nothing by themselves: the test makes the events. Header-only: the program has its own
 * copy.
 */
#ifndef OFFLOOP_TESTS_UNIT_JOBS_DISPATCH_RIG_H
#define OFFLOOP_TESTS_UNIT_JOBS_DISPATCH_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>

#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "server/stats/stats.h"
#include "server/workers/rpc_client.h"

#define RPC_DOUBLE_IDS 2048

/* ---- the clock ---- */

static atomic_ullong double_now_ns;
static atomic_ullong double_step_ns; /* by which each look at the clock moves it */

uint64_t clock_now_ns(void)
{
    double_now_ns += double_step_ns;
    return double_now_ns;
}

uint64_t clock_real_us(void)
{
    return double_now_ns / NS_PER_US;
}

uint64_t clock_thread_cpu_ns(void)
{
    return 0;
}

/* ---- doubles of rpc_client.h ---- */

struct rpc_worker {
    void *owner;
    uint64_t heard_ns;
    bool is_deaf;
    unsigned credits, messages, sent, cancelled, forgotten, pings;
    uint64_t ids[RPC_DOUBLE_IDS], cancels[RPC_DOUBLE_IDS];
    uint32_t deadline_ms; /* of the last job sent */
    uint64_t max_output;  /* of the same */
};

static const struct rpc_client_events *double_events;
static void *double_events_ctx;

struct rpc_client *rpc_client_create(struct ev_loop *loop,
                                     const struct rpc_client_config *config,
                                     const struct rpc_client_events *given, void *ctx)
{
    (void)loop;
    assert_string_equal(config->rpc_url, "ipc:///nobody");
    double_events = given;
    double_events_ctx = ctx;
    return (struct rpc_client *)&double_events;
}

void rpc_client_destroy(struct rpc_client **client)
{
    *client = NULL;
}

struct blob *rpc_client_make_input(struct rpc_client *client, size_t len,
                                   uint8_t **bytes_r)
{
    assert_ptr_equal(client, &double_events);
    return blob_new(len, bytes_r);
}

int rpc_worker_send_jobs(struct rpc_worker *worker, const struct wire_job *jobs,
                         const struct rpc_input *inputs, unsigned count)
{
    (void)inputs;
    if (worker->is_deaf)
        return -1;
    worker->messages++;
    for (unsigned i = 0; i < count; i++) {
        worker->max_output = jobs[i].max_output;
        worker->deadline_ms = jobs[i].deadline_ms;
        worker->ids[worker->sent++ % RPC_DOUBLE_IDS] = jobs[i].id;
    }
    return 0;
}

void rpc_worker_flush(struct rpc_worker *worker)
{
    (void)worker;
}

bool rpc_worker_is_fast(const struct rpc_worker *worker)
{
    (void)worker;
    return false;
}

size_t rpc_worker_message_bytes(const struct rpc_worker *worker, size_t payload_bytes)
{
    (void)worker;
    return payload_bytes;
}

void rpc_worker_forget_input(struct rpc_worker *worker, uint64_t id)
{
    (void)id;
    worker->forgotten++;
}

void rpc_worker_send_cancel(struct rpc_worker *worker, const uint64_t *ids,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        worker->cancels[worker->cancelled++ % RPC_DOUBLE_IDS] = ids[i];
}

void rpc_worker_send_ping(struct rpc_worker *worker)
{
    worker->pings++;
}

uint64_t rpc_worker_heard_ns(const struct rpc_worker *worker)
{
    return worker->heard_ns;
}

unsigned rpc_worker_credits(const struct rpc_worker *worker)
{
    return worker->credits;
}

uint64_t rpc_worker_pid(const struct rpc_worker *worker)
{
    (void)worker;
    return 4711;
}

void rpc_worker_set_owner(struct rpc_worker *worker, void *owner)
{
    worker->owner = owner;
}

void *rpc_worker_owner(const struct rpc_worker *worker)
{
    return worker->owner;
}

struct blob *rpc_message_blob(struct rpc_message *message, struct slice payload)
{
    uint8_t *bytes;
    struct blob *blob = blob_new(payload.len, &bytes);

    assert_ptr_equal(message, &double_events);
    memcpy(bytes, payload.data, payload.len);
    return blob;
}

#define QUEUE      700
#define TIMEOUT_NS (64 * NS_PER_MS) /* the loop's tick is real: 1 ms */
/* ---- the world ---- */

static struct ev_loop *loop;
static struct stats_front stats;
static struct jobs *jobs;
static struct rpc_worker workers[2];
static struct job asked[QUEUE];
static unsigned done_calls;

static inline void on_done(struct job *job)
{
    done_calls++;
    assert_int_equal(job->state, JOB_DONE);
}

static inline int set_up(void **state)
{
    (void)state;
    double_now_ns = 1000 * NS_PER_S;
    double_step_ns = 0;
    memset(&stats, 0, sizeof stats);
    memset(workers, 0, sizeof workers);
    memset(asked, 0, sizeof asked);
    done_calls = 0;
    jobs = jobs_create(loop, &(struct jobs_config){.mode = JOBS_RPC,
                                                   .queue_max = QUEUE,
                                                   .job_timeout_ns = TIMEOUT_NS,
                                                   .max_output_bytes = 8,
                                                   .rpc_url = "ipc:///nobody",
                                                   .stats = &stats});
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < QUEUE; i++)
        jobs_cancel(jobs, &asked[i]);
    for (unsigned i = 0; i < 2; i++)
        if (workers[i].owner != NULL)
            double_events->lost(double_events_ctx, &workers[i]);
    jobs_destroy(&jobs);
    return 0;
}

/* A turn of the loop: what waits is sent, and the counters are brought up to date. */
static inline void turn(void)
{
    ev_run(loop, EVRUN_NOWAIT);
}

static inline void on_pause(struct ev_loop *its_loop, ev_timer *pause, int events)
{
    (void)events;
    ev_timer_stop(its_loop, pause);
    ev_break(its_loop, EVBREAK_ONE);
}

/* Moves the clock and lets the tick come, which runs every millisecond while there are
   jobs: it is due before the pause ends. The counters follow in the next turn. */
static inline void tick(uint64_t later_ns)
{
    ev_timer pause;

    double_now_ns += later_ns;
    ev_timer_init(&pause, on_pause, 0.003, 0.);
    ev_timer_start(loop, &pause);
    ev_run(loop, 0);
    turn();
}

static inline void come(unsigned number, unsigned credits)
{
    workers[number].credits = credits;
    workers[number].heard_ns = double_now_ns;
    double_events->up(double_events_ctx, &workers[number]);
}

static inline void go(unsigned number)
{
    double_events->lost(double_events_ctx, &workers[number]);
    workers[number].owner = NULL;
}

static inline struct job *ask(unsigned number, const char *text, enum jobs_mode mode)
{
    struct job *job = &asked[number];

    *job = (struct job){
        .call = {.op = CODEC_OP_DECODE, .in = {(const uint8_t *)text, strlen(text)}},
        .mode = mode,
        .done = on_done};
    jobs_submit(jobs, job);
    return job;
}

static inline struct wire_result result_of(unsigned number)
{
    static const char text[] = "ABCDEFGHIJ";
    struct rpc_worker *worker = &workers[number];

    return (struct wire_result){.id = worker->ids[(worker->sent - 1) % RPC_DOUBLE_IDS],
                                .queue_us = 3,
                                .codec_us = 5,
                                .payload.bytes = {(const uint8_t *)text, 2}};
}

static inline int answer(unsigned number, const struct wire_result *result)
{
    return double_events->result(double_events_ctx, &workers[number], result,
                                 (struct rpc_message *)&double_events);
}

#endif
