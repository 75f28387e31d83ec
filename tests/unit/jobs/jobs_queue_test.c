/* The queue: order, and taking out from anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/jobs/dispatch/jobs_queue.h"

#define JOBS 4

static struct jobs_queue queue;
static struct job jobs[JOBS];

static int setup(void **state)
{
    (void)state;
    jobs_queue_init(&queue, JOB_RETRIED);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.id = i, .state = JOB_MOVING};
        list_init(&jobs[i].link);
    }
    return 0;
}

static void expect_order(const char *digits)
{
    const struct job *job = jobs_queue_first(&queue);
    unsigned count = 0;

    for (; *digits != '\0'; digits++, count++) {
        assert_non_null(job);
        assert_int_equal(job->id, *digits - '0');
        assert_int_equal(job->state, JOB_RETRIED);
        job = jobs_queue_next(&queue, job);
    }
    assert_null(job);
    assert_int_equal(queue.depth, count);
}

static void first_in_first_out(void **state)
{
    (void)state;
    expect_order("");
    for (unsigned i = 0; i < JOBS; i++)
        jobs_queue_push(&queue, &jobs[i]);
    expect_order("0123");
}

static void given_back_jobs_go_first(void **state)
{
    (void)state;
    jobs_queue_push(&queue, &jobs[2]);
    jobs_queue_push_front(&queue, &jobs[1]);
    jobs_queue_push_front(&queue, &jobs[0]);
    jobs_queue_push(&queue, &jobs[3]);
    expect_order("0123");
}

static void any_job_can_be_taken_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < JOBS; i++)
        jobs_queue_push(&queue, &jobs[i]);
    jobs_queue_remove(&queue, &jobs[2]);
    assert_int_equal(jobs[2].state, JOB_MOVING);
    expect_order("013");
    jobs_queue_remove(&queue, &jobs[0]);
    jobs_queue_remove(&queue, &jobs[3]);
    expect_order("1");
    jobs_queue_push(&queue, &jobs[0]);
    expect_order("10");
    jobs_queue_remove(&queue, &jobs[0]);
    jobs_queue_remove(&queue, &jobs[1]);
    expect_order("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_in_first_out, setup),
        cmocka_unit_test_setup(given_back_jobs_go_first, setup),
        cmocka_unit_test_setup(any_job_can_be_taken_out, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
