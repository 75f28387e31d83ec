/* Conditions on writes: which the store can check, and how the others are judged. */
#include "server/api/conditions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OURS  "\"5-json\""
#define OTHER "\"4-json\""

static struct conditions of(const char *match, const char *none_match)
{
    return (struct conditions){
        {(const uint8_t *)match, match ? strlen(match) : 0},
        {(const uint8_t *)none_match, none_match ? strlen(none_match) : 0}};
}

static void check_store(const char *match, const char *none_match,
                        enum store_condition expected)
{
    struct conditions conditions = of(match, none_match);
    struct store_put put = {.if_version = 99};

    assert_int_equal(conditions_plan(&conditions, &put), CONDITIONS_STORE);
    assert_int_equal(put.condition, expected);
    if (expected == STORE_IF_VERSION)
        assert_true(put.if_version == 5);
}

static void test_what_the_store_checks(void **state)
{
    (void)state;
    check_store(NULL, NULL, STORE_ALWAYS);
    check_store("*", NULL, STORE_IF_PRESENT);
    check_store(NULL, "*", STORE_IF_ABSENT);
    check_store(OURS, NULL, STORE_IF_VERSION);
    check_store(" " OURS " ,", NULL, STORE_IF_VERSION);
}

static void test_what_must_be_read(void **state)
{
    static const char *const fields[][2] = {
        {OURS ", " OTHER, NULL}, {"W/" OURS, NULL}, {"\"x\"", NULL}, {NULL, OURS},
        {NULL, "\"x\", " OURS},  {"*", "*"},        {OURS, OTHER},   {"*", OURS}};
    struct store_put put;

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct conditions conditions = of(fields[i][0], fields[i][1]);

        assert_int_equal(conditions_plan(&conditions, &put), CONDITIONS_READ);
    }
}

/* How version 5 is judged, and a document that is not there. */
static void check_holds(const char *match, const char *none_match, bool expected,
                        bool expected_absent)
{
    struct conditions conditions = of(match, none_match);

    assert_int_equal(conditions_hold(&conditions, 5), expected);
    assert_int_equal(conditions_hold_absent(&conditions), expected_absent);
}

static void test_verdicts(void **state)
{
    (void)state;
    check_holds(NULL, NULL, true, true);
    check_holds("*", NULL, true, false);
    check_holds(OURS, NULL, true, false);
    check_holds(OTHER ", \"5-msgpack\"", NULL, true, false);
    check_holds(OTHER, NULL, false, false);
    check_holds("W/" OURS, NULL, false, false); /* strong comparison */
    check_holds(NULL, "*", false, true);
    check_holds(NULL, OURS, false, true);
    check_holds(NULL, "W/\"5-json-gzip\"", false, true); /* weak comparison */
    check_holds(NULL, OTHER ", \"x\"", true, true);
    check_holds(OURS, OTHER, true, false);
    check_holds(OURS, OURS, false, false);
    check_holds(OTHER, OTHER, false, false);
}

static void test_match_alone(void **state)
{
    struct conditions conditions = of(OURS, OURS);

    (void)state;
    assert_true(conditions_match(&conditions, 5));
    assert_false(conditions_match(&conditions, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_store_checks),
        cmocka_unit_test(test_what_must_be_read),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_match_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
