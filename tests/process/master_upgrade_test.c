/* USR2: another binary in the place of this one, and the way back; hung children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/process/handover.h"
#include "tests/process/support/master_actors.h"

static void upgrade_replaces_everything(void **state)
{
    struct daemon *d = master_actors_upgrade(NULL, "serve");

    (void)state;
    daemon_expect(d, "upgraded: generation 2 serves");
    daemon_await(d, "term writer 0 of 1", 1);
    /* all new children are ready before an old one ends, except for the gate */
    assert_true(daemon_is_order(d, "ready front 3 of 2", "term gate 0 of 1"));
    assert_true(daemon_is_order(d, "term gate 0 of 1", "started gate 1 of 2"));
    assert_true(daemon_is_order(d, "ready gate 1 of 2", "term front 0 of 1"));
    assert_true(daemon_is_order(d, "term front 1 of 1", "term writer 0 of 1"));
    assert_int_equal(daemon_count(d, "ready writer 1 of 2"), 1);
    assert_int_equal(daemon_count(d, "all ready"), 2);
    assert_int_equal(daemon_count(d, "warning"), 0);
    master_actors_end(d);
}

/* The successor works as any other master: it restarts, reloads and upgrades. */
static void successor_goes_on(void **state)
{
    struct daemon *d = master_actors_upgrade(NULL, "serve");

    (void)state;
    daemon_expect(d, "upgraded: generation 2 serves");
    daemon_await(d, "term writer 0 of 1", 1);
    kill(daemon_find_child(d, "writer"), SIGKILL);
    daemon_await(d, "ready writer 1 of 2", 2);
    daemon_signal(d, SIGHUP);
    daemon_await(d, "generation 3 serves", 1);
    daemon_await(d, "retired plan 0", 1);
    assert_int_equal(daemon_count(d, "term writer"), 1); /* a reload keeps it */
    master_actors_end(d);
}

static void upgrades_follow_each_other(void **state)
{
    char line[64];
    struct daemon *d = master_actors_upgrade(NULL, "serve");

    (void)state;
    daemon_expect(d, "upgraded: generation 2 serves");
    for (int generation = 3; generation < 12; generation++) {
        daemon_signal(d, SIGUSR2);
        snprintf(line, sizeof line, "upgraded: generation %d serves", generation);
        daemon_expect(d, line);
    }
    daemon_await(d, "term front", 20);
    daemon_await(d, "term writer", 10);
    assert_int_equal(daemon_count(d, "warning"), 0);
    master_actors_end(d);
}

static void missing_binary_changes_nothing(void **state)
{
    struct daemon *d = master_actors_upgrade("/nonexistent/offloop", "serve");

    (void)state;
    daemon_expect(d, "/nonexistent/offloop: No such file or directory");
    daemon_expect(d, "generation 2 did not become ready");
    assert_int_equal(daemon_count(d, "term "), 0);
    master_actors_end(d);
}

static void binary_that_ends_at_once_changes_nothing(void **state)
{
    struct daemon *d = master_actors_upgrade("/bin/false", "serve");

    (void)state;
    daemon_expect(d, "generation 2 did not become ready");
    assert_int_equal(daemon_count(d, "term "), 0);
    master_actors_end(d);
}

static void binary_whose_fronts_crash_is_undone(void **state)
{
    struct daemon *d = master_actors_upgrade(NULL, "crash");

    (void)state;
    daemon_expect(d, "generation 2 did not become ready");
    daemon_await(d, "retired plan 1", 1);
    daemon_await(d, "term writer 1 of 2", 1);
    assert_int_equal(daemon_count(d, "term front 0 of 1"), 0);
    assert_int_equal(daemon_count(d, "term gate"), 0);
    master_actors_end(d);
}

/* A child that dies after it was ready, but before all others are, undoes the change. */
static void death_after_ready_undoes_too(void **state)
{
    struct daemon *d = master_actors_upgrade(NULL, "ready-crash");

    (void)state;
    daemon_expect(d, "generation 2 did not become ready");
    assert_int_equal(daemon_count(d, "upgraded"), 0);
    master_actors_end(d);
}

/* The gate is replaced last; where that fails, the old one comes back. */
static void gate_that_fails_gives_way_to_the_old_one(void **state)
{
    struct daemon *d = master_actors_upgrade(NULL, "gate-crash");

    (void)state;
    daemon_expect(d, "generation 2 did not become ready");
    daemon_await(d, "ready gate", 2);
    assert_true(daemon_is_order(d, "term gate 0 of 1", "did not become ready"));
    daemon_await(d, "term front 2 of 2", 1); /* drained: they may have had clients */
    daemon_await(d, "term front 3 of 2", 1);
    daemon_await(d, "term writer 1 of 2", 1);
    assert_int_equal(daemon_count(d, "term front 0 of 1"), 0);
    assert_int_equal(daemon_count(d, "term writer 0 of 1"), 0);
    master_actors_end(d);
}

static void without_upgrades_it_is_ignored(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    daemon_signal(d, SIGUSR2);
    daemon_expect(d, "this daemon has no upgrade by SIGUSR2");
    master_actors_end(d);
}

/* The fronts of this scenario send a sign of life once, and then no more. */
static void hung_children_are_killed(void **state)
{
    struct daemon *d = master_actors_ready("silent", NULL);

    (void)state;
    daemon_await(d, "gives no sign of life and is killed", 2);
    daemon_await(d, "ended: SIGKILL", 2);
    daemon_await(d, "is started again in", 2);
    master_actors_end(d);
}

static void busy_children_have_longer(void **state)
{
    struct daemon *d = master_actors_ready("busy", NULL);

    (void)state;
    daemon_await(d, "gives no sign of life", 2);
    assert_int_equal(daemon_count(d, "writer 0 (pid"), 1);
    assert_int_equal(daemon_count(d, "front 0 (pid"), 1);
    assert_int_equal(daemon_count(d, "front 1 (pid"), 0);
    master_actors_end(d);
}

static void failed_exec_leaves_everything(void **state)
{
    struct handover *handover = handover_create(), *taken;
    char *argv[] = {(char *)(uintptr_t) "x", NULL};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    handover_put(handover, "key", "%d", 7);
    handover_keep_fd(handover, fd);
    assert_int_equal(handover_exec(handover, "/nonexistent/offloop", argv), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(handover_take(&taken), 0);
    assert_null(taken);
    assert_string_equal(handover_get(handover, "key", 0), "7");
    assert_null(handover_get(handover, "key", 1));
    assert_null(handover_get(handover, "ke", 0));
    handover_destroy(&handover);
    assert_null(handover);
    close(fd);
}

static void foreign_handover_is_refused(void **state)
{
    static const char *const bad[] = {"",     "x",    "1",     "999 3",
                                      "-1 3", "2 -1", "2 999", "2 3x"};
    struct handover *taken;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("OFFLOOP_HANDOVER", bad[i], 1);
        assert_int_equal(handover_take(&taken), -1);
        assert_null(taken);
        assert_null(getenv("OFFLOOP_HANDOVER"));
    }
}

static int upgrades(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upgrade_replaces_everything),
        cmocka_unit_test(successor_goes_on),
        cmocka_unit_test(upgrades_follow_each_other),
        cmocka_unit_test(missing_binary_changes_nothing),
        cmocka_unit_test(binary_that_ends_at_once_changes_nothing),
        cmocka_unit_test(binary_whose_fronts_crash_is_undone),
        cmocka_unit_test(death_after_ready_undoes_too),
        cmocka_unit_test(gate_that_fails_gives_way_to_the_old_one),
        cmocka_unit_test(without_upgrades_it_is_ignored),
        cmocka_unit_test(hung_children_are_killed),
        cmocka_unit_test(busy_children_have_longer),
        cmocka_unit_test(failed_exec_leaves_everything),
        cmocka_unit_test(foreign_handover_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return master_actors_main(argc, argv, upgrades);
}
