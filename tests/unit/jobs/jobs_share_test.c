/* Equal jobs in flight run once; whoever cancels, cancels for itself only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "server/stats/stats.h"
#include "tests/unit/jobs/codec_double.h"

#define MANY 50

static struct ev_loop *loop;
static struct stats_front stats;
static struct jobs *jobs;
static struct job asked[MANY];
static unsigned done_calls;
static struct job *to_cancel; /* by the next done */

static void on_done(struct job *job)
{
    done_calls++;
    assert_int_equal(job->state, JOB_DONE);
    if (job->status == JOB_OK)
        assert_memory_equal(job->result->bytes.data, "?ABC", 4);
    if (to_cancel != NULL)
        jobs_cancel(jobs, to_cancel);
    to_cancel = NULL;
}

static void ask_in(enum jobs_mode mode, unsigned i, const char *text, uint64_t key)
{
    asked[i] = (struct job){
        .call = {.op = CODEC_OP_ENCODE, .in = {(const uint8_t *)text, strlen(text)}},
        .share_key = {key, 7},
        .mode = mode,
        .done = on_done};
    jobs_submit(jobs, &asked[i]);
}

static void ask(unsigned i, const char *text, uint64_t key)
{
    ask_in(JOBS_THREADS, i, text, key);
}

static void await(unsigned count)
{
    while (done_calls < count)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(done_calls, count);
}

static int setup(void **state)
{
    (void)state;
    stats = (struct stats_front){0};
    codec_double_runs = 0;
    done_calls = 0;
    to_cancel = NULL;
    codec_double_close_gate();
    jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    codec_double_open_gate();
    jobs_destroy(&jobs);
    return 0;
}

static void equal_jobs_run_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        ask(i, "?abc", 1);
    codec_double_open_gate();
    await(MANY);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(stats_read(&stats.jobs_shared), MANY - 1);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_THREADS][JOB_OK]),
                     MANY);
    ask(0, "?abc", 1); /* what is over is not kept */
    await(MANY + 1);
    assert_int_equal(codec_double_runs, 2);
}

/* What auto would have run on the loop follows what is under way elsewhere. */
static void every_mode_shares_what_is_under_way(void **state)
{
    (void)state;
    ask(0, "?abc", 1);
    for (unsigned i = 1; i < 5; i++)
        ask_in(JOBS_AUTO, i, "?abc", 1);
    assert_int_equal(done_calls, 0);
    codec_double_open_gate();
    await(5);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(stats_read(&stats.jobs_shared), 4);
    ask_in(JOBS_AUTO, 0, "?abc",
           1); /* nothing is under way: it runs here, and leads none */
    await(6);
    assert_int_equal(asked[0].ran, JOBS_INLINE);
}

static void refusals_are_shared_too(void **state)
{
    (void)state;
    ask(0, "?", 2); /* keeps a thread */
    ask(1, "!abc", 1);
    ask(2, "!abc", 1);
    await(2);
    assert_int_equal(asked[2].status, JOB_REFUSED);
    assert_int_equal(asked[2].fault.status, CODEC_SYNTAX);
    jobs_cancel(jobs, &asked[0]);
}

static void others_run_for_themselves(void **state)
{
    (void)state;
    ask(0, "?abc", 1);
    ask(1, "?abc", 2);  /* another document */
    ask(2, "?abcd", 1); /* cannot be the same, whatever its key says */
    asked[3] = asked[4] = (struct job){.state = JOB_NEW};
    ask(3, "?abc", 0);
    asked[3].share_key[1] = 0;
    asked[4] = (struct job){.call = asked[0].call,
                            .share_key = {1, 7},
                            .mode = JOBS_THREADS,
                            .done = on_done};
    asked[4].call.pretty = true;
    jobs_submit(jobs, &asked[4]);
    codec_double_open_gate();
    await(5);
    assert_int_equal(codec_double_runs, 5);
}

static void a_follower_may_leave(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        ask(i, "?abc", 1);
    jobs_cancel(jobs, &asked[1]);
    assert_int_equal(asked[1].state, JOB_DONE);
    codec_double_open_gate();
    await(2);
    assert_int_equal(codec_double_runs, 1);
}

/* Its input goes with it: another's own is taken, by a new leader. */
static void the_leader_may_leave(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        ask(i, "?abc", 1);
    codec_double_wait_inside(1);
    jobs_cancel(jobs, &asked[0]);
    jobs_cancel(jobs, &asked[1]); /* which leads now */
    codec_double_open_gate();
    await(2);
    assert_int_equal(asked[2].status, JOB_OK);
    assert_int_equal(asked[3].status, JOB_OK);
}

static void done_may_cancel_another_sharer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        ask(i, "?abc", 1);
    to_cancel = &asked[1];
    codec_double_open_gate();
    await(2);
    assert_int_equal(asked[2].status, JOB_OK);
}

/* Lateness is one's own: who came later has time left and is run. */
static void a_late_leader_does_not_end_the_others(void **state)
{
    (void)state;
    asked[0] =
        (struct job){.call = {.op = CODEC_OP_ENCODE, .in = {(const uint8_t *)"?abc", 4}},
                     .share_key = {1, 7},
                     .deadline_ns = clock_now_ns() + NS_PER_MS,
                     .mode = JOBS_THREADS,
                     .done = on_done};
    jobs_submit(jobs, &asked[0]);
    ask(1, "?abc", 1);
    await(1);
    assert_int_equal(asked[0].status, JOB_DEADLINE);
    codec_double_open_gate();
    await(2);
    assert_int_equal(asked[1].status, JOB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_jobs_run_once, setup, teardown),
        cmocka_unit_test_setup_teardown(every_mode_shares_what_is_under_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refusals_are_shared_too, setup, teardown),
        cmocka_unit_test_setup_teardown(others_run_for_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_follower_may_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(the_leader_may_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(done_may_cancel_another_sharer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_leader_does_not_end_the_others, setup,
                                        teardown),
    };

    loop = ev_default_loop(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
