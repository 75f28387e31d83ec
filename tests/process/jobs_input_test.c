/* Inputs of jobs in memory that workers read in place: until when they are kept, who gets
   them, and what becomes of them when somebody dies. */
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/process/support/child.h"
#include "tests/process/support/rpc_fixture.h"

#define POOL_BYTES (UINT64_C(4) << 20)
#define POOL_NAME  "/memfd:offloop-pool"
#define LARGE      300000

static const struct jobs_config with_pool = {.job_timeout_ns = 60 * NS_PER_S,
                                             .arena_bytes = POOL_BYTES};

static unsigned count_maps(void)
{
    return rpc_fixture_count_maps(POOL_NAME);
}

/* ---- inputs ---- */

static struct blob *make(struct rpc_fixture *fixture, size_t len, uint8_t **bytes_r)
{
    return jobs_make_input(fixture->jobs, JOBS_RPC, len, bytes_r);
}

/* How much of it the front can have in one piece: all, or nothing. */
static bool is_free(void *ctx)
{
    uint8_t *bytes;
    struct blob *all = make(ctx, POOL_BYTES, &bytes);
    bool is = all != NULL;

    blob_unref(&all);
    return is;
}

static bool is_taken(void *ctx)
{
    return !is_free(ctx);
}

/* A JSON string of that many bytes in the pool, and as the job's input. */
static struct blob *fill(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                         size_t len)
{
    uint8_t *bytes;
    struct blob *blob = make(fixture, len, &bytes);

    assert_non_null(blob);
    assert_int_equal(blob->bytes.len, len);
    assert_ptr_equal(blob->bytes.data, bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)('a' + i * 7 % 26);
    bytes[0] = bytes[len - 1] = '"';
    memset(job, 0, sizeof *job);
    buf_append(&job->input, bytes, len);
    return blob;
}

/* Submits the job with the blob as its input; it has not left yet. */
static void submit(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                   struct blob *blob)
{
    rpc_fixture_submit_again(fixture, job);
    job->job.call.in = blob->bytes;
    job->job.in_blob = blob;
}

static void check_and_free(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                           struct blob **blob)
{
    rpc_fixture_run_jobs(fixture, job, 1);
    rpc_fixture_check_result(fixture, job);
    rpc_fixture_job_free(job);
    blob_unref(blob);
}

static void does_a_job(struct rpc_fixture *fixture, size_t len)
{
    struct rpc_fixture_job job;
    struct blob *blob = fill(fixture, &job, len);

    submit(fixture, &job, blob);
    check_and_free(fixture, &job, &blob);
    assert_true(is_free(fixture));
}

/* A front and one worker, which has mapped the pool. */
static struct rpc_fixture *create_mapped(void)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&with_pool, 1, NULL);

    rpc_fixture_run_until(fixture, is_free, fixture);
    return fixture;
}

static void destroy(struct rpc_fixture **fixture)
{
    assert_int_equal(stats_read(&(*fixture)->stats.peers_dropped), 0);
    rpc_fixture_destroy(fixture);
    rpc_fixture_expect_no_maps(POOL_NAME);
}

static void stop(const struct rpc_fixture *fixture, unsigned place)
{
    child_stop(fixture->workers[place]);
}

static void go_on(const struct rpc_fixture *fixture, unsigned place)
{
    assert_int_equal(kill(fixture->workers[place], SIGCONT), 0);
}

/* The job leaves at the end of a turn. */
static void send_away(const struct rpc_fixture *fixture)
{
    for (unsigned i = 0; i < 4; i++)
        ev_run(fixture->loop, EVRUN_NOWAIT);
}

/* A large job is with the first worker, which is stopped; its input is returned. */
static struct blob *send_to_a_stopped_worker(struct rpc_fixture *fixture,
                                             struct rpc_fixture_job *job)
{
    struct blob *blob = fill(fixture, job, LARGE);

    stop(fixture, 0);
    submit(fixture, job, blob);
    send_away(fixture);
    return blob;
}

/* ---- tests ---- */

static void all_sizes(void **state)
{
    static const size_t sizes[] = {4096,   4097,    60000,   65536,     LARGE,
                                   524288, 1000000, 3000000, POOL_BYTES};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct rpc_fixture *fixture = create_mapped();

    (void)state;
    assert_int_equal(count_maps(), 1);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < COUNT; i++)
            does_a_job(fixture, sizes[(i + round) % COUNT]);
    destroy(&fixture);
}

/* What is written once the job has left is what the worker reads: there is no copy. */
static void the_worker_reads_it_in_place(void **state)
{
    struct rpc_fixture *fixture = create_mapped();
    struct rpc_fixture_job job;
    struct blob *blob = send_to_a_stopped_worker(fixture, &job);

    (void)state;
    memset((uint8_t *)(uintptr_t)blob->bytes.data + 1, 'Z', LARGE - 2);
    memset(job.input.data + 1, 'Z', LARGE - 2);
    go_on(fixture, 0);
    check_and_free(fixture, &job, &blob);
    destroy(&fixture);
}

static void many_at_once(void **state)
{
    enum { COUNT = 12 };
    struct rpc_fixture *fixture = create_mapped();
    struct rpc_fixture_job jobs[COUNT];
    struct blob *blobs[COUNT];

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        blobs[i] = fill(fixture, &jobs[i], LARGE + i);
        submit(fixture, &jobs[i], blobs[i]);
    }
    for (unsigned i = 0; i < COUNT; i++)
        check_and_free(fixture, &jobs[i], &blobs[i]);
    assert_true(is_free(fixture));
    destroy(&fixture);
}

/* Nobody waits for it, nobody here has it: but the worker is about to read it. */
static struct rpc_fixture *cancel_with_the_worker_stopped(void)
{
    struct rpc_fixture *fixture = create_mapped();
    struct rpc_fixture_job job;
    struct blob *blob = send_to_a_stopped_worker(fixture, &job);

    jobs_cancel(fixture->jobs, &job.job);
    rpc_fixture_job_free(&job);
    blob_unref(&blob);
    assert_false(is_free(fixture));
    rpc_fixture_run_for(fixture, 0.1);
    assert_false(is_free(fixture));
    return fixture;
}

static void it_is_kept_until_the_worker_answers(void **state)
{
    struct rpc_fixture *fixture = cancel_with_the_worker_stopped();

    (void)state;
    go_on(fixture, 0);
    rpc_fixture_run_until(fixture, is_free, fixture);
    does_a_job(fixture, LARGE);
    destroy(&fixture);
}

static void it_is_kept_until_the_worker_is_gone(void **state)
{
    struct rpc_fixture *fixture = cancel_with_the_worker_stopped();

    (void)state;
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 2);
    assert_false(is_free(fixture));
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_run_until(fixture, is_free, fixture);
    does_a_job(fixture, LARGE);
    destroy(&fixture);
}

static bool is_mapped(void *ctx)
{
    uint8_t *bytes;
    struct blob *blob = make(ctx, 4096, &bytes);
    bool is = blob != NULL;

    blob_unref(&blob);
    return is;
}

/* Over a network's protocol, by which a worker that stands still is left soonest. */
static struct rpc_fixture *create_over_tcp(void)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&with_pool);
    char url[64];

    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 10000 + (int)getpid() % 20000);
    rpc_fixture_set_url(fixture, url);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_run_until(fixture, is_free, fixture);
    return fixture;
}

/* The connection has ended, the process has not: it would read on where it was stopped.
 */
static void it_is_kept_while_a_lost_worker_lives(void **state)
{
    struct rpc_fixture *fixture = create_over_tcp();
    struct rpc_fixture_job job;
    struct blob *blob = send_to_a_stopped_worker(fixture, &job);

    (void)state;
    rpc_fixture_run_until_workers(fixture, 0);
    rpc_fixture_start_worker(fixture, NULL, 0);
    check_and_free(fixture, &job, &blob);
    rpc_fixture_run_until(fixture, is_mapped, fixture);
    assert_true(is_taken(fixture));
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_run_until(fixture, is_free, fixture);
    destroy(&fixture);
}

/* Beside a payload that is copied by turns it has not left when it is given up. */
static void given_up_before_it_has_left(void **state)
{
    struct rpc_fixture *fixture = create_mapped();
    struct rpc_fixture_job jobs[2];
    struct blob *blob;

    (void)state;
    for (unsigned turns = 0; turns < 6; turns++) {
        blob = fill(fixture, &jobs[0], LARGE);
        memset(&jobs[1], 0, sizeof jobs[1]);
        buf_append_str(&jobs[1].input, "\"");
        memset(buf_reserve(&jobs[1].input, 2000000), 'x', 2000000);
        jobs[1].input.len += 2000000;
        buf_append_str(&jobs[1].input, "\"");
        submit(fixture, &jobs[0], blob);
        rpc_fixture_submit_again(fixture, &jobs[1]);
        for (unsigned i = 0; i < turns; i++)
            ev_run(fixture->loop, EVRUN_NOWAIT);
        for (unsigned i = 0; i < 2; i++) {
            if (jobs[i].done == 0)
                jobs_cancel(fixture->jobs, &jobs[i].job);
            rpc_fixture_job_free(&jobs[i]);
        }
        blob_unref(&blob);
        rpc_fixture_run_until(fixture, is_free, fixture);
    }
    does_a_job(fixture, LARGE);
    destroy(&fixture);
}

/* Its next worker reads the same bytes; one that shares no memory gets a copy. */
static void another_worker_takes_over(void **state)
{
    static const char *const modes[] = {NULL, "good"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rpc_fixture *fixture = create_mapped();
        struct rpc_fixture_job job;
        struct blob *blob = fill(fixture, &job, 1000000);

        stop(fixture, 0);
        submit(fixture, &job, blob);
        send_away(fixture);
        rpc_fixture_kill_worker(fixture, 0);
        rpc_fixture_run_until_workers(fixture, 0);
        rpc_fixture_start_worker(fixture, modes[i], 0);
        check_and_free(fixture, &job, &blob);
        destroy(&fixture);
    }
}

static void there_is_none(void **state)
{
    static const struct jobs_config without = {.job_timeout_ns = 60 * NS_PER_S};
    struct rpc_fixture *fixture = rpc_fixture_create_running(&without, 1, NULL);
    uint8_t *bytes;

    (void)state;
    rpc_fixture_run_for(fixture, 0.05);
    assert_null(make(fixture, LARGE, &bytes)); /* switched off */
    destroy(&fixture);
    /* a worker that never fetches what it is offered */
    fixture = rpc_fixture_create_running(&with_pool, 1, "good");
    rpc_fixture_run_for(fixture, 0.05);
    assert_null(make(fixture, LARGE, &bytes));
    destroy(&fixture);
    fixture = create_mapped();
    assert_null(make(fixture, 4095, &bytes)); /* cheaper in the message */
    assert_null(make(fixture, POOL_BYTES + 1, &bytes));
    assert_null(jobs_make_input(fixture->jobs, JOBS_INLINE, LARGE, &bytes));
    assert_null(jobs_make_input(fixture->jobs, JOBS_THREADS, LARGE, &bytes));
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_run_until(fixture, is_taken, fixture); /* no worker to read it */
    assert_null(make(fixture, LARGE, &bytes));
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until(fixture, is_free, fixture);
    assert_int_equal(count_maps(), 1); /* the same one for all workers */
    destroy(&fixture);
}

static void it_may_be_full(void **state)
{
    struct rpc_fixture *fixture = create_mapped();
    uint8_t *bytes;
    struct blob *most = make(fixture, POOL_BYTES - 4096, &bytes);
    struct blob *rest = make(fixture, 4096, &bytes);

    (void)state;
    assert_non_null(most);
    assert_non_null(rest);
    assert_null(make(fixture, 4096, &bytes));
    blob_unref(&most);
    blob_unref(&rest);
    assert_true(is_free(fixture));
    destroy(&fixture);
}

/* A store's thread may still be writing into it. */
static void it_outlives_the_front(void **state)
{
    struct rpc_fixture *fixture = create_mapped();
    uint8_t *bytes;
    struct blob *blob = make(fixture, LARGE, &bytes);

    (void)state;
    rpc_fixture_destroy(&fixture);
    memset(bytes, 7, LARGE);
    assert_int_equal(blob->bytes.data[LARGE - 1], 7);
    assert_int_equal(count_maps(), 1);
    blob_unref(&blob);
    rpc_fixture_expect_no_maps(POOL_NAME);
}

/* At any time: in a job, before it, behind it. Each is done in the end, once. */
static void workers_are_killed(void **state)
{
    struct rpc_fixture *fixture = create_mapped();
    struct rpc_fixture_job jobs[4];
    struct blob *blobs[4];

    (void)state;
    for (unsigned turns = 0; turns < 8; turns++) {
        rpc_fixture_run_until(fixture, is_free, fixture);
        for (unsigned i = 0; i < 4; i++) {
            blobs[i] = fill(fixture, &jobs[i], 900000);
            submit(fixture, &jobs[i], blobs[i]);
        }
        for (unsigned i = 0; i < turns; i++)
            ev_run(fixture->loop, EVRUN_NOWAIT);
        rpc_fixture_kill_worker(fixture, 0);
        rpc_fixture_start_worker(fixture, NULL, 0);
        for (unsigned i = 0; i < 4; i++)
            check_and_free(fixture, &jobs[i], &blobs[i]);
    }
    destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, rpc_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(all_sizes),
        TEST(the_worker_reads_it_in_place),
        TEST(many_at_once),
        TEST(it_is_kept_until_the_worker_answers),
        TEST(it_is_kept_until_the_worker_is_gone),
        TEST(it_is_kept_while_a_lost_worker_lives),
        TEST(given_up_before_it_has_left),
        TEST(another_worker_takes_over),
        TEST(there_is_none),
        TEST(it_may_be_full),
        TEST(it_outlives_the_front),
        TEST(workers_are_killed),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
