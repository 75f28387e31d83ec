/* Payloads in memory that front and worker share: honest workers, lying ones, ones that
   never fetch it, and deaths at every step. */
#include <dirent.h>
#include <ev.h>
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
#include "tests/process/support/rpc_fixture.h"

#define ARENA_BYTES (UINT64_C(4) << 20)
#define ARENA_NAME  "/memfd:offloop-arena"
#define LARGE       300000
#define HUGE        5000000

static const struct jobs_config with_arena = {.job_timeout_ns = 60 * NS_PER_S,
                                              .arena_bytes = ARENA_BYTES};
static const struct jobs_config without = {.job_timeout_ns = 60 * NS_PER_S};

/* ---- what is mapped and open here ---- */

static unsigned count_maps(void)
{
    return rpc_fixture_count_maps(ARENA_NAME);
}

static unsigned count_arena_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], target[128] = "";

        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof target - 1) > 0)
            count += strstr(target, ARENA_NAME) != NULL;
    }
    closedir(dir);
    return count;
}

/* The front closes an arena's descriptor when the worker says that it is mapped. */
static bool is_one_mapped(void *ctx)
{
    (void)ctx;
    return count_maps() == 1 && count_arena_fds() == 0;
}

static bool is_none_mapped(void *ctx)
{
    (void)ctx;
    return count_maps() == 0;
}

/* A front and one worker of that mode (NULL: a real one), which has mapped its arena. */
static struct rpc_fixture *create_mapped(const char *mode, unsigned n)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&with_arena);

    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, mode, n);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_run_until(fixture, is_one_mapped, NULL);
    return fixture;
}

static void destroy(struct rpc_fixture **fixture)
{
    rpc_fixture_destroy(fixture);
    rpc_fixture_expect_no_maps(ARENA_NAME);
}

/* ---- jobs ---- */

/* A JSON string of about that many bytes. */
static void fill(struct rpc_fixture_job *job, size_t bytes)
{
    memset(job, 0, sizeof *job);
    buf_append_str(&job->input, "\"");
    for (size_t i = 0; i < bytes; i++)
        buf_reserve(&job->input, 1)[0] = (uint8_t)('a' + i * 7 % 26), job->input.len++;
    buf_append_str(&job->input, "\"");
}

static void does_a_job(struct rpc_fixture *fixture, size_t bytes)
{
    struct rpc_fixture_job job;

    fill(&job, bytes);
    rpc_fixture_submit_again(fixture, &job);
    rpc_fixture_run_jobs(fixture, &job, 1);
    rpc_fixture_check_result(fixture, &job);
    rpc_fixture_job_free(&job);
}

static uint64_t dropped(const struct rpc_fixture *fixture)
{
    return stats_read(&fixture->stats.peers_dropped);
}

/* ---- honest workers ---- */

/* Around what changes the way: too small for the arena, copied at once, copied by turns,
   larger than the arena. */
static void all_sizes(void **state)
{
    static const size_t sizes[] = {0,     1,      4092,   4096,    60000, 65536,
                                   LARGE, 524286, 524288, 1000000, HUGE,  300};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[COUNT];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            fill(&jobs[i], sizes[(i + round) % COUNT]);
            rpc_fixture_submit_again(fixture, &jobs[i]);
        }
        rpc_fixture_run_jobs(fixture, jobs, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            rpc_fixture_check_result(fixture, &jobs[i]);
            rpc_fixture_job_free(&jobs[i]);
        }
    }
    assert_int_equal(dropped(fixture), 0);
    destroy(&fixture);
}

/* More at once than the arena holds: some have to travel in messages. */
static void a_full_arena(void **state)
{
    enum { COUNT = 40 };
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[COUNT];

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        fill(&jobs[i], 3000000 + i);
        rpc_fixture_submit_again(fixture, &jobs[i]);
    }
    rpc_fixture_run_jobs(fixture, jobs, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
    destroy(&fixture);
}

static void switched_off(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&without, 1, NULL);

    (void)state;
    does_a_job(fixture, LARGE);
    does_a_job(fixture, HUGE); /* by turns, into the message */
    assert_int_equal(count_maps(), 0);
    assert_int_equal(count_arena_fds(), 0);
    destroy(&fixture);
}

/* The worker announces that it could, and then never comes for it. */
static void worker_that_never_fetches_it(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&with_arena, 1, "good");

    (void)state;
    does_a_job(fixture, LARGE);
    does_a_job(fixture, HUGE);
    assert_int_equal(count_arena_fds(), 1);
    assert_int_equal(dropped(fixture), 0);
    destroy(&fixture);
}

static void front_started_again(void **state)
{
    struct rpc_fixture *fixture = create_mapped(NULL, 0);

    (void)state;
    does_a_job(fixture, LARGE);
    rpc_fixture_stop_front(fixture);
    rpc_fixture_expect_no_maps(ARENA_NAME);
    rpc_fixture_start_front(fixture);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_run_until(fixture, is_one_mapped, NULL);
    does_a_job(fixture, LARGE);
    destroy(&fixture);
}

static void over_tcp_on_one_host(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&with_arena);
    char url[64];

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 10000 + (int)getpid() % 20000);
    rpc_fixture_set_url(fixture, url);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_run_until(fixture, is_one_mapped, NULL);
    does_a_job(fixture, HUGE / 4);
    destroy(&fixture);
}

/* ---- jobs that are given up ---- */

/* Its bytes are freed while they are being copied; the worker is fine afterwards. */
static void cancelled_while_it_is_copied(void **state)
{
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job job;

    (void)state;
    for (unsigned turns = 1; turns < 12; turns++) {
        fill(&job, turns % 2 ? HUGE : 1200000);
        rpc_fixture_submit_again(fixture, &job);
        for (unsigned i = 0; i < turns; i++)
            ev_run(fixture->loop, EVRUN_NOWAIT);
        if (job.done == 0)
            jobs_cancel(fixture->jobs, &job.job);
        rpc_fixture_job_free(&job);
    }
    does_a_job(fixture, LARGE);
    assert_int_equal(dropped(fixture), 0);
    destroy(&fixture);
}

/* ---- liars ---- */

/* The liar is dropped, and its job goes to an honest worker. */
static void is_found_out(const char *mode, unsigned n)
{
    struct rpc_fixture *fixture = create_mapped(mode, n);
    struct rpc_fixture_job job;

    fill(&job, LARGE);
    rpc_fixture_submit_again(fixture, &job);
    rpc_fixture_run_until_workers(fixture, 0);
    assert_int_equal(dropped(fixture), 1);
    rpc_fixture_run_until(fixture, is_none_mapped, NULL);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_jobs(fixture, &job, 1);
    rpc_fixture_check_result(fixture, &job);
    rpc_fixture_job_free(&job);
    destroy(&fixture);
}

static void liars_are_found_out(void **state)
{
    (void)state;
    is_found_out("arena-offset", 1);
    is_found_out("arena-offset", 1 << 30);
    is_found_out("arena-length", 1);
    is_found_out("arena-length", 1 << 28);
    is_found_out("arena-input", 0);
}

static void answering_in_an_arena_that_it_has_not(void **state)
{
    struct rpc_fixture *fixture =
        rpc_fixture_create_running(&without, 1, "arena-unmapped");
    struct rpc_fixture_job job;

    (void)state;
    fill(&job, LARGE);
    rpc_fixture_submit_again(fixture, &job);
    rpc_fixture_run_until_workers(fixture, 0);
    assert_int_equal(dropped(fixture), 1);
    jobs_cancel(fixture->jobs, &job.job);
    rpc_fixture_job_free(&job);
    destroy(&fixture);
}

/* The second answer is one too many; the first stands. */
static void answering_twice(void **state)
{
    static const size_t sizes[] = {LARGE, 1000000}; /* copied at once, and by turns */

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rpc_fixture *fixture = create_mapped("arena-twice", 0);
        struct rpc_fixture_job job;

        fill(&job, sizes[i]);
        rpc_fixture_submit_again(fixture, &job);
        rpc_fixture_run_until_workers(fixture, 0);
        assert_int_equal(dropped(fixture), 1);
        if (job.done == 0) /* it was being copied: some other worker shall do it */
            rpc_fixture_start_worker(fixture, NULL, 0);
        rpc_fixture_run_jobs(fixture, &job, 1);
        rpc_fixture_check_result(fixture, &job);
        rpc_fixture_job_free(&job);
        destroy(&fixture);
    }
}

/* Whatever is written to the arena later, a result that was handed on stays as it is. */
static void writing_after_answering(void **state)
{
    struct rpc_fixture *fixture = create_mapped("arena-scribble", 0);
    struct rpc_fixture_job job;
    uint8_t *before;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        fill(&job, LARGE);
        rpc_fixture_submit_again(fixture, &job);
        rpc_fixture_run_jobs(fixture, &job, 1);
        /* it may still be writing when the next job's input lies there */
        assert_true(job.job.status == JOB_OK || (i > 0 && job.job.status == JOB_REFUSED));
        if (job.job.status != JOB_OK) {
            rpc_fixture_job_free(&job);
            continue;
        }
        before = malloc(job.result->bytes.len);
        memcpy(before, job.result->bytes.data, job.result->bytes.len);
        rpc_fixture_run_for(fixture, 0.02);
        assert_memory_equal(before, job.result->bytes.data, job.result->bytes.len);
        free(before);
        rpc_fixture_job_free(&job);
    }
    destroy(&fixture);
}

/* ---- results that stay in the arena ---- */

/* Submits jobs whose results are only sent, and keeps these. */
static void submit_senders(struct rpc_fixture *fixture, struct rpc_fixture_job *jobs,
                           unsigned count, size_t bytes)
{
    for (unsigned i = 0; i < count; i++) {
        fill(&jobs[i], bytes + i);
        rpc_fixture_submit_again(fixture, &jobs[i]);
        jobs[i].job.sends_result = true; /* it has not left yet */
    }
    rpc_fixture_run_jobs(fixture, jobs, count);
}

static void check_and_free(struct rpc_fixture *fixture, struct rpc_fixture_job *jobs,
                           unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rpc_fixture_check_result(fixture, &jobs[i]);
        rpc_fixture_job_free(&jobs[i]);
    }
}

/* True where the bytes are in an arena's mapping. */
static bool is_lent(const struct blob *blob)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    uintptr_t at = (uintptr_t)blob->bytes.data;
    unsigned long start, end;
    bool found = false;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, ARENA_NAME) != NULL &&
            sscanf(line, "%lx-%lx", &start, &end) == 2)
            found = found || (at >= start && at < end);
    fclose(maps);
    return found;
}

static void results_stay_where_they_are(void **state)
{
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[3];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        submit_senders(fixture, jobs, 3, round % 2 ? LARGE : 700000);
        assert_true(is_lent(jobs[0].result));
        does_a_job(fixture, LARGE); /* what is lent is not given to others */
        check_and_free(fixture, jobs, 3);
    }
    fill(&jobs[0], LARGE);
    rpc_fixture_submit_again(fixture, &jobs[0]);
    rpc_fixture_run_jobs(fixture, jobs, 1);
    assert_false(is_lent(jobs[0].result));
    check_and_free(fixture, jobs, 1);
    assert_int_equal(dropped(fixture), 0);
    destroy(&fixture);
}

/* Half of the arena may be lent; what comes then is copied, and jobs go on. */
static void slow_receivers_do_not_fill_it(void **state)
{
    enum { COUNT = 20 };
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[COUNT];
    unsigned lent = 0;

    (void)state;
    submit_senders(fixture, jobs, COUNT, LARGE);
    for (unsigned i = 0; i < COUNT; i++)
        lent += is_lent(jobs[i].result);
    assert_in_range(lent, 1, ARENA_BYTES / 2 / LARGE);
    does_a_job(fixture, LARGE);
    check_and_free(fixture, jobs, COUNT);
    destroy(&fixture);
}

/* What is being sent outlives the worker, its seat, and the jobs. */
static void lent_when_all_ends(void **state)
{
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[2];

    (void)state;
    submit_senders(fixture, jobs, 2, LARGE);
    rpc_fixture_kill_worker(fixture, 0);
    rpc_fixture_run_until_workers(fixture, 0);
    assert_int_equal(count_maps(), 1);
    rpc_fixture_check_result(fixture, &jobs[0]);
    rpc_fixture_job_free(&jobs[0]);
    assert_int_equal(count_maps(), 1);
    rpc_fixture_check_result(fixture, &jobs[1]);
    rpc_fixture_stop_front(fixture);
    assert_true(is_lent(jobs[1].result));
    assert_true(jobs[1].result->bytes.len > LARGE);
    rpc_fixture_job_free(&jobs[1]);
    assert_int_equal(count_maps(), 0);
    destroy(&fixture);
}

/* ---- deaths ---- */

/* At each step from being told of the arena to answering: all goes on with another. */
static void dying_at_every_step(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 4; step++) {
        struct rpc_fixture *fixture = rpc_fixture_create(&with_arena);
        struct rpc_fixture_job job;

        rpc_fixture_start_gate(fixture);
        rpc_fixture_start_front(fixture);
        rpc_fixture_start_worker(fixture, "arena-die", step);
        if (step >= 2) {
            rpc_fixture_run_until_workers(fixture, 1);
            rpc_fixture_run_until(fixture, is_one_mapped, NULL);
        }
        fill(&job, LARGE);
        rpc_fixture_submit_again(fixture, &job);
        if (step >= 2)
            rpc_fixture_run_until_workers(fixture, 0);
        rpc_fixture_start_worker(fixture, NULL, 0);
        rpc_fixture_run_jobs(fixture, &job, 1);
        rpc_fixture_check_result(fixture, &job);
        rpc_fixture_job_free(&job);
        rpc_fixture_run_until(fixture, is_one_mapped, NULL); /* the dead one's is gone */
        destroy(&fixture);
    }
}

static void killed_while_large_jobs_travel(void **state)
{
    struct rpc_fixture *fixture = create_mapped(NULL, 0);
    struct rpc_fixture_job jobs[4];

    (void)state;
    for (unsigned turns = 0; turns < 12; turns += 3) {
        for (unsigned i = 0; i < 4; i++) {
            fill(&jobs[i], i % 2 ? HUGE : 1000000);
            rpc_fixture_submit_again(fixture, &jobs[i]);
        }
        for (unsigned i = 0; i < turns; i++)
            ev_run(fixture->loop, EVRUN_NOWAIT);
        rpc_fixture_kill_worker(fixture, 0);
        rpc_fixture_start_worker(fixture, NULL, 0);
        rpc_fixture_run_jobs(fixture, jobs, 4);
        for (unsigned i = 0; i < 4; i++) {
            rpc_fixture_check_result(fixture, &jobs[i]);
            rpc_fixture_job_free(&jobs[i]);
        }
    }
    destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, rpc_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(all_sizes),
        TEST(a_full_arena),
        TEST(switched_off),
        TEST(worker_that_never_fetches_it),
        TEST(front_started_again),
        TEST(over_tcp_on_one_host),
        TEST(cancelled_while_it_is_copied),
        TEST(liars_are_found_out),
        TEST(answering_in_an_arena_that_it_has_not),
        TEST(answering_twice),
        TEST(writing_after_answering),
        TEST(results_stay_where_they_are),
        TEST(slow_receivers_do_not_fill_it),
        TEST(lent_when_all_ends),
        TEST(dying_at_every_step),
        TEST(killed_while_large_jobs_travel),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
