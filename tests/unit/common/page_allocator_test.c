/* The arena's allocator, against a model that marks pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/page_allocator.h"

#define PAGE  ((uint64_t)PAGE_ALLOCATOR_PAGE_BYTES)
#define PAGES 64
#define STEPS 20000

static void blocks_are_whole_pages(void **state)
{
    struct page_allocator *pages = page_allocator_create(4 * PAGE);
    struct page_block *one = page_allocator_take(pages, 1),
                      *two = page_allocator_take(pages, PAGE + 1);

    (void)state;
    assert_int_equal(page_block_offset(one), 0);
    assert_int_equal(page_block_bytes(one), PAGE);
    assert_int_equal(page_block_offset(two), PAGE);
    assert_int_equal(page_block_bytes(two), 2 * PAGE);
    assert_int_equal(page_allocator_free_bytes(pages), PAGE);
    page_allocator_give_back(pages, &one);
    assert_null(one);
    page_allocator_give_back(pages, &one); /* none is allowed */
    page_allocator_give_back(pages, &two);
    assert_int_equal(page_allocator_free_bytes(pages), 4 * PAGE);
    page_allocator_destroy(&pages);
    assert_null(pages);
}

static void a_full_space_has_no_room(void **state)
{
    struct page_allocator *pages = page_allocator_create(2 * PAGE);
    struct page_block *all = page_allocator_take(pages, 2 * PAGE);

    (void)state;
    assert_non_null(all);
    assert_null(page_allocator_take(pages, 1));
    assert_null(page_allocator_take(pages, UINT64_MAX)); /* rounding up may not wrap */
    page_allocator_give_back(pages, &all);
    assert_null(page_allocator_take(pages, 2 * PAGE + 1));
    assert_null(page_allocator_take(pages, UINT64_MAX));
    page_allocator_destroy(&pages);
}

static void the_end_of_a_block_is_given_back(void **state)
{
    struct page_allocator *pages = page_allocator_create(6 * PAGE);
    struct page_block *first = page_allocator_take(pages, 3 * PAGE);
    struct page_block *second = page_allocator_take(pages, 2 * PAGE), *third;

    (void)state;
    page_allocator_trim(pages, first, 3 * PAGE - 1); /* nothing */
    assert_int_equal(page_block_bytes(first), 3 * PAGE);
    page_allocator_trim(pages, first, PAGE + 1);
    assert_int_equal(page_block_bytes(first), 2 * PAGE);
    assert_int_equal(page_allocator_free_bytes(pages), 2 * PAGE);
    third = page_allocator_take(pages, PAGE);
    assert_int_equal(page_block_offset(third), 2 * PAGE);
    page_allocator_trim(pages, second, 1); /* joins what is free behind it */
    page_allocator_give_back(pages, &first);
    page_allocator_give_back(pages, &third);
    first = page_allocator_take(pages, 3 * PAGE);
    assert_int_equal(page_block_offset(first), 0);
    third = page_allocator_take(pages, 2 * PAGE);
    assert_int_equal(page_block_offset(third), 4 * PAGE);
    assert_int_equal(page_allocator_free_bytes(pages), 0);
    page_allocator_give_back(pages, &first);
    page_allocator_give_back(pages, &second);
    page_allocator_give_back(pages, &third);
    assert_int_equal(page_allocator_free_bytes(pages), 6 * PAGE);
    page_allocator_destroy(&pages);
}

/* However blocks are given back, the gaps become one. */
static void gaps_grow_together(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct page_allocator *pages = page_allocator_create(3 * PAGE);

    (void)state;
    for (unsigned i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct page_block *blocks[3], *all;

        for (unsigned j = 0; j < 3; j++)
            blocks[j] = page_allocator_take(pages, PAGE);
        for (unsigned j = 0; j < 3; j++)
            page_allocator_give_back(pages, &blocks[orders[i][j]]);
        all = page_allocator_take(pages, 3 * PAGE);
        assert_non_null(all);
        page_allocator_give_back(pages, &all);
    }
    page_allocator_destroy(&pages);
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

static void model_mark(bool *taken, const struct page_block *block, bool mark)
{
    uint64_t first = page_block_offset(block) / PAGE;

    for (uint64_t i = 0; i < page_block_bytes(block) / PAGE; i++) {
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
    struct page_allocator *pages = page_allocator_create(PAGES * PAGE);
    struct page_block *blocks[PAGES] = {NULL};
    bool taken[PAGES] = {false};
    unsigned refused = 0;

    (void)state;
    srandom(7);
    for (unsigned step = 0; step < STEPS; step++) {
        struct page_block **block = &blocks[random() % PAGES];
        uint64_t bytes = 1 + (uint64_t)random() % (12 * PAGE), first = 0;
        bool fits;

        if (*block != NULL) {
            model_mark(taken, *block, false);
            page_allocator_give_back(pages, block);
        } else {
            fits = model_has_gap(taken, (bytes + PAGE - 1) / PAGE, &first);
            *block = page_allocator_take(pages, bytes);
            assert_true((*block != NULL) == fits);
            refused += !fits;
        }
        if (*block != NULL) {
            assert_int_equal(page_block_offset(*block), first * PAGE);
            assert_true(page_block_bytes(*block) >= bytes);
            model_mark(taken, *block, true);
        }
        assert_int_equal(page_allocator_free_bytes(pages), model_free_bytes(taken));
    }
    assert_true(refused > 100);     /* it was full often enough to mean something */
    page_allocator_destroy(&pages); /* with what is still taken */
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
