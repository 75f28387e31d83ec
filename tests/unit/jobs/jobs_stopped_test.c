/* Jobs that mode auto begins on the loop and stops there, because they turn out to be
   long: a worker does them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/jobs/codec_double.h"
#include "tests/unit/jobs/dispatch_rig.h"

/* "=" looks at its budget once, which is 200 us of the clock. */
static struct job *ask_on_slow_clock(unsigned number, uint64_t step_ns)
{
    struct job *job;

    double_step_ns = step_ns;
    job = ask(number, "=bc", JOBS_AUTO);
    double_step_ns = 0;
    return job;
}

static void test_a_stopped_job_goes_to_a_worker(void **state)
{
    struct wire_result result;
    struct job *job;

    (void)state;
    come(0, 8);
    codec_double_runs = 0;
    job = ask_on_slow_clock(0, 300 * NS_PER_US);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(stats_read(&stats.jobs_stopped), 1);
    assert_int_equal(done_calls, 0);
    turn();
    assert_int_equal(workers[0].sent, 1);
    result = result_of(0);
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job->status, JOB_OK);
    assert_int_equal(job->ran, JOBS_RPC);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(stats_read(&stats.jobs_stopped), 1);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_DECODE][JOBS_RPC][JOB_OK]), 1);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_DECODE][JOBS_INLINE][JOB_OK]), 0);
}

static void test_a_job_within_its_budget_stays(void **state)
{
    struct job *job;

    (void)state;
    come(0, 8);
    job = ask_on_slow_clock(0, NS_PER_US);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job->ran, JOBS_INLINE);
    turn();
    assert_int_equal(workers[0].sent, 0);
    assert_int_equal(stats_read(&stats.jobs_stopped), 0);
}

#define STOPPED_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STOPPED_TEST(test_a_stopped_job_goes_to_a_worker),
        STOPPED_TEST(test_a_job_within_its_budget_stays),
    };

    loop = ev_default_loop(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
