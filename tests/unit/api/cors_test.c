/* Origins and the header lines that they get. */
#include "server/api/access/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static void test_check(void **state)
{
    static const char *const good[] = {"off",
                                       "*",
                                       "https://app.example",
                                       "http://localhost:3000",
                                       "http://[::1]:8080",
                                       "moz-extension://0a1b"};
    static const char *const bad[] = {"",
                                      "app.example",
                                      "https://",
                                      "://app",
                                      "https://app.example/",
                                      "https://app.example/path",
                                      "https://App.example",
                                      "HTTPS://app.example",
                                      "https://a b",
                                      "https://a, https://b",
                                      "null"};
    const char *expected;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(cors_check(good[i], &expected), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expected = NULL;
        assert_int_equal(cors_check(bad[i], &expected), -1);
        assert_non_null(expected);
    }
}

/* The lines for an origin, those of a preflight's answer added where asked for. */
static void check_lines(const struct cors *cors, const char *origin, bool preflight,
                        const char *expected)
{
    struct buf lines = BUF_INIT;

    cors_put_reply(cors, text(origin), &lines);
    if (preflight)
        cors_put_preflight(cors, text(origin), "GET, PUT", &lines);
    buf_append(&lines, "", 1);
    assert_string_equal((const char *)lines.data, expected);
    buf_free(&lines);
}

#define EXPOSE "Access-Control-Expose-Headers: ETag, Link, Location, Retry-After\r\n"

static void test_named_origins(void **state)
{
    char one[] = "https://a.example", other[] = "http://b:1";
    char *origins[] = {one, other};
    const struct cors cors = {.origins = origins, .count = 2};

    (void)state;
    check_lines(&cors, NULL, false, "Vary: Origin\r\n");
    check_lines(&cors, "https://c.example", true, "Vary: Origin\r\n");
    check_lines(&cors, "https://a.example.evil", false, "Vary: Origin\r\n");
    check_lines(&cors, "https://a.exampl", false, "Vary: Origin\r\n");
    check_lines(&cors, "", false, "Vary: Origin\r\n");
    check_lines(&cors, "http://b:1", false,
                "Access-Control-Allow-Origin: http://b:1\r\n" EXPOSE "Vary: Origin\r\n");
    check_lines(&cors, "https://a.example", true,
                "Access-Control-Allow-Origin: https://a.example\r\n" EXPOSE
                "Vary: Origin\r\n"
                "Access-Control-Allow-Methods: GET, PUT\r\n"
                "Access-Control-Allow-Headers: Accept, Authorization, Content-Encoding, "
                "Content-Type, If-Match, If-None-Match, Offloop-Mode\r\n"
                "Access-Control-Max-Age: 7200\r\n");
}

static void test_any_origin(void **state)
{
    char any[] = "*";
    char *origins[] = {any};
    const struct cors cors = {.origins = origins, .count = 1};

    (void)state;
    check_lines(&cors, NULL, true, "");
    check_lines(&cors, "https://x", false, "Access-Control-Allow-Origin: *\r\n" EXPOSE);
    check_lines(&cors, "null", false, "Access-Control-Allow-Origin: *\r\n" EXPOSE);
}

static void test_more_headers(void **state)
{
    char any[] = "*", two[] = "traceparent,tracestate", one[] = "X-Request-ID";
    char *origins[] = {any}, *headers[] = {two, one};
    const struct cors cors = {
        .origins = origins, .count = 1, .headers = headers, .header_count = 2};

    (void)state;
    check_lines(&cors, "https://x", true,
                "Access-Control-Allow-Origin: *\r\n" EXPOSE
                "Access-Control-Allow-Methods: GET, PUT\r\n"
                "Access-Control-Allow-Headers: Accept, Authorization, Content-Encoding, "
                "Content-Type, If-Match, If-None-Match, Offloop-Mode, "
                "traceparent,tracestate, X-Request-ID\r\n"
                "Access-Control-Max-Age: 7200\r\n");
}

static void test_headers_check(void **state)
{
    static const char *const good[] = {"off", "traceparent", "X-Request-ID,baggage"};
    static const char *const bad[] = {"",     ",",   "a,",     ",a",       "a b",
                                      "a,,b", "a:b", "a\r\nb", "\xc3\xa9", "a, b"};
    const char *expected;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(cors_headers_check(good[i], &expected), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(cors_headers_check(bad[i], &expected), -1);
}

static void test_off(void **state)
{
    const struct cors cors = {.count = 0};

    (void)state;
    check_lines(&cors, "https://x", true, "");
    check_lines(&cors, NULL, false, "");
}

static void test_preflight(void **state)
{
    (void)state;
    assert_true(cors_is_preflight(text("https://x"), text("PUT")));
    assert_false(cors_is_preflight(text("https://x"), text(NULL)));
    assert_false(cors_is_preflight(text(NULL), text("PUT")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),         cmocka_unit_test(test_named_origins),
        cmocka_unit_test(test_any_origin),    cmocka_unit_test(test_off),
        cmocka_unit_test(test_preflight),     cmocka_unit_test(test_more_headers),
        cmocka_unit_test(test_headers_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
