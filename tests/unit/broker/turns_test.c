/* Whose job is next: fair by cost, bounded, and light beside heavy. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/broker/turns.h"

#define MEMBERS 3
#define ITEMS   600

struct table {
    struct turns turns;
    struct turns_member members[MEMBERS];
    struct turns_item items[MEMBERS][ITEMS];
    unsigned count[MEMBERS]; /* of items */
    uint64_t now_ns;
};

static struct table *table_new(unsigned workers)
{
    static struct table table; /* large */

    table.now_ns = 1;
    turns_init(&table.turns);
    turns_set_workers(&table.turns, workers);
    for (unsigned m = 0; m < MEMBERS; m++) {
        turns_member_init(&table.members[m]);
        table.count[m] = 0;
    }
    return &table;
}

static void push(struct table *table, unsigned member, unsigned count, uint32_t cost_us)
{
    while (count-- > 0)
        turns_push(&table->turns, &table->members[member],
                   &table->items[member][table->count[member]++], cost_us, table->now_ns);
}

static unsigned member_of(const struct table *table, const struct turns_item *item)
{
    return (unsigned)(item->member - table->members);
}

/* Runs jobs one after another: how many of each member. */
static void run(struct table *table, unsigned jobs, uint32_t us, unsigned *ran_r)
{
    for (unsigned m = 0; m < MEMBERS; m++)
        ran_r[m] = 0;
    while (jobs-- > 0) {
        struct turns_item *item = turns_next(&table->turns, table->now_ns);

        assert_non_null(item);
        ran_r[member_of(table, item)]++;
        turns_end(&table->turns, item, us == 0 ? item->cost_us : us);
    }
}

static void test_one_member_keeps_its_order(void **state)
{
    struct table *table = table_new(1);

    (void)state;
    assert_null(turns_next(&table->turns, table->now_ns));
    push(table, 0, 10, 100);
    for (unsigned i = 0; i < 10; i++) {
        struct turns_item *item = turns_next(&table->turns, table->now_ns);

        assert_ptr_equal(item, &table->items[0][i]);
        turns_end(&table->turns, item, 100);
        assert_null(item->member);
    }
    assert_null(turns_next(&table->turns, table->now_ns));
}

static void test_what_is_under_way_is_bounded(void **state)
{
    struct table *table = table_new(2);
    unsigned taken = 0;

    (void)state;
    push(table, 0, 100, 1000);
    while (turns_next(&table->turns, table->now_ns) != NULL)
        taken++;
    assert_int_equal(taken, 6); /* 3 ms for each worker */
    turns_end(&table->turns, &table->items[0][3], 1000);
    assert_ptr_equal(turns_next(&table->turns, table->now_ns), &table->items[0][6]);
    assert_null(turns_next(&table->turns, table->now_ns));
}

static void test_jobs_that_are_long_still_fill_the_workers(void **state)
{
    struct table *table = table_new(2);
    unsigned taken = 0;

    (void)state;
    push(table, 0, 100, TURNS_HEAVY_US);
    while (turns_next(&table->turns, table->now_ns) != NULL)
        taken++;
    assert_int_equal(taken, 4);
}

static void test_light_ones_pass_heavy_ones(void **state)
{
    struct table *table = table_new(1);
    unsigned heavy = 0;

    (void)state;
    push(table, 0, 10, 100000);
    while (turns_next(&table->turns, table->now_ns) != NULL)
        heavy++;
    assert_int_equal(heavy, 2); /* one runs, one waits */
    push(table, 1, 1, 10);
    push(table, 0, 1, 10); /* behind heavy ones of its own */
    assert_ptr_equal(turns_next(&table->turns, table->now_ns), &table->items[1][0]);
    assert_ptr_equal(turns_next(&table->turns, table->now_ns), &table->items[0][10]);
    assert_null(turns_next(&table->turns, table->now_ns));
}

static void test_a_worker_is_left_to_light_ones(void **state)
{
    struct table *table = table_new(3);
    unsigned medium = 0, heavy = 0;
    struct turns_item *item;

    (void)state;
    push(table, 1, 1, 10);
    turns_end(&table->turns, turns_next(&table->turns, table->now_ns), 10);
    push(table, 0, 20, 1000);
    push(table, 0, 20, 10000);
    while ((item = turns_next(&table->turns, table->now_ns)) != NULL)
        if (item->cost_us == 1000)
            medium++;
        else
            heavy++;
    assert_int_equal(medium, 2);
    assert_int_equal(heavy, 2);
    table->now_ns += TURNS_LIGHT_NS; /* none has come for long */
    while ((item = turns_next(&table->turns, table->now_ns)) != NULL)
        if (item->cost_us == 1000)
            medium++;
        else
            heavy++;
    assert_int_equal(medium, 9);
    assert_int_equal(heavy, 4);
}

static void test_who_sends_more_gets_no_more(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, ITEMS, 100);
    push(table, 1, 50, 100);
    run(table, 100, 0, ran);
    assert_int_equal(ran[0], 50);
    assert_int_equal(ran[1], 50);
}

static void test_turns_are_by_cost(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, ITEMS, 1000);
    push(table, 1, ITEMS, 100);
    run(table, 220, 0, ran);
    assert_in_range(ran[0], 19, 21);
    assert_in_range(ran[1], 199, 201);
}

/* An application whose jobs take longer than they look. */
static void test_estimates_are_put_right(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS] = {0, 0, 0};

    (void)state;
    push(table, 0, ITEMS, 100);
    push(table, 1, ITEMS, 100);
    for (unsigned i = 0; i < 110; i++) {
        struct turns_item *item = turns_next(&table->turns, table->now_ns);
        unsigned member = member_of(table, item);

        ran[member]++;
        turns_end(&table->turns, item, member == 0 ? 1000 : 100);
    }
    assert_in_range(ran[0], 9, 11);
}

static void test_nobody_saves_turns_up(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, 300, 100);
    run(table, 200, 0, ran);
    push(table, 1, 100, 100);
    run(table, 100, 0, ran);
    assert_in_range(ran[0], 49, 51);
    assert_in_range(ran[1], 49, 51);
}

static void test_a_charge_costs_turns(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, 100, 100);
    push(table, 1, 100, 100);
    turns_charge(&table->members[0], 5000);
    run(table, 50, 0, ran);
    assert_int_equal(ran[0], 0);
    run(table, 150, 0, ran);
    assert_int_equal(ran[0], 100); /* it is not forgotten */
}

static void test_who_is_held_gets_none(void **state)
{
    struct table *table = table_new(1);
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, 10, 100);
    table->members[0].is_held = true;
    assert_null(turns_next(&table->turns, table->now_ns));
    push(table, 1, 10, 100);
    run(table, 10, 0, ran);
    assert_int_equal(ran[1], 10);
    table->members[0].is_held = false;
    run(table, 10, 0, ran);
    assert_int_equal(ran[0], 10);
}

static void test_a_job_that_waits_is_taken_back(void **state)
{
    struct table *table = table_new(1);

    (void)state;
    push(table, 0, 3, 100);
    turns_end(&table->turns, &table->items[0][1], 0);
    assert_ptr_equal(turns_next(&table->turns, table->now_ns), &table->items[0][0]);
    assert_ptr_equal(turns_next(&table->turns, table->now_ns), &table->items[0][2]);
    assert_null(turns_next(&table->turns, table->now_ns));
    turns_end(&table->turns, &table->items[0][0], 100);
    turns_end(&table->turns, &table->items[0][2], 100);
    assert_int_equal(table->turns.taken[TURNS_LIGHT].count, 0);
    assert_int_equal(table->turns.taken[TURNS_LIGHT].cost_us, 0);
    assert_true(list_is_empty(&table->turns.active));
}

/* Who cancels what has begun is not served for nothing. */
static void test_a_job_given_up_stays_under_way(void **state)
{
    struct table *table = table_new(1);
    struct turns_item begun[2], *item;
    unsigned ran[MEMBERS];

    (void)state;
    push(table, 0, 100, 5000);
    push(table, 1, 100, 5000);
    for (unsigned i = 0; i < 2; i++) {
        item = turns_next(&table->turns, table->now_ns);
        assert_int_equal(member_of(table, item), i);
        turns_move(item, &begun[i]);
        assert_null(item->member);
    }
    assert_null(turns_next(&table->turns, table->now_ns)); /* the worker has enough */
    turns_end(&table->turns, &begun[0], 25000);
    turns_end(&table->turns, &begun[1], 5000);
    run(table, 4, 0, ran);
    assert_int_equal(ran[0], 0); /* it has had its part */
    assert_int_equal(ran[1], 4);
}

static void test_a_member_leaves_what_it_has_begun(void **state)
{
    struct table *table = table_new(1);
    struct turns_item begun[2];

    (void)state;
    push(table, 0, 2, 5000);
    push(table, 1, 1, 5000);
    turns_move(turns_next(&table->turns, table->now_ns), &begun[0]);
    turns_leave(&table->turns, &begun[0]);
    turns_end(&table->turns, &table->items[0][1], 0); /* it waited */
    assert_int_equal(table->members[0].taken_count, 0);
    turns_move(turns_next(&table->turns, table->now_ns), &begun[1]);
    push(table, 1, 1, 5000);
    assert_null(turns_next(&table->turns, table->now_ns));
    turns_end(&table->turns, &begun[0], 7000);
    assert_non_null(turns_next(&table->turns, table->now_ns));
    turns_end(&table->turns, &begun[1], 5000);
    turns_end(&table->turns, &table->items[1][1], 5000);
    assert_int_equal(table->turns.taken[TURNS_MEDIUM].count, 0);
    assert_int_equal(table->turns.gone.taken_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_member_keeps_its_order),
        cmocka_unit_test(test_what_is_under_way_is_bounded),
        cmocka_unit_test(test_jobs_that_are_long_still_fill_the_workers),
        cmocka_unit_test(test_light_ones_pass_heavy_ones),
        cmocka_unit_test(test_a_worker_is_left_to_light_ones),
        cmocka_unit_test(test_who_sends_more_gets_no_more),
        cmocka_unit_test(test_turns_are_by_cost),
        cmocka_unit_test(test_estimates_are_put_right),
        cmocka_unit_test(test_nobody_saves_turns_up),
        cmocka_unit_test(test_a_charge_costs_turns),
        cmocka_unit_test(test_who_is_held_gets_none),
        cmocka_unit_test(test_a_job_that_waits_is_taken_back),
        cmocka_unit_test(test_a_job_given_up_stays_under_way),
        cmocka_unit_test(test_a_member_leaves_what_it_has_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
