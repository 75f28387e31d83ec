/* News of connections, in every order that nng's threads may tell them. */
#include "worker/nng_faults/pipe_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_comes_is_here_until_it_goes(void **state)
{
    struct pipe_order pipe_order = {0};

    (void)state;
    pipe_order_note_coming(&pipe_order, 7);
    assert_true(pipe_order_is_here(&pipe_order, 7));
    pipe_order_note_gone(&pipe_order, 7);
    assert_false(pipe_order_is_here(&pipe_order, 7));
}

static void what_went_before_it_came_is_not_here(void **state)
{
    struct pipe_order pipe_order = {0};

    (void)state;
    pipe_order_note_coming(&pipe_order, 7);
    pipe_order_note_gone(&pipe_order, 7);
    assert_false(pipe_order_is_here(&pipe_order, 7)); /* told to have come only now */
}

static void old_news_does_not_push_out_the_next(void **state)
{
    struct pipe_order pipe_order = {0};

    (void)state;
    pipe_order_note_coming(&pipe_order, 7);
    pipe_order_note_coming(&pipe_order, 8);
    pipe_order_note_gone(&pipe_order, 7);
    pipe_order_note_coming(&pipe_order, 9);
    pipe_order_note_gone(&pipe_order, 8); /* the last that went is not 7 any more */
    assert_false(pipe_order_is_here(&pipe_order, 7));
    assert_false(pipe_order_is_here(&pipe_order, 8));
    assert_true(pipe_order_is_here(&pipe_order, 9));
}

static void late_farewells_leave_the_next_one_here(void **state)
{
    struct pipe_order pipe_order = {0};

    (void)state;
    pipe_order_note_coming(&pipe_order, 7);
    pipe_order_note_coming(&pipe_order, 8);
    assert_true(pipe_order_is_here(&pipe_order, 8));
    pipe_order_note_gone(&pipe_order, 7);
    assert_true(pipe_order_is_here(&pipe_order, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_here_until_it_goes),
        cmocka_unit_test(what_went_before_it_came_is_not_here),
        cmocka_unit_test(old_news_does_not_push_out_the_next),
        cmocka_unit_test(late_farewells_leave_the_next_one_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
