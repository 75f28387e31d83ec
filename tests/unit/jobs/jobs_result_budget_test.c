/* How much a job may make, and when it is run again for more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/loop/memory_budget.h"
#include "server/jobs/jobs_result_budget.h"

#define MIB ((size_t)1 << 20)

static struct job job_of(size_t input, size_t most)
{
    struct job job = {.call = {.in = {NULL, input}, .max_output = most}};

    jobs_result_budget_init(&job);
    return job;
}

static void test_without_a_limit_it_may_make_all(void **state)
{
    struct job job = job_of(100, 512 * MIB);

    (void)state;
    assert_int_equal(512 * MIB, job.call.max_output);
    assert_true(jobs_result_budget_take(&job));
    assert_int_equal(0, job.promised_bytes);
    assert_int_equal(JOBS_MEMORY_TOO_LARGE, jobs_result_budget_raise(&job));
}

/* Raised by a factor each time, up to what was asked for. */
static void test_raises_until_it_is_too_large(void **state)
{
    struct job job;
    size_t before, raised = 0;

    (void)state;
    memory_budget_set_limit(1024 * MIB);
    job = job_of(MIB, 512 * MIB);
    assert_true(job.call.max_output >= 2 * MIB && job.call.max_output < 4 * MIB);
    do {
        before = job.call.max_output;
        assert_true(jobs_result_budget_take(&job));
        assert_int_equal(before, job.promised_bytes);
        assert_int_equal(before, memory_budget_used());
        jobs_result_budget_give_back(&job);
        raised++;
    } while (jobs_result_budget_raise(&job) == JOBS_MEMORY_AGAIN);
    assert_int_equal(512 * MIB, job.call.max_output);
    assert_int_equal(JOBS_MEMORY_TOO_LARGE, jobs_result_budget_raise(&job));
    assert_true(raised <= 5);
    assert_int_equal(0, memory_budget_used());
    memory_budget_set_limit(0);
}

/* A job that may make more than its way takes is not run again for it. */
static void test_a_limit_of_the_way_is_final(void **state)
{
    struct job job = job_of(100, 1024 * MIB);

    (void)state;
    jobs_result_budget_limit(&job, 512 * MIB);
    assert_int_equal(512 * MIB, job.call.max_output);
    assert_int_equal(JOBS_MEMORY_TOO_LARGE, jobs_result_budget_raise(&job));
}

/* What pretty-printing and compressed input make of a little is no surprise. */
static void test_first_guesses(void **state)
{
    struct job plain = {.call = {.in = {NULL, MIB}, .max_output = 512 * MIB}};
    struct job pretty = plain, packed = plain, small = plain;

    (void)state;
    memory_budget_set_limit(1024 * MIB);
    pretty.call.pretty = packed.call.gunzip = true;
    small.call.max_output = 1000;
    jobs_result_budget_init(&plain);
    jobs_result_budget_init(&pretty);
    jobs_result_budget_init(&packed);
    jobs_result_budget_init(&small);
    assert_true(pretty.call.max_output > 2 * plain.call.max_output);
    assert_true(packed.call.max_output > 2 * plain.call.max_output);
    assert_int_equal(1000, small.call.max_output);
    memory_budget_set_limit(0);
}

/* Where memory lasts for less than another step it takes what there is, and where that is
   next to nothing, it ends. */
static void test_takes_what_is_left(void **state)
{
    struct job job;

    (void)state;
    memory_budget_set_limit(16 * MIB);
    job = job_of(MIB, 512 * MIB);
    memory_budget_hold(2 * MIB);
    assert_int_equal(JOBS_MEMORY_AGAIN, jobs_result_budget_raise(&job));
    assert_int_equal(10 * MIB, job.call.max_output);
    assert_true(jobs_result_budget_take(&job));
    jobs_result_budget_give_back(&job);
    assert_int_equal(JOBS_MEMORY_NONE, jobs_result_budget_raise(&job));
    memory_budget_hold(MIB);
    assert_false(jobs_result_budget_take(&job));
    memory_budget_release(3 * MIB);
    memory_budget_set_limit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_limit_it_may_make_all),
        cmocka_unit_test(test_raises_until_it_is_too_large),
        cmocka_unit_test(test_a_limit_of_the_way_is_final),
        cmocka_unit_test(test_first_guesses),
        cmocka_unit_test(test_takes_what_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
