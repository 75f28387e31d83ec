/* HUP: a new generation beside the old one, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <signal.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/process/support/master_actors.h"

static void reload_replaces_the_renewed(void **state)
{
    struct daemon *d = master_actors_start("serve", "serve");

    (void)state;
    daemon_expect(d, "all ready");
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "generation 2 serves");
    daemon_await(d, "retired plan 0", 1);
    daemon_await(d, "term front", 2);
    /* indices of their own while the old ones drain */
    assert_int_equal(daemon_count(d, "ready front 2 of 2"), 1);
    assert_int_equal(daemon_count(d, "ready front 3 of 2"), 1);
    assert_true(daemon_is_order(d, "ready front 3 of 2", "term front 0 of 1"));
    assert_int_equal(daemon_count(d, "started writer"), 1);
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(daemon_count(d, "warning"), 0);
    assert_int_equal(daemon_count(d, "term writer 0 of 1"), 1);
    daemon_end(d);
}

static void bad_generation_is_undone(void **state)
{
    struct daemon *d = master_actors_start("serve", "crash");

    (void)state;
    daemon_expect(d, "all ready");
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "generation 2 did not become ready: going on as before");
    daemon_await(d, "retired plan 1", 1);
    assert_int_equal(daemon_count(d, "term front"), 0);
    assert_int_equal(daemon_count(d, "is started again in"), 0);
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(daemon_count(d, "term front 0 of 1"), 1);
    assert_int_equal(daemon_count(d, "term front 1 of 1"), 1);
    daemon_end(d);
}

static void refused_reload_changes_nothing(void **state)
{
    struct daemon *d = master_actors_start("serve", NULL);

    (void)state;
    daemon_expect(d, "all ready");
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "no reload");
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(daemon_count(d, "started front"), 2);
    daemon_end(d);
}

/* Children of the new generation move on: a service that dies later is of the new plan.
 */
static void kept_children_follow_the_new_plan(void **state)
{
    struct daemon *d = master_actors_start("serve", "inspect");

    (void)state;
    daemon_expect(d, "all ready");
    daemon_signal(d, SIGHUP);
    daemon_await(d, "retired plan 0", 1);
    kill(daemon_find_child(d, "writer"), SIGKILL);
    daemon_await(d, "ready writer 0", 2);
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(daemon_count(d, "started writer 0"), 2);
    daemon_end(d);
}

static int reloads(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_replaces_the_renewed),
        cmocka_unit_test(bad_generation_is_undone),
        cmocka_unit_test(refused_reload_changes_nothing),
        cmocka_unit_test(kept_children_follow_the_new_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return master_actors_main(argc, argv, reloads);
}
