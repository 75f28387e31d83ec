/* Addresses of listeners: what is read, what is printed, what listens. */
#include "common/address/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/address/rpc_url.h"
#include "common/address/runtime_dir.h"
#include "common/base/alloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *print(const struct endpoint *endpoint)
{
    struct buf out = BUF_INIT;

    endpoint_print(endpoint, &out);
    buf_append(&out, "", 1);
    return (char *)out.data;
}

static void reads_and_prints(void **state)
{
    static const char *const cases[][2] = {
        {"127.0.0.1:8080", "127.0.0.1:8080"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::1]:8080", "[::1]:8080"},
        {"[::]:65535", "[::]:65535"},
        {"[2001:DB8:0:0::1]:1", "[2001:db8::1]:1"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:/with:colon", "unix:/with:colon"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct endpoint endpoint;
        const char *expected;
        char *text;

        assert_int_equal(endpoint_parse(cases[i][0], &endpoint, &expected), 0);
        text = print(&endpoint);
        assert_string_equal(text, cases[i][1]);
        assert_int_equal(endpoint_is_unix(&endpoint), cases[i][0][0] == 'u');
        mem_free(text);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "",
        "8080",
        ":8080",
        "localhost:80",
        "127.0.0.1",
        "127.1:80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[1.2.3.4]:80",
        "unix:",
        "unix:relative",
        "1.2.3.4.5:80",
        "127.0.0.1:80 ",
        "[fe80::1%eth0]:80",
        "256.0.0.1:80",
        "111111111111111111111111111111111111111111111111111111111111111:80",
    };
    char deep[256] = "unix:/";
    const char *expected;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        expected = NULL;
        if (endpoint_check(cases[i], &expected) == 0)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_non_null(expected);
    }
    memset(deep + strlen(deep), 'x', 107);
    assert_int_equal(endpoint_check(deep, &expected), -1);
    deep[5 + 107] = '\0'; /* the longest that fits */
    assert_int_equal(endpoint_check(deep, &expected), 0);
}

static int listen_on(const char *text)
{
    struct endpoint endpoint;
    const char *expected;

    assert_int_equal(endpoint_parse(text, &endpoint, &expected), 0);
    return endpoint_listen(&endpoint);
}

static void tells_what_only_this_host_reaches(void **state)
{
    static const struct {
        const char *text;
        bool is_local;
    } cases[] = {
        {"127.0.0.1:80", true},      {"127.1.2.3:80", true},
        {"[::1]:80", true},          {"[::ffff:127.0.0.1]:80", true},
        {"unix:/run/a", true},       {"0.0.0.0:80", false},
        {"[::]:80", false},          {"10.0.0.1:80", false},
        {"[2001:db8::1]:80", false}, {"[::ffff:10.0.0.1]:80", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct endpoint endpoint;
        const char *expected;

        assert_int_equal(endpoint_parse(cases[i].text, &endpoint, &expected), 0);
        assert_int_equal(endpoint_is_local(&endpoint), cases[i].is_local);
    }
}

static void port_0_takes_a_free_one(void **state)
{
    struct endpoint endpoint;
    int fd = listen_on("127.0.0.1:0"), again;
    char *text;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(endpoint_of_socket(fd, &endpoint), 0);
    text = print(&endpoint);
    assert_string_not_equal(text, "127.0.0.1:0");
    /* another socket listens there */
    again = listen_on(text);
    assert_int_equal(again, -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd);
    again = listen_on(text);
    assert_true(again >= 0);
    close(again);
    mem_free(text);
}

static char dir[] = "/tmp/offloop-endpoint-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void unix_socket_of_the_dead_is_replaced(void **state)
{
    char text[64];
    int fd, again;

    (void)state;
    snprintf(text, sizeof text, "unix:%s/s", dir);
    fd = listen_on(text);
    assert_true(fd >= 0);
    again = listen_on(text);
    assert_int_equal(again, -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd); /* the file stays, as after a kill */
    assert_int_equal(access(text + 5, F_OK), 0);
    again = listen_on(text);
    assert_true(again >= 0);
    close(again);
    unlink(text + 5);
}

static void other_files_are_not_replaced(void **state)
{
    char text[64];

    (void)state;
    snprintf(text, sizeof text, "unix:%s/file", dir);
    close(open(text + 5, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listen_on(text), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(access(text + 5, F_OK), 0);
    unlink(text + 5);
    assert_int_equal(listen_on("unix:/no/such/dir/s"), -1);
    assert_int_equal(errno, ENOENT);
}

static void abstract_sockets_have_names_of_their_own(void **state)
{
    struct sockaddr_un one, other;
    socklen_t len = sizeof one, other_len = sizeof other;
    int fd = endpoint_listen_abstract(SOCK_STREAM);
    int other_fd = endpoint_listen_abstract(SOCK_SEQPACKET);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_true(fd >= 0 && other_fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&one, &len), 0);
    assert_int_equal(getsockname(other_fd, (struct sockaddr *)&other, &other_len), 0);
    assert_int_equal(one.sun_path[0], '\0');
    assert_true(len != other_len || memcmp(&one, &other, len) != 0);
    assert_int_equal(connect(client, (struct sockaddr *)&one, len), 0);
    close(client);
    close(fd);
    close(other_fd);
}

static void rpc_urls(void **state)
{
    static const char *const good[] = {"ipc:///run/x",      "ipc:///a b",
                                       "tcp://127.0.0.1:1", "tcp://127.9.9.9:65535",
                                       "tcp://[::1]:9000",  "tcp://10.0.0.1:9000",
                                       "tcp://[::2]:1",     "tls+tcp://127.0.0.1:1",
                                       "tls+tcp://[::]:1"};
    static const char *const bad[] = {
        "",
        "ipc://",
        "ipc:///",
        "ipc://x",
        "ipc:/x",
        "tcp://",
        "tcp://localhost:1",
        "tls+tcp://localhost:1",
        "tls+tcp://10.0.0.1:0",
        "tls+tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://unix:/x",
        "inproc://x",
        "tls://127.0.0.1:1",
        ("ipc:///5678901234567890123456789012345678901234567"
         "890123456789012345678")};
    const char *expected;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (rpc_url_check(good[i], &expected) < 0)
            fail_msg("%s was refused: expected %s", good[i], expected);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (rpc_url_check(bad[i], &expected) == 0)
            fail_msg("%s was taken", bad[i]);
}

/* The protection of connections, and what each kind of URL needs. */
static void guarded_urls(void **state)
{
    enum { TLS = 1, SECRET = 2, PLAIN = 4 };
    static const struct {
        const char *url;
        unsigned has;
        const char *why; /* NULL where it is good */
    } cases[] = {
        {"ipc:///run/x", 0, NULL},
        {"tcp://127.0.0.1:1", 0, NULL},
        {"tcp://[::1]:1", 0, NULL},
        {"tcp://10.0.0.1:1", 0, "--allow-plain-tcp with --worker-secret"},
        {"tcp://10.0.0.1:1", TLS | SECRET, "--allow-plain-tcp with --worker-secret"},
        {"tcp://0.0.0.0:1", SECRET, "--allow-plain-tcp with --worker-secret"},
        {"tcp://[::]:1", SECRET, "--allow-plain-tcp with --worker-secret"},
        {"tcp://[::ffff:10.0.0.1]:1", 0, "--allow-plain-tcp with --worker-secret"},
        {"tcp://10.0.0.1:1", PLAIN, "--allow-plain-tcp needs --worker-secret too"},
        {"tcp://10.0.0.1:1", PLAIN | TLS, "--allow-plain-tcp needs --worker-secret too"},
        {"tcp://10.0.0.1:1", PLAIN | SECRET, NULL},
        {"tls+tcp://127.0.0.1:1", SECRET, "needs --tls-cert, --tls-key and --tls-ca"},
        {"tls+tcp://10.0.0.1:1", PLAIN | SECRET, "needs --tls-cert"},
        {"tls+tcp://10.0.0.1:1", TLS, NULL},
    };
    const char *why;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rpc_url_guard guard = {.has_tls = cases[i].has & TLS,
                                            .has_secret = cases[i].has & SECRET,
                                            .may_leave_plain = cases[i].has & PLAIN};

        if (rpc_url_check_guard(cases[i].url, &guard, &why) == 0) {
            if (cases[i].why != NULL)
                fail_msg("%s was taken with %x", cases[i].url, cases[i].has);
        } else if (cases[i].why == NULL || strstr(why, cases[i].why) == NULL) {
            fail_msg("%s with %x: %s", cases[i].url, cases[i].has, why);
        }
    }
    assert_true(rpc_url_is_tls("tls+tcp://10.0.0.1:1"));
    assert_false(rpc_url_is_tls("tcp://10.0.0.1:1"));
}

static void runtime_directory(void **state)
{
    static const struct {
        const char *systemd, *session, *url;
    } cases[] = {
        {NULL, NULL, "ipc:///run/offloop/rpc.sock"},
        {"", "", "ipc:///run/offloop/rpc.sock"},
        {NULL, "/run/user/7", "ipc:///run/user/7/offloop/rpc.sock"},
        {"/run/a", "/run/user/7", "ipc:///run/a/rpc.sock"},
        {"/run/a:/run/b", NULL, "ipc:///run/a/rpc.sock"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *url;

        unsetenv("RUNTIME_DIRECTORY");
        unsetenv("XDG_RUNTIME_DIR");
        if (cases[i].systemd != NULL)
            setenv("RUNTIME_DIRECTORY", cases[i].systemd, 1);
        if (cases[i].session != NULL)
            setenv("XDG_RUNTIME_DIR", cases[i].session, 1);
        url = runtime_dir_rpc_url();
        assert_string_equal(url, cases[i].url);
        mem_free(url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_prints),
        cmocka_unit_test(refuses),
        cmocka_unit_test(tells_what_only_this_host_reaches),
        cmocka_unit_test(port_0_takes_a_free_one),
        cmocka_unit_test(unix_socket_of_the_dead_is_replaced),
        cmocka_unit_test(other_files_are_not_replaced),
        cmocka_unit_test(abstract_sockets_have_names_of_their_own),
        cmocka_unit_test(rpc_urls),
        cmocka_unit_test(guarded_urls),
        cmocka_unit_test(runtime_directory),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
