/* The shared counters and the loop's accounting. */
#include "server/stats/stats.h"

#include <errno.h>
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/stats/loop.h"

static void test_shared_by_processes(void **state)
{
    int fd = stats_create_fd(2), status;
    struct stats *stats = stats_open(fd);
    pid_t child;

    (void)state;
    assert_non_null(stats);
    assert_int_equal(stats_fronts(stats), 2);
    child = fork();
    if (child == 0) {
        struct stats *mine = stats_open(fd);

        stats_add(&stats_slot(mine, 1)->codec_runs, 3);
        stats_set(&stats_slot(mine, 1)->queue_depth, 7);
        stats_close(&mine);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(stats_read(&stats_slot(stats, 1)->codec_runs), 3);
    assert_int_equal(stats_read(&stats_slot(stats, 1)->queue_depth), 7);
    assert_int_equal(stats_read(&stats_slot(stats, 0)->codec_runs), 0);
    stats_close(&stats);
    assert_null(stats);
    close(fd);
}

static void test_foreign_memory_is_refused(void **state)
{
    char garbage[sizeof(struct stats_front) * 2];
    int fd = memfd_create("garbage", MFD_CLOEXEC);

    (void)state;
    assert_null(stats_open(fd));
    memset(garbage, 0x5a, sizeof garbage);
    assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
    assert_null(stats_open(fd));
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_null(stats_open(fd));
}

static void test_buckets_cover_all_times(void **state)
{
    (void)state;
    for (unsigned bucket = 0; bucket + 1 < STATS_AWAY_BUCKETS; bucket++) {
        uint64_t bound = stats_away_bound_ns(bucket);

        assert_int_equal(stats_away_bucket(bound), bucket);
        assert_int_equal(stats_away_bucket(bound + 1), bucket + 1);
    }
    assert_int_equal(stats_away_bucket(UINT64_MAX), STATS_AWAY_BUCKETS - 1);
    /* 18 minutes and more are within reach, 12.5 % is the resolution. */
    assert_true(stats_away_bound_ns(STATS_AWAY_BUCKETS - 1) > UINT64_C(1000000000000));
    assert_true(stats_away_bound_ns(stats_away_bucket(1000000)) < 1125000);
}

static void test_quantiles(void **state)
{
    static struct stats_front slot;

    (void)state;
    assert_int_equal(stats_away_quantile_ns(&slot, 0.5), 0);
    for (int i = 0; i < 990; i++)
        stats_add(&slot.away[stats_away_bucket(1000)], 1);
    for (int i = 0; i < 10; i++)
        stats_add(&slot.away[stats_away_bucket(50000000)], 1);
    assert_true(stats_away_quantile_ns(&slot, 0.5) >= 1000);
    assert_true(stats_away_quantile_ns(&slot, 0.5) < 1126);
    assert_true(stats_away_quantile_ns(&slot, 0.98) < 1126);
    assert_true(stats_away_quantile_ns(&slot, 0.999) >= 50000000);
    assert_true(stats_away_quantile_ns(&slot, 1.0) < 56250000);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    enum stats_phase was = stats_phase_enter(STATS_ENCODE);

    (void)events;
    assert_int_equal(was, STATS_HTTP);
    assert_int_equal(stats_phase_enter(was), STATS_ENCODE);
    if (--*(int *)timer->data == 0)
        ev_break(loop, EVBREAK_ALL);
}

static void test_loop_is_accounted(void **state)
{
    static struct stats_front slot;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer timer;
    int turns = 5;
    uint64_t counted = 0;

    (void)state;
    assert_int_equal(stats_phase_enter(STATS_STORE), STATS_POLL);
    stats_loop_watch(loop, &slot);
    ev_timer_init(&timer, on_timer, 0.001, 0.001);
    timer.data = &turns;
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    stats_loop_unwatch(loop);
    for (unsigned i = 0; i < STATS_AWAY_BUCKETS; i++)
        counted += stats_read(&slot.away[i]);
    assert_true(counted >= 5);
    assert_int_equal(stats_read(&slot.loop_turns), counted);
    assert_true(stats_read(&slot.phase_ns[STATS_POLL]) > 0);
    assert_true(stats_read(&slot.phase_ns[STATS_ENCODE]) > 0);
    assert_true(stats_read(&slot.loop_cpu_ns) > 0);
    assert_true(stats_read(&slot.away_max_ns) > 0);
    ev_timer_stop(loop, &timer);
    ev_loop_destroy(loop);
}

static void test_labels(void **state)
{
    (void)state;
    assert_string_equal(stats_phase_label(STATS_WRITE), "write");
    assert_string_equal(stats_route_label(STATS_ROUTE_OTHER), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_by_processes),
        cmocka_unit_test(test_foreign_memory_is_refused),
        cmocka_unit_test(test_buckets_cover_all_times),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_loop_is_accounted),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
