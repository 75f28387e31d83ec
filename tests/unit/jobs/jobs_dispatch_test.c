/* The dispatcher alone: workers are doubles of rpc_client.h whose events the test makes,
   and the clock stands still until the test moves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ev.h>

#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "proto/document_fingerprint.h"
#include "server/jobs/dispatch/jobs_dispatch.h"
#include "server/jobs/jobs.h"
#include "server/jobs/dispatch/jobs_send.h"
#include "server/stats/stats.h"
#include "tests/unit/jobs/codec_double.h"
#include "tests/unit/jobs/dispatch_rig.h"

/* ---- results ---- */

static void test_a_result_ends_its_job(void **state)
{
    struct job *job;
    struct wire_result result;

    (void)state;
    come(0, 8);
    assert_int_equal(stats_read(&stats.workers), 1);
    job = ask(0, "abc", JOBS_RPC);
    assert_int_equal(workers[0].sent, 0); /* not before the end of the turn */
    double_now_ns += 7 * NS_PER_US;
    turn();
    assert_int_equal(workers[0].sent, 1);
    assert_int_equal(workers[0].deadline_ms, 64);
    assert_int_equal(stats_read(&stats.jobs_in_flight), 1);
    assert_int_equal(stats_read(&stats.worker[0].jobs_in_flight), 1);
    assert_int_equal(stats_read(&stats.queue_depth), 0);
    result = result_of(0);
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job->status, JOB_OK);
    assert_int_equal(job->ran, JOBS_RPC);
    assert_int_equal(job->attempts, 1);
    assert_int_equal(job->queue_us, 7 + 3);
    assert_int_equal(job->codec_us, 5);
    assert_int_equal(stats_read(&stats.worker[0].jobs), 1);
    assert_int_equal(stats_read(&stats.worker[0].codec_us), 5);
    assert_int_equal(stats_read(&stats.job_out_bytes[CODEC_OP_DECODE][JOBS_RPC]), 2);
    assert_int_equal(answer(0, &result), -1); /* a second answer */
    turn();
    assert_int_equal(stats_read(&stats.jobs_in_flight), 0);
    assert_int_equal(stats_read(&stats.worker[0].jobs_in_flight), 0);
}

static void test_a_refusal_and_an_expiry_end_their_jobs(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    result = result_of(0);
    result.status = CODEC_SYNTAX;
    result.fault_offset = 3;
    result.payload.bytes.len = 0;
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(asked[0].status, JOB_REFUSED);
    assert_int_equal(asked[0].fault.status, CODEC_SYNTAX);
    assert_int_equal(asked[0].fault.offset, 3);
    ask(1, "abc", JOBS_RPC);
    turn();
    result = result_of(0);
    result.verdict = WIRE_EXPIRED;
    result.payload.bytes.len = 0;
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(asked[1].status, JOB_DEADLINE);
}

/* What no worker can say of the job leads to -1, and the job is still there. */
static void test_implausible_results(void **state)
{
    static const struct {
        enum wire_verdict verdict;
        unsigned status;
        size_t bytes;
        uint64_t offset;
        int rc;
    } rows[] = {
        {WIRE_CANCELLED, 0, 0, 0, -1},
        {WIRE_NO_WORKER, 0, 0, 0, -1},
        {WIRE_DONE, CODEC_OK, 9, 0, -1},
        {WIRE_DONE, CODEC_OK, 8, 0, 0},
        {WIRE_DONE, CODEC_SYNTAX, 0, 4, -1},
        {WIRE_DONE, CODEC_SYNTAX, 0, 3, 0},
        {WIRE_DONE, CODEC_SYNTAX, 0, CODEC_NO_OFFSET, 0},
        {WIRE_DONE, CODEC_PROGRAM, 9, 0, 0}, /* a text for people may be longer */
    };

    (void)state;
    come(0, 8);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire_result result;

        ask(i, "abc", JOBS_RPC);
        turn();
        result = result_of(0);
        result.verdict = rows[i].verdict;
        result.status = rows[i].status;
        result.payload.bytes.len = rows[i].bytes;
        result.fault_offset = rows[i].offset;
        done_calls = 0;
        assert_int_equal(answer(0, &result), rows[i].rc);
        assert_int_equal(done_calls, rows[i].rc == 0);
        if (rows[i].rc != 0) {
            result = result_of(0);
            assert_int_equal(answer(0, &result), 0);
        }
    }
    assert_int_equal(answer(0, &(struct wire_result){.id = 64}), -1); /* was answered */
    assert_int_equal(answer(0, &(struct wire_result){.id = 1 << 20}), -1);
}

/* A fault may be in the argument, or in what the input expands to. */
static void test_offsets_in_other_than_the_input(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    for (unsigned i = 0; i < 4; i++) {
        asked[i] = (struct job){.call = {.op = CODEC_OP_DECODE,
                                         .in = {(const uint8_t *)"abc", 3},
                                         .argument = {(const uint8_t *)"abcde", 5},
                                         .gunzip = i >= 2,
                                         .max_expanded = 7},
                                .mode = JOBS_RPC,
                                .done = on_done};
        jobs_submit(jobs, &asked[i]);
        turn();
        result = result_of(0);
        result.status = CODEC_SYNTAX;
        result.payload.bytes.len = 0;
        result.fault_offset = (i < 2 ? 5 : 7) + i % 2;
        assert_int_equal(answer(0, &result), i % 2 == 0 ? 0 : -1);
        if (i % 2 == 1)
            jobs_cancel(jobs, &asked[i]);
    }
}

/* Where memory is limited a job may make little at first. What needs more is run again,
   as if it were new; those that waited for its result find their own places. */
static void test_a_result_that_needs_more_memory(void **state)
{
    struct wire_result result;
    uint64_t first;

    (void)state;
    memory_budget_set_limit(UINT64_C(1) << 30);
    come(0, 8);
    for (unsigned i = 0; i < 2; i++) {
        asked[i] = (struct job){.call = {.op = CODEC_OP_DECODE,
                                         .in = {(const uint8_t *)"abc", 3},
                                         .max_output = 1 << 20},
                                .share_key = {1, 2},
                                .mode = JOBS_RPC,
                                .done = on_done};
        jobs_submit(jobs, &asked[i]);
    }
    turn();
    first = workers[0].max_output;
    assert_true(first < 1 << 20);
    assert_int_equal(memory_budget_used(), first);
    result = result_of(0);
    result.status = CODEC_TOO_LARGE;
    result.payload.bytes.len = 0;
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(done_calls, 0);
    assert_int_equal(asked[0].attempts, 0);
    turn();
    assert_int_equal(workers[0].sent, 3); /* the other one may make little itself */
    assert_true(asked[0].call.max_output > first);
    assert_int_equal(asked[1].call.max_output, first);
    for (unsigned i = 1; i < 3; i++) {
        result = result_of(0);
        result.id = workers[0].ids[i];
        assert_int_equal(answer(0, &result), 0);
        assert_int_equal(asked[i - 1].status, JOB_OK);
        assert_int_equal(asked[i - 1].attempts, 1);
    }
    assert_int_equal(done_calls, 2);
    assert_int_equal(memory_budget_used(), 0);
    memory_budget_set_limit(0);
}

static void test_a_result_may_be_lent_where_it_is_only_sent(void **state)
{
    uint64_t id;

    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    id = workers[0].ids[0];
    assert_false(double_events->takes_lent_result(double_events_ctx, &workers[0], id));
    asked[0].sends_result = true;
    assert_true(double_events->takes_lent_result(double_events_ctx, &workers[0], id));
    assert_false(
        double_events->takes_lent_result(double_events_ctx, &workers[0], id + 1));
    jobs_cancel(jobs, &asked[0]);
    assert_false(double_events->takes_lent_result(double_events_ctx, &workers[0], id));
}

/* ---- what is not sent ---- */

static void test_the_queue_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < QUEUE - 1; i++)
        ask(i, "abc", JOBS_RPC);
    assert_int_equal(done_calls, 0);
    ask(QUEUE - 1, "abc", JOBS_RPC);
    assert_int_equal(done_calls, 0);
    jobs_cancel(jobs, &asked[0]);
    ask(0, "abc", JOBS_RPC);
    assert_int_equal(done_calls, 0);
    jobs_cancel(jobs, &asked[1]);
    ask(1, "abc", JOBS_RPC);
    turn();
    assert_int_equal(stats_read(&stats.queue_depth), QUEUE);
    {
        struct job more = {.call = {.op = CODEC_OP_DECODE}, .done = on_done};

        more.mode = JOBS_RPC;
        jobs_submit(jobs, &more);
        assert_int_equal(done_calls, 1);
        assert_int_equal(more.status, JOB_QUEUE_FULL);
    }
}

/* With its argument it is longer than a message may be. The bytes are not looked at. */
static void test_what_is_too_large_for_a_message(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        asked[i] =
            (struct job){.call = {.op = CODEC_OP_DECODE,
                                  .in = {(const uint8_t *)"", WIRE_MAX_PAYLOAD_BYTES - 4},
                                  .argument = {(const uint8_t *)"abcde", 4 + i}},
                         .mode = JOBS_RPC,
                         .done = on_done};
        jobs_submit(jobs, &asked[i]);
        assert_int_equal(done_calls, i);
    }
    assert_int_equal(asked[1].status, JOB_REFUSED);
    assert_int_equal(asked[1].fault.status, CODEC_TOO_LARGE);
}

static void test_a_leaving_worker_gets_no_more(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    double_events->leaving(double_events_ctx, &workers[0]);
    assert_int_equal(stats_read(&stats.workers), 0);
    ask(1, "abc", JOBS_RPC);
    turn();
    assert_int_equal(workers[0].sent, 1);
    assert_int_equal(stats_read(&stats.queue_depth), 1);
    result = result_of(0);
    assert_int_equal(answer(0, &result), 0); /* it answers what it has */
    come(1, 8);
    turn();
    assert_int_equal(workers[1].sent, 1);
    go(1);
    assert_int_equal(stats_read(&stats.workers), 0);
}

/* What a worker does not take stays as if it had not been sent; the worker gets nothing
   more until it is heard again. */
static void test_a_message_that_is_not_taken(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    workers[0].is_deaf = true;
    ask(0, "abc", JOBS_RPC);
    ask(1, "abc", JOBS_RPC);
    turn();
    assert_int_equal(asked[0].attempts, 0);
    assert_int_equal(asked[1].attempts, 0);
    assert_int_equal(stats_read(&stats.queue_depth), 2);
    assert_int_equal(jobs_workers(jobs), 0);
    workers[0].is_deaf = false;
    turn();
    assert_int_equal(workers[0].sent, 0);
    workers[0].heard_ns = double_now_ns + 1;
    turn();
    assert_int_equal(jobs_workers(jobs), 1);
    assert_int_equal(workers[0].sent, 2);
    result = result_of(0);
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(asked[1].attempts, 1);
}

/* ---- time ---- */

static void test_deadlines_in_the_queue(void **state)
{
    (void)state;
    ask(0, "abc", JOBS_RPC);
    tick(TIMEOUT_NS / 2 - 1);
    assert_int_equal(done_calls, 0);
    tick(1);
    assert_int_equal(done_calls, 1);
    assert_int_equal(asked[0].status, JOB_NO_WORKER);
    assert_int_equal(asked[0].queue_us, TIMEOUT_NS / 2 / NS_PER_US);
}

/* Behind a worker that has its fill, and is heard, a job may wait for its whole time. */
static void test_deadlines_behind_a_busy_worker(void **state)
{
    (void)state;
    come(0, 1);
    ask(0, "abc", JOBS_RPC);
    turn();
    ask(1, "abc", JOBS_RPC);
    asked[0].deadline_ns += NS_PER_S;
    workers[0].heard_ns = double_now_ns + TIMEOUT_NS - 1;
    tick(TIMEOUT_NS - 1);
    assert_int_equal(done_calls, 0);
    assert_int_equal(workers[0].sent, 1);
    tick(1);
    assert_int_equal(done_calls, 1);
    assert_int_equal(asked[1].status, JOB_DEADLINE);
}

static void test_deadlines_at_a_worker(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    workers[0].heard_ns = double_now_ns + TIMEOUT_NS - 1; /* when the tick comes */
    tick(TIMEOUT_NS - 1);
    assert_int_equal(done_calls, 0);
    tick(1);
    assert_int_equal(done_calls, 1);
    assert_int_equal(asked[0].status, JOB_DEADLINE);
    assert_int_equal(stats_read(&stats.job_retries), 0);
    assert_int_equal(workers[0].forgotten, 1);
    assert_int_equal(workers[0].cancelled, 1);
    assert_int_equal(workers[0].cancels[0], workers[0].ids[0]);
    result = result_of(0);
    result.verdict = WIRE_CANCELLED;
    assert_int_equal(answer(0, &result), 0); /* it owes that */
    assert_int_equal(answer(0, &result), -1);
    assert_int_equal(done_calls, 1);
}

/* A worker that says nothing is asked once; then its jobs go to another. */
static void test_a_silent_worker(void **state)
{
    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    tick(TIMEOUT_NS / 4);
    assert_int_equal(workers[0].pings, 0);
    tick(1);
    assert_int_equal(workers[0].pings, 1);
    tick(TIMEOUT_NS / 4 - 1);
    assert_int_equal(workers[0].pings, 1);
    come(1, 8);
    tick(1);
    assert_int_equal(workers[1].sent, 1);
    assert_int_equal(workers[0].forgotten, 1);
    assert_int_equal(asked[0].attempts, 2);
    assert_int_equal(stats_read(&stats.job_retries), 1);
    assert_int_equal(jobs_workers(jobs), 1);
    workers[0].heard_ns = double_now_ns;
    assert_int_equal(jobs_workers(jobs), 1 + (double_now_ns > workers[0].heard_ns));
    workers[0].heard_ns = double_now_ns + 1;
    assert_int_equal(jobs_workers(jobs), 2);
}

/* After a long turn signs of life may lie unread. */
static void test_nobody_is_silent_while_the_loop_was_away(void **state)
{
    (void)state;
    come(0, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    double_now_ns += TIMEOUT_NS / 2 + 1;
    ev_run(loop, EVRUN_ONCE); /* one tick at most */
    assert_int_equal(workers[0].forgotten, 0);
    tick(0);
    assert_int_equal(workers[0].forgotten, 1);
}

/* ---- losses ---- */

/* The third one comes when there was time for news of how the second worker ended. */
static void test_a_job_has_three_attempts(void **state)
{
    (void)state;
    ask(0, "abc", JOBS_RPC);
    asked[0].deadline_ns += 10 * NS_PER_S;
    for (unsigned i = 1; i <= JOBS_MAX_ATTEMPTS; i++) {
        come(i % 2, 8);
        turn();
        if (i == JOBS_MAX_ATTEMPTS) {
            assert_int_equal(workers[i % 2].sent, 1);
            double_now_ns += JOBS_NEWS_NS;
            turn();
        }
        assert_int_equal(asked[0].attempts, i);
        assert_int_equal(done_calls, 0);
        go(i % 2);
        assert_int_equal(stats_read(&stats.job_retries), i < JOBS_MAX_ATTEMPTS ? i : 2);
    }
    assert_int_equal(done_calls, 1);
    assert_int_equal(asked[0].status, JOB_WORKER_LOST);
}

/* A fifth of the jobs, after a stock for the death of some workers. */
static void test_retries_have_a_budget(void **state)
{
    unsigned lost = 0;

    (void)state;
    for (unsigned i = 0; i < 100000 && done_calls == 0; i++) {
        come(0, 8);
        if (asked[0].state == JOB_NEW || asked[0].state == JOB_DONE)
            ask(0, "abc", JOBS_RPC);
        turn();
        assert_int_equal(asked[0].attempts, 1);
        go(0);
        lost++;
        if (done_calls == 0)
            jobs_cancel(jobs, &asked[0]);
    }
    /* 1000 of stock; each of those jobs, but the first, brings a fifth of a retry. */
    assert_int_equal(stats_read(&stats.job_retries), lost - 1);
    assert_int_equal(asked[0].status, JOB_WORKER_LOST);
    assert_true(lost - 1 >= 1249 && lost - 1 <= 1250);
}

/* Two workers are lost on it, and their daemons say that it crashed them. */
static void test_a_job_that_crashes_workers(void **state)
{
    struct wire_crash crashes[3];

    (void)state;
    memset(crashes, 0, sizeof crashes);
    document_fingerprint_of((struct slice){(const uint8_t *)"abc", 3},
                            (struct slice){NULL, 0}, &crashes[0].document);
    crashes[1] = crashes[0];
    come(0, 8);
    come(1, 8);
    ask(0, "abc", JOBS_RPC);
    turn();
    go(workers[0].sent > 0 ? 0 : 1);
    double_events->crashes(double_events_ctx, crashes, 1);
    assert_int_equal(done_calls, 0);
    turn();
    assert_int_equal(asked[0].attempts, 2);
    ask(1, "other", JOBS_RPC);
    double_now_ns++;
    go(workers[0].owner != NULL ? 0 : 1);
    double_events->crashes(double_events_ctx, crashes, 2);
    assert_int_equal(done_calls, 1);
    assert_int_equal(asked[0].status, JOB_POISON);
    assert_int_equal(asked[1].state, JOB_WAITING);
    ask(2, "abc", JOBS_RPC); /* refused at once from now on */
    assert_int_equal(done_calls, 2);
    assert_int_equal(asked[2].status, JOB_POISON);
}

/* ---- cancelling ---- */

static void test_cancelling_wherever_a_job_is(void **state)
{
    struct wire_result result;

    (void)state;
    ask(0, "abc", JOBS_RPC); /* it waits */
    jobs_cancel(jobs, &asked[0]);
    come(0, 8);
    ask(1, "abc", JOBS_RPC);
    turn();
    jobs_cancel(jobs, &asked[1]); /* it is with a worker */
    assert_int_equal(workers[0].sent, 1);
    assert_int_equal(workers[0].forgotten, 1);
    assert_int_equal(workers[0].cancelled, 0); /* told at the end of the turn */
    turn();
    assert_int_equal(workers[0].cancelled, 1);
    turn();
    assert_int_equal(workers[0].cancelled, 1);
    result = result_of(0);
    assert_int_equal(answer(0, &result), 0);
    ask(2, "abc", JOBS_RPC);
    turn();
    go(0);
    assert_int_equal(asked[2].state, JOB_RETRIED);
    jobs_cancel(jobs, &asked[2]);
    come(1, 8);
    turn();
    assert_int_equal(workers[1].sent, 0);
    assert_int_equal(done_calls, 0);
}

/* ---- where there is another place ---- */

/* Runs the loop until so many jobs are done: a thread is at them. */
static void await(unsigned count)
{
    while (done_calls < count)
        ev_run(loop, EVRUN_ONCE);
}

/* A worker that does not know an option says UNSUPPORTED: the front does it itself, and
   those that wait for the same result follow it there. */
static void test_an_outdated_worker(void **state)
{
    struct wire_result result;

    (void)state;
    come(0, 8);
    for (unsigned i = 0; i < 3; i++) {
        asked[i] = (struct job){.call = {.op = CODEC_OP_DECODE,
                                         .in = {(const uint8_t *)"abc", 3},
                                         .keep_numbers = true},
                                .share_key = {1, 2},
                                .mode = JOBS_RPC,
                                .done = on_done};
        jobs_submit(jobs, &asked[i]);
    }
    assert_int_equal(asked[2].state, JOB_FOLLOWING);
    turn();
    assert_int_equal(workers[0].sent, 1);
    result = result_of(0);
    result.status = CODEC_UNSUPPORTED;
    result.payload.bytes.len = 0;
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(done_calls, 0);
    await(3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(asked[i].status, JOB_OK);
        assert_int_equal(asked[i].ran, JOBS_THREADS);
    }
    turn();
    assert_int_equal(workers[0].sent, 1);
    ask(4, "abc", JOBS_RPC); /* without such an option it is an answer */
    turn();
    result = result_of(0);
    result.status = CODEC_UNSUPPORTED;
    result.payload.bytes.len = 0;
    assert_int_equal(answer(0, &result), 0);
    assert_int_equal(asked[4].status, JOB_REFUSED);
}

#define DISPATCH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISPATCH_TEST(test_a_result_ends_its_job),
        DISPATCH_TEST(test_a_refusal_and_an_expiry_end_their_jobs),
        DISPATCH_TEST(test_implausible_results),
        DISPATCH_TEST(test_offsets_in_other_than_the_input),
        DISPATCH_TEST(test_a_result_that_needs_more_memory),
        DISPATCH_TEST(test_a_result_may_be_lent_where_it_is_only_sent),
        DISPATCH_TEST(test_the_queue_is_bounded),
        DISPATCH_TEST(test_what_is_too_large_for_a_message),
        DISPATCH_TEST(test_a_leaving_worker_gets_no_more),
        DISPATCH_TEST(test_a_message_that_is_not_taken),
        DISPATCH_TEST(test_deadlines_in_the_queue),
        DISPATCH_TEST(test_deadlines_behind_a_busy_worker),
        DISPATCH_TEST(test_deadlines_at_a_worker),
        DISPATCH_TEST(test_a_silent_worker),
        DISPATCH_TEST(test_nobody_is_silent_while_the_loop_was_away),
        DISPATCH_TEST(test_a_job_has_three_attempts),
        DISPATCH_TEST(test_retries_have_a_budget),
        DISPATCH_TEST(test_a_job_that_crashes_workers),
        DISPATCH_TEST(test_cancelling_wherever_a_job_is),
        DISPATCH_TEST(test_an_outdated_worker),
    };

    loop = ev_default_loop(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
