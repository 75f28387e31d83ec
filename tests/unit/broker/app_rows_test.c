/* What applications have done, by name: bounded, and told without harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "worker/broker/app_rows.h"

static struct app_rows rows;

static struct app_row *take_numbered(unsigned number)
{
    char name[16];

    snprintf(name, sizeof name, "app-%u", number);
    return app_rows_take(&rows, name);
}

static void test_a_name_has_one_row(void **state)
{
    struct app_row *row;

    (void)state;
    app_rows_init(&rows);
    row = take_numbered(1);
    assert_ptr_equal(take_numbered(1), row);
    assert_int_equal(row->connections, 2);
    assert_ptr_not_equal(take_numbered(2), row);
    app_rows_release(row, 1);
    app_rows_release(row, 2);
    assert_ptr_equal(take_numbered(1), row);
    assert_int_equal(row->connections_total, 3);
}

static void test_the_rest_share_a_row(void **state)
{
    struct app_row *others, *first;

    (void)state;
    app_rows_init(&rows);
    first = take_numbered(0);
    for (unsigned i = 1; i < APP_ROWS; i++)
        assert_ptr_not_equal(take_numbered(i), &rows.rows[APP_ROWS]);
    others = take_numbered(1000);
    assert_string_equal(others->name, "(others)");
    assert_ptr_equal(take_numbered(1001), others);
    app_rows_release(first, 5); /* its row is the next new name's */
    assert_ptr_equal(take_numbered(1002), first);
    assert_string_equal(first->name, "app-1002");
    assert_int_equal(first->connections_total, 1);
}

static void test_crashes_are_remembered_for_a_while(void **state)
{
    const uint64_t minute_ns = 60 * NS_PER_S;
    struct app_row *row;

    (void)state;
    app_rows_init(&rows);
    row = take_numbered(1);
    for (unsigned i = 0; i < APP_MAX_CRASHES - 1; i++)
        app_row_note_crash(row, i * minute_ns);
    assert_false(app_row_is_refused(row, 8 * minute_ns));
    app_row_note_crash(row, 8 * minute_ns);
    assert_true(app_row_is_refused(row, 8 * minute_ns));
    assert_true(app_row_is_refused(row, 10 * minute_ns - 1));
    assert_false(app_row_is_refused(row, 10 * minute_ns)); /* the first is forgotten */
    app_row_note_crash(row, 10 * minute_ns);
    assert_true(app_row_is_refused(row, 10 * minute_ns));
}

static void test_metrics(void **state)
{
    struct buf text = BUF_INIT;
    struct app_row *row;

    (void)state;
    app_rows_init(&rows);
    row = take_numbered(1);
    row->answers[WIRE_DONE] = 5;
    row->refused = 2;
    row->answers[WIRE_OVERLOADED] = 7;
    row->codec_us = 1500;
    row->in_bytes = UINT64_C(1) << 40;
    app_rows_print(&rows, &text);
    buf_append(&text, "", 1);
    assert_non_null(strstr((char *)text.data,
                           "offloop_application_jobs_total{application=\"app-1\","
                           "result=\"ok\"} 3\n"));
    assert_non_null(strstr((char *)text.data, "result=\"refused\"} 2\n"));
    assert_non_null(strstr((char *)text.data, "result=\"overloaded\"} 7\n"));
    assert_non_null(strstr((char *)text.data,
                           "codec_seconds_total{application=\"app-1\"} "
                           "0.0015\n"));
    assert_non_null(strstr((char *)text.data, "input_bytes_total{application=\"app-1\"} "
                                              "1099511627776\n"));
    assert_null(strstr((char *)text.data, "(others)"));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_has_one_row),
        cmocka_unit_test(test_the_rest_share_a_row),
        cmocka_unit_test(test_crashes_are_remembered_for_a_while),
        cmocka_unit_test(test_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
