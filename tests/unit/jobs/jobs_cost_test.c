/* Learned costs: defaults, learning with and against noise, what can be seen of it; and
   the meter that feeds them with the RPC's cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/jobs/place/jobs_cost.h"
#include "server/jobs/place/jobs_send_cost.h"

#define CLOSE(a, b) assert_true((a) > (b)*0.98 - 0.1 && (a) < (b)*1.02 + 0.1)

static struct stats_front stats;
static struct jobs_cost cost;

static int setup(void **state)
{
    (void)state;
    stats = (struct stats_front){0};
    jobs_cost_init(&cost, &stats);
    return 0;
}

static struct codec_call call_of(size_t bytes)
{
    return (struct codec_call){.op = CODEC_OP_ENCODE, .in = {NULL, bytes}};
}

static double codec_us(size_t bytes)
{
    struct codec_call call = call_of(bytes);

    return jobs_cost_codec_us(&cost, &call);
}

static void learn(size_t bytes, uint32_t us, unsigned times)
{
    struct codec_call call = call_of(bytes);

    while (times-- > 0)
        jobs_cost_learn_codec(&cost, &call, us);
}

static void classes_are_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(jobs_cost_size_class(0), 0);
    assert_int_equal(jobs_cost_size_class(1), 0);
    assert_int_equal(jobs_cost_size_class(1023), 9);
    assert_int_equal(jobs_cost_size_class(1024), 10);
    assert_int_equal(jobs_cost_size_class(UINT64_MAX), STATS_COST_SIZES - 1);
    assert_int_equal(jobs_cost_backlog_class(1), 0);
    assert_int_equal(jobs_cost_backlog_class(3), 1);
    assert_int_equal(jobs_cost_backlog_class(127), 6);
    assert_int_equal(jobs_cost_backlog_class(100000), 7);
}

static void defaults_grow_with_the_bytes(void **state)
{
    struct codec_call gzip = call_of(100000), patch = call_of(100000);

    (void)state;
    CLOSE(codec_us(0), 2);
    CLOSE(codec_us(100000), 502);
    gzip.coding = CODING_GZIP;
    assert_true(jobs_cost_codec_us(&cost, &gzip) > 5 * codec_us(100000));
    patch.op = CODEC_OP_PATCH;
    patch.argument.len = 100000;
    CLOSE(jobs_cost_codec_us(&cost, &patch), 1002);
}

/* By what makes a call dearer than a plain one, and by the dearest of several. */
static void each_kind_of_call_has_its_own_cost(void **state)
{
    static const struct {
        enum codec_coding coding;
        bool gunzip, pretty;
        size_t fields;
        double us;
    } rows[] = {
        {CODING_NONE, false, false, 0, 502},    {CODING_NONE, false, false, 1, 1002.05},
        {CODING_NONE, false, false, 100, 1007}, {CODING_NONE, false, true, 0, 1502},
        {CODING_NONE, false, true, 100, 1507},  {CODING_NONE, true, true, 0, 3002},
        {CODING_GZIP, false, false, 100, 3007},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct codec_call call = call_of(100000);
        double before = codec_us(100000);

        call.coding = rows[i].coding;
        call.gunzip = rows[i].gunzip;
        call.pretty = rows[i].pretty;
        call.fields.len = rows[i].fields;
        assert_true(jobs_cost_codec_us(&cost, &call) > rows[i].us - 0.01);
        assert_true(jobs_cost_codec_us(&cost, &call) < rows[i].us + 0.01);
        if (i == 0)
            continue;
        setup(NULL);
        jobs_cost_learn_codec(&cost, &call, 1); /* the plain ones learn nothing of it */
        assert_true(codec_us(100000) == before);
        setup(NULL);
    }
}

static void learns_by_size_and_operation(void **state)
{
    struct codec_call decode = {.op = CODEC_OP_DECODE, .in = {NULL, 100000}};

    (void)state;
    learn(100000, 100, 200);
    CLOSE(codec_us(100000), 100);
    assert_true(codec_us(80000) < 100 && codec_us(80000) > 75); /* of the same class */
    CLOSE(codec_us(1000), 7);
    CLOSE(jobs_cost_codec_us(&cost, &decode), 502);
    learn(100000, 1000, 2000);
    CLOSE(codec_us(100000), 1000);
}

/* One in ten samples is ten times too long: the thread did not have the processor. */
static void is_not_misled_by_preemption(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        learn(10000, 40, 9);
        learn(10000, 400, 1);
    }
    assert_true(codec_us(10000) > 39 && codec_us(10000) < 60);
}

static void a_single_sample_changes_little(void **state)
{
    (void)state;
    learn(10000, UINT32_MAX, 1);
    assert_true(codec_us(10000) < 60);
    learn(10000, 0, 1000);
    assert_true(codec_us(10000) > 0);
}

static void estimates_can_be_seen(void **state)
{
    (void)state;
    learn(1500, 10, 500);
    CLOSE((double)stats_read(&stats.cost_codec_ns[CODEC_OP_ENCODE][10]) / 1000, 10.5);
    assert_int_equal(stats_read(&stats.cost_codec_ns[CODEC_OP_ENCODE][11]), 0);
    assert_int_equal(stats_read(&stats.cost_rpc_ns[0]), 0);
    jobs_cost_learn_rpc(&cost, 1, 0, 60);
    CLOSE((double)stats_read(&stats.cost_rpc_ns[0]) / 1000, 60);
}

static void rpc_is_cheaper_in_company(void **state)
{
    struct codec_call small = call_of(100), large = call_of(200000);
    double before = 1e9;

    (void)state;
    for (unsigned backlog = 1; backlog <= 128; backlog *= 2) {
        double us = jobs_cost_rpc_us(&cost, &small, backlog);

        assert_true(us < before);
        before = us;
    }
    assert_true(jobs_cost_rpc_us(&cost, &large, 1) > jobs_cost_rpc_us(&cost, &small, 1));
    for (unsigned i = 0; i < 500; i++)
        jobs_cost_learn_rpc(&cost, 20, 100, 3);
    CLOSE(jobs_cost_rpc_us(&cost, &small, 16), 3);
    CLOSE(jobs_cost_rpc_us(&cost, &small, 1), 60);
    jobs_cost_learn_rpc(&cost, 1, 4000, 0); /* less than its bytes cost: a floor holds */
    assert_true(jobs_cost_rpc_us(&cost, &small, 1) > 0);
}

/* Large ones tell what a byte costs, and leave alone what a job does. */
static void bytes_have_a_cost_of_their_own(void **state)
{
    struct codec_call none = call_of(0), large = call_of(20000);
    double job_us = jobs_cost_rpc_us(&cost, &none, 16);

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_rpc(&cost, 16, 20000, job_us + 100);
    CLOSE(jobs_cost_rpc_us(&cost, &large, 16), job_us + 100);
    CLOSE(jobs_cost_rpc_us(&cost, &none, 16), job_us);
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_rpc(&cost, 16, 20000, job_us + 20);
    CLOSE(jobs_cost_rpc_us(&cost, &large, 16), job_us + 20);
    for (unsigned i = 0; i < 1000; i++)
        jobs_cost_learn_rpc(&cost, 16, 20000, 0); /* never nothing, never less */
    assert_true(jobs_cost_rpc_us(&cost, &large, 16) > job_us);
    for (unsigned i = 0; i < 10000; i++)
        jobs_cost_learn_rpc(&cost, 16, 20000, 1e9);
    assert_true(jobs_cost_rpc_us(&cost, &large, 16) < job_us + 1000);
}

#define MS UINT64_C(1000000)

static void count(struct jobs_send_cost *send_cost, unsigned jobs, uint64_t bytes)
{
    for (unsigned i = 0; i < jobs; i++)
        jobs_send_cost_count(send_cost, bytes, 16);
}

static bool has_learned(void)
{
    return stats_read(&stats.cost_rpc_ns[4]) != 0;
}

/* 100 jobs, of which other threads took 400 us, and the loop's rpc phase 100. */
static void the_meter_learns_what_sending_costs(void **state)
{
    struct jobs_send_cost send_cost;
    struct clock_reading reading = {10 * MS, 8 * MS, 1 * MS, 5};
    struct codec_call call = call_of(0);

    (void)state;
    jobs_send_cost_init(&send_cost);
    assert_false(jobs_send_cost_is_due(&send_cost, 1000 * MS)); /* nothing to measure */
    for (unsigned i = 0; i < 300; i++) {
        count(&send_cost, 100, 0);
        assert_true(jobs_send_cost_is_due(&send_cost, 1000 * MS * (i + 1)));
        jobs_send_cost_take(&send_cost, &cost, &reading, 1000 * MS * (i + 1));
        if (i == 0)
            assert_false(has_learned()); /* there was no reading before */
        reading.process_cpu_ns += 1400000;
        reading.loop_cpu_ns += 1000000;
        reading.rpc_ns += 100000;
    }
    assert_true(has_learned());
    CLOSE(jobs_cost_rpc_us(&cost, &call, 16), 5);
    count(&send_cost, 1, 0);
    assert_false(
        jobs_send_cost_is_due(&send_cost, 300000 * MS + JOBS_SEND_COST_EVERY_NS - 1));
    assert_true(jobs_send_cost_is_due(&send_cost, 300000 * MS + JOBS_SEND_COST_EVERY_NS));
}

static void measure_once(unsigned jobs, uint64_t bytes, uint64_t pool_runs)
{
    struct clock_reading reading = {10 * MS, 8 * MS, 1 * MS, 5};
    struct jobs_send_cost send_cost;

    jobs_send_cost_init(&send_cost);
    count(&send_cost, jobs, bytes);
    jobs_send_cost_take(&send_cost, &cost, &reading, 1000 * MS);
    count(&send_cost, jobs, bytes);
    reading.process_cpu_ns += 1 * MS;
    reading.pool_runs = pool_runs;
    jobs_send_cost_take(&send_cost, &cost, &reading, 2000 * MS);
}

static void the_meter_ignores_what_says_nothing(void **state)
{
    (void)state;
    measure_once(JOBS_SEND_COST_MIN_JOBS - 1, 0, 5);
    assert_false(has_learned());
    measure_once(JOBS_SEND_COST_MIN_JOBS, JOBS_SEND_COST_MAX_BYTES + 1, 5);
    assert_false(has_learned());
    measure_once(JOBS_SEND_COST_MIN_JOBS, 0, 6);
    assert_false(has_learned());
    measure_once(JOBS_SEND_COST_MIN_JOBS, 0, 5);
    assert_true(has_learned());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_powers_of_two),
        cmocka_unit_test_setup(defaults_grow_with_the_bytes, setup),
        cmocka_unit_test_setup(each_kind_of_call_has_its_own_cost, setup),
        cmocka_unit_test_setup(learns_by_size_and_operation, setup),
        cmocka_unit_test_setup(is_not_misled_by_preemption, setup),
        cmocka_unit_test_setup(a_single_sample_changes_little, setup),
        cmocka_unit_test_setup(estimates_can_be_seen, setup),
        cmocka_unit_test_setup(rpc_is_cheaper_in_company, setup),
        cmocka_unit_test_setup(bytes_have_a_cost_of_their_own, setup),
        cmocka_unit_test_setup(the_meter_learns_what_sending_costs, setup),
        cmocka_unit_test_setup(the_meter_ignores_what_says_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
