/* Query parameters: values, faults, what is ignored. */
#include "server/api/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *parse_as(enum query_scope scope, const char *text, struct query *query)
{
    return query_parse((struct slice){(const uint8_t *)text, strlen(text)}, scope, query);
}

static const char *parse(const char *text, struct query *query)
{
    return parse_as(QUERY_OF_COLLECTION, text, query);
}

static void test_good(void **state)
{
    struct query query;

    (void)state;
    assert_null(parse("", &query));
    assert_false(query.has_limit);
    assert_true(query.limit == UINT64_MAX);
    assert_null(parse("limit=10&after=a%3Ab&_x=1&&pretty", &query));
    assert_true(query.has_limit && query.limit == 10 && query.pretty);
    assert_int_equal(query.after_len, 3);
    assert_memory_equal(query.after, "a:b", 3);
    assert_null(parse("limit=18446744073709551615", &query));
    assert_true(query.limit == UINT64_MAX && query.has_limit);
    assert_null(parse("after=", &query));
    assert_int_equal(query.after_len, 0);
    assert_null(parse("pretty=0", &query));
    assert_false(query.pretty);
    assert_null(parse("%6cimi%74=%31%32&pr%65tty=%30&%5Fl%zzimit=x", &query));
    assert_true(query.limit == 12 && query.has_limit);
    assert_false(query.pretty);
    assert_null(parse("pretty=fals%65", &query));
    assert_false(query.pretty);
    assert_null(parse("_limi=x&_&_=", &query));
    assert_false(query.has_limit);
    assert_null(parse("ids", &query));
    assert_true(query.ids);
    assert_null(parse("ids=false", &query));
    assert_false(query.ids);
    assert_false(query.scan);
    assert_null(parse("scan", &query));
    assert_true(query.scan);
    assert_null(parse("_x=1&_x=2&arg.x=1&arg.x=2", &query)); /* not looked at here */
}

/* A parameter that comes twice is named, whatever its values. */
static void test_twice(void **state)
{
    static const char *const names[] = {"after", "fields", "ids",  "jq",
                                        "limit", "pretty", "scan", "view"};
    struct query query;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[64], wanted[64];

        snprintf(text, sizeof text, "%s=1&_y&%s=1", names[i], names[i]);
        snprintf(wanted, sizeof wanted, "%s is given twice: give it once", names[i]);
        assert_string_equal(parse(text, &query), wanted);
        query_free(&query);
        snprintf(text, sizeof text, "%s=1&%%%02x%s=2", names[i], (unsigned)names[i][0],
                 names[i] + 1);
        assert_string_equal(parse(text, &query), wanted);
        query_free(&query);
        assert_null(parse_as(QUERY_OF_NOTHING, text, &query));
    }
}

static void test_bad(void **state)
{
    static const char *const texts[] = {
        "limit",         "limit=",     "limit=0",
        "limit=-1",      "limit=1x",   "limit=18446744073709551616",
        "a=b&limit=ten", "after=a/b",  "after=%zz",
        "after=%",       "limit=%3",   "limit=%zz",
        "limit=2%00",    "limit=%2532"};
    struct query query;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_non_null(parse(texts[i], &query));
}

static void check_fields(const char *text, const char *sent, const char *fields)
{
    struct query query;

    assert_null(parse(text, &query));
    assert_int_equal(query.fields.len, strlen(fields));
    assert_memory_equal(query.fields.data, fields, strlen(fields));
    assert_int_equal(query.fields_sent.len, strlen(sent));
    assert_memory_equal(query.fields_sent.data, sent, strlen(sent));
    query_free(&query);
    query_free(&query);
}

static void test_fields(void **state)
{
    struct query query;

    (void)state;
    check_fields("fields=a,b.c", "a,b.c", "a,b.c");
    check_fields("_x&fields=a%2Cb%2cc", "a%2Cb%2cc", "a,b,c");
    check_fields("fields=a%252Cb&_y", "a%252Cb", "a%2Cb");
    check_fields("fields=%2E%2Cx%25%32", "%2E%2Cx%25%32", "%2E,x%25%32");
    check_fields("fields=a.b,/c/d.e", "a.b,/c/d.e", "a.b,c.d%2Ee");
    assert_non_null(parse("fields=/a~2", &query));
    query_free(&query);
    assert_non_null(parse("fields=", &query));
    assert_non_null(parse("fields", &query));
}

static void test_fields_that_are_none(void **state)
{
    static const char *const texts[] = {",", ",,", "a,",  ",a",  "a..b",
                                        ".", "a.", "%2C", "a%2", "%zz"};
    struct query query;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[32] = "fields=";

        strcat(text, texts[i]);
        assert_non_null(parse(text, &query));
        query_free(&query);
        assert_non_null(parse_as(QUERY_OF_DOCUMENT, text, &query));
        query_free(&query);
        assert_null(parse_as(QUERY_OF_NOTHING, text, &query));
        query_free(&query);
    }
}

/* What has no meaning is not looked at. */
static void test_scopes(void **state)
{
    struct query query;

    (void)state;
    assert_null(parse_as(QUERY_OF_DOCUMENT, "limit=abc&after=a/b&ids&x=y&=", &query));
    assert_false(query.has_limit || query.after_len || query.ids);
    assert_null(parse_as(QUERY_OF_DOCUMENT, "pretty&fields=a", &query));
    assert_true(query.pretty && query.fields.len == 1);
    assert_null(parse_as(QUERY_OF_NOTHING, "pretty&fields=,&limit=&whatever", &query));
    assert_false(query.pretty || query.fields.len);
}

static void check_unknown(const char *text, const char *name)
{
    char detail[QUERY_DETAIL_MAX], wanted[QUERY_DETAIL_MAX];
    struct query query;

    assert_non_null(parse(text, &query));
    assert_non_null(query.unknown.data);
    query_print_unknown(&query, detail);
    snprintf(wanted, sizeof wanted,
             "a collection has no parameter \"%s\"; it has after, fields, ids, jq, "
             "limit, pretty, scan, view, arg.NAME; filter with ?jq=select(...); names "
             "that begin "
             "with _ "
             "are ignored",
             name);
    assert_string_equal(detail, wanted);
    query_free(&query);
}

static void test_unknown(void **state)
{
    char text[256] = "";

    (void)state;
    check_unknown("status=new", "status");
    check_unknown("pretty&fields=a&limits=3", "limits");
    check_unknown("Limit=3", "Limit");
    check_unknown("limi", "limi");
    check_unknown("limit%00=1", "limit%00");
    check_unknown("l%zzimit=x", "l%zzimit");
    check_unknown("x_=1", "x_");
    check_unknown("=z", "");
    memset(text, 'n', 255);
    check_unknown(text,
                  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
}

static void test_fields_limit(void **state)
{
    char text[8192 + 16] = "fields=";
    struct query query;

    (void)state;
    memset(text + 7, 'x', 8128);
    assert_null(parse(text, &query));
    assert_int_equal(query.fields.len, 8128);
    query_free(&query);
    text[7 + 8128] = 'x';
    assert_non_null(parse(text, &query));
    query_free(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_bad),
        cmocka_unit_test(test_fields),       cmocka_unit_test(test_fields_that_are_none),
        cmocka_unit_test(test_fields_limit), cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_unknown),      cmocka_unit_test(test_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
