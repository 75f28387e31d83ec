/* Jobs in worker processes that die, hang, stop or send what they should not. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "server/jobs/dispatch/jobs_worker.h"
#include "tests/process/support/child.h"
#include "tests/process/support/rpc_fixture.h"

#define TEXT "{\"lots\": [1, 2, 3], \"price\": 1.25}"

static const struct jobs_config usual = {.job_timeout_ns = 20 * NS_PER_S};
static const struct jobs_config hasty = {.job_timeout_ns = 1 * NS_PER_S};
/* Half of it is a silent worker's, the other half another's to do the jobs in. */
static const struct jobs_config shared = {.job_timeout_ns = 6 * NS_PER_S};

/* Runs `count` equal jobs at once; all must go well. */
static void do_jobs_of(struct rpc_fixture *fixture, unsigned count, const char *text)
{
    struct rpc_fixture_job jobs[100];

    assert_true(count <= 100);
    for (unsigned i = 0; i < count; i++)
        rpc_fixture_submit(fixture, &jobs[i], text);
    rpc_fixture_run_jobs(fixture, jobs, count);
    for (unsigned i = 0; i < count; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
}

static void do_jobs(struct rpc_fixture *fixture, unsigned count)
{
    do_jobs_of(fixture, count, TEXT);
}

/* Jobs that are too large to share a message, so that every worker gets some. */
static void do_spread_jobs(struct rpc_fixture *fixture, unsigned count)
{
    char *text = rpc_fixture_pad(TEXT, JOBS_BATCH_BYTES + 1);

    do_jobs_of(fixture, count, text);
    free(text);
}

/* Runs one job, which must end like this. */
static void expect_status(struct rpc_fixture *fixture, enum job_status status)
{
    struct rpc_fixture_job job;

    rpc_fixture_submit(fixture, &job, TEXT);
    rpc_fixture_run_jobs(fixture, &job, 1);
    assert_int_equal(job.job.status, status);
    assert_null(job.result);
    rpc_fixture_job_free(&job);
}

static bool is_sent(void *ctx)
{
    struct rpc_fixture *fixture = ctx;

    return stats_read(&fixture->stats.jobs_in_flight) > 0;
}

/* ---- dying ---- */

static void jobs_of_a_worker_that_dies_go_to_another(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, "crash");

    (void)state;
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 2);
    do_jobs(fixture, 50);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    assert_int_equal(stats_read(&fixture->stats.workers_lost), 1);
    assert_true(stats_read(&fixture->stats.job_retries) > 0);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&fixture);
}

static void three_workers_are_enough_for_one_job(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 4, "crash");

    (void)state;
    expect_status(fixture, JOB_WORKER_LOST);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_destroy(&fixture);
}

/* No worker is left and none comes: what the worker had and auto may place anywhere goes
   to threads long before the wait for workers is over, and ends well. */
static void without_workers_auto_takes_threads_for_what_they_had(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, "hang");
    char *text = rpc_fixture_pad(TEXT, JOBS_BATCH_BYTES); /* too much for the loop */
    struct rpc_fixture_job job, bound;

    (void)state;
    rpc_fixture_submit_in(fixture, &job, text, JOBS_AUTO);
    rpc_fixture_submit_in(fixture, &bound, text, JOBS_RPC);
    rpc_fixture_run_until(fixture, is_sent, fixture);
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_run_jobs(fixture, &job, 1);
    assert_int_equal(job.job.status, JOB_OK);
    assert_non_null(job.result);
    assert_int_equal(job.job.ran, JOBS_THREADS);
    assert_int_equal(bound.done, 0);
    jobs_cancel(fixture->jobs, &bound.job);
    rpc_fixture_job_free(&job);
    rpc_fixture_job_free(&bound);
    free(text);
    rpc_fixture_destroy(&fixture);
}

/* ---- older than the server ---- */

static void what_a_worker_is_too_old_for_runs_in_the_front(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, "old");
    struct rpc_fixture_job jobs[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        memset(&jobs[i], 0, sizeof jobs[i]);
        jobs[i].job.call.keep_numbers = i > 0;
        jobs[i].job.share_key[0] = 1; /* the last waits for the one before */
        buf_append_str(&jobs[i].input, "[12.50]");
        rpc_fixture_submit_again(fixture, &jobs[i]);
    }
    rpc_fixture_run_jobs(fixture, jobs, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].job.status, JOB_OK);
        assert_int_equal(jobs[i].job.ran, i > 0 ? JOBS_THREADS : JOBS_RPC);
        assert_int_equal(jobs[i].result->bytes.len, i > 0 ? 9 : 10);
        rpc_fixture_job_free(&jobs[i]);
    }
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    rpc_fixture_destroy(&fixture);
}

static void programs_are_run_by_the_front_for_an_old_worker(void **state)
{
    /* [".+$x", {x: 2}] */
    static const char argument[] = "\x92\xa5.+$x \x81\xa1x\x02";
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, "old");
    struct rpc_fixture_job job;

    (void)state;
    memory_budget_set_limit(UINT64_C(1) << 30); /* what was promised is not lost */
    memset(&job, 0, sizeof job);
    job.job.call.transform = true;
    job.job.call.argument =
        (struct slice){(const uint8_t *)argument, sizeof argument - 1};
    buf_append(&job.input, "\x28", 1); /* 40 */
    rpc_fixture_submit_again(fixture, &job);
    rpc_fixture_run_jobs(fixture, &job, 1);
    assert_int_equal(job.job.status, JOB_OK);
    assert_int_equal(job.job.ran, JOBS_THREADS);
    assert_int_equal(job.result->bytes.len, 2);
    assert_memory_equal(job.result->bytes.data, "42", 2);
    assert_int_equal(job.job.promised_bytes, 0);
    rpc_fixture_job_free(&job);
    memory_budget_set_limit(0);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    rpc_fixture_destroy(&fixture);
}

/* ---- not answering ---- */

static void a_hanging_worker_costs_its_jobs_their_deadline(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&hasty, 1, "hang");

    (void)state;
    expect_status(fixture, JOB_DEADLINE);
    assert_int_equal(stats_read(&fixture->stats.job_retries), 0);
    rpc_fixture_destroy(&fixture);
}

static void a_silent_worker_loses_its_jobs_to_others(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&shared, 1, "silent");

    (void)state;
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 2);
    do_jobs(fixture, 2);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    do_jobs(fixture, 20);
    rpc_fixture_destroy(&fixture);
}

static bool has_two_workers(void *ctx)
{
    return jobs_workers(((struct rpc_fixture *)ctx)->jobs) == 2;
}

static void a_stopped_worker_is_used_again_when_it_goes_on(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&shared, 2, NULL);

    (void)state;
    child_stop(fixture->workers[0]);
    do_jobs(fixture, 100);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    kill(fixture->workers[0], SIGCONT);
    rpc_fixture_run_until(fixture, has_two_workers, fixture);
    do_jobs(fixture, 100);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&fixture);
}

/* A worker that does not read must not keep the front from ending. */
static void the_front_ends_beside_a_stopped_worker(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&hasty, 1, NULL);

    (void)state;
    child_stop(fixture->workers[0]);
    expect_status(fixture, JOB_NO_WORKER);
    rpc_fixture_destroy(&fixture);
}

static void an_expired_job_is_a_deadline(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, "expire");

    (void)state;
    expect_status(fixture, JOB_DEADLINE);
    rpc_fixture_destroy(&fixture);
}

/* ---- misbehaving ---- */

static int stderr_before;
static FILE *log_file; /* NULL while stderr is itself */

static void catch_log(void)
{
    stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    log_file = tmpfile();
    assert_non_null(log_file);
    fcntl(fileno(log_file), F_SETFD, FD_CLOEXEC); /* 3 would mean something to a worker */
    dup2(fileno(log_file), STDERR_FILENO);
}

/* Gives stderr back; returns how many caught lines contain the text. */
static unsigned count_log(const char *text)
{
    char line[1024];
    unsigned count = 0;

    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    rewind(log_file);
    while (fgets(line, sizeof line, log_file) != NULL)
        if (strstr(line, text) != NULL && text[0] != '\0')
            count++;
        else
            fputs(line, stderr);
    fclose(log_file);
    log_file = NULL;
    return count;
}

/* After a test that failed meanwhile: what was caught is to be seen. */
static int teardown(void **state)
{
    if (log_file != NULL)
        (void)count_log("");
    return rpc_fixture_teardown(state);
}

static bool has_dropped_one(void *ctx)
{
    struct rpc_fixture *fixture = ctx;

    return stats_read(&fixture->stats.peers_dropped) == 1;
}

/* One worker of the mode beside a good one: it is dropped, once, and no job suffers. */
static void check_is_dropped(const char *mode, unsigned n)
{
    struct rpc_fixture *fixture;

    catch_log();
    fixture = rpc_fixture_create_running(&usual, 1, NULL);
    rpc_fixture_start_worker(fixture, mode, n);
    /* An impostor or a mute never comes up, so its coming cannot be waited for. */
    while (stats_read(&fixture->stats.peers_dropped) == 0) {
        do_spread_jobs(fixture, 10);
        rpc_fixture_run_for(fixture, 0.02);
    }
    rpc_fixture_run_until(fixture, has_dropped_one, fixture);
    rpc_fixture_run_for(fixture, 1.5); /* it says hello again, and again gets no seat */
    do_spread_jobs(fixture, 10);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 1);
    rpc_fixture_destroy(&fixture);
    assert_int_equal(count_log("dropped:"), 1);
}

#define DROPPED(test, mode, n)     \
    static void test(void **state) \
    {                              \
        (void)state;               \
        check_is_dropped(mode, n); \
    }

DROPPED(babble_is_dropped, "babble", 16)
DROPPED(an_empty_message_is_dropped, "babble", 0)
DROPPED(a_second_answer_is_dropped, "twice", 0)
DROPPED(a_wrong_id_is_dropped, "wrong-id", 70000)
DROPPED(a_missing_payload_is_dropped, "short-payload", 1)
DROPPED(leftover_bytes_are_dropped, "long-payload", 1)
DROPPED(a_verdict_of_the_job_socket_is_dropped, "verdict", 3)
DROPPED(an_impostor_is_dropped, "impostor", 0)
DROPPED(a_mute_is_dropped, "mute", 0)

/* ---- waiting, and giving up ---- */

static void without_workers_half_the_deadline_is_waited(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&hasty);
    uint64_t start_ns = clock_now_ns();

    (void)state;
    rpc_fixture_start_front(fixture);
    expect_status(fixture, JOB_NO_WORKER);
    assert_true(clock_now_ns() - start_ns >= hasty.job_timeout_ns / 2);
    rpc_fixture_destroy(&fixture);
}

static void a_full_queue_refuses_at_once(void **state)
{
    const struct jobs_config small = {.job_timeout_ns = NS_PER_S / 2, .queue_max = 4};
    struct rpc_fixture *fixture = rpc_fixture_create(&small);
    struct rpc_fixture_job jobs[5];

    (void)state;
    rpc_fixture_start_front(fixture);
    for (unsigned i = 0; i < 5; i++)
        rpc_fixture_submit(fixture, &jobs[i], TEXT);
    assert_int_equal(jobs[3].done, 0);
    assert_int_equal(jobs[4].done, 1);
    assert_int_equal(jobs[4].job.status, JOB_QUEUE_FULL);
    rpc_fixture_run_jobs(fixture, jobs, 5);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(jobs[i].job.status, JOB_NO_WORKER);
    for (unsigned i = 0; i < 5; i++)
        rpc_fixture_job_free(&jobs[i]);
    rpc_fixture_destroy(&fixture);
}

static void cancelled_jobs_are_never_heard_of(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    struct rpc_fixture_job waiting, with_worker, done;

    (void)state;
    rpc_fixture_start_front(fixture);
    rpc_fixture_submit(fixture, &waiting, TEXT);
    jobs_cancel(fixture->jobs, &waiting.job);
    assert_int_equal(waiting.job.state, JOB_DONE);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_worker(fixture, "slow", 200);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_submit(fixture, &with_worker, TEXT);
    rpc_fixture_run_until(fixture, is_sent, fixture);
    jobs_cancel(fixture->jobs, &with_worker.job);
    buf_free(&with_worker.input); /* the front must not look at it any more */
    rpc_fixture_submit(fixture, &done, TEXT);
    rpc_fixture_run_jobs(fixture, &done, 1); /* after the cancelled one's answer */
    rpc_fixture_check_result(fixture, &done);
    jobs_cancel(fixture->jobs, &done.job);
    assert_int_equal(waiting.done + with_worker.done, 0);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_job_free(&waiting);
    rpc_fixture_job_free(&done);
    rpc_fixture_destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_of_a_worker_that_dies_go_to_another),
        TEST(without_workers_auto_takes_threads_for_what_they_had),
        TEST(three_workers_are_enough_for_one_job),
        TEST(what_a_worker_is_too_old_for_runs_in_the_front),
        TEST(programs_are_run_by_the_front_for_an_old_worker),
        TEST(a_hanging_worker_costs_its_jobs_their_deadline),
        TEST(a_silent_worker_loses_its_jobs_to_others),
        TEST(a_stopped_worker_is_used_again_when_it_goes_on),
        TEST(the_front_ends_beside_a_stopped_worker),
        TEST(an_expired_job_is_a_deadline),
        TEST(babble_is_dropped),
        TEST(an_empty_message_is_dropped),
        TEST(a_second_answer_is_dropped),
        TEST(a_wrong_id_is_dropped),
        TEST(a_missing_payload_is_dropped),
        TEST(leftover_bytes_are_dropped),
        TEST(a_verdict_of_the_job_socket_is_dropped),
        TEST(an_impostor_is_dropped),
        TEST(a_mute_is_dropped),
        TEST(without_workers_half_the_deadline_is_waited),
        TEST(a_full_queue_refuses_at_once),
        TEST(cancelled_jobs_are_never_heard_of),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
