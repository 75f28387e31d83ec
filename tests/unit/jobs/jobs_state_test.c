/* The changes of a job's state that are allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/jobs/jobs.h"

static void a_new_job_is_submitted_first(void **state)
{
    (void)state;
    for (enum jobs_state to = 0; to < JOB_STATES; to++)
        assert_int_equal(jobs_state_may_change(JOB_NEW, to), to == JOB_MOVING);
}

static void a_moving_job_goes_anywhere_but_back(void **state)
{
    (void)state;
    for (enum jobs_state to = 0; to < JOB_STATES; to++)
        assert_int_equal(jobs_state_may_change(JOB_MOVING, to),
                         to != JOB_NEW && to != JOB_MOVING);
}

static void no_place_is_left_but_through_moving(void **state)
{
    (void)state;
    for (enum jobs_state from = JOB_FOLLOWING; from < JOB_STATES; from++)
        for (enum jobs_state to = 0; to < JOB_STATES; to++)
            assert_int_equal(jobs_state_may_change(from, to), to == JOB_MOVING);
}

static void a_value_that_is_no_state_is_refused(void **state)
{
    (void)state;
    assert_false(jobs_state_may_change(JOB_STATES, JOB_MOVING));
    assert_false(jobs_state_may_change(JOB_MOVING, JOB_STATES));
}

static void a_job_is_active_between_submit_and_end(void **state)
{
    struct job job = {.done = NULL}; /* of zeros */

    (void)state;
    assert_false(jobs_state_is_active(job.state));
    jobs_state_set(&job, JOB_MOVING);
    for (enum jobs_state at = JOB_FOLLOWING; at < JOB_DONE; at++) {
        assert_true(jobs_state_is_active(job.state));
        jobs_state_set(&job, at);
        assert_true(jobs_state_is_active(job.state));
        jobs_state_set(&job, JOB_MOVING);
    }
    jobs_state_set(&job, JOB_DONE);
    assert_false(jobs_state_is_active(job.state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_job_is_submitted_first),
        cmocka_unit_test(a_moving_job_goes_anywhere_but_back),
        cmocka_unit_test(no_place_is_left_but_through_moving),
        cmocka_unit_test(a_value_that_is_no_state_is_refused),
        cmocka_unit_test(a_job_is_active_between_submit_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
