/* The order of waiting jobs: shortest first, ageing, weights; with a clock of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "server/jobs/dispatch/jobs_waiting.h"

#define JOBS 500
#define US   UINT64_C(1000)
#define MS   UINT64_C(1000000)

static struct jobs_waiting waiting;
static struct job jobs[JOBS];

static int setup(void **state)
{
    (void)state;
    jobs_waiting_init(&waiting);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.id = i, .state = JOB_MOVING};
        list_init(&jobs[i].link);
    }
    return 0;
}

static void push(unsigned i, uint32_t cost_us, uint64_t submitted_ns)
{
    jobs[i].cost_us = cost_us;
    jobs[i].submitted_ns = submitted_ns;
    jobs_waiting_push(&waiting, &jobs[i]);
}

static unsigned pop(enum jobs_weight weight, uint64_t now_ns)
{
    struct job *job = jobs_waiting_first(&waiting, weight, now_ns);

    assert_non_null(job);
    assert_int_equal(job->state, JOB_WAITING);
    jobs_waiting_remove(&waiting, job);
    assert_int_equal(job->state, JOB_MOVING);
    return (unsigned)job->id;
}

static void weights_are_told_apart(void **state)
{
    (void)state;
    push(0, JOBS_HEAVY_US, 1);
    push(1, JOBS_HEAVY_US + 1, 1);
    push(2, UINT32_MAX, 1);
    push(3, 0, 1);
    assert_int_equal(jobs_waiting_weight(&jobs[0]), JOBS_LIGHT);
    assert_int_equal(jobs_waiting_weight(&jobs[1]), JOBS_HEAVY);
    assert_int_equal(jobs_waiting_light(&waiting), 2);
    assert_int_equal(waiting.depth, 4);
    assert_int_equal(pop(JOBS_HEAVY, 1), 1);
    assert_int_equal(pop(JOBS_HEAVY, 1), 2);
    assert_null(jobs_waiting_first(&waiting, JOBS_HEAVY, 1));
    assert_int_equal(pop(JOBS_LIGHT, 1), 3);
    assert_int_equal(pop(JOBS_LIGHT, 1), 0);
    assert_null(jobs_waiting_first(&waiting, JOBS_LIGHT, 1));
    assert_int_equal(waiting.depth, 0);
}

static void like_ones_leave_in_the_order_they_came(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        push(i, 70 + i, i);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(pop(JOBS_LIGHT, 5), i);
}

static void the_shortest_leaves_first(void **state)
{
    (void)state;
    push(0, 3000, 0);
    push(1, 10, 0);
    push(2, 500, 0);
    assert_int_equal(pop(JOBS_LIGHT, 0), 1);
    assert_int_equal(pop(JOBS_LIGHT, 0), 2);
    assert_int_equal(pop(JOBS_LIGHT, 0), 0);
}

/* A long one is overtaken by what comes within four times its cost, and by no more. */
static void who_waits_gains_on_the_others(void **state)
{
    (void)state;
    push(0, 3000, 0);
    push(1, 0, 11 * MS);
    assert_int_equal(pop(JOBS_LIGHT, 11 * MS), 1);
    push(1, 0, 13 * MS);
    assert_int_equal(pop(JOBS_LIGHT, 13 * MS), 0);
    assert_int_equal(pop(JOBS_LIGHT, 13 * MS), 1);
}

/* Under an endless stream of short ones, each of random cost, none waits for ever. */
static void nobody_starves(void **state)
{
    uint64_t now_ns = MS;
    unsigned longest_us = 0;

    (void)state;
    srand(7);
    for (unsigned i = 0; i < JOBS; i++)
        push(i, (uint32_t)(rand() % 4000), now_ns);
    for (unsigned turn = 0; turn < 20000; turn++) {
        struct job *job = jobs_waiting_first(&waiting, JOBS_LIGHT, now_ns);
        unsigned waited_us = (unsigned)((now_ns - job->submitted_ns) / US);

        longest_us = waited_us > longest_us ? waited_us : longest_us;
        jobs_waiting_remove(&waiting, job);
        push((unsigned)job->id, (uint32_t)(rand() % 10), now_ns);
        now_ns += 10 * US;
    }
    assert_true(longest_us < 4 * 4000 + JOBS * 10 * 2);
}

static void what_was_taken_can_be_put_back(void **state)
{
    struct job *job;

    (void)state;
    push(0, 70, 0);
    push(1, 71, 0);
    job = jobs_waiting_first(&waiting, JOBS_LIGHT, 0);
    jobs_waiting_remove(&waiting, job);
    jobs_waiting_put_back(&waiting, job);
    assert_int_equal(pop(JOBS_LIGHT, 0), 0);
    assert_int_equal(pop(JOBS_LIGHT, 0), 1);
}

static void light_ones_are_remembered_for_a_second(void **state)
{
    (void)state;
    assert_false(jobs_waiting_saw_light(&waiting, MS));
    push(0, 1000000, 5 * MS);
    assert_false(jobs_waiting_saw_light(&waiting, 5 * MS));
    push(1, 1, 5 * MS);
    (void)pop(JOBS_LIGHT, 5 * MS);
    assert_true(jobs_waiting_saw_light(&waiting, 6 * MS));
    assert_true(jobs_waiting_saw_light(&waiting, 1004 * MS));
    assert_false(jobs_waiting_saw_light(&waiting, 1005 * MS));
}

static void all_can_be_walked_over_while_some_are_taken_out(void **state)
{
    unsigned seen = 0;

    (void)state;
    srand(3);
    for (unsigned i = 0; i < JOBS; i++)
        push(i, 1u << rand() % 32, 0);
    for (struct job *job = jobs_waiting_any(&waiting), *next; job != NULL; job = next) {
        next = jobs_waiting_next(&waiting, job);
        seen++;
        if (job->id % 2 == 0)
            jobs_waiting_remove(&waiting, job);
    }
    assert_int_equal(seen, JOBS);
    assert_int_equal(waiting.depth, JOBS / 2);
    for (struct job *job = jobs_waiting_any(&waiting); job != NULL;
         job = jobs_waiting_next(&waiting, job))
        assert_int_equal(job->id % 2, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(weights_are_told_apart, setup),
        cmocka_unit_test_setup(like_ones_leave_in_the_order_they_came, setup),
        cmocka_unit_test_setup(the_shortest_leaves_first, setup),
        cmocka_unit_test_setup(who_waits_gains_on_the_others, setup),
        cmocka_unit_test_setup(nobody_starves, setup),
        cmocka_unit_test_setup(what_was_taken_can_be_put_back, setup),
        cmocka_unit_test_setup(light_ones_are_remembered_for_a_second, setup),
        cmocka_unit_test_setup(all_can_be_walked_over_while_some_are_taken_out, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
