/* Which hosts requests may name. */
#include "rig.h"

#include "server/http/parser/http_host.h"

static bool allowed(enum http_host_rule rule, const char *authority, bool is_local)
{
    static char *names[] = {"docs.example", "2001.example"};
    const struct http_hosts hosts = {rule, names, 2};
    struct slice text = {(const uint8_t *)authority, strlen(authority)};

    return http_host_allowed(&hosts, text, is_local);
}

static const char *const safe[] = {"",
                                   "127.0.0.1",
                                   "127.0.0.1:8080",
                                   "192.168.1.4:80",
                                   "[::1]",
                                   "[::1]:80",
                                   "localhost",
                                   "LOCALHOST:8080",
                                   "app.localhost:1",
                                   "localhost.",
                                   "a.b.localhost",
                                   "db",
                                   "test:",
                                   "worker-1:8080",
                                   "[2001:db8::1]:8080"};

static const char *const strange[] = {
    "evil.example",      "evil.example:8080", "localhost.evil.example",
    "evillocalhost.com", "127.0.0.1.example", "1.2.3",
    "1.2.3.4.5",         "evil%2eexample",    "com.",
    "docs.example.evil", "xlocalhost.",       "0x7f.1"};

static void test_names_of_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        assert_false(allowed(HTTP_HOST_SAFE_LOCAL, strange[i], true));
        assert_true(allowed(HTTP_HOST_SAFE_LOCAL, strange[i], false));
        assert_true(allowed(HTTP_HOST_ANY, strange[i], true));
        assert_false(allowed(HTTP_HOST_LISTED, strange[i], false));
    }
}

static void test_names_that_no_stranger_can_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++) {
        assert_true(allowed(HTTP_HOST_SAFE_LOCAL, safe[i], true));
        assert_true(allowed(HTTP_HOST_LISTED, safe[i], false));
    }
}

static void test_listed_names(void **state)
{
    (void)state;
    assert_true(allowed(HTTP_HOST_LISTED, "docs.example", true));
    assert_true(allowed(HTTP_HOST_LISTED, "Docs.Example:8080", true));
    assert_true(allowed(HTTP_HOST_LISTED, "docs.example.:80", true));
    assert_false(allowed(HTTP_HOST_LISTED, "sub.docs.example", true));
    assert_false(allowed(HTTP_HOST_SAFE_LOCAL, "docs.example", true));
}

static void test_what_may_be_listed(void **state)
{
    (void)state;
    assert_true(http_host_valid("docs.example"));
    assert_true(http_host_valid("[::1]"));
    assert_false(http_host_valid(""));
    assert_false(http_host_valid("docs.example:80"));
    assert_false(http_host_valid("http://docs.example"));
    assert_false(http_host_valid("a b"));
}

/* Sends a head to a server that serves docs.example alone; returns the status. */
static int ask(const char *head)
{
    static char *names[] = {"docs.example"};
    const struct http_hosts hosts = {HTTP_HOST_LISTED, names, 1};
    struct rig rig;
    int status;

    rig_init(&rig);
    rig_open_echo(&rig);
    http_server_set_hosts(rig.server, &hosts);
    rig_send(&rig, head);
    rig_await(&rig, "\r\n\r\n");
    assert_int_equal(1, sscanf(rig_text(&rig.got), "HTTP/1.1 %d", &status));
    if (status != 200) {
        assert_int_equal(status, rig.refused);
        assert_int_equal(0, rig.requests);
        assert_int_equal(0, strncmp(head, rig.refused_line, strlen(rig.refused_line)));
    }
    if (status == 421)
        assert_got(&rig, "--host");
    rig_finish(&rig);
    return status;
}

static void test_heads(void **state)
{
    (void)state;
    assert_int_equal(200, ask("GET / HTTP/1.1\r\nHost: docs.example:81\r\n\r\n"));
    assert_int_equal(421, ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
    assert_int_equal(200, ask("GET / HTTP/1.0\r\n\r\n"));
    assert_int_equal(421, ask("GET http://evil.example/a HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(421, ask("GET http://evil.example?/ HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(200,
                     ask("GET HTTP://docs.example/a HTTP/1.1\r\nHost: docs.example\r\n"
                         "\r\n"));
    assert_int_equal(200, ask("OPTIONS * HTTP/1.1\r\nHost: docs.example\r\n\r\n"));
}

/* Two fields that say different things are read by one program so, by another so. */
static void test_fields_that_differ(void **state)
{
    (void)state;
#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"
    assert_int_equal(400, ask(HEAD "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n"));
    assert_int_equal(200, ask(HEAD "Content-Type: a/b\r\ncontent-type: A/B\r\n\r\n"));
    assert_int_equal(
        400, ask(HEAD "Accept-Encoding: gzip\r\nX: y\r\nAccept-Encoding: br\r\n\r\n"));
    assert_int_equal(200,
                     ask(HEAD "Accept-Encoding: gzip\r\nAccept-Encoding: gzip\r\n\r\n"));
    assert_int_equal(400,
                     ask(HEAD "Content-Encoding: gzip\r\nContent-Encoding: br\r\n\r\n"));
    assert_int_equal(200, ask(HEAD "Accept: a/b\r\nAccept: a/c\r\n\r\n"));
}

/* A head that is refused is told of as it came, so that it can be logged. */
static void test_refused_lines(void **state)
{
    static const struct {
        const char *sent, *line;
        int status;
    } heads[] = {
        {"BAD\r\n\r\n", "BAD", 400},
        {"\r\nGET /a HTTP/2.0\r\n", "GET /a HTTP/2.0", 505},
        {"GET /a HTTP/1.1\r\nHost: a\r\nX\r\n", "GET /a HTTP/1.1", 400},
    };
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        rig_init(&rig);
        rig_open_echo(&rig);
        rig_send(&rig, heads[i].sent);
        assert_int_equal(heads[i].status, rig.refused);
        assert_string_equal(heads[i].line, rig.refused_line);
        rig_finish(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_others),
        cmocka_unit_test(test_names_that_no_stranger_can_own),
        cmocka_unit_test(test_listed_names),
        cmocka_unit_test(test_what_may_be_listed),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_fields_that_differ),
        cmocka_unit_test(test_refused_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
