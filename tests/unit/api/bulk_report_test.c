/* The report of a bulk request: counts, the first 100 errors by line, its JSON. */
#include "server/api/bulk/bulk_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct bulk_report report;

static int reset(void **state)
{
    (void)state;
    memset(&report, 0, sizeof report);
    return 0;
}

static void check_text(const char *expected)
{
    struct buf text = BUF_INIT;

    bulk_report_print(&report, &text);
    buf_append(&text, "", 1);
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
}

static void test_text(void **state)
{
    (void)state;
    check_text("{\"stored\":0,\"failed\":0,\"errors\":[]}");
    report.stored = UINT64_MAX;
    bulk_report_fail(&report, 7, "not \"so\" \\ at byte 3");
    bulk_report_fail(&report, 3, "first");
    check_text("{\"stored\":18446744073709551615,\"failed\":2,\"errors\":["
               "{\"line\":3,\"detail\":\"first\"},"
               "{\"line\":7,\"detail\":\"not \\\"so\\\" \\\\ at byte 3\"}]}");
}

static void test_long_detail(void **state)
{
    char detail[BULK_REPORT_TEXT_BYTES * 2];

    (void)state;
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    bulk_report_fail(&report, 1, detail);
    assert_int_equal(strlen(report.errors[0].detail), BULK_REPORT_TEXT_BYTES - 1);
}

/* In whatever order they fail, the first lines are listed, in order. */
static void test_first_hundred(void **state)
{
    static const unsigned steps[] = {1, 7, 499};

    for (size_t s = 0; s < 3; s++) {
        reset(state);
        for (unsigned i = 0; i < 500; i++)
            bulk_report_fail(&report, 1 + (uint64_t)i * steps[s] % 500, "x");
        assert_int_equal(report.failed, 500);
        assert_int_equal(report.listed, BULK_REPORT_ERRORS);
        for (unsigned i = 0; i < BULK_REPORT_ERRORS; i++)
            assert_int_equal(report.errors[i].line, i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_text, reset),
                                       cmocka_unit_test_setup(test_long_detail, reset),
                                       cmocka_unit_test_setup(test_first_hundred, reset)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
