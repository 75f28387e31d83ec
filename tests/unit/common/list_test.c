/* The intrusive list, and the clocks. */
#include "common/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"

struct item {
    int number;
    struct list link;
};

static struct item *item_of(struct list *link)
{
    return container_of(link, struct item, link);
}

static void starts_empty(void **state)
{
    struct list head;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_shift(&head));
}

static void keeps_the_order(void **state)
{
    struct item items[5];
    struct list head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        list_append(&head, &items[i].link);
    }
    for (int i = 0; i < 5; i++) {
        struct list *link = list_shift(&head);

        assert_int_equal(item_of(link)->number, i);
        assert_true(list_is_empty(link)); /* unlinked */
    }
    assert_true(list_is_empty(&head));
}

static void removes_anywhere(void **state)
{
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    struct list head;

    (void)state;
    list_init(&head);
    list_init(&a.link);
    list_append(&head, &a.link);
    list_append(&head, &b.link);
    list_append(&head, &c.link);
    list_remove(&b.link);
    list_remove(&b.link); /* in no list: nothing happens */
    assert_ptr_equal(a.link.next, &c.link);
    assert_ptr_equal(c.link.prev, &a.link);
    list_remove(&a.link);
    list_remove(&c.link);
    assert_true(list_is_empty(&head));
}

static void inserts_before(void **state)
{
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    struct list head;

    (void)state;
    list_init(&head);
    list_append(&head, &b.link);
    list_insert_before(&b.link, &a.link);
    list_insert_before(&head, &c.link);
    assert_int_equal(item_of(list_shift(&head))->number, 1);
    assert_int_equal(item_of(list_shift(&head))->number, 2);
    assert_int_equal(item_of(list_shift(&head))->number, 3);
}

static void clocks_never_go_back(void **state)
{
    uint64_t now = clock_now_ns(), cpu = clock_thread_cpu_ns();

    (void)state;
    assert_true(now > 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t next = clock_now_ns(), next_cpu = clock_thread_cpu_ns();

        assert_true(next >= now && next_cpu >= cpu);
        now = next;
        cpu = next_cpu;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),         cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(removes_anywhere),     cmocka_unit_test(inserts_before),
        cmocka_unit_test(clocks_never_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
