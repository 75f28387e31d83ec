/* Where auto sends jobs, by size, demand, budget and whether a worker is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/jobs/place/jobs_auto.h"

#define BUDGET_US 200
#define MANY_CPUS 8

static struct stats_front stats;
static struct jobs_cost cost;
static struct jobs_auto chooser;

static int setup(void **state)
{
    (void)state;
    jobs_cost_init(&cost, &stats);
    jobs_auto_init(&chooser, &cost, BUDGET_US, MANY_CPUS);
    return 0;
}

/* Costs 2 us and 5 ns a byte, as long as nothing is learned. */
static enum jobs_mode choose(size_t bytes, unsigned workers, unsigned under_way)
{
    struct codec_call call = {.op = CODEC_OP_ENCODE, .in = {NULL, bytes}};

    return jobs_auto_choose(&chooser, &call, workers, under_way);
}

static enum jobs_mode choose_first(size_t bytes, unsigned workers, unsigned under_way)
{
    jobs_auto_end_turn(&chooser);
    return choose(bytes, workers, under_way);
}

static void small_ones_stay_when_idle(void **state)
{
    (void)state;
    assert_int_equal(choose_first(500, 2, 0), JOBS_INLINE);
    assert_int_equal(choose_first(20000, 2, 0), JOBS_INLINE);
    assert_int_equal(choose_first(100000, 2, 0), JOBS_RPC);
}

/* A few bytes may expand to megabytes: no estimate holds. */
static void what_is_compressed_never_stays(void **state)
{
    const struct codec_call calls[] = {
        {.op = CODEC_OP_DECODE, .gunzip = true, .in = {NULL, 30}},
        {.op = CODEC_OP_ENCODE, .coding = CODING_GZIP, .in = {NULL, 30}},
        {.op = CODEC_OP_ENCODE, .coding = CODING_ZSTD, .in = {NULL, 30}}};

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        jobs_auto_end_turn(&chooser);
        assert_int_equal(jobs_auto_choose(&chooser, &calls[i], 2, 0), JOBS_RPC);
        assert_int_equal(jobs_auto_choose(&chooser, &calls[i], 0, 0), JOBS_THREADS);
    }
}

static void the_crossover_sinks_with_the_backlog(void **state)
{
    size_t last = SIZE_MAX;

    (void)state;
    for (unsigned under_way = 1; under_way < 256; under_way *= 4) {
        size_t bytes = 100;

        while (choose_first(bytes, 2, under_way) == JOBS_INLINE)
            bytes += 100;
        assert_true(bytes < last);
        last = bytes;
    }
    assert_true(last < 3000);
    assert_int_equal(choose_first(300, 2, 1000), JOBS_INLINE);
}

/* While jobs run on the loop none are under way; many in one turn tell the same. */
static void demand_is_seen_in_one_turn(void **state)
{
    unsigned inline_jobs = 0;

    (void)state;
    while (choose(5000, 2, 0) == JOBS_INLINE && inline_jobs < 1000)
        inline_jobs++;
    assert_in_range(inline_jobs, 2, 40);
    for (unsigned turn = 0; turn < 100; turn++) {
        for (unsigned i = 0; i < 100; i++)
            (void)choose(10, 2, 0);
        jobs_auto_end_turn(&chooser);
    }
    assert_int_equal(choose(5000, 2, 0), JOBS_RPC); /* the first of a turn, now */
    for (unsigned turn = 0; turn < 100; turn++)
        assert_int_equal(choose_first(10, 2, 0), JOBS_INLINE);
    assert_int_equal(choose_first(5000, 2, 0), JOBS_INLINE);
    for (unsigned turn = 0; turn < 100; turn++)
        jobs_auto_end_turn(&chooser); /* turns without jobs change nothing */
    assert_int_equal(choose_first(5000, 2, 0), JOBS_INLINE);
}

static void the_budget_bounds_one_job_and_a_turn(void **state)
{
    double turn_us = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        cost.rpc_us[i] = 1e9;                                 /* never worth it */
    assert_int_equal(choose_first(31000, 2, 0), JOBS_INLINE); /* 157 us */
    assert_int_equal(choose_first(32000, 2, 0), JOBS_RPC);    /* 162 us: 0.8 of it */
    jobs_auto_end_turn(&chooser);
    while (choose(9600, 2, 0) == JOBS_INLINE)
        turn_us += 50;
    assert_true(turn_us == BUDGET_US * JOBS_AUTO_TURN_BUDGETS);
    assert_int_equal(choose_first(9600, 2, 0), JOBS_INLINE);
}

/* What a job takes beyond its estimate is taken from those of the same turn. */
static void overruns_count(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        cost.rpc_us[i] = 1e9;
    assert_int_equal(choose_first(9600, 2, 0), JOBS_INLINE); /* 50 us */
    jobs_auto_book(&chooser, 50, 40);
    assert_int_equal(choose(9600, 2, 0), JOBS_INLINE);
    jobs_auto_book(&chooser, 50, BUDGET_US * JOBS_AUTO_TURN_BUDGETS);
    assert_int_equal(choose(100, 2, 0), JOBS_RPC);
    assert_int_equal(choose_first(100, 2, 0), JOBS_INLINE);
}

/* The names that a request asks for cost what they cost, whatever others taught. */
static void cheap_requests_teach_nothing_about_dear_ones(void **state)
{
    static const uint8_t names[3000];
    struct codec_call cheap = {.op = CODEC_OP_ENCODE, .in = {NULL, 2000}};
    struct codec_call dear = cheap;

    (void)state;
    cheap.fields = (struct slice){names, 2};
    dear.fields = (struct slice){names, sizeof names}; /* 1,000 of two letters */
    for (unsigned i = 0; i < 8; i++)
        cost.rpc_us[i] = 1e9;
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_codec(&cost, &cheap, 1);
    assert_true(jobs_cost_codec_us(&cost, &dear) > 100);
    cheap.pretty = true;
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_codec(&cost, &cheap, 100); /* nor do dear ones about cheap ones */
    cheap.pretty = false;
    assert_true(jobs_cost_codec_us(&cost, &cheap) < 10);
}

static void stopped_jobs_teach(void **state)
{
    struct codec_call call = {.op = CODEC_OP_ENCODE, .in = {NULL, 1000}};
    double before = jobs_cost_codec_us(&cost, &call);

    (void)state;
    call.pretty = true;
    jobs_cost_learn_stopped(&cost, &call);
    assert_true(jobs_cost_codec_us(&cost, &call) > before);
    for (unsigned i = 0; i < 100; i++)
        jobs_cost_learn_stopped(&cost, &call);
    assert_true(jobs_cost_codec_us(&cost, &call) > BUDGET_US);
    call.pretty = false;
    assert_true(jobs_cost_codec_us(&cost, &call) == before);
}

/* However cheap documents of that size have been: one string of that size is not. */
static void many_bytes_never_stay(void **state)
{
    struct codec_call call = {.op = CODEC_OP_DECODE, .in = {NULL, 51000}};

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        cost.rpc_us[i] = 1e9;
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_codec(&cost, &call, 5);
    assert_int_equal(jobs_auto_choose(&chooser, &call, 2, 0), JOBS_RPC);
    call.in.len = 49000;
    assert_int_equal(jobs_auto_choose(&chooser, &call, 2, 0), JOBS_INLINE);
    call.argument.len = 2000;
    assert_int_equal(jobs_auto_choose(&chooser, &call, 2, 0), JOBS_RPC);
}

static void follows_what_is_learned(void **state)
{
    struct codec_call call = {.op = CODEC_OP_ENCODE, .in = {NULL, 1000}};

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_codec(&cost, &call, 190);
    assert_int_equal(choose_first(1000, 2, 0), JOBS_RPC); /* a hard kind of document */
    assert_int_equal(choose_first(4000, 2, 0), JOBS_INLINE);
}

/* The smallest document that is sent away beside so many others. */
static size_t crossover(unsigned cpus, unsigned under_way)
{
    size_t bytes = 100;

    jobs_auto_init(&chooser, &cost, BUDGET_US, cpus);
    while (choose_first(bytes, 2, under_way) == JOBS_INLINE)
        bytes += 100;
    return bytes;
}

/* What a worker spends is not free where it takes it from the loop. */
static void few_processors_keep_more(void **state)
{
    (void)state;
    assert_true(crossover(2, 15) > crossover(MANY_CPUS, 15));
    assert_int_equal(crossover(3, 15), crossover(MANY_CPUS, 15));
    assert_int_equal(crossover(1, 1000), 31700); /* the budget alone, 160 us */
}

/* Equal jobs whose result was there show how many come at once. */
static void counted_jobs_are_demand(void **state)
{
    (void)state;
    assert_int_equal(choose_first(5000, 2, 0), JOBS_INLINE);
    jobs_auto_end_turn(&chooser);
    for (unsigned i = 0; i < 200; i++)
        jobs_auto_count(&chooser);
    assert_int_equal(choose(5000, 2, 0), JOBS_RPC);
}

static void threads_stand_in_for_workers(void **state)
{
    (void)state;
    assert_int_equal(choose_first(500, 0, 0), JOBS_INLINE);
    assert_int_equal(choose_first(100000, 0, 0), JOBS_THREADS);
    assert_int_equal(choose_first(100000, 1, 0), JOBS_RPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(small_ones_stay_when_idle, setup),
        cmocka_unit_test_setup(what_is_compressed_never_stays, setup),
        cmocka_unit_test_setup(the_crossover_sinks_with_the_backlog, setup),
        cmocka_unit_test_setup(demand_is_seen_in_one_turn, setup),
        cmocka_unit_test_setup(the_budget_bounds_one_job_and_a_turn, setup),
        cmocka_unit_test_setup(overruns_count, setup),
        cmocka_unit_test_setup(cheap_requests_teach_nothing_about_dear_ones, setup),
        cmocka_unit_test_setup(stopped_jobs_teach, setup),
        cmocka_unit_test_setup(many_bytes_never_stay, setup),
        cmocka_unit_test_setup(follows_what_is_learned, setup),
        cmocka_unit_test_setup(few_processors_keep_more, setup),
        cmocka_unit_test_setup(counted_jobs_are_demand, setup),
        cmocka_unit_test_setup(threads_stand_in_for_workers, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
