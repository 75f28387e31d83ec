/* Ten thousand jobs while somebody keeps killing workers: none is lost, none is wrong. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/process/support/rpc_fixture.h"

#define JOBS      10000
#define IN_FLIGHT 64
#define KILLS     10
#define KILL_AFTER                                                       \
    500 /* jobs; a job that met the killer three times would be given up \
         */
#define LOOK_EVERY_S 0.05
#define WORKERS      2

static const struct jobs_config usual = {.job_timeout_ns = 60 * NS_PER_S};

struct campaign {
    struct rpc_fixture *fixture;
    unsigned done;
    unsigned kills;
    unsigned done_at_kill;
    unsigned next_victim;
    ev_timer timer;
};

static struct campaign campaign;

/* One of the jobs under way; its input says which it is. */
struct shot {
    struct job job;
    struct buf input;
    struct blob *expected;
};

static bool is_over(void)
{
    return campaign.done >= JOBS && campaign.kills >= KILLS;
}

static void fire(struct shot *shot);

static void on_shot_done(struct job *job)
{
    struct shot *shot = container_of(job, struct shot, job);

    assert_int_equal(job->status, JOB_OK);
    assert_int_equal(job->result->bytes.len, shot->expected->bytes.len);
    assert_memory_equal(job->result->bytes.data, shot->expected->bytes.data,
                        shot->expected->bytes.len);
    campaign.done++;
    if (!is_over())
        fire(shot);
}

static void fire(struct shot *shot)
{
    shot->job =
        (struct job){.call = {.op = CODEC_OP_DECODE, .in = buf_slice(&shot->input)},
                     .mode = JOBS_RPC,
                     .done = on_shot_done};
    jobs_submit(campaign.fixture->jobs, &shot->job);
}

static void keep_expected(struct job *job)
{
    assert_int_equal(job->status, JOB_OK);
    container_of(job, struct shot, job)->expected = blob_ref(job->result);
}

/* A document of its own, of some 10 KB, so that jobs take long enough to be hit. */
static void load(struct shot *shot, unsigned number)
{
    *shot = (struct shot){.input = BUF_INIT};
    buf_append_str(&shot->input, "[");
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&shot->input, "%u.%03u,", number, i);
    buf_append_str(&shot->input, "null]");
    shot->job =
        (struct job){.call = {.op = CODEC_OP_DECODE, .in = buf_slice(&shot->input)},
                     .mode = JOBS_INLINE,
                     .done = keep_expected};
    jobs_submit(campaign.fixture->jobs, &shot->job);
}

static void on_kill_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    if (campaign.done < campaign.done_at_kill + KILL_AFTER ||
        jobs_workers(campaign.fixture->jobs) < WORKERS)
        return;
    rpc_fixture_kill_worker(campaign.fixture, campaign.next_victim);
    campaign.next_victim = rpc_fixture_start_worker(campaign.fixture, NULL, 0);
    campaign.next_victim = (campaign.next_victim + 1) % WORKERS;
    campaign.kills++;
    campaign.done_at_kill = campaign.done;
}

static bool is_over_condition(void *ctx)
{
    (void)ctx;
    return is_over();
}

static void no_job_is_lost(void **state)
{
    static struct shot shots[IN_FLIGHT];

    (void)state;
    campaign.fixture = rpc_fixture_create_running(&usual, WORKERS, NULL);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        load(&shots[i], i);
    ev_timer_init(&campaign.timer, on_kill_timer, LOOK_EVERY_S, LOOK_EVERY_S);
    ev_timer_start(campaign.fixture->loop, &campaign.timer);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        fire(&shots[i]);
    rpc_fixture_run_until(campaign.fixture, is_over_condition, NULL);
    ev_timer_stop(campaign.fixture->loop, &campaign.timer);
    print_message("%u jobs, %u kills, %u jobs retried\n", campaign.done, campaign.kills,
                  (unsigned)stats_read(&campaign.fixture->stats.job_retries));
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        jobs_cancel(campaign.fixture->jobs, &shots[i].job);
        blob_unref(&shots[i].expected);
        buf_free(&shots[i].input);
    }
    assert_int_equal(stats_read(&campaign.fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&campaign.fixture);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(no_job_is_lost, rpc_fixture_teardown),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
