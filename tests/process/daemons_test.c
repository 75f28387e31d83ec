/*
 * offloop-server and offloop-worker as programs: what they print, how they
 * end, and what happens when two want the same place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/address/endpoint.h"
#include "tests/process/support/daemon.h"

static char server[512], worker[512];
static char dir[] = "/tmp/offloop-daemons-XXXXXX";
static char store[64], client[64];

static int set_up(void **state)
{
    const char *build = getenv("OFFLOOP_BUILD");

    (void)state;
    if (build == NULL || mkdtemp(dir) == NULL)
        return -1;
    snprintf(server, sizeof server, "%s/offloop-server", build);
    snprintf(worker, sizeof worker, "%s/offloop-worker", build);
    snprintf(store, sizeof store, "--store=lmdb:%s/data", dir);
    snprintf(client, sizeof client, "--listen=unix:%s/http.sock", dir);
    setenv("RUNTIME_DIRECTORY", dir, 1);
    daemon_adopt_orphans();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

#define START(...) daemon_start((const char *const[]){__VA_ARGS__, NULL})

static struct daemon *start_server(const char *flag)
{
    return START(server, store, "--listen=127.0.0.1:0", "--admin=off", flag);
}

static void drain(struct daemon *d)
{
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
    daemon_end(d);
}

/* Connects to an address as a listener's line names it. */
static int connect_to(const char *text)
{
    struct endpoint endpoint;
    const char *expected;
    int fd;

    assert_int_equal(endpoint_parse(text, &endpoint, &expected), 0);
    fd = socket(endpoint.socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &endpoint.socket.any, endpoint.len) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Sends a request and returns the first digit of the status. */
static char ask(const char *address, const char *request)
{
    char reply[13] = "";
    int fd = connect_to(address);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    assert_int_equal(recv(fd, reply, 12, MSG_WAITALL), 12);
    close(fd);
    return reply[9];
}

static void names_its_listeners(void **state)
{
    struct daemon *d = START(server, store, "--listen=127.0.0.1:0", client,
                             "--listen=127.0.0.1:0", "--admin=127.0.0.1:0");
    char first[64], second[64], admin[64];

    (void)state;
    assert_int_equal(sscanf(daemon_expect(d, "listening on http://"),
                            "offloop-server: listening on http://%63s", first),
                     1);
    daemon_expect(d, "offloop-server: listening on unix:/tmp/offloop-daemons-");
    assert_int_equal(sscanf(daemon_expect(d, "listening on http://"),
                            "offloop-server: listening on http://%63s", second),
                     1);
    assert_int_equal(sscanf(daemon_expect(d, "operations on http://"),
                            "offloop-server: operations on http://%63s", admin),
                     1);
    assert_string_not_equal(first, second);
    assert_int_equal(ask(first, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    assert_int_equal(ask(second, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    assert_int_equal(ask(client + 9, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    assert_int_equal(ask(admin, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    drain(d);
    assert_int_equal(connect_to(first), -1);
    assert_int_equal(access(client + 9 + 5, F_OK), -1); /* its file is gone */
}

/* The second says in one line what is wrong and exits 1. */
static void one_place_has_one_server(void **state)
{
    struct daemon *d = START(server, store, client, "--admin=off");
    char command[1024], line[256] = "";
    FILE *second;
    int status;

    (void)state;
    daemon_expect(d, "listening on");
    snprintf(command, sizeof command, "%s %s --admin=off %s --rpc=ipc://%s/other 2>&1",
             server, client, store, dir);
    second = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, second));
    assert_non_null(strstr(line, "fatal: cannot listen on unix:/tmp/offloop-daemons-"));
    assert_non_null(strstr(line, "Address already in use\n"));
    assert_null(fgets(line, sizeof line, second));
    status = pclose(second);
    assert_int_equal(WEXITSTATUS(status), 1);
    drain(d);
}

static void socket_of_a_killed_server_is_taken(void **state)
{
    struct daemon *d = START(server, store, client, "--admin=off");

    (void)state;
    daemon_expect(d, "listening on");
    daemon_signal(d, SIGKILL);
    assert_int_equal(daemon_wait(d), -SIGKILL);
    daemon_destroy(&d);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert_int_equal(access(client + 9 + 5, F_OK), 0);
    d = START(server, store, client, "--admin=off");
    daemon_expect(d, "listening on");
    drain(d);
}

static void bad_flag_is_status_2(void **state)
{
    struct daemon *d = start_server("--queue=none");

    (void)state;
    daemon_expect(d, "offloop-server: --queue: \"none\" is not a number");
    assert_int_equal(daemon_wait(d), 2);
    daemon_end(d);
    d = START(worker, "--memory=5");
    daemon_expect(d, "offloop-worker: --memory: \"5\" is not a size");
    assert_int_equal(daemon_wait(d), 2);
    daemon_end(d);
}

static void texts_are_status_0(void **state)
{
    static const char *const cases[][2] = {{"--help", "Usage: offloop-"},
                                           {"--version", " " OFFLOOP_VERSION},
                                           {"--check-config", "configuration is valid"},
                                           {"--dump-config", "processes = "}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int w = 0; w < 2; w++) {
            struct daemon *d = START(w ? worker : server, cases[i][0]);

            daemon_expect(d, cases[i][1]);
            assert_int_equal(daemon_wait(d), 0);
            daemon_end(d);
        }
}

static void store_that_cannot_be_is_fatal(void **state)
{
    struct daemon *d =
        START(server, "--store=lmdb:/dev/null/x", "--listen=127.0.0.1:0", "--admin=off");

    (void)state;
    assert_int_equal(daemon_wait(d), 1);
    assert_int_equal(daemon_count(d, "listening on"), 0);
    assert_int_equal(daemon_count(d, "is started again"), 0);
    daemon_end(d);
}

static void store_check_counts(void **state)
{
    struct daemon *d = start_server("--check-store");

    (void)state;
    daemon_expect(d, " 0 damaged");
    assert_int_equal(daemon_wait(d), 0);
    daemon_end(d);
}

static void workers_are_named_and_drain(void **state)
{
    struct daemon *d = START(worker, "--processes=3");

    (void)state;
    daemon_expect(d, "offloop-worker: 3 workers connect to ipc:///tmp/offloop-daemons-");
    drain(d);
}

static void reload_keeps_serving(void **state)
{
    struct daemon *d;
    char path[64], flag[80], address[64];
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/conf", dir);
    snprintf(flag, sizeof flag, "--config=%s", path);
    file = fopen(path, "w");
    fputs("queue = 5\n", file);
    fclose(file);
    d = start_server(flag);
    assert_int_equal(sscanf(daemon_expect(d, "listening on"),
                            "offloop-server: listening on http://%63s", address),
                     1);
    file = fopen(path, "w");
    fputs("queue = lots\n", file);
    fclose(file);
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "conf:1: queue: \"lots\" is not a number");
    daemon_expect(d, "the configuration is not reloaded");
    assert_int_equal(ask(address, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    file = fopen(path, "w");
    fputs("queue = 6\nlisten = 127.0.0.1:0\n", file);
    fclose(file);
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "generation 2 serves");
    assert_int_equal(ask(address, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    file = fopen(path, "w");
    fputs("lmdb-sync = off\n", file);
    fclose(file);
    daemon_signal(d, SIGHUP);
    daemon_expect(d, "--lmdb-sync cannot change while the server runs");
    drain(d);
}

/* A socket that a service manager opened serves for the address it is bound to. */
static void inherited_socket_is_used(void **state)
{
    struct endpoint endpoint;
    struct buf address = BUF_INIT;
    const char *expected;
    char command[2048], own[64];
    struct daemon *d;
    int fd, high;

    (void)state;
    assert_int_equal(endpoint_parse("127.0.0.1:0", &endpoint, &expected), 0);
    fd = endpoint_listen(&endpoint);
    high = fcntl(fd, F_DUPFD, 9);
    assert_int_equal(high, 9); /* sh knows one digit only */
    assert_int_equal(endpoint_of_socket(fd, &endpoint), 0);
    endpoint_print(&endpoint, &address);
    buf_append(&address, "", 1);
    snprintf(
        command, sizeof command,
        "LISTEN_PID=$$ LISTEN_FDS=2 exec %s %s --listen=%s --admin=off 3<&9 4<&9 9<&-",
        server, store, (char *)address.data);
    d = START("/bin/sh", "-c", command);
    close(high);
    close(fd);
    daemon_expect(d, "is named by no option and not used"); /* it was given twice */
    assert_int_equal(sscanf(daemon_expect(d, "listening on"),
                            "offloop-server: listening on http://%63s", own),
                     1);
    assert_string_equal(own, (char *)address.data);
    assert_int_equal(ask(own, "GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"), '2');
    buf_free(&address);
    drain(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_its_listeners),
        cmocka_unit_test(one_place_has_one_server),
        cmocka_unit_test(socket_of_a_killed_server_is_taken),
        cmocka_unit_test(bad_flag_is_status_2),
        cmocka_unit_test(texts_are_status_0),
        cmocka_unit_test(store_that_cannot_be_is_fatal),
        cmocka_unit_test(store_check_counts),
        cmocka_unit_test(workers_are_named_and_drain),
        cmocka_unit_test(reload_keeps_serving),
        cmocka_unit_test(inherited_socket_is_used),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
