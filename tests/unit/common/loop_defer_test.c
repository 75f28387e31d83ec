/* Work put off: it runs once, in a later turn, and not after its end. */
#include "common/loop/loop_defer.h"

#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static struct ev_loop *loop;
static struct loop_defer *later;
static unsigned runs;

static void count(void *ctx)
{
    assert_ptr_equal(ctx, &runs);
    if (++runs == 1)
        loop_defer_ask(later, 0); /* again: in another turn */
}

static int set_up(void **state)
{
    (void)state;
    loop = ev_loop_new(0);
    later = loop_defer_create(loop, count, &runs);
    runs = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_defer_destroy(&later);
    assert_null(later);
    loop_defer_destroy(&later);
    ev_loop_destroy(loop);
    return 0;
}

static void test_runs_once_for_each_asking(void **state)
{
    (void)state;
    loop_defer_ask(later, 0);
    loop_defer_ask(later, 0);
    assert_int_equal(runs, 0); /* never from within the call */
    ev_run(loop, EVRUN_ONCE);
    assert_int_equal(runs, 1);
    ev_run(loop, 0); /* ends when there is no request */
    assert_int_equal(runs, 2);
}

static void test_the_sooner_one_counts(void **state)
{
    (void)state;
    runs = 1;
    loop_defer_ask(later, 3600000);
    loop_defer_ask(later, 0);
    loop_defer_ask(later, 3600000);
    ev_run(loop, 0);
    assert_int_equal(runs, 2);
}

static void test_destroyed_while_asked(void **state)
{
    (void)state;
    loop_defer_ask(later, 0);
    loop_defer_destroy(&later);
    ev_run(loop, 0);
    assert_int_equal(runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs_once_for_each_asking, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_sooner_one_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroyed_while_asked, set_up, tear_down)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
