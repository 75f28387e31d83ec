/* Closings happen elsewhere, in order, and never hold up the end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/rpc/reaper.h"

static unsigned closed[3];
static unsigned closed_count;
static pthread_t closed_by;

static void note_closed(void *object)
{
    closed_by = pthread_self();
    closed[closed_count++] = (unsigned)(uintptr_t)object;
}

static void closes_in_order_on_its_own_thread(void **state)
{
    struct reaper *reaper = reaper_create();

    (void)state;
    for (uintptr_t i = 0; i < 3; i++)
        reaper_add(reaper, note_closed, (void *)(i + 10));
    assert_true(reaper_destroy(&reaper, 20000));
    assert_null(reaper);
    assert_int_equal(closed_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(closed[i], i + 10);
    assert_false(pthread_equal(closed_by, pthread_self()));
}

static void without_work_there_is_no_thread(void **state)
{
    struct reaper *reaper = reaper_create();

    (void)state;
    assert_true(reaper_destroy(&reaper, 0));
}

/* Reads until the test closes the other end. */
static void hang(void *object)
{
    char byte;

    (void)!read(*(int *)object, &byte, 1);
}

/* It is seen how long one hangs, and that it is over. */
static void a_closing_that_hangs_is_seen(void **state)
{
    static int ends[2];
    struct reaper *reaper = reaper_create();
    uint64_t busy_ns;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(reaper_busy_ns(reaper), 0);
    reaper_add(reaper, hang, &ends[0]);
    while ((busy_ns = reaper_busy_ns(reaper)) == 0)
        usleep(1000);
    while (reaper_busy_ns(reaper) <= busy_ns) /* the same one still */
        usleep(1000);
    close(ends[1]);
    while (reaper_busy_ns(reaper) != 0)
        usleep(1000);
    assert_true(reaper_destroy(&reaper, 20000));
    close(ends[0]);
}

static void a_closing_that_hangs_is_left(void **state)
{
    static struct reaper *volatile kept; /* what is left to the process is no leak */
    static int ends[2];
    struct reaper *reaper = reaper_create();

    (void)state;
    kept = reaper;
    assert_non_null(kept);
    assert_int_equal(pipe(ends), 0);
    reaper_add(reaper, hang, &ends[0]);
    assert_false(reaper_destroy(&reaper, 10));
    assert_null(reaper);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_in_order_on_its_own_thread),
        cmocka_unit_test(without_work_there_is_no_thread),
        cmocka_unit_test(a_closing_that_hangs_is_seen),
        cmocka_unit_test(a_closing_that_hangs_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
