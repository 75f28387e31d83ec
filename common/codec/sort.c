#include "common/codec/sort.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* A heap: no item is above its parent, which is item (i - 1) / 2. */
struct heap {
    uint8_t *items;
    size_t bytes; /* of an item */
    int (*compare)(const void *a, const void *b);
};

static uint8_t *item(const struct heap *heap, size_t i)
{
    return heap->items + i * heap->bytes;
}

/* The leaf at the end of the path from `top` through the larger children. */
static size_t find_leaf(const struct heap *heap, size_t top, size_t count)
{
    size_t child;

    while ((child = 2 * top + 1) < count) {
        if (child + 1 < count &&
            heap->compare(item(heap, child), item(heap, child + 1)) < 0)
            child++;
        top = child;
    }
    return top;
}

/* Puts `moving` into its place on the path down from `top`, whose item may be
   overwritten. Most items belong near a leaf, so the search starts at the leaf: that
   takes half the comparisons. */
static void sift(const struct heap *heap, size_t top, size_t count, const uint8_t *moving)
{
    uint8_t moved[SORT_MAX_BYTES], next[SORT_MAX_BYTES];
    size_t at = find_leaf(heap, top, count);

    while (at > top && heap->compare(item(heap, at), moving) < 0)
        at = (at - 1) / 2;
    memcpy(moved, moving, heap->bytes);
    for (;;) { /* each item above moves up to its parent's place */
        memcpy(next, item(heap, at), heap->bytes);
        memcpy(item(heap, at), moved, heap->bytes);
        if (at == top)
            return;
        memcpy(moved, next, heap->bytes);
        at = (at - 1) / 2;
    }
}

void sort_items(void *items, size_t count, size_t bytes,
                int (*compare)(const void *a, const void *b))
{
    const struct heap heap = {items, bytes, compare};
    uint8_t moving[SORT_MAX_BYTES];

    assert(bytes <= SORT_MAX_BYTES);
    for (size_t top = count / 2; top-- > 0;) {
        memcpy(moving, item(&heap, top), bytes);
        sift(&heap, top, count, moving);
    }
    for (size_t last = count; last-- > 1;) {
        memcpy(moving, item(&heap, last), bytes);
        memcpy(item(&heap, last), item(&heap, 0), bytes);
        sift(&heap, 0, last, moving);
    }
}
