/* The memory budget: what fits, and what counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/blob.h"
#include "common/loop/memory_budget.h"

#define MIB   (UINT64_C(1) << 20)
#define LIMIT (64 * MIB)

static void test_everything_fits_without_a_limit(void **state)
{
    (void)state;
    memory_budget_set_limit(0);
    memory_budget_hold(LIMIT);
    assert_true(memory_budget_fits(1000 * LIMIT, 1000 * LIMIT));
    assert_false(memory_budget_is_short());
    assert_true(memory_budget_room() == UINT64_MAX);
    assert_int_equal(0, memory_budget_missing());
    memory_budget_release(LIMIT);
}

static void test_large_things_are_refused_first(void **state)
{
    uint64_t refusals = memory_budget_refusals();

    (void)state;
    memory_budget_set_limit(LIMIT);
    assert_true(memory_budget_fits(48 * MIB, 48 * MIB));
    assert_int_equal(48 * MIB, memory_budget_room());
    memory_budget_hold(40 * MIB);
    assert_true(memory_budget_fits(8 * MIB, 8 * MIB));
    assert_false(memory_budget_fits(9 * MIB, 9 * MIB));
    assert_true(memory_budget_fits(9 * MIB, 4 * MIB)); /* it has the rest already */
    memory_budget_hold(8 * MIB);
    assert_true(memory_budget_is_short());
    assert_false(memory_budget_fits(2 * MIB, 1));
    assert_true(memory_budget_fits(2 * MIB, 0));
    assert_true(memory_budget_fits(MIB, MIB));
    memory_budget_hold(16 * MIB);
    assert_false(memory_budget_fits(MIB, MIB));
    assert_true(memory_budget_fits(MEMORY_BUDGET_SMALL, MEMORY_BUDGET_SMALL));
    memory_budget_hold(LIMIT);
    assert_true(memory_budget_fits(MEMORY_BUDGET_SMALL, MEMORY_BUDGET_SMALL));
    assert_int_equal(3, memory_budget_refusals() - refusals);
    memory_budget_release(2 * LIMIT);
    memory_budget_set_limit(0);
}

static void test_promises_and_shared_memory_count(void **state)
{
    (void)state;
    memory_budget_set_limit(LIMIT);
    memory_budget_promise(20 * MIB);
    memory_budget_set_shared(20 * MIB);
    assert_int_equal(40 * MIB, memory_budget_used());
    assert_false(memory_budget_fits(10 * MIB, 10 * MIB));
    memory_budget_end_promise(20 * MIB);
    assert_true(memory_budget_fits(10 * MIB, 10 * MIB));
    memory_budget_set_shared(0);
    memory_budget_set_limit(0);
}

static void test_what_is_missing(void **state)
{
    (void)state;
    memory_budget_set_limit(LIMIT);
    (void)memory_budget_missing();
    memory_budget_hold(45 * MIB);
    assert_int_equal(0, memory_budget_missing());
    assert_false(memory_budget_fits(7 * MIB, 7 * MIB));
    assert_false(memory_budget_fits(5 * MIB, 5 * MIB));
    assert_int_equal(7 * MIB, memory_budget_missing()); /* the largest */
    assert_int_equal(0, memory_budget_missing());
    memory_budget_hold(10 * MIB);
    assert_int_equal(7 * MIB, memory_budget_missing()); /* over three quarters */
    memory_budget_release(55 * MIB);
    memory_budget_set_limit(0);
}

/* A blob counts once, however many replies use it. */
static void test_blobs_count_once(void **state)
{
    uint64_t before = memory_budget_used();
    struct buf buf = BUF_INIT;
    struct blob *made, *other, *stolen;
    uint8_t *bytes;

    (void)state;
    made = blob_new(1000, &bytes);
    assert_int_equal(1000, memory_budget_used() - before);
    other = blob_ref(made);
    assert_int_equal(1000, memory_budget_used() - before);
    blob_unref(&made);
    assert_int_equal(1000, memory_budget_used() - before);
    buf_reserve(&buf, 3000);
    buf.len = 10;
    stolen = blob_new_steal(&buf); /* its capacity counts, not its length */
    assert_true(memory_budget_used() - before >= 4000);
    blob_unref(&other);
    blob_unref(&stolen);
    assert_int_equal(before, memory_budget_used());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_fits_without_a_limit),
        cmocka_unit_test(test_large_things_are_refused_first),
        cmocka_unit_test(test_promises_and_shared_memory_count),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_blobs_count_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
