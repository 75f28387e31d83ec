/* The arena's allocator, against a model that marks pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/rpc/space.h"

#define PAGE  ((uint64_t)SPACE_PAGE_BYTES)
#define PAGES 64
#define STEPS 20000

static void blocks_are_whole_pages(void **state)
{
    struct space *space = space_create(4 * PAGE);
    struct space_block *one = space_take(space, 1), *two = space_take(space, PAGE + 1);

    (void)state;
    assert_int_equal(space_block_offset(one), 0);
    assert_int_equal(space_block_bytes(one), PAGE);
    assert_int_equal(space_block_offset(two), PAGE);
    assert_int_equal(space_block_bytes(two), 2 * PAGE);
    assert_int_equal(space_free_bytes(space), PAGE);
    space_give_back(space, &one);
    assert_null(one);
    space_give_back(space, &one); /* none is allowed */
    space_give_back(space, &two);
    assert_int_equal(space_free_bytes(space), 4 * PAGE);
    space_destroy(&space);
    assert_null(space);
}

static void a_full_space_has_no_room(void **state)
{
    struct space *space = space_create(2 * PAGE);
    struct space_block *all = space_take(space, 2 * PAGE);

    (void)state;
    assert_non_null(all);
    assert_null(space_take(space, 1));
    assert_null(space_take(space, UINT64_MAX)); /* rounding up may not wrap */
    space_give_back(space, &all);
    assert_null(space_take(space, 2 * PAGE + 1));
    assert_null(space_take(space, UINT64_MAX));
    space_destroy(&space);
}

static void the_end_of_a_block_is_given_back(void **state)
{
    struct space *space = space_create(6 * PAGE);
    struct space_block *first = space_take(space, 3 * PAGE);
    struct space_block *second = space_take(space, 2 * PAGE), *third;

    (void)state;
    space_trim(space, first, 3 * PAGE - 1); /* nothing */
    assert_int_equal(space_block_bytes(first), 3 * PAGE);
    space_trim(space, first, PAGE + 1);
    assert_int_equal(space_block_bytes(first), 2 * PAGE);
    assert_int_equal(space_free_bytes(space), 2 * PAGE);
    third = space_take(space, PAGE);
    assert_int_equal(space_block_offset(third), 2 * PAGE);
    space_trim(space, second, 1); /* joins what is free behind it */
    space_give_back(space, &first);
    space_give_back(space, &third);
    first = space_take(space, 3 * PAGE);
    assert_int_equal(space_block_offset(first), 0);
    third = space_take(space, 2 * PAGE);
    assert_int_equal(space_block_offset(third), 4 * PAGE);
    assert_int_equal(space_free_bytes(space), 0);
    space_give_back(space, &first);
    space_give_back(space, &second);
    space_give_back(space, &third);
    assert_int_equal(space_free_bytes(space), 6 * PAGE);
    space_destroy(&space);
}

/* However blocks are given back, the gaps become one. */
static void gaps_grow_together(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct space *space = space_create(3 * PAGE);

    (void)state;
    for (unsigned i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct space_block *blocks[3], *all;

        for (unsigned j = 0; j < 3; j++)
            blocks[j] = space_take(space, PAGE);
        for (unsigned j = 0; j < 3; j++)
            space_give_back(space, &blocks[orders[i][j]]);
        all = space_take(space, 3 * PAGE);
        assert_non_null(all);
        space_give_back(space, &all);
    }
    space_destroy(&space);
}

/* True where the model has a gap of so many pages; *first_r is the first page of the
   first one. */
static bool model_has_gap(const bool *taken, uint64_t pages, uint64_t *first_r)
{
    uint64_t run = 0;

    for (uint64_t page = 0; page < PAGES; page++) {
        run = taken[page] ? 0 : run + 1;
        if (run == pages) {
            *first_r = page + 1 - pages;
            return true;
        }
    }
    return false;
}

static void model_mark(bool *taken, const struct space_block *block, bool mark)
{
    uint64_t first = space_block_offset(block) / PAGE;

    for (uint64_t i = 0; i < space_block_bytes(block) / PAGE; i++) {
        assert_true(taken[first + i] != mark);
        taken[first + i] = mark;
    }
}

static uint64_t model_free_bytes(const bool *taken)
{
    uint64_t bytes = 0;

    for (unsigned page = 0; page < PAGES; page++)
        bytes += taken[page] ? 0 : PAGE;
    return bytes;
}

static void behaves_as_the_model(void **state)
{
    struct space *space = space_create(PAGES * PAGE);
    struct space_block *blocks[PAGES] = {NULL};
    bool taken[PAGES] = {false};
    unsigned refused = 0;

    (void)state;
    srandom(7);
    for (unsigned step = 0; step < STEPS; step++) {
        struct space_block **block = &blocks[random() % PAGES];
        uint64_t bytes = 1 + (uint64_t)random() % (12 * PAGE), first = 0;
        bool fits;

        if (*block != NULL) {
            model_mark(taken, *block, false);
            space_give_back(space, block);
        } else {
            fits = model_has_gap(taken, (bytes + PAGE - 1) / PAGE, &first);
            *block = space_take(space, bytes);
            assert_true((*block != NULL) == fits);
            refused += !fits;
        }
        if (*block != NULL) {
            assert_int_equal(space_block_offset(*block), first * PAGE);
            assert_true(space_block_bytes(*block) >= bytes);
            model_mark(taken, *block, true);
        }
        assert_int_equal(space_free_bytes(space), model_free_bytes(taken));
    }
    assert_true(refused > 100); /* it was full often enough to mean something */
    space_destroy(&space);      /* with what is still taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_whole_pages),
        cmocka_unit_test(a_full_space_has_no_room),
        cmocka_unit_test(the_end_of_a_block_is_given_back),
        cmocka_unit_test(gaps_grow_together),
        cmocka_unit_test(behaves_as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
