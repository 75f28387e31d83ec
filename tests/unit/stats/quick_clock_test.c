/* The cycle counter as a clock. */
#include "server/stats/quick_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

/* A call that took longer was interrupted: the clock may be off by as much. */
#define QUICK_NS (50 * NS_PER_US)

/* Between two readings of the real clock. What the counter adds to the last sync may be
   wrong by a half, which is less than any wrong scale gives, and the sync by QUICK_NS. */
static void check_now(const struct quick_clock *clock)
{
    uint64_t before = clock_now_ns(), now = quick_clock_now_ns(clock),
             after = clock_now_ns();
    uint64_t off = (after - clock->ns) / 2 + QUICK_NS;

    assert_true(now + off >= before);
    assert_true(now <= after + off);
}

/* Starts a clock and follows it. Returns false where a call was interrupted, after which
   the speed of the counter is not known well. */
static bool follow(struct quick_clock *clock)
{
    uint64_t before = clock_now_ns();

    quick_clock_start(clock);
    if (clock_now_ns() - before > QUICK_NS)
        return false;
    check_now(clock); /* the real one still */
    for (int i = 0; i < 30; i++) {
        usleep(1000);
        before = clock_now_ns();
        assert_true(quick_clock_sync(clock) == clock->ns);
        if (clock_now_ns() - before > QUICK_NS)
            return false;
        check_now(clock);
        usleep(1000);
        check_now(clock);
    }
    return true;
}

static void test_follows_the_real_clock(void **state)
{
    struct quick_clock clock;
    unsigned attempts = 0;

    (void)state;
    while (!follow(&clock))
        assert_true(++attempts < 200);
}

static void test_never_before_the_last_sync(void **state)
{
    struct quick_clock clock;

    (void)state;
    quick_clock_start(&clock);
    usleep(20000);
    for (int i = 0; i < 100000; i++) {
        uint64_t synced = quick_clock_sync(&clock);

        assert_true(quick_clock_now_ns(&clock) >= synced);
    }
}

/* A counter that jumps (a machine that was moved) is not believed. */
static void test_jumps(void **state)
{
    struct quick_clock clock;

    (void)state;
    quick_clock_start(&clock);
    usleep(20000);
    (void)quick_clock_sync(&clock);
    if (clock.scale == 0)
        skip(); /* no counter here */
    clock.cycles = UINT64_MAX;
    assert_int_equal(quick_clock_now_ns(&clock), clock.ns);
    clock.cycles = 0; /* as if it had gone on for years */
    clock.ns = 1;
    check_now(&clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_the_real_clock),
        cmocka_unit_test(test_never_before_the_last_sync),
        cmocka_unit_test(test_jumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
