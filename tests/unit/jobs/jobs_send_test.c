/* What goes together in a message, and to whom; workers are doubles that note batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "server/jobs/dispatch/jobs_send.h"

#define JOBS    200
#define BATCHES 32
#define NOW_NS  (UINT64_C(100) * NS_PER_S)

/* ---- doubles of jobs_worker.c ---- */

static struct {
    struct jobs_worker *worker;
    unsigned count;
    struct job *first;
} batches[BATCHES];

static unsigned batch_count;
static bool are_deaf;       /* workers take nothing */
static bool share_memory;   /* payloads need no room in messages */
static unsigned sizes_seen; /* of messages asked for */

bool jobs_worker_is_usable(struct jobs_worker *worker)
{
    return !worker->leaving;
}

unsigned jobs_worker_free(struct jobs_worker *worker)
{
    return worker->leaving || worker->alone ? 0 : jobs_flight_free(&worker->flight);
}

unsigned jobs_worker_share(unsigned waiting, unsigned free_batches)
{
    assert_true(free_batches > 0);
    return (waiting + free_batches - 1) / free_batches;
}

uint64_t jobs_worker_message_bytes(const struct jobs_worker *worker,
                                   const struct job *job)
{
    (void)worker;
    sizes_seen++;
    return share_memory ? 0 : job->call.in.len;
}

int jobs_worker_send(struct jobs_worker *worker, struct job *const *jobs, unsigned count,
                     uint64_t now_ns)
{
    struct flight_batch *batch;

    assert_true(count >= 1 && count <= FLIGHT_MAX_BATCH && batch_count < BATCHES);
    assert_int_equal(now_ns, NOW_NS);
    if (are_deaf) {
        worker->leaving = true;
        return -1;
    }
    batch = jobs_flight_open(&worker->flight, NOW_NS);
    for (unsigned i = 0; i < count; i++)
        jobs_flight_add(&worker->flight, batch, jobs[i]);
    batches[batch_count].worker = worker;
    batches[batch_count].count = count;
    batches[batch_count++].first = jobs[0];
    return 0;
}

/* ---- the world ---- */

static struct jobs_send to_send;
static struct jobs_worker workers[3];
static const struct jobs_limits *limits; /* of all workers */
static struct job jobs[JOBS];
static unsigned job_count;

static int set_up(void **state)
{
    (void)state;
    memset(workers, 0, sizeof workers);
    memset(jobs, 0, sizeof jobs);
    job_count = batch_count = sizes_seen = 0;
    are_deaf = share_memory = false;
    limits = jobs_limits_of(false);
    jobs_send_init(&to_send);
    return 0;
}

static void add_workers(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        list_init(&workers[i].link);
        workers[i].limits = limits;
        jobs_flight_init(&workers[i].flight, limits->window);
        list_append(&to_send.workers, &workers[i].link);
    }
}

static struct job *make_job(uint32_t cost_us, size_t bytes)
{
    struct job *job = &jobs[job_count++];

    assert_true(job_count <= JOBS);
    list_init(&job->link);
    job->state = JOB_MOVING;
    job->cost_us = cost_us;
    job->call.in.len = bytes;
    job->submitted_ns = NOW_NS;
    job->deadline_ns = NOW_NS + NS_PER_S;
    return job;
}

static void put_waiting(unsigned count, uint32_t cost_us, size_t bytes)
{
    while (count-- > 0)
        jobs_waiting_push(&to_send.waiting, make_job(cost_us, bytes));
}

static unsigned sent_jobs(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < batch_count; i++)
        sum += batches[i].count;
    return sum;
}

/* ---- light jobs ---- */

static void test_short_jobs_share_one_message(void **state)
{
    (void)state;
    add_workers(2);
    put_waiting(16, 2, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
    assert_int_equal(batches[0].count, 16);
}

static void test_longer_jobs_are_spread(void **state)
{
    (void)state;
    add_workers(2);
    put_waiting(8, 200, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2 * limits->window);
    for (unsigned i = 0; i < batch_count; i++)
        assert_int_equal(batches[i].count, 2);
    assert_ptr_not_equal(batches[0].worker, batches[1].worker);
}

static void test_a_message_is_not_too_long(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(8, 900, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
    assert_int_equal(batches[0].count, limits->batch_us / 900);
    assert_int_equal(to_send.waiting.depth, 8 - sent_jobs());
}

/* What comes while a worker is busy for a while goes in one message, not one by one. */
static void test_a_busy_worker_gets_more_in_time(void **state)
{
    struct jobs_worker *worker = &workers[0];

    (void)state;
    add_workers(1);
    put_waiting(1, limits->top_up_us + 900, 500);
    assert_int_equal(jobs_send_held_us(&to_send, NOW_NS), 0); /* it is not busy */
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(jobs_send_held_us(&to_send, NOW_NS), 0); /* nothing waits */
    assert_int_equal(sent_jobs(), 1);
    put_waiting(3, 900, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(sent_jobs(), 1);
    assert_int_equal(jobs_send_held_us(&to_send, NOW_NS),
                     worker->flight.cost_us - limits->top_up_us);
    worker->flight.progress_ns -=
        (worker->flight.cost_us - limits->top_up_us - 1) * NS_PER_US;
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(jobs_send_held_us(&to_send, NOW_NS), 1);
    worker->flight.progress_ns -= NS_PER_US;
    assert_int_equal(jobs_send_held_us(&to_send, NOW_NS), 0);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(sent_jobs(), 4);
    assert_int_equal(batches[batch_count - 1].count, 3);
}

static void test_what_a_busy_worker_waits_for_goes_to_an_idle_one(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(1, limits->top_up_us + 900, 500);
    jobs_send(&to_send, NOW_NS);
    put_waiting(1, 900, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(to_send.waiting.depth, 1);
    list_init(&workers[1].link);
    workers[1].limits = limits;
    jobs_flight_init(&workers[1].flight, limits->window);
    list_append(&to_send.workers, &workers[1].link);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(to_send.waiting.depth, 0);
    assert_ptr_equal(batches[batch_count - 1].worker, &workers[1]);
}

static void test_a_message_is_not_too_large(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(8, 10, JOBS_BATCH_BYTES / 2);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batches[0].count, 2);
    assert_true(sizes_seen > 0);
}

static void test_a_large_job_goes_alone(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(2, limits->second_us, 10 * JOBS_BATCH_BYTES);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2);
}

static void test_shared_memory_takes_no_room_in_a_message(void **state)
{
    (void)state;
    share_memory = true;
    add_workers(1);
    put_waiting(8, 10, 10 * JOBS_BATCH_BYTES);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
    assert_int_equal(batches[0].count, 8);
}

static void test_a_batch_has_a_limit(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(FLIGHT_MAX_BATCH + 1, 0, 1);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
    assert_int_equal(batches[0].count, FLIGHT_MAX_BATCH);
}

/* A second message that hides the way of the first must be worth its cost. */
static void test_a_second_message_has_enough_work(void **state)
{
    (void)state;
    add_workers(2);
    put_waiting(2, limits->second_us / 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1); /* too little to spread at all */
    put_waiting(6, limits->second_us / 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2); /* all of it is the idle one's */
    assert_int_equal(batches[1].count, 6);
    assert_ptr_not_equal(batches[0].worker, batches[1].worker);
    put_waiting(18, limits->second_us / 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2); /* 9 each would not be enough */
    put_waiting(2, limits->second_us / 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 4);
    assert_int_equal(batches[2].count, 10);
    assert_int_equal(batches[3].count, 10);
}

/* ---- on fast paths ---- */

/* Some work is worth a message, and a worker may have many of them... */
static void test_work_is_sent_as_it_comes(void **state)
{
    (void)state;
    limits = jobs_limits_of(true);
    add_workers(1);
    for (unsigned i = 1; i <= 3; i++) {
        put_waiting(20, limits->second_us / 10, 500);
        jobs_send(&to_send, NOW_NS);
        assert_int_equal(batch_count, 1 + i); /* the first is spread over two */
        assert_int_equal(sent_jobs(), 20 * i);
    }
    put_waiting(9, limits->second_us / 10, 500); /* not yet enough */
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 4);
}

/* ...up to a time's worth. */
static void test_what_a_worker_has_is_bounded_by_its_time(void **state)
{
    (void)state;
    limits = jobs_limits_of(true);
    add_workers(2);
    put_waiting(JOBS, limits->second_us, 500);
    jobs_send(&to_send, NOW_NS);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t has_us = workers[i].flight.cost_us;

        assert_true(has_us > limits->top_up_us / 2);
        assert_true(has_us <= limits->top_up_us + limits->batch_us);
    }
    assert_true(to_send.waiting.depth > 0);
}

static void test_each_worker_has_the_limits_of_its_own_way(void **state)
{
    (void)state;
    add_workers(2);
    workers[1].limits = jobs_limits_of(true);
    jobs_flight_set_window(&workers[1].flight, workers[1].limits->window);
    put_waiting(1, 2900, 500);
    put_waiting(1, 3000, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2);
    for (unsigned i = 0; i < 2; i++)
        workers[i].flight.progress_ns -= 2890 * NS_PER_US; /* nearly done */
    for (unsigned i = 0; i < 2; i++) {
        bool is_fast = batches[i].worker == &workers[1];

        workers[is_fast].flight.cost_us = is_fast ? 2900 : 3000;
    }
    put_waiting(60, 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_true(batch_count > 2); /* too little for the seat, enough for the other */
    for (unsigned i = 2; i < batch_count; i++)
        assert_ptr_equal(batches[i].worker, &workers[1]);
}

/* A worker with a message of jobs that are estimated to take no time is not idle. */
static void test_an_idle_worker_is_preferred_to_one_with_next_to_nothing(void **state)
{
    (void)state;
    add_workers(2);
    for (unsigned i = 0; i < 3; i++) {
        put_waiting(1, 0, 63);
        jobs_send(&to_send, NOW_NS);
    }
    assert_int_equal(batch_count, 2);
    assert_ptr_not_equal(batches[0].worker, batches[1].worker);
    assert_int_equal(to_send.waiting.depth, 1);
}

/* ---- heavy jobs ---- */

/* They are too few for a second message of their own, but else they would stand behind
   the heavy one. */
static void test_a_heavy_job_does_not_overtake_light_ones(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(1, 40, 500);
    jobs_send(&to_send, NOW_NS);
    put_waiting(2, 40, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
    put_waiting(1, JOBS_HEAVY_US + 1, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2);
    assert_int_equal(batches[1].count, 2);
    assert_int_equal(workers[0].flight.heavy, 0);
    assert_int_equal(to_send.waiting.depth, 1);
}

static void test_a_lane_is_kept_free_of_heavy_jobs(void **state)
{
    struct jobs_worker *heavy;

    (void)state;
    add_workers(2);
    put_waiting(2, 400, 500);
    put_waiting(2, JOBS_HEAVY_US + 1, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 3);
    assert_int_equal(batches[2].count, 1);
    heavy = batches[2].worker;
    assert_int_equal(heavy->flight.heavy, 1);
    assert_int_equal(to_send.waiting.depth, 1);
    put_waiting(4, 400, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 4);
    assert_ptr_not_equal(batches[3].worker, heavy);
}

static void test_heavy_jobs_have_all_workers_to_themselves(void **state)
{
    (void)state;
    add_workers(2);
    put_waiting(2, JOBS_HEAVY_US + 1, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2);
    assert_ptr_not_equal(batches[0].worker, batches[1].worker);
}

/* ---- what goes wrong ---- */

static void test_late_jobs_end(void **state)
{
    (void)state;
    add_workers(1);
    put_waiting(3, 10, 500);
    jobs[1].deadline_ns = NOW_NS;
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(sent_jobs(), 2);
    assert_int_equal(to_send.ending.depth, 1);
    assert_ptr_equal(jobs_queue_first(&to_send.ending), &jobs[1]);
    assert_int_equal(jobs[1].status, JOB_DEADLINE);
}

static void test_what_is_not_taken_waits_in_its_order(void **state)
{
    (void)state;
    are_deaf = true;
    add_workers(2);
    put_waiting(3, 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(to_send.waiting.depth, 3);
    assert_ptr_equal(jobs_waiting_first(&to_send.waiting, JOBS_LIGHT, NOW_NS), &jobs[0]);
}

static void test_retried_jobs_go_alone_and_first(void **state)
{
    (void)state;
    add_workers(2);
    for (unsigned i = 0; i < 3; i++)
        jobs_queue_push(&to_send.retried, make_job(10, 500));
    put_waiting(3, 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 2);
    assert_int_equal(sent_jobs(), 2);
    assert_ptr_equal(batches[0].first, &jobs[0]);
    assert_ptr_equal(batches[1].first, &jobs[1]);
    assert_int_equal(to_send.waiting.depth, 3);
}

static void test_a_retried_job_that_is_not_taken_stays_the_first(void **state)
{
    (void)state;
    are_deaf = true;
    add_workers(1);
    for (unsigned i = 0; i < 2; i++)
        jobs_queue_push(&to_send.retried, make_job(10, 500));
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 0);
    assert_int_equal(to_send.retried.depth, 2);
    assert_ptr_equal(jobs_queue_first(&to_send.retried), &jobs[0]);
    assert_int_equal(jobs[0].state, JOB_RETRIED);
}

static void test_a_job_that_lost_two_waits_for_news(void **state)
{
    struct job *job;

    (void)state;
    add_workers(1);
    job = make_job(10, 500);
    job->attempts = 2;
    job->lost_ns = NOW_NS - 1;
    jobs_queue_push(&to_send.retried, job);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 0);
    job->lost_ns = NOW_NS - NS_PER_S;
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 1);
}

static void test_nobody_to_send_to(void **state)
{
    (void)state;
    add_workers(1);
    workers[0].leaving = true;
    put_waiting(3, 10, 500);
    jobs_send(&to_send, NOW_NS);
    assert_int_equal(batch_count, 0);
    assert_int_equal(to_send.waiting.depth, 3);
}

#define SEND_TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEND_TEST(test_short_jobs_share_one_message),
        SEND_TEST(test_longer_jobs_are_spread),
        SEND_TEST(test_a_message_is_not_too_long),
        SEND_TEST(test_a_busy_worker_gets_more_in_time),
        SEND_TEST(test_what_a_busy_worker_waits_for_goes_to_an_idle_one),
        SEND_TEST(test_a_message_is_not_too_large),
        SEND_TEST(test_a_large_job_goes_alone),
        SEND_TEST(test_shared_memory_takes_no_room_in_a_message),
        SEND_TEST(test_a_batch_has_a_limit),
        SEND_TEST(test_a_second_message_has_enough_work),
        SEND_TEST(test_work_is_sent_as_it_comes),
        SEND_TEST(test_what_a_worker_has_is_bounded_by_its_time),
        SEND_TEST(test_each_worker_has_the_limits_of_its_own_way),
        SEND_TEST(test_an_idle_worker_is_preferred_to_one_with_next_to_nothing),
        SEND_TEST(test_a_heavy_job_does_not_overtake_light_ones),
        SEND_TEST(test_a_lane_is_kept_free_of_heavy_jobs),
        SEND_TEST(test_heavy_jobs_have_all_workers_to_themselves),
        SEND_TEST(test_late_jobs_end),
        SEND_TEST(test_what_is_not_taken_waits_in_its_order),
        SEND_TEST(test_retried_jobs_go_alone_and_first),
        SEND_TEST(test_a_retried_job_that_is_not_taken_stays_the_first),
        SEND_TEST(test_a_job_that_lost_two_waits_for_news),
        SEND_TEST(test_nobody_to_send_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
