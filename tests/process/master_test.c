/* The master starts its children in order, keeps them alive and stops them in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "tests/process/support/master_actors.h"

static void term_drains_in_order(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    assert_int_equal(daemon_count(d, "ready front"), 2);
    assert_true(daemon_is_order(d, "ready writer 0", "started front 0"));
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "term front"), 2);
    assert_int_equal(daemon_count(d, "term writer"), 1);
    assert_true(daemon_is_order(d, "drain begins", "term front"));
    assert_true(daemon_is_order(d, "term front 0", "term writer 0"));
    assert_true(daemon_is_order(d, "term front 1", "term writer 0"));
    assert_int_equal(daemon_count(d, "warning"), 0);
    daemon_end(d);
}

static void int_drains_and_again_changes_nothing(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    daemon_signal(d, SIGINT);
    daemon_signal(d, SIGTERM);
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "term "), 3);
    assert_int_equal(daemon_count(d, "drain begins"), 1);
    daemon_end(d);
}

/* The log has the pauses: 100 ms, then doubled, for each child separately. */
static void crash_loop_backs_off(void **state)
{
    static const char *const pauses[] = {"in 100 ms", "in 200 ms", "in 400 ms"};
    struct daemon *d = master_actors_start("crash", NULL);

    (void)state;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        daemon_expect(d, pauses[i]);
        assert_true(daemon_count(d, "started front 0") <= i + 2);
        assert_true(daemon_count(d, "started front 1") <= i + 2);
    }
    assert_int_equal(daemon_count(d, "in 800 ms"), 0);
    assert_true(daemon_count(d, "ended: SIGABRT") >= 3);
    assert_int_equal(daemon_count(d, "all ready"), 0);
    master_actors_drain(d); /* in a pause there is no process to wait for */
    assert_int_equal(daemon_count(d, "started writer"), 1);
    daemon_end(d);
}

static void ready_but_useless_backs_off_too(void **state)
{
    struct daemon *d = master_actors_start("ready-crash", NULL);

    (void)state;
    daemon_expect(d, "front 0 is started again in 100 ms");
    daemon_expect(d, "front 0 is started again in 200 ms");
    assert_true(daemon_count(d, "ended: exit status 3") >= 2);
    master_actors_end(d);
}

static void restart_is_at_once_after_work(void **state)
{
    struct daemon *d = master_actors_start("did-crash", NULL);

    (void)state;
    for (int i = 0; i < 40; i++)
        daemon_expect(d, "started front");
    assert_int_equal(daemon_count(d, "is started again in"), 0);
    assert_true(daemon_count(d, "ended: exit status 3") > 30);
    master_actors_end(d);
}

static void retiring_is_no_news(void **state)
{
    struct daemon *d = master_actors_start("retire", NULL);

    (void)state;
    for (int i = 0; i < 20; i++)
        daemon_expect(d, "started front 1");
    assert_int_equal(daemon_count(d, "ended:"), 0);
    assert_int_equal(daemon_count(d, "is started again in"), 0);
    master_actors_end(d);
}

static void killed_service_comes_back(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    kill(daemon_find_child(d, "writer"), SIGKILL);
    daemon_expect(d, "writer 0 (pid");
    daemon_expect(d, "writer 0 is started again in 100 ms");
    daemon_expect(d, "ready writer 0");
    assert_int_equal(daemon_count(d, "started front"), 2);
    assert_int_equal(daemon_count(d, "all ready"), 1);
    master_actors_end(d);
}

static void children_end_with_their_master(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    daemon_signal(d, SIGKILL);
    assert_int_equal(daemon_wait(d), -SIGKILL);
    assert_int_equal(daemon_count(d, "orphan front"), 2);
    assert_int_equal(daemon_count(d, "orphan writer"), 1);
    for (int i = 0; i < 3; i++)
        assert_true(waitpid(-1, NULL, 0) >
                    0); /* orphans are reparented to this process */
    daemon_end(d);
}

/* While fronts drain, the services that they need are kept alive. */
static void service_comes_back_in_a_drain(void **state)
{
    struct daemon *d;

    (void)state;
    setenv("MASTER_TEST_PATIENT", "1", 1);
    d = master_actors_ready("stuck", NULL);
    unsetenv("MASTER_TEST_PATIENT");
    daemon_signal(d, SIGTERM);
    daemon_expect(d, "drain begins");
    kill(daemon_find_child(d, "writer"), SIGKILL);
    daemon_await(d, "ready writer 0", 2);
    daemon_signal(d, SIGINT);
    daemon_signal(d, SIGINT); /* two equal signals may arrive as one */
    while (daemon_count(d, "interrupted again") == 0 && daemon_find_child(d, "front"))
        daemon_signal(d, SIGINT);
    assert_int_equal(daemon_wait(d), 0);
    daemon_end(d);
}

static void stuck_child_is_killed(void **state)
{
    struct daemon *d = master_actors_ready("stuck", NULL);

    (void)state;
    master_actors_drain(d);
    assert_true(daemon_count(d, "has not drained in time and is killed") >= 2);
    assert_true(daemon_is_order(d, "is killed", "term writer 0"));
    daemon_end(d);
}

static void second_interrupt_kills(void **state)
{
    struct daemon *d;

    (void)state;
    setenv("MASTER_TEST_PATIENT", "1", 1);
    d = master_actors_ready("stuck", NULL);
    unsetenv("MASTER_TEST_PATIENT");
    daemon_signal(d, SIGINT);
    daemon_expect(d, "drain begins");
    daemon_signal(d, SIGINT);
    assert_int_equal(daemon_wait(d), 0);
    assert_int_equal(daemon_count(d, "interrupted again"), 1);
    assert_int_equal(daemon_count(d, "ended: SIGKILL"), 3);
    daemon_end(d);
}

static void failure_to_start_ends_the_daemon(void **state)
{
    struct daemon *d = master_actors_start("fail-start", NULL);

    (void)state;
    assert_int_equal(daemon_wait(d), EXIT_FATAL);
    assert_int_equal(daemon_count(d, "all ready"), 0);
    assert_int_equal(daemon_count(d, "is started again in"), 0);
    assert_int_equal(daemon_count(d, "term writer 0"), 1);
    assert_true(daemon_count(d, "ended: exit status 1") >= 1);
    daemon_end(d);
}

/* A child has what spawn.h says and nothing else, even if the master inherited more. */
static void children_inherit_what_is_written(void **state)
{
    struct daemon *d;
    int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 40);

    (void)state;
    assert_true(leak >= 0 && high >= 40);
    setenv("OFFLOOP_SERVER_QUEUE", "1", 1);
    setenv("MASTER_TEST", "kept", 1);
    d = master_actors_start("inspect", NULL);
    assert_string_equal(daemon_expect(d, "fds"), "fds 0 1 2 3 4 5 6 7 8");
    assert_string_equal(daemon_expect(d, "variables"), "variables 0 kept");
    assert_string_equal(daemon_expect(d, "signals"),
                        "signals SigBlk:\t0000000000000000 Name:\toffloop-front");
    assert_string_equal(daemon_expect(d, "ignored"), "ignored 1111 0");
    unsetenv("OFFLOOP_SERVER_QUEUE");
    close(leak);
    close(high);
    daemon_expect(d, "all ready");
    master_actors_end(d);
}

static int supervision(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(term_drains_in_order),
        cmocka_unit_test(int_drains_and_again_changes_nothing),
        cmocka_unit_test(crash_loop_backs_off),
        cmocka_unit_test(ready_but_useless_backs_off_too),
        cmocka_unit_test(restart_is_at_once_after_work),
        cmocka_unit_test(retiring_is_no_news),
        cmocka_unit_test(killed_service_comes_back),
        cmocka_unit_test(children_end_with_their_master),
        cmocka_unit_test(service_comes_back_in_a_drain),
        cmocka_unit_test(stuck_child_is_killed),
        cmocka_unit_test(second_interrupt_kills),
        cmocka_unit_test(failure_to_start_ends_the_daemon),
        cmocka_unit_test(children_inherit_what_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return master_actors_main(argc, argv, supervision);
}
