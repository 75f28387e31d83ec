/* Documents that crash workers: at most two are lost to one, then it is refused; and no
   document is ever refused because workers are killed. poison-worker is the worker daemon
   but for one thing: a document with "crash the worker" in it makes it abort. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "proto/document_fingerprint.h"
#include "server/jobs/dispatch/jobs_worker.h"
#include "tests/process/support/daemon.h"
#include "tests/process/support/rpc_fixture.h"
#include "tests/process/support/sp_peer.h"

#define POISON  "[1,2,\"crash the worker\"]"
#define TEXT    "{\"lots\": [1, 2, 3], \"price\": 1.25}"
#define WORKERS 2
#define KILLS   8

static const struct jobs_config usual = {.job_timeout_ns = 60 * NS_PER_S};

static struct daemon *start_daemon_of(const struct rpc_fixture *fixture,
                                      const char *processes)
{
    const char *build = getenv("OFFLOOP_BUILD");
    char *program = str_printf("%s/tests/poison-worker", build == NULL ? "build" : build);
    const char *const argv[] = {program,       "--connect", fixture->url,
                                "--processes", processes,   NULL};
    struct daemon *daemon = daemon_start(argv);

    mem_free(program);
    return daemon;
}

static struct daemon *start_daemon(const struct rpc_fixture *fixture)
{
    return start_daemon_of(fixture, "2");
}

static void end(struct rpc_fixture *fixture, struct daemon *daemon)
{
    daemon_signal(daemon, SIGTERM);
    assert_int_equal(daemon_wait(daemon), 0);
    daemon_destroy(&daemon);
    rpc_fixture_destroy(&fixture);
}

static enum job_status status_of(struct rpc_fixture *fixture, const char *text)
{
    struct rpc_fixture_job job;
    enum job_status status;

    rpc_fixture_submit(fixture, &job, text);
    rpc_fixture_run_jobs(fixture, &job, 1);
    status = job.job.status;
    rpc_fixture_job_free(&job);
    return status;
}

static uint64_t workers_lost(struct rpc_fixture *fixture)
{
    return stats_read(&fixture->stats.workers_lost);
}

static void poison_costs_two_workers_and_no_more(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    struct daemon *daemon = start_daemon(fixture);

    (void)state;
    rpc_fixture_run_until_workers(fixture, WORKERS);
    assert_int_equal(status_of(fixture, TEXT), JOB_OK);
    assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    assert_int_equal(workers_lost(fixture), 2);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    assert_int_equal(workers_lost(fixture), 2);
    rpc_fixture_run_until_workers(fixture, WORKERS);
    assert_int_equal(status_of(fixture, TEXT), JOB_OK);
    assert_int_equal(status_of(fixture, "[1,2,\"crash the_worker\"]"), JOB_OK);
    assert_int_equal(workers_lost(fixture), 2);
    end(fixture, daemon);
}

/* A front that was not there at the crashes believes only what it has seen itself. */
static void a_new_front_finds_out_itself(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    struct daemon *daemon = start_daemon(fixture);

    (void)state;
    rpc_fixture_run_until_workers(fixture, WORKERS);
    assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    rpc_fixture_stop_front(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_run_until_workers(fixture, WORKERS);
    fixture->stats.workers_lost = 0;
    assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    assert_int_equal(workers_lost(fixture), 2);
    assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    assert_int_equal(workers_lost(fixture), 2);
    end(fixture, daemon);
}

/* Says hello at the gate as a worker whose daemon has crashed twice on each of two
   documents, and waits for the welcome: by then the front knows of it. */
static void say_hello(struct rpc_fixture *fixture, const char *one, const char *other)
{
    static const uint8_t request_id[4] = {0x80, 0, 0, 1};
    struct wire_hello hello = {.worker = {{7}},
                               .pid = 1,
                               .credits = 2,
                               .engine = {(const uint8_t *)"yajl", 4},
                               .crash_count = WIRE_MAX_CRASHES};
    struct buf bytes = BUF_INIT;
    struct wire_message answer;
    struct sp_peer peer;
    struct slice got;

    for (unsigned i = 0; i < WIRE_MAX_CRASHES; i++) {
        const char *text = i % 2 == 0 ? one : other;

        hello.crashes[i].signal = SIGSEGV;
        document_fingerprint_of((struct slice){(const uint8_t *)text, strlen(text)},
                                (struct slice){NULL, 0}, &hello.crashes[i].document);
    }
    wire_put_hello(&bytes, &hello);
    sp_peer_connect(&peer, fixture->url, SP_REQ0);
    sp_peer_send(&peer, (struct slice){request_id, sizeof request_id}, buf_slice(&bytes));
    rpc_fixture_run_until(fixture, sp_peer_has_message, &peer);
    got = sp_peer_message(&peer);
    got = (struct slice){got.data + sizeof request_id, got.len - sizeof request_id};
    assert_int_equal(wire_decode(got, &answer, NULL), WIRE_OK);
    assert_int_equal(answer.type, WIRE_WELCOME);
    assert_int_equal(answer.welcome.seat_count, 1);
    sp_peer_close(&peer);
    buf_free(&bytes);
}

/* Whoever reaches the gate can say what he likes. */
static void a_hello_made_by_hand_condemns_nothing(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    struct daemon *daemon = start_daemon(fixture);
    char text[32];

    (void)state;
    rpc_fixture_run_until_workers(fixture, WORKERS);
    say_hello(fixture, TEXT, "[1]");
    assert_int_equal(status_of(fixture, TEXT), JOB_OK);
    assert_int_equal(status_of(fixture, POISON), JOB_POISON); /* while others... */
    for (unsigned i = 0; i < 40; i++) {                       /* ...cannot end that */
        snprintf(text, sizeof text, "[%u]", i);
        say_hello(fixture, text, TEXT);
    }
    assert_int_equal(status_of(fixture, POISON), JOB_POISON);
    assert_int_equal(workers_lost(fixture), 2);
    assert_int_equal(status_of(fixture, TEXT), JOB_OK);
    end(fixture, daemon);
}

static bool two_are_lost(void *ctx)
{
    return workers_lost(ctx) == 2;
}

/* A document that has crashed workers is no work for the front itself, though no worker
   is left. (It would not crash here: only poison-worker does.) */
static void what_crashed_a_worker_goes_to_no_thread(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    struct daemon *daemon = start_daemon_of(fixture, "1");
    char *text = rpc_fixture_pad(POISON, JOBS_BATCH_BYTES); /* too much for the loop */
    struct rpc_fixture_job job;

    (void)state;
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_submit_in(fixture, &job, text, JOBS_AUTO);
    rpc_fixture_run_until(fixture, two_are_lost, fixture);
    daemon_signal(daemon, SIGKILL);
    (void)daemon_wait(daemon);
    daemon_destroy(&daemon);
    rpc_fixture_run_jobs(fixture, &job, 1);
    assert_true(job.job.status == JOB_WORKER_LOST || job.job.status == JOB_POISON);
    assert_int_equal(job.job.ran, JOBS_RPC);
    rpc_fixture_job_free(&job);
    free(text);
    rpc_fixture_destroy(&fixture);
}

/* Killed while it has jobs: the same document, again and again. */
static void killing_condemns_no_document(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    struct daemon *daemon = start_daemon(fixture);
    char *text = rpc_fixture_pad(TEXT, JOBS_BATCH_BYTES + 1); /* one in a message */
    struct rpc_fixture_job jobs[50];

    (void)state;
    for (unsigned k = 0; k < KILLS; k++) {
        pid_t victim;

        rpc_fixture_run_until_workers(fixture, WORKERS);
        for (unsigned i = 0; i < 50; i++)
            rpc_fixture_submit(fixture, &jobs[i], text);
        victim = daemon_find_child(daemon, "worker");
        assert_int_equal(kill(victim, SIGKILL), 0);
        rpc_fixture_run_jobs(fixture, jobs, 50);
        for (unsigned i = 0; i < 50; i++) {
            rpc_fixture_check_result(fixture, &jobs[i]);
            rpc_fixture_job_free(&jobs[i]);
        }
    }
    free(text);
    assert_int_equal(
        stats_read(&fixture->stats.jobs[CODEC_OP_DECODE][JOBS_RPC][JOB_POISON]), 0);
    end(fixture, daemon);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(poison_costs_two_workers_and_no_more,
                                  rpc_fixture_teardown),
        cmocka_unit_test_teardown(a_new_front_finds_out_itself, rpc_fixture_teardown),
        cmocka_unit_test_teardown(what_crashed_a_worker_goes_to_no_thread,
                                  rpc_fixture_teardown),
        cmocka_unit_test_teardown(a_hello_made_by_hand_condemns_nothing,
                                  rpc_fixture_teardown),
        cmocka_unit_test_teardown(killing_condemns_no_document, rpc_fixture_teardown),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
