/* Server-made ids: form, order, uniqueness. */
#include "server/api/document/new_id.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS UINT64_C(1795343330123)

static void test_form(void **state)
{
    struct new_id sequence = {0};
    uint8_t id[NEW_ID_LEN];
    char stamp[16];

    (void)state;
    new_id_make(&sequence, NOW_MS, id);
    snprintf(stamp, sizeof stamp, "%08llx-%04llx", (unsigned long long)(NOW_MS >> 16),
             (unsigned long long)(NOW_MS & 0xffff));
    assert_memory_equal(id, stamp, 13);
    assert_int_equal(id[14], '7');
    assert_non_null(memchr("89ab", id[19], 4));
    for (int i = 0; i < NEW_ID_LEN; i++)
        assert_true(i == 8 || i == 13 || i == 18 || i == 23 ? id[i] == '-'
                                                            : isxdigit(id[i]) != 0);
}

static void test_order(void **state)
{
    struct new_id sequence = {0};
    uint8_t last[NEW_ID_LEN], id[NEW_ID_LEN];

    (void)state;
    new_id_make(&sequence, NOW_MS, last);
    for (int i = 0; i < 100000; i++) {
        /* the clock stands, goes on, and steps back */
        uint64_t now = NOW_MS + (uint64_t)(i / 1000) - (i % 7 == 0 ? 50 : 0);

        new_id_make(&sequence, now, id);
        assert_true(memcmp(last, id, NEW_ID_LEN) < 0);
        memcpy(last, id, NEW_ID_LEN);
    }
}

static void test_used_up_millisecond_borrows(void **state)
{
    struct new_id sequence = {.last_ms = NOW_MS, .counter = (1u << 26) - 2};
    uint8_t one[NEW_ID_LEN], two[NEW_ID_LEN];

    (void)state;
    new_id_make(&sequence, NOW_MS, one);
    new_id_make(&sequence, NOW_MS, two);
    assert_true(memcmp(one, two, NEW_ID_LEN) < 0);
    assert_true(sequence.last_ms == NOW_MS + 1);
}

static void test_fronts_differ(void **state)
{
    struct new_id one = {0}, two = {0};
    uint8_t a[NEW_ID_LEN], b[NEW_ID_LEN];

    (void)state;
    new_id_make(&one, NOW_MS, a);
    new_id_make(&two, NOW_MS, b);
    assert_memory_not_equal(a + 24, b + 24, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_used_up_millisecond_borrows),
        cmocka_unit_test(test_fronts_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
