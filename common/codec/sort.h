/*
 * Sorts in place, in n log n for all inputs. The C library's qsort() is not used: it may
 * allocate memory that a job's limit does not count, and it may ask the kernel for the
 * size of the memory, which ends a worker in its sandbox. Pure functions; cannot fail.
 */
#ifndef OFFLOOP_COMMON_CODEC_SORT_H
#define OFFLOOP_COMMON_CODEC_SORT_H

#include <stddef.h>

/* The most bytes of an item. */
#define SORT_MAX_BYTES 64

/* Sorts `count` items of `bytes` each. `compare` returns as qsort()'s. Equal items end in
   any order. */
void sort_items(void *items, size_t count, size_t bytes,
                int (*compare)(const void *a, const void *b));

#endif
