/* HUP: a new generation beside the old one, and the way back; messages to systemd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/process/support/master_actors.h"

static void reload_replaces_the_renewed(void **state)
{
    struct daemon *d = master_actors_ready("serve", "serve");

    (void)state;
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "generation 2 serves");
    daemon_await(d, "retired plan 0", 1);
    daemon_await(d, "term front", 2);
    /* indices of their own while the old ones drain */
    assert_int_equal(daemon_count(d, "ready front 2 of 2"), 1);
    assert_int_equal(daemon_count(d, "ready front 3 of 2"), 1);
    assert_true(daemon_is_order(d, "ready front 3 of 2", "term front 0 of 1"));
    assert_int_equal(daemon_count(d, "started writer"), 1);
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "warning"), 0);
    assert_int_equal(daemon_count(d, "term writer 0 of 1"), 1);
    daemon_end(d);
}

static void bad_generation_is_undone(void **state)
{
    struct daemon *d = master_actors_ready("serve", "crash");

    (void)state;
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "generation 2 did not become ready: going on as before");
    daemon_await(d, "retired plan 1", 1);
    assert_int_equal(daemon_count(d, "term front"), 0);
    assert_int_equal(daemon_count(d, "is started again in"), 0);
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "term front 0 of 1"), 1);
    assert_int_equal(daemon_count(d, "term front 1 of 1"), 1);
    daemon_end(d);
}

static void refused_reload_changes_nothing(void **state)
{
    struct daemon *d = master_actors_ready("serve", NULL);

    (void)state;
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "no reload");
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "started front"), 2);
    daemon_end(d);
}

/* Children that a reload keeps belong to the new plan: one that dies is started from it.
 */
static void kept_children_follow_the_new_plan(void **state)
{
    struct daemon *d = master_actors_ready("serve", "inspect");

    (void)state;
    daemon_signal(d, SIGHUP);
    daemon_await(d, "retired plan 0", 1);
    kill(daemon_find_child(d, "writer"), SIGKILL);
    daemon_await(d, "ready writer 0", 2);
    master_actors_drain(d);
    assert_int_equal(daemon_count(d, "started writer 0"), 2);
    daemon_end(d);
}

/* Receives the next message to the service manager, and compares its start. */
static void expect_notice(int fd, const char *text)
{
    char notice[128] = "";

    assert_true(recv(fd, notice, sizeof notice - 1, 0) > 0);
    notice[strlen(text)] = '\0';
    assert_string_equal(notice, text);
}

static void service_manager_is_told(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof un;
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct daemon *d;

    (void)state;
    assert_int_equal(bind(manager, (struct sockaddr *)&un, sizeof un.sun_family), 0);
    assert_int_equal(getsockname(manager, (struct sockaddr *)&un, &len), 0);
    un.sun_path[0] = '@'; /* an abstract name */
    setenv("NOTIFY_SOCKET", un.sun_path, 1);
    d = master_actors_start("serve", "serve");
    unsetenv("NOTIFY_SOCKET");
    expect_notice(manager, "READY=1");
    daemon_signal(d, SIGHUP);
    expect_notice(manager, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notice(manager, "READY=1");
    daemon_signal(d, SIGHUP); /* this one is refused */
    expect_notice(manager, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notice(manager, "READY=1");
    daemon_signal(d, SIGTERM);
    expect_notice(manager, "STOPPING=1");
    assert_int_equal(daemon_wait(d), 0);
    daemon_end(d);
    close(manager);
}

static void watchdog_is_fed(void **state)
{
    char path[] = "/tmp/offloop-notify-XXXXXX", socket_path[64];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct daemon *d;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(socket_path, sizeof socket_path, "%s/notify", path);
    strcpy(un.sun_path, socket_path);
    assert_int_equal(bind(manager, (struct sockaddr *)&un, sizeof un), 0);
    setenv("NOTIFY_SOCKET", socket_path, 1);
    setenv("WATCHDOG_USEC", "10000", 1);
    d = master_actors_start("serve", NULL);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    expect_notice(manager, "WATCHDOG=1");
    daemon_expect(d, "all ready");
    for (int fed = 0; fed < 5;) {
        char notice[128] = "";

        assert_true(recv(manager, notice, sizeof notice - 1, 0) > 0);
        fed += strcmp(notice, "WATCHDOG=1") == 0;
    }
    master_actors_end(d);
    close(manager);
    unlink(socket_path);
    rmdir(path);
}

static int reloads(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_replaces_the_renewed),
        cmocka_unit_test(bad_generation_is_undone),
        cmocka_unit_test(refused_reload_changes_nothing),
        cmocka_unit_test(kept_children_follow_the_new_plan),
        cmocka_unit_test(service_manager_is_told),
        cmocka_unit_test(watchdog_is_fed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return master_actors_main(argc, argv, reloads);
}
