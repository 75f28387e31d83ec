/*
 * Which parts of an arena are taken: an allocator that deals in offsets and
 * touches no byte of what it divides, so that nobody who can write to the arena
 * can mislead it. First fit in whole pages, from the start on: pages that were
 * used before are used again.
 *
 * One thread at a time.
 */
#ifndef OFFLOOP_COMMON_BASE_PAGE_ALLOCATOR_H
#define OFFLOOP_COMMON_BASE_PAGE_ALLOCATOR_H

#include <stdint.h>

/* Blocks begin at multiples of this, and are multiples of it long. */
#define PAGE_ALLOCATOR_PAGE_BYTES 4096

struct page_allocator;
struct page_block;

/* A space of so many bytes (a multiple of PAGE_ALLOCATOR_PAGE_BYTES, not 0), all free.
   The caller ends it with page_allocator_destroy(). */
struct page_allocator *page_allocator_create(uint64_t bytes);

/* Frees the space with every block that is still taken; NULL inside is allowed. */
void page_allocator_destroy(struct page_allocator **pages);

/* Takes a block of at least `bytes` (not 0). Returns NULL where no gap is that large. The
   caller gives it back with page_allocator_give_back(). */
struct page_block *page_allocator_take(struct page_allocator *pages, uint64_t bytes)
    __attribute__((warn_unused_result));

/* Gives a block back and clears the pointer; NULL inside is allowed. */
void page_allocator_give_back(struct page_allocator *pages, struct page_block **block);

/* Gives back what of a block is behind its first `bytes` (not 0), rounded up to pages. */
void page_allocator_trim(struct page_allocator *pages, struct page_block *block,
                         uint64_t bytes);

/* Where a block begins, in bytes from the start of the space. */
uint64_t page_block_offset(const struct page_block *block);

/* How long it is: what was asked for, rounded up to pages. */
uint64_t page_block_bytes(const struct page_block *block);

/* Bytes in no block. */
uint64_t page_allocator_free_bytes(const struct page_allocator *pages);

#endif
