/* Jobs in worker processes, while everybody behaves: who may start and stop when. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "server/jobs/dispatch/jobs_worker.h"
#include "tests/process/support/rpc_fixture.h"

#define MANY 500

static const struct jobs_config usual = {.job_timeout_ns = 60 * NS_PER_S};

static void does_a_job(struct rpc_fixture *fixture)
{
    struct rpc_fixture_job job;

    rpc_fixture_submit(fixture, &job, "{\"a\": [1, 2.5, \"\\u00e9\"], \"b\": null}");
    assert_int_equal(job.done, 0);
    rpc_fixture_run_jobs(fixture, &job, 1);
    rpc_fixture_check_result(fixture, &job);
    rpc_fixture_job_free(&job);
}

static void one_job(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);

    (void)state;
    does_a_job(fixture);
    assert_int_equal(stats_read(&fixture->stats.jobs[CODEC_OP_DECODE][JOBS_RPC][JOB_OK]),
                     1);
    assert_int_equal(stats_read(&fixture->stats.workers), 1);
    rpc_fixture_destroy(&fixture);
}

static void a_refusal_tells_where(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);
    struct rpc_fixture_job job;

    (void)state;
    rpc_fixture_submit(fixture, &job, "[1, nope]");
    rpc_fixture_run_jobs(fixture, &job, 1);
    assert_int_equal(job.job.status, JOB_REFUSED);
    assert_int_equal(job.job.fault.status, CODEC_SYNTAX);
    assert_int_equal(job.job.fault.offset, 5);
    assert_null(job.result);
    rpc_fixture_job_free(&job);
    rpc_fixture_destroy(&fixture);
}

static void many_at_once(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 2, NULL);
    struct rpc_fixture_job jobs[MANY];
    char text[64];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "{\"number\": %u}", i);
        rpc_fixture_submit(fixture, &jobs[i], text);
    }
    rpc_fixture_run_jobs(fixture, jobs, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
    assert_int_equal(stats_read(&fixture->stats.queue_depth), 0);
    rpc_fixture_destroy(&fixture);
}

/* Sizes around what changes the way: the batch's limit, results that keep their message,
   the socket's buffers. */
static void all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 8191, 8192, 65535, 65536, 300000, 5000000};
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);
    struct rpc_fixture_job jobs[sizeof sizes / sizeof sizes[0]] = {0};
    unsigned count = sizeof sizes / sizeof sizes[0];

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        buf_append_str(&jobs[i].input, "\"");
        memset(buf_reserve(&jobs[i].input, sizes[i]), 'x', sizes[i]);
        jobs[i].input.len += sizes[i];
        buf_append_str(&jobs[i].input, "\"");
        rpc_fixture_submit_again(fixture, &jobs[i]);
    }
    rpc_fixture_run_jobs(fixture, jobs, count);
    for (unsigned i = 0; i < count; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
    rpc_fixture_destroy(&fixture);
}

static void worker_before_gate_before_front(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);

    (void)state;
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    does_a_job(fixture);
    rpc_fixture_destroy(&fixture);
}

static void front_before_gate(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    struct rpc_fixture_job job;

    (void)state;
    rpc_fixture_start_front(fixture);
    rpc_fixture_submit(fixture, &job, "[]"); /* waits for the first worker */
    rpc_fixture_run_for(fixture, 0.05);
    assert_int_equal(job.done, 0);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_jobs(fixture, &job, 1);
    rpc_fixture_check_result(fixture, &job);
    rpc_fixture_job_free(&job);
    rpc_fixture_destroy(&fixture);
}

static void gate_killed_and_started_again(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);

    (void)state;
    rpc_fixture_stop_gate(fixture, SIGKILL);
    does_a_job(fixture); /* seats stand without a gate */
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 2);
    does_a_job(fixture);
    rpc_fixture_destroy(&fixture);
}

static void front_started_again(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 2, NULL);

    (void)state;
    does_a_job(fixture);
    rpc_fixture_stop_front(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_run_until_workers(fixture, 2);
    does_a_job(fixture);
    rpc_fixture_destroy(&fixture);
}

static void worker_that_leaves_gets_no_more(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);
    unsigned leaver = rpc_fixture_start_worker(fixture, "bye", 1);
    char *text = rpc_fixture_pad("[1]", JOBS_BATCH_BYTES + 1); /* one in a message */
    struct rpc_fixture_job jobs[2];

    (void)state;
    rpc_fixture_run_until_workers(fixture, 2);
    for (unsigned i = 0; i < 2; i++) /* one for each worker */
        rpc_fixture_submit(fixture, &jobs[i], text);
    free(text);
    rpc_fixture_run_jobs(fixture, jobs, 2);
    for (unsigned i = 0; i < 2; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
    rpc_fixture_run_until_workers(fixture, 1);
    does_a_job(fixture);
    rpc_fixture_kill_worker(fixture, leaver);
    rpc_fixture_destroy(&fixture);
}

static void over_tcp(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    char url[64];

    (void)state;
    /* Ports below the ephemeral range, one per process: no race with those. */
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 10000 + (int)getpid() % 20000);
    rpc_fixture_set_url(fixture, url);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    does_a_job(fixture);
    rpc_fixture_destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, rpc_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(one_job),
        TEST(a_refusal_tells_where),
        TEST(many_at_once),
        TEST(all_sizes),
        TEST(worker_before_gate_before_front),
        TEST(front_before_gate),
        TEST(gate_killed_and_started_again),
        TEST(front_started_again),
        TEST(worker_that_leaves_gets_no_more),
        TEST(over_tcp),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
