/* URLs of gate and seats, and what killed processes leave behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/workers/link/rpc_address.h"

static void paths_are_of_ipc_urls_only(void **state)
{
    (void)state;
    assert_string_equal(rpc_address_path("ipc:///run/offloop/rpc"), "/run/offloop/rpc");
    assert_null(rpc_address_path("tcp://127.0.0.1:9"));
}

static void seats_derive_from_the_gate(void **state)
{
    struct rpc_address address;

    (void)state;
    rpc_address_of_seat("ipc:///run/rpc", 3, 4711, 9, &address);
    assert_string_equal(address.url, "ipc:///run/rpc-3-4711-9");
    rpc_address_set_port(&address, 17);
    assert_string_equal(address.url, "ipc:///run/rpc-3-4711-9");
    rpc_address_of_seat("tcp://10.0.0.1:9000", 3, 4711, 9, &address);
    assert_string_equal(address.url, "tcp://10.0.0.1:0");
    rpc_address_set_port(&address, 65535);
    assert_string_equal(address.url, "tcp://10.0.0.1:65535");
    rpc_address_of_seat("tls+tcp://10.0.0.1:9000", 3, 4711, 9, &address);
    assert_string_equal(address.url, "tls+tcp://10.0.0.1:0");
    rpc_address_of_seat("tcp://[::1]:9000", 3, 4711, 9, &address);
    assert_string_equal(address.url, "tcp://[::1]:0");
}

static void the_directory_is_made_for_our_group(void **state)
{
    char base[] = "/tmp/offloop-address-XXXXXX", path[64], url[128];
    struct stat made;

    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/run", base);
    snprintf(url, sizeof url, "ipc://%s/rpc", path);
    assert_int_equal(rpc_address_make_directory(url), 0);
    assert_int_equal(stat(path, &made), 0);
    assert_int_equal(made.st_mode & 07777, 0750);
    assert_int_equal(rpc_address_make_directory(url), 0); /* it is there */
    snprintf(url, sizeof url, "ipc://%s/no/such/rpc", base);
    assert_int_equal(rpc_address_make_directory(url), -1); /* more than one component */
    assert_int_equal(rpc_address_make_directory("tcp://127.0.0.1:1"), 0);
    rmdir(path);
    rmdir(base);
}

static void a_listener_is_seen_without_connecting(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[128];

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/offloop-taken-%d",
             (int)getpid());
    snprintf(url, sizeof url, "ipc://%s", address.sun_path);
    assert_false(rpc_address_is_taken(url));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_false(rpc_address_is_taken(url));
    assert_int_equal(listen(fd, 1), 0);
    assert_true(rpc_address_is_taken(url));
    close(fd);
    assert_false(rpc_address_is_taken(url)); /* only its file is left */
    assert_false(rpc_address_is_taken("tcp://127.0.0.1:1"));
    assert_int_equal(unlink(address.sun_path), 0);
}

static pid_t dead_pid(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void touch(char *path, size_t size, const char *base, const char *rest)
{
    FILE *file;

    snprintf(path, size, "%s/%s", base, rest);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void only_what_dead_fronts_left_is_swept(void **state)
{
    char base[] = "/tmp/offloop-address-XXXXXX", url[128], name[128];
    char dead[256], alive[256], other[256], odd[256];

    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(url, sizeof url, "ipc://%s/rpc", base);
    snprintf(name, sizeof name, "rpc-1-%d-1", (int)dead_pid());
    touch(dead, sizeof dead, base, name);
    snprintf(name, sizeof name, "rpc-1-%d-1", (int)getpid());
    touch(alive, sizeof alive, base, name);
    snprintf(name, sizeof name, "other-1-%d-1", (int)dead_pid());
    touch(other, sizeof other, base, name);
    touch(odd, sizeof odd, base, "rpc-1-x");
    assert_int_equal(rpc_address_sweep(url), 1);
    assert_int_not_equal(access(dead, F_OK), 0);
    assert_int_equal(unlink(alive) | unlink(other) | unlink(odd), 0);
    assert_int_equal(rpc_address_sweep(url), 0);
    assert_int_equal(rpc_address_sweep("tcp://127.0.0.1:1"), 0);
    assert_int_equal(rmdir(base), 0);
}

/* A process that nobody has waited for yet counts as dead. */
static void a_zombie_is_swept(void **state)
{
    char base[] = "/tmp/offloop-address-XXXXXX", url[128], name[128], path[256];
    siginfo_t info;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_non_null(mkdtemp(base));
    snprintf(url, sizeof url, "ipc://%s/rpc", base);
    snprintf(name, sizeof name, "rpc-1-%d-1", (int)pid);
    touch(path, sizeof path, base, name);
    assert_int_equal(rpc_address_sweep(url), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(rmdir(base), 0);
}

static void wildcard_hosts(void **state)
{
    static const struct {
        const char *url, *host, *expected;
    } cases[] = {
        {"tcp://0.0.0.0:7", "10.0.0.1", "tcp://10.0.0.1:7"},
        {"tls+tcp://0.0.0.0:65535", "127.0.0.1", "tls+tcp://127.0.0.1:65535"},
        {"tcp://[::]:7", "[fe80::1]", "tcp://[fe80::1]:7"},
        {"tcp://10.0.0.2:7", "10.0.0.1", NULL},
        {"tcp://[::1]:7", "10.0.0.1", NULL},
        {"ipc:///0.0.0.0:7", "10.0.0.1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rpc_address address;

        snprintf(address.url, sizeof address.url, "%s", cases[i].url);
        assert_int_equal(rpc_address_set_host(&address, cases[i].host),
                         cases[i].expected != NULL);
        assert_string_equal(address.url,
                            cases[i].expected != NULL ? cases[i].expected : cases[i].url);
    }
    assert_true(rpc_address_is_tls("tls+tcp://[::]:1"));
    assert_false(rpc_address_is_tls("tcp://[::]:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcard_hosts),
        cmocka_unit_test(paths_are_of_ipc_urls_only),
        cmocka_unit_test(seats_derive_from_the_gate),
        cmocka_unit_test(the_directory_is_made_for_our_group),
        cmocka_unit_test(a_listener_is_seen_without_connecting),
        cmocka_unit_test(only_what_dead_fronts_left_is_swept),
        cmocka_unit_test(a_zombie_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
