/* Query parameters: values, faults, what is ignored. */
#include "server/api/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *parse(const char *text, struct query *query)
{
    return query_parse((struct slice){(const uint8_t *)text, strlen(text)}, query);
}

static void test_good(void **state)
{
    struct query query;

    (void)state;
    assert_null(parse("", &query));
    assert_false(query.has_limit);
    assert_true(query.limit == UINT64_MAX);
    assert_null(parse("limit=10&after=a%3Ab&x=1&&pretty", &query));
    assert_true(query.has_limit && query.limit == 10 && query.pretty);
    assert_int_equal(query.after_len, 3);
    assert_memory_equal(query.after, "a:b", 3);
    assert_null(parse("limit=3&limit=4", &query));
    assert_true(query.limit == 3);
    assert_null(parse("limit=18446744073709551615", &query));
    assert_true(query.limit == UINT64_MAX && query.has_limit);
    assert_null(parse("after=", &query));
    assert_int_equal(query.after_len, 0);
    assert_null(parse("pretty=0", &query));
    assert_false(query.pretty);
    assert_null(parse("Limit=x&limits=y&=z", &query));
}

static void test_bad(void **state)
{
    static const char *const texts[] = {
        "limit",         "limit=",    "limit=0",
        "limit=-1",      "limit=1x",  "limit=18446744073709551616",
        "a=b&limit=ten", "after=a/b", "after=%zz",
        "after=%"};
    struct query query;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_non_null(parse(texts[i], &query));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
