/*
 * Sorting in place, in n log n whatever the items. qsort() is not used, because the C
 * library's may allocate, which no job's account shows, and may ask the kernel for the
 * size of the memory, which ends a worker in its sandbox. Pure functions; cannot fail.
 */
#ifndef OFFLOOP_COMMON_CODEC_SORT_H
#define OFFLOOP_COMMON_CODEC_SORT_H

#include <stddef.h>

/* Bytes of one item, at most. */
#define SORT_MAX_BYTES 64

/* Sorts `count` items of `bytes` each. `compare` returns as qsort()'s; items that are
   equal end in any order. */
void sort_items(void *items, size_t count, size_t bytes,
                int (*compare)(const void *a, const void *b));

#endif
