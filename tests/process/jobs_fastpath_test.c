/* Jobs on the socket beside the seat: all sizes, both ways at once, and workers that send
   there what they should not, die there, or do not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ev.h>

#include "common/base/clock.h"
#include "tests/process/support/rpc_fixture.h"

#define TEXT "{\"lots\": [1, 2, 3], \"price\": 1.25}"

static const struct jobs_config usual = {.job_timeout_ns = 20 * NS_PER_S};
static const struct jobs_config hasty = {.job_timeout_ns = 1 * NS_PER_S};
static const struct jobs_config with_arena = {.job_timeout_ns = 20 * NS_PER_S,
                                              .arena_bytes = 64 << 20};

static bool has_fastpath(void *ctx)
{
    return stats_read(&((struct rpc_fixture *)ctx)->stats.fastpaths) == 1;
}

/* One worker of that mode with its fast path in use. */
static struct rpc_fixture *create_fast(const struct jobs_config *config, const char *mode,
                                       unsigned n)
{
    struct rpc_fixture *fixture = rpc_fixture_create(config);

    fixture->config.fastpath = true;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, mode, n);
    rpc_fixture_run_until(fixture, has_fastpath, fixture);
    return fixture;
}

static uint64_t sent_fast(const struct rpc_fixture *fixture)
{
    return stats_read(&fixture->stats.jobs_fast);
}

static uint64_t sent_on_seats(const struct rpc_fixture *fixture)
{
    return stats_read(&fixture->stats.jobs_on_seats);
}

static void do_jobs(struct rpc_fixture *fixture, unsigned count, const char *text)
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

static void do_jobs_of_size(struct rpc_fixture *fixture, unsigned count, size_t bytes)
{
    char *text = malloc(bytes + 1);

    assert_non_null(text);
    memset(text, 'x', bytes);
    text[0] = text[bytes - 1] = '"';
    text[bytes] = '\0';
    do_jobs(fixture, count, text);
    free(text);
}

static void jobs_travel_on_it(void **state)
{
    struct rpc_fixture *fixture = create_fast(&usual, NULL, 0);

    (void)state;
    do_jobs(fixture, 1, TEXT);
    do_jobs(fixture, 100, TEXT);
    assert_int_equal(sent_fast(fixture), 101);
    assert_int_equal(sent_on_seats(fixture), 0);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&fixture);
}

/* What is larger than a frame may be goes on the seat, and so does its result. */
static void all_sizes(const struct jobs_config *config, uint64_t on_seats)
{
    static const size_t sizes[] = {2,      100,    4095,   4096,   60000,   65536,
                                   200000, 500000, 524000, 524288, 1000000, 3000000};
    struct rpc_fixture *fixture = create_fast(config, NULL, 0);

    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        do_jobs_of_size(fixture, 5, sizes[i]);
    assert_int_equal(sent_on_seats(fixture), 5 * on_seats);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&fixture);
}

static void all_sizes_in_frames(void **state)
{
    (void)state;
    all_sizes(&usual, 3);
}

static void all_sizes_with_an_arena(void **state)
{
    (void)state;
    all_sizes(&with_arena, 0);
}

/* More than the socket holds is under way, in both directions. */
static void more_than_the_socket_takes(void **state)
{
    struct rpc_fixture *fixture = create_fast(&usual, NULL, 0);

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        do_jobs_of_size(fixture, 100, 150000);
    assert_int_equal(sent_fast(fixture), 500);
    assert_int_equal(stats_read(&fixture->stats.workers_lost), 0);
    rpc_fixture_destroy(&fixture);
}

static void switched_off(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&with_arena);

    (void)state;
    fixture->config.fastpath = false;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, "fast", 0);
    rpc_fixture_run_until_workers(fixture, 1);
    do_jobs(fixture, 10, TEXT);
    assert_int_equal(sent_fast(fixture), 0);
    assert_int_equal(stats_read(&fixture->stats.fastpaths), 0);
    rpc_fixture_destroy(&fixture);
}

/* A worker that leaves the offer alone is sent its jobs on the seat. */
static void worker_that_does_not_take_it(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);

    (void)state;
    fixture->config.fastpath = true;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, "good", 0);
    rpc_fixture_run_until_workers(fixture, 1);
    do_jobs(fixture, 10, TEXT);
    assert_int_equal(sent_fast(fixture), 0);
    assert_int_equal(sent_on_seats(fixture), 10);
    rpc_fixture_destroy(&fixture);
}

static void over_tcp_on_one_host(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    char url[64];

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 10000 + (int)getpid() % 20000);
    rpc_fixture_set_url(fixture, url);
    fixture->config.fastpath = true;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until(fixture, has_fastpath, fixture);
    do_jobs(fixture, 10, TEXT);
    assert_int_equal(sent_fast(fixture), 10);
    rpc_fixture_destroy(&fixture);
}

static void in_single_bytes(void **state)
{
    struct rpc_fixture *fixture = create_fast(&usual, "fast-bytewise", 0);

    (void)state;
    do_jobs(fixture, 20, TEXT);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_destroy(&fixture);
}

/* ---- workers that are wrong ---- */

static const struct {
    const char *mode;
    unsigned n;
    unsigned dropped; /* for a message against the protocol; else it is lost only */
} wrong[] = {{"fast-babble", 0, 1}, {"fast-bad", 0, 1},      {"fast-empty", 0, 1},
             {"fast-empty", 2, 1},  {"fast-large", 1, 1},    {"fast-large", 4000, 1},
             {"fast-alive", 0, 1},  {"fast-wrong-id", 7, 1}, {"fast-flood", 7, 1},
             {"fast-half", 1, 0},   {"fast-half", 9, 0},     {"fast-half", 20, 0}};

/* Each costs the worker its seat and nobody a job. */
static void what_is_wrong_costs_the_seat(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rpc_fixture *fixture = create_fast(&usual, wrong[i].mode, wrong[i].n);
        struct rpc_fixture_job job;

        rpc_fixture_submit(fixture, &job, TEXT);
        rpc_fixture_run_until_workers(fixture, 0);
        assert_int_equal(stats_read(&fixture->stats.fastpaths), 0);
        rpc_fixture_start_worker(fixture, NULL, 0);
        rpc_fixture_run_jobs(fixture, &job, 1);
        rpc_fixture_check_result(fixture, &job);
        rpc_fixture_job_free(&job);
        assert_int_equal(stats_read(&fixture->stats.peers_dropped), wrong[i].dropped);
        assert_int_equal(stats_read(&fixture->stats.workers_lost), 1);
        rpc_fixture_destroy(&fixture);
    }
}

static void an_answer_that_comes_twice(void **state)
{
    struct rpc_fixture *fixture = create_fast(&usual, "fast-twice", 0);

    (void)state;
    do_jobs(fixture, 1, TEXT);
    rpc_fixture_run_until_workers(fixture, 0);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 1);
    rpc_fixture_destroy(&fixture);
}

static bool has_lost_one(void *ctx)
{
    return stats_read(&((struct rpc_fixture *)ctx)->stats.workers_lost) > 0;
}

/* The seat goes with the fast path. */
static void hanging_up_there_only(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);

    (void)state;
    fixture->config.fastpath = true;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, "fast-close", 0);
    rpc_fixture_run_until(fixture, has_lost_one, fixture);
    assert_int_equal(stats_read(&fixture->stats.peers_dropped), 0);
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_start_worker(fixture, NULL, 0);
    do_jobs(fixture, 10, TEXT);
    rpc_fixture_destroy(&fixture);
}

/* Its jobs are late; what waits for it in memory stays within bounds, and others serve.
 */
static void one_that_does_not_read(void **state)
{
    enum { COUNT = 50 };
    struct rpc_fixture *fixture = create_fast(&hasty, "fast-mute", 0);
    struct rpc_fixture_job jobs[COUNT];
    char *text = rpc_fixture_pad(TEXT, 200000);
    unsigned late = 0;

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        rpc_fixture_submit(fixture, &jobs[i], text);
    rpc_fixture_run_jobs(fixture, jobs, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        late += jobs[i].job.status == JOB_DEADLINE || jobs[i].job.status == JOB_NO_WORKER;
        rpc_fixture_job_free(&jobs[i]);
    }
    assert_int_equal(late, COUNT);
    assert_in_range(sent_fast(fixture), 1, 8);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 2);
    free(text);
    rpc_fixture_destroy(&fixture);
}

static void killed_under_load(void **state)
{
    enum { COUNT = 60 };
    struct rpc_fixture *fixture = create_fast(&usual, NULL, 0);
    struct rpc_fixture_job jobs[COUNT];
    char *text = rpc_fixture_pad(TEXT, 100000);

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        rpc_fixture_submit(fixture, &jobs[i], text);
    for (unsigned i = 0; i < 4; i++)
        ev_run(fixture->loop, EVRUN_NOWAIT);
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_jobs(fixture, jobs, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
    free(text);
    rpc_fixture_destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, rpc_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_travel_on_it),
        TEST(all_sizes_in_frames),
        TEST(all_sizes_with_an_arena),
        TEST(more_than_the_socket_takes),
        TEST(switched_off),
        TEST(worker_that_does_not_take_it),
        TEST(over_tcp_on_one_host),
        TEST(in_single_bytes),
        TEST(what_is_wrong_costs_the_seat),
        TEST(an_answer_that_comes_twice),
        TEST(hanging_up_there_only),
        TEST(one_that_does_not_read),
        TEST(killed_under_load),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
