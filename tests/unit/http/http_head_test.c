#include "rig.h"

#include <locale.h>

#include "server/http/http_head.h"
#include "server/http/http_head.h"

static void test_date(void **state)
{
    static const struct {
        time_t when;
        const char *text;
    } cases[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"},
    };
    char text[HTTP_DATE_BYTES];

    (void)state;
    setlocale(LC_ALL, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_head_date(text, cases[i].when);
        assert_string_equal(cases[i].text, text);
    }
}

static void test_reasons(void **state)
{
    static const int statuses[] = {100, 200, 201, 204, 304, 400, 401, 403, 404, 405,
                                   406, 408, 409, 411, 412, 413, 414, 415, 416, 417,
                                   422, 431, 500, 501, 503, 504, 505, 507};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_true(strlen(http_reason(statuses[i])) > 1);
    assert_string_equal("Content Too Large", http_reason(413));
}

static void test_bodiless(void **state)
{
    (void)state;
    assert_true(http_head_bodiless(100));
    assert_true(http_head_bodiless(204));
    assert_true(http_head_bodiless(304));
    assert_false(http_head_bodiless(200));
    assert_false(http_head_bodiless(404));
}

static void assert_head(const struct http_head *head, const char *text)
{
    struct buf out = BUF_INIT;

    http_head_write(&out, head);
    assert_string_equal(text, rig_text(&out));
    buf_free(&out);
}

static void test_heads(void **state)
{
    (void)state;
    assert_head(&(struct http_head){.status = 204}, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_head(&(struct http_head){.status = 200,
                                    .content_type = "a/b",
                                    .headers = {(const uint8_t *)"X: y\r\nZ:\r\n", 10},
                                    .date = "D",
                                    .delimiter = HTTP_DELIMITER_LENGTH,
                                    .length = UINT64_C(12345678901),
                                    .persistence = HTTP_PERSIST_TOLD},
                "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: a/b\r\n"
                "Content-Length: 12345678901\r\nConnection: keep-alive\r\n"
                "X: y\r\nZ:\r\n\r\n");
    assert_head(&(struct http_head){.status = 200,
                                    .delimiter = HTTP_DELIMITER_CHUNKED,
                                    .persistence = HTTP_PERSIST_CLOSE},
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                "Connection: close\r\n\r\n");
    assert_head(&(struct http_head){.status = 200, .delimiter = HTTP_DELIMITER_CLOSE},
                "HTTP/1.1 200 OK\r\n\r\n");
}

static void test_problems(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    http_head_problem(&out, 404, NULL, -1);
    assert_string_equal(
        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
        "\"detail\":\"Not Found\"}\n",
        rig_text(&out));
    out.len = 0;
    http_head_problem(&out, 400, "\t\"\\\x7f\xc3\xa9 \xe2\x80\xa6\xf0\x9f\x98\x80", 0);
    assert_string_equal(
        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
        "\"detail\":\"?\\\"\\\\?\xc3\xa9 \xe2\x80\xa6\xf0\x9f\x98\x80\",\"offset\":0}\n",
        rig_text(&out));
    out.len = 0;
    /* What is not UTF-8: overlong, a surrogate, beyond, cut. */
    http_head_problem(&out, 400, "\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x80", -1);
    assert_string_equal(
        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
        "\"detail\":\"?? ??? ???? ??\"}\n",
        rig_text(&out));
    buf_free(&out);
}

static void test_refusals(void **state)
{
    struct buf out = BUF_INIT;
    size_t len;

    (void)state;
    len = http_head_refusal(&out, 408, "too slow", NULL, false);
    assert_non_null(strstr(rig_text(&out), "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(rig_text(&out), "Connection: close\r\n"));
    assert_null(strstr(rig_text(&out), "Retry-After"));
    assert_int_equal(len, strlen(strstr(rig_text(&out), "\r\n\r\n") + 4));
    out.len = 0;
    assert_true(http_head_refusal(&out, 503, "full", NULL, true) > 0);
    assert_non_null(strstr(rig_text(&out), "Retry-After: 1\r\n"));
    assert_string_equal("\r\n\r\n", strstr(rig_text(&out), "\r\n\r\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date),     cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_bodiless), cmocka_unit_test(test_heads),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
