/* Paths to resources: names, escapes, limits. */
#include "server/api/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

struct row {
    const char *path;
    enum stats_route kind;
    const char *collection; /* NULL where the names are not valid */
    const char *id;
};

static const struct row rows[] = {
    {"/v1", STATS_ROUTE_COLLECTIONS, NULL, NULL},
    {"/", STATS_ROUTE_OTHER, NULL, NULL},
    {"", STATS_ROUTE_OTHER, NULL, NULL},
    {"/v2", STATS_ROUTE_OTHER, NULL, NULL},
    {"/v10", STATS_ROUTE_OTHER, NULL, NULL},
    {"/V1/a", STATS_ROUTE_OTHER, NULL, NULL},
    {"/v1/", STATS_ROUTE_COLLECTION, NULL, NULL},
    {"/v1/a", STATS_ROUTE_COLLECTION, "a", NULL},
    {"/v1/a/", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1//b", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/b", STATS_ROUTE_DOCUMENT, "a", "b"},
    {"/v1/a/b/c", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/AZaz09._~:@-/x", STATS_ROUTE_DOCUMENT, "AZaz09._~:@-", "x"},
    {"/v1/%61%5f/%41%3A", STATS_ROUTE_DOCUMENT, "a_", "A:"},
    {"/v1/a/%2f", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%00", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%4", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%zz", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%4g", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/b!", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/\xc3\xa9", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/..", STATS_ROUTE_COLLECTION, NULL, NULL},
    {"/v1/.", STATS_ROUTE_COLLECTION, NULL, NULL},
    {"/v1/a/..", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/a/%2E", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/%2e%2E/a", STATS_ROUTE_DOCUMENT, NULL, NULL},
    {"/v1/.../.a", STATS_ROUTE_DOCUMENT, "...", ".a"},
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct route route;

        route_parse(text(rows[i].path), &route);
        assert_int_equal(route.kind, rows[i].kind);
        assert_int_equal(route.names_valid, rows[i].collection != NULL);
        if (rows[i].collection == NULL)
            continue;
        assert_int_equal(route.collection_len, strlen(rows[i].collection));
        assert_memory_equal(route_collection(&route).data, rows[i].collection,
                            route.collection_len);
        if (rows[i].id == NULL)
            continue;
        assert_int_equal(route_id(&route).len, strlen(rows[i].id));
        assert_memory_equal(route_id(&route).data, rows[i].id, route.id_len);
    }
}

static void test_slash_at_the_end(void **state)
{
    static const char *const with[] = {"/v1/", "/v1/a/", "/v1/a/b/", "/v1//"};
    static const char *const without[] = {"/v1", "/v1/a", "/v1/a/b", "/v1/a/b%2F", "/"};
    struct route route;

    (void)state;
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        route_parse(text(with[i]), &route);
        assert_true(route.ends_in_slash && !route.names_valid);
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        route_parse(text(without[i]), &route);
        assert_false(route.ends_in_slash);
    }
}

static void test_longest_name(void **state)
{
    uint8_t name[ROUTE_NAME_MAX];
    char path[1024];

    (void)state;
    memset(path, 'x', sizeof path);
    assert_int_equal(
        route_name_decode((struct slice){(uint8_t *)path, ROUTE_NAME_MAX}, name),
        ROUTE_NAME_MAX);
    assert_int_equal(
        route_name_decode((struct slice){(uint8_t *)path, ROUTE_NAME_MAX + 1}, name), -1);
    for (int i = 0; i < ROUTE_NAME_MAX; i++)
        memcpy(path + (size_t)i * 3, "%78", 3);
    assert_int_equal(
        route_name_decode((struct slice){(uint8_t *)path, ROUTE_NAME_MAX * 3}, name),
        ROUTE_NAME_MAX);
    assert_int_equal(name[ROUTE_NAME_MAX - 1], 'x');
    assert_int_equal(route_name_decode(text(""), name), -1);
}

static void test_description(void **state)
{
    static const char *const others[] = {"/openapi.jsonx",
                                         "/openapi.jso",
                                         "/OpenAPI.json",
                                         "/v1/openapi.json",
                                         "/",
                                         "/v1"};
    struct route route;

    (void)state;
    route_parse(text("/openapi.json"), &route);
    assert_true(route.is_description && route.kind == STATS_ROUTE_OTHER);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        route_parse(text(others[i]), &route);
        assert_false(route.is_description);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_slash_at_the_end),
        cmocka_unit_test(test_longest_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
