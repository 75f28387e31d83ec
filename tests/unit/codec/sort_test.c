/* Sorting in place: right for any order and size of items, and in n log n comparisons. */
#include "common/codec/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define MOST 3000

struct item {
    uint32_t key;
    uint32_t check; /* of the key: an item stays whole */
    uint8_t padding[40];
};

static struct item items[MOST];
static size_t comparisons;

static int compare(const void *a, const void *b)
{
    const struct item *one = a, *two = b;

    comparisons++;
    return one->key < two->key ? -1 : one->key > two->key;
}

static void sort_keys(size_t count, uint32_t (*key)(size_t i))
{
    uint64_t sum = 0;
    size_t log2 = 1;

    for (size_t i = 0; i < count; i++) {
        items[i] = (struct item){.key = key(i), .check = ~key(i)};
        sum += key(i);
    }
    comparisons = 0;
    sort_items(items, count, sizeof *items, compare);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || items[i - 1].key <= items[i].key);
        assert_int_equal(items[i].check, ~items[i].key);
        sum -= items[i].key;
    }
    assert_int_equal(sum, 0);
    while (count >> log2 != 0)
        log2++;
    assert_true(comparisons <= count * (log2 + 2));
}

static uint32_t rising(size_t i)
{
    return (uint32_t)i;
}

static uint32_t falling(size_t i)
{
    return (uint32_t)(MOST - i);
}

static uint32_t equal(size_t i)
{
    (void)i;
    return 7;
}

static uint32_t mixed(size_t i)
{
    return (uint32_t)(i * 2654435761u) >> 8;
}

static uint32_t few(size_t i)
{
    return (uint32_t)(i * 2654435761u) >> 30;
}

static void test_orders(void **state)
{
    uint32_t (*const keys[])(size_t) = {rising, falling, equal, mixed, few};

    (void)state;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (size_t count = 0; count < 70; count++)
            sort_keys(count, keys[k]);
        sort_keys(MOST, keys[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_orders)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
