/*
 * The parser alone: what it finds, what it refuses and why, and that neither
 * depends on how the bytes were cut. (wire_cases.h has the long list of what is
 * refused; it is run through the parser here, too, cut at every place.)
 */
#include "rig.h"

#include "server/http/parser/http_parser.h"
#include "wire_cases.h"

static const struct http_parser_limits limits = {32 * 1024, 8 * 1024};

/* Parses in pieces: up to `cut`, then in steps. Bytes behind what was given are poison to
   ASan: each run gets a copy of just its bytes. */
static enum http_parser_result parse(struct http_parser *p, const char *bytes, size_t len,
                                     size_t cut, size_t step)
{
    enum http_parser_result result = HTTP_PARSER_MORE;

    http_parser_init(p, &limits);
    for (size_t have = cut; result == HTTP_PARSER_MORE; have += step) {
        uint8_t *copy;

        if (have > len)
            have = len;
        copy = mem_alloc(have);
        memcpy(copy, bytes, have);
        result = http_parser_run(p, copy, have);
        mem_free(copy);
        if (have == len)
            break;
    }
    return result;
}

static void assert_same(const struct http_parser *a, const struct http_parser *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->status, b->status);
    assert_ptr_equal(a->reason, b->reason);
    assert_int_equal(a->head_bytes, b->head_bytes);
    assert_int_equal(a->field_count, b->field_count);
    assert_memory_equal(&a->method, &b->method,
                        offsetof(struct http_parser, head_bytes) -
                            offsetof(struct http_parser, method));
    assert_memory_equal(a->fields, b->fields, a->field_count * sizeof *a->fields);
}

static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wire_cases / sizeof *wire_cases; i++) {
        const struct wire_case *row = &wire_cases[i];
        static struct http_parser whole, cut;
        enum http_parser_result result =
            parse(&whole, row->bytes, row->len, row->len, row->len);

        if (row->len > 2000)
            continue;
        for (size_t at = 0; at <= row->len; at++) {
            assert_int_equal(result, parse(&cut, row->bytes, row->len, at, row->len));
            assert_same(&whole, &cut);
        }
        assert_int_equal(result, parse(&cut, row->bytes, row->len, 1, 1));
        assert_same(&whole, &cut);
    }
}

static void assert_span(const char *bytes, struct http_span span, const char *text)
{
    assert_int_equal(strlen(text), span.len);
    assert_memory_equal(bytes + span.at, text, span.len);
}

static void test_finds_everything(void **state)
{
    static const char head[] = "\r\nPATCH http://u.v:8/a/b?c&d HTTP/1.1\r\n"
                               "Host: x.y\r\n"
                               "Content-Length: 12345678901\r\n"
                               "Connection: Keep-Alive\r\n"
                               "Expect: 100-CONTINUE\r\n"
                               "Accept: \t a, b\t \r\n"
                               "Blank: \t \r\n"
                               "Empty:\r\n"
                               "\r\n"
                               "body";
    struct http_parser p;

    (void)state;
    assert_int_equal(HTTP_PARSER_DONE,
                     parse(&p, head, sizeof head - 1, sizeof head - 1, 1));
    assert_int_equal(sizeof head - 1 - 4, p.head_bytes);
    assert_int_equal(HTTP_PATCH, p.method);
    assert_span(head, p.method_text, "PATCH");
    assert_span(head, p.target, "http://u.v:8/a/b?c&d");
    assert_span(head, p.path, "/a/b");
    assert_span(head, p.query, "c&d");
    assert_int_equal(HTTP_TARGET_ABSOLUTE, p.form);
    assert_int_equal(1, p.minor);
    assert_true(p.length == INT64_C(12345678901));
    assert_true(p.connection_keep_alive);
    assert_false(p.connection_close);
    assert_true(p.expect_continue);
    assert_true(http_parser_persistent(&p));
    assert_int_equal(7, p.field_count);
    assert_span(head, p.fields[4].name, "Accept");
    assert_span(head, p.fields[4].value, "a, b");
    assert_span(head, p.fields[5].value, "");
    assert_span(head, p.fields[6].name, "Empty");
    assert_span(head, p.fields[6].value, "");
}

static void test_methods(void **state)
{
    static const struct {
        const char *text;
        enum http_method method;
    } methods[] = {
        {"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"PUT", HTTP_PUT},
        {"POST", HTTP_POST},       {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
        {"OPTIONS", HTTP_OPTIONS}, {"TRACE", HTTP_OTHER}, {"GETT", HTTP_OTHER},
        {"GE", HTTP_OTHER},        {"Get", HTTP_OTHER}};
    char head[100];
    struct http_parser p;

    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        int len = snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n",
                           methods[i].text);

        assert_int_equal(HTTP_PARSER_DONE, parse(&p, head, (size_t)len, (size_t)len, 1));
        assert_int_equal(methods[i].method, p.method);
    }
}

static void test_persistence(void **state)
{
    static const struct {
        const char *head;
        bool persistent;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,CLOSE ,y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closer\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", false},
    };
    struct http_parser p;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].head);

        assert_int_equal(HTTP_PARSER_DONE, parse(&p, cases[i].head, len, len, 1));
        assert_int_equal(cases[i].persistent, http_parser_persistent(&p));
    }
}

/* A verdict comes with the first byte that decides it, not with the line's end. */
static void test_refuses_as_soon_as_it_can(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int status;
    } cases[] = {
        {"\x16", 1, 400},
        {"GET / HTTP/1.1\n", 15, 400},
        {"GET / HTTP/2.0\r\n", 16, 505},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 34, 400},
        {"GET / HTTP/1.1\r\nX: \0", 20, 400},
    };
    struct http_parser p;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(HTTP_PARSER_BAD,
                         parse(&p, cases[i].bytes, cases[i].len, cases[i].len, 1));
        assert_int_equal(cases[i].status, p.status);
        assert_non_null(p.reason);
        assert_int_equal(HTTP_PARSER_MORE, parse(&p, cases[i].bytes, cases[i].len - 1,
                                                 cases[i].len - 1, 1));
    }
}

static void test_begins_with_the_request_line(void **state)
{
    struct http_parser p;

    (void)state;
    parse(&p, "\r", 1, 1, 1);
    assert_false(http_parser_begun(&p));
    parse(&p, "\r\n", 2, 2, 1);
    assert_false(http_parser_begun(&p));
    parse(&p, "\r\nG", 3, 3, 1);
    assert_true(http_parser_begun(&p));
    parse(&p, "G", 1, 1, 1);
    assert_true(http_parser_begun(&p));
}

/* The limits hold exactly. */
static void test_limits_to_the_byte(void **state)
{
    struct http_parser p;
    struct buf head = BUF_INIT;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        head.len = 0;
        buf_append_str(&head, "GET /");
        memset(buf_reserve(&head, 8192), 'x', 8192);
        head.len += 8191 + over;
        buf_append_str(&head, " HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(over ? HTTP_PARSER_BAD : HTTP_PARSER_DONE,
                         parse(&p, (char *)head.data, head.len, head.len, 1));
        assert_int_equal(over ? 414 : 0, p.status);

        head.len = 0;
        buf_append_str(&head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
        memset(buf_reserve(&head, 32768), 'x', 32768);
        head.len = 32 * 1024 - 4 + over * 4;
        buf_append_str(&head, "\r\n\r\n");
        assert_int_equal(over ? HTTP_PARSER_BAD : HTTP_PARSER_DONE,
                         parse(&p, (char *)head.data, head.len, head.len, 1));
        assert_int_equal(over ? 431 : 0, p.status);
    }
    buf_free(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_do_not_matter),
        cmocka_unit_test(test_finds_everything),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_persistence),
        cmocka_unit_test(test_refuses_as_soon_as_it_can),
        cmocka_unit_test(test_begins_with_the_request_line),
        cmocka_unit_test(test_limits_to_the_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
