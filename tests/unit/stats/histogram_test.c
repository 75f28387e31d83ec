/* Histograms of times. */
#include "server/stats/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_buckets_cover_all_times(void **state)
{
    (void)state;
    for (unsigned bucket = 0; bucket + 1 < STATS_BUCKETS; bucket++) {
        uint64_t bound = stats_histogram_bound_ns(bucket);

        assert_int_equal(stats_histogram_bucket(bound), bucket);
        assert_int_equal(stats_histogram_bucket(bound + 1), bucket + 1);
    }
    assert_int_equal(stats_histogram_bucket(UINT64_MAX), STATS_BUCKETS - 1);
    /* 18 minutes and more are within reach, 12.5 % is the resolution. */
    assert_true(stats_histogram_bound_ns(STATS_BUCKETS - 1) > UINT64_C(1000000000000));
    assert_true(stats_histogram_bound_ns(stats_histogram_bucket(1000000)) < 1125000);
}

static void test_empty(void **state)
{
    static const struct stats_histogram histogram;

    (void)state;
    assert_int_equal(stats_histogram_quantile_ns(&histogram, 0.5), 0);
    assert_int_equal(stats_histogram_total(&histogram), 0);
}

static void test_quantiles(void **state)
{
    static struct stats_histogram histogram;

    (void)state;
    for (int i = 0; i < 990; i++)
        stats_histogram_add(&histogram, 1000);
    for (int i = 0; i < 10; i++)
        stats_histogram_add(&histogram, 50000000);
    assert_int_equal(stats_histogram_total(&histogram), 1000);
    assert_int_equal(stats_read(&histogram.sum_ns), 990 * 1000 + 10 * UINT64_C(50000000));
    assert_true(stats_histogram_quantile_ns(&histogram, 0) >= 1000);
    assert_true(stats_histogram_quantile_ns(&histogram, 0.5) < 1126);
    assert_true(stats_histogram_quantile_ns(&histogram, 0.98) < 1126);
    /* No quantile is longer than the longest time. */
    assert_int_equal(stats_histogram_quantile_ns(&histogram, 0.999), 50000000);
    assert_int_equal(stats_histogram_quantile_ns(&histogram, 1.0), 50000000);
    assert_int_equal(stats_read(&histogram.max_ns), 50000000);
}

static void test_sums(void **state)
{
    static struct stats_histogram one, other, total;

    (void)state;
    stats_histogram_add(&one, 10);
    stats_histogram_add(&one, 1000);
    stats_histogram_add(&other, 1000);
    stats_histogram_add(&other, 70000);
    stats_histogram_sum(&total, &one);
    stats_histogram_sum(&total, &other);
    assert_int_equal(stats_histogram_total(&total), 4);
    assert_int_equal(stats_read(&total.count[stats_histogram_bucket(1000)]), 2);
    assert_int_equal(stats_read(&total.sum_ns), 72010);
    assert_int_equal(stats_read(&total.max_ns), 70000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_cover_all_times),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
