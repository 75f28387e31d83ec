/* The table of what a worker has: ids, credits, answers that come late or twice; and the
   rule of how much goes into a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "proto/document_fingerprint.h"
#include "server/jobs/dispatch/jobs_flight.h"
#include "server/jobs/dispatch/jobs_worker.h"

#define JOBS   FLIGHT_MAX_BATCH
#define NOW_NS (UINT64_C(100) * NS_PER_S)

static struct jobs_flight flight;
static struct job jobs[2 * JOBS];

static int setup(void **state)
{
    (void)state;
    jobs_flight_init(&flight, 64);
    for (unsigned i = 0; i < 2 * JOBS; i++)
        jobs[i] =
            (struct job){.deadline_ns = 1000 + i, .cost_us = 10, .state = JOB_MOVING};
    return 0;
}

static struct flight_batch *send(unsigned first, unsigned count)
{
    struct flight_batch *batch = jobs_flight_open(&flight, NOW_NS);

    for (unsigned i = 0; i < count; i++)
        jobs_flight_add(&flight, batch, &jobs[first + i]);
    return batch;
}

static enum flight_answer find(uint64_t id)
{
    struct job *job;
    enum flight_answer answer = jobs_flight_find(&flight, id, &job);

    assert_int_equal(answer == FLIGHT_LIVE, job != NULL);
    return answer;
}

static void credits_bound_the_window(void **state)
{
    struct jobs_flight one;

    (void)state;
    jobs_flight_init(&one, 1);
    assert_int_equal(jobs_flight_free(&one), 1);
    assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW);
    send(0, 1);
    send(1, 1);
    assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW - 2);
    jobs_flight_set_window(&flight, 2); /* what is open stays */
    assert_int_equal(jobs_flight_free(&flight), 0);
    jobs_flight_set_window(&flight, 3);
    assert_int_equal(jobs_flight_free(&flight), 1);
}

static void a_batch_gives_its_credit_back_with_its_last_answer(void **state)
{
    (void)state;
    send(0, JOBS);
    assert_int_equal(flight.live, JOBS);
    assert_int_equal(flight.cost_us, JOBS * 10);
    for (unsigned i = JOBS; i-- > 0;) { /* any order will do */
        assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW - 1);
        assert_int_equal(jobs[i].state, JOB_SENT);
        assert_ptr_equal(jobs[i].flight, &flight);
        jobs_flight_answer(&flight, jobs[i].id, NOW_NS);
        assert_int_equal(jobs[i].state, JOB_MOVING);
    }
    assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW);
    assert_int_equal(flight.live + flight.cost_us, 0);
}

static void ids_that_were_never_sent_are_unknown(void **state)
{
    uint64_t id;

    (void)state;
    assert_int_equal(find(0), FLIGHT_UNKNOWN);
    assert_int_equal(find(UINT64_MAX), FLIGHT_UNKNOWN);
    send(0, 3);
    id = jobs[0].id;
    assert_int_equal(find(id + 2), FLIGHT_LIVE);
    assert_int_equal(find(id + 3), FLIGHT_UNKNOWN);
    assert_int_equal(find(id - 1), FLIGHT_UNKNOWN);
    assert_int_equal(find(id + JOBS), FLIGHT_UNKNOWN);
    assert_int_equal(find(id % JOBS), FLIGHT_UNKNOWN); /* batch 0 is no batch */
}

static void a_second_answer_is_unknown(void **state)
{
    uint64_t first, second;

    (void)state;
    send(0, 2);
    first = jobs[0].id;
    second = jobs[1].id;
    jobs_flight_answer(&flight, first, NOW_NS);
    assert_int_equal(find(first), FLIGHT_UNKNOWN);
    jobs_flight_answer(&flight, second, NOW_NS); /* the batch is over */
    assert_int_equal(find(second), FLIGHT_UNKNOWN);
    send(0, 2); /* its place is used again, its ids are not */
    assert_int_equal(find(first), FLIGHT_UNKNOWN);
    assert_true(jobs[0].id > second);
}

static void how_long_a_worker_is_busy(void **state)
{
    (void)state;
    assert_int_equal(jobs_flight_left_us(&flight, NOW_NS), 0);
    send(0, 3); /* 10 us each */
    assert_int_equal(jobs_flight_left_us(&flight, NOW_NS), 30);
    assert_int_equal(jobs_flight_left_us(&flight, NOW_NS + 12 * NS_PER_US), 18);
    jobs_flight_answer(&flight, jobs[0].id, NOW_NS + 12 * NS_PER_US);
    assert_int_equal(jobs_flight_left_us(&flight, NOW_NS + 12 * NS_PER_US), 20);
    assert_int_equal(jobs_flight_left_us(&flight, NOW_NS + NS_PER_S), 0);
}

static void a_job_given_up_is_still_owed_an_answer(void **state)
{
    uint64_t id;

    (void)state;
    send(0, 1);
    id = jobs[0].id;
    jobs_flight_give_up(&flight, &jobs[0], NULL);
    assert_int_equal(jobs[0].state, JOB_MOVING);
    assert_int_equal(flight.live, 0);
    assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW - 1);
    assert_int_equal(find(id), FLIGHT_GIVEN_UP);
    assert_int_equal(flight.cost_us, 10); /* the worker may be at it */
    jobs_flight_answer(&flight, id, NOW_NS);
    assert_int_equal(jobs_flight_free(&flight), FLIGHT_WINDOW);
    assert_int_equal(find(id), FLIGHT_UNKNOWN);
}

/* Who gave it up is told of its end, by the answer or by the worker's. */
static void what_was_given_up_is_remembered(void **state)
{
    int first, second;

    (void)state;
    send(0, 3);
    send(3, 1);
    jobs_flight_give_up(&flight, &jobs[0], &first);
    jobs_flight_give_up(&flight, &jobs[1], NULL);
    jobs_flight_give_up(&flight, &jobs[3], &second);
    assert_ptr_equal(jobs_flight_given_up(&flight, jobs[0].id), &first);
    assert_null(jobs_flight_given_up(&flight, jobs[1].id));
    jobs_flight_answer(&flight, jobs[0].id, NOW_NS);
    assert_ptr_equal(jobs_flight_take_back(&flight), &jobs[2]);
    assert_ptr_equal(jobs_flight_take_given_up(&flight), &second);
    assert_null(jobs_flight_take_given_up(&flight));
}

/* What a worker may have been at when it was lost: also what nobody waits for. */
static void documents_of_what_is_unanswered(void **state)
{
    static const uint8_t bytes[] = "0123456789";
    static uint8_t large[FLIGHT_HASHED_BYTES];
    struct wire_id documents[FLIGHT_MAX_DOCUMENTS], expected;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        jobs[i].call.in = (struct slice){bytes, i + 1};
    send(0, 3);
    send(3, 2);
    jobs_flight_answer(&flight, jobs[1].id, NOW_NS);
    jobs_flight_give_up(&flight, &jobs[2], NULL);
    jobs[2].call.in = (struct slice){NULL, 0}; /* gone with its client */
    assert_int_equal(jobs_flight_documents(&flight, documents), 4);
    for (unsigned i = 0; i < 4; i++) {
        document_fingerprint_of((struct slice){bytes, i == 0 ? 1 : i + 2},
                                (struct slice){NULL, 0}, &expected);
        assert_true(document_fingerprint_is(&documents[i], &expected));
    }
    for (unsigned i = 3; i < 5; i++) /* the loop has no time for all of this */
        jobs[i].call.in = (struct slice){large, sizeof large};
    jobs[0].call.in = (struct slice){large, sizeof large};
    assert_int_equal(jobs_flight_documents(&flight, documents), 3);
    assert_ptr_equal(jobs_flight_take_back(&flight), &jobs[0]);
    assert_ptr_equal(jobs_flight_take_back(&flight), &jobs[3]);
    assert_ptr_equal(jobs_flight_take_back(&flight), &jobs[4]);
    assert_null(jobs_flight_take_back(&flight));
    assert_int_equal(flight.live, 0);
}

static void due_jobs_are_found_in_the_order_sent(void **state)
{
    (void)state;
    assert_null(jobs_flight_first_due(&flight, UINT64_MAX));
    send(JOBS, 2); /* deadlines 1064, 1065 */
    send(0, 2);    /* deadlines 1000, 1001 */
    assert_null(jobs_flight_first_due(&flight, 999));
    assert_ptr_equal(jobs_flight_first_due(&flight, 1000), &jobs[0]);
    assert_ptr_equal(jobs_flight_first_due(&flight, UINT64_MAX), &jobs[JOBS]);
    jobs_flight_give_up(&flight, &jobs[JOBS], NULL);
    assert_ptr_equal(jobs_flight_first_due(&flight, UINT64_MAX), &jobs[JOBS + 1]);
}

static void a_heavy_job_is_known_until_it_is_answered(void **state)
{
    (void)state;
    jobs[0].cost_us = JOBS_HEAVY_US + 1;
    send(0, 1);
    send(1, 3);
    assert_int_equal(flight.heavy, 1);
    jobs_flight_answer(&flight, jobs[1].id, NOW_NS);
    jobs_flight_give_up(&flight, &jobs[0], NULL);
    assert_int_equal(flight.heavy, 1);
    jobs_flight_answer(&flight, jobs[0].id, NOW_NS);
    assert_int_equal(flight.heavy, 0);
    assert_int_equal(flight.cost_us, 20);
}

static void batches_share_what_waits(void **state)
{
    (void)state;
    assert_int_equal(jobs_worker_share(1, 4), 1);
    assert_int_equal(jobs_worker_share(4, 4), 1);
    assert_int_equal(jobs_worker_share(5, 4), 2);
    assert_int_equal(jobs_worker_share(100, 4), 25);
    assert_int_equal(jobs_worker_share(100, 1), FLIGHT_MAX_BATCH);
    assert_int_equal(jobs_worker_share(100000, 4), FLIGHT_MAX_BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(credits_bound_the_window, setup),
        cmocka_unit_test_setup(a_batch_gives_its_credit_back_with_its_last_answer, setup),
        cmocka_unit_test_setup(ids_that_were_never_sent_are_unknown, setup),
        cmocka_unit_test_setup(a_second_answer_is_unknown, setup),
        cmocka_unit_test_setup(how_long_a_worker_is_busy, setup),
        cmocka_unit_test_setup(a_job_given_up_is_still_owed_an_answer, setup),
        cmocka_unit_test_setup(what_was_given_up_is_remembered, setup),
        cmocka_unit_test_setup(documents_of_what_is_unanswered, setup),
        cmocka_unit_test_setup(due_jobs_are_found_in_the_order_sent, setup),
        cmocka_unit_test_setup(a_heavy_job_is_known_until_it_is_answered, setup),
        cmocka_unit_test(batches_share_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
