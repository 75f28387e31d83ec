#include "common/base/page_allocator.h"

#include <assert.h>
#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/base/list.h"

/* A run of pages; all of them together are the space, in the order of their offsets, and
   no two free ones lie side by side. */
struct page_block {
    struct list link;
    uint64_t offset;
    uint64_t bytes;
    bool taken;
};

struct page_allocator {
    struct list blocks;
    uint64_t free_bytes;
};

static struct page_block *block_create(uint64_t offset, uint64_t bytes)
{
    struct page_block *block = mem_zalloc(sizeof *block);

    list_init(&block->link);
    block->offset = offset;
    block->bytes = bytes;
    return block;
}

static struct page_block *block_at(struct list *link)
{
    return container_of(link, struct page_block, link);
}

struct page_allocator *page_allocator_create(uint64_t bytes)
{
    struct page_allocator *pages = mem_zalloc(sizeof *pages);

    assert(bytes > 0 && bytes % PAGE_ALLOCATOR_PAGE_BYTES == 0);
    list_init(&pages->blocks);
    list_append(&pages->blocks, &block_create(0, bytes)->link);
    pages->free_bytes = bytes;
    return pages;
}

void page_allocator_destroy(struct page_allocator **pages)
{
    struct list *link;

    if (*pages == NULL)
        return;
    while ((link = list_shift(&(*pages)->blocks)) != NULL)
        mem_free(block_at(link));
    mem_free(*pages);
    *pages = NULL;
}

/* Makes what is too much of a free block a block of its own, behind it. */
static void cut(struct page_block *block, uint64_t bytes)
{
    struct page_block *rest;

    assert(!block->taken && block->bytes >= bytes);
    if (block->bytes == bytes)
        return;
    rest = block_create(block->offset + bytes, block->bytes - bytes);
    list_append(block->link.next, &rest->link);
    block->bytes = bytes;
}

static uint64_t to_pages(uint64_t bytes)
{
    return (bytes + PAGE_ALLOCATOR_PAGE_BYTES - 1) / PAGE_ALLOCATOR_PAGE_BYTES *
           PAGE_ALLOCATOR_PAGE_BYTES;
}

struct page_block *page_allocator_take(struct page_allocator *pages, uint64_t bytes)
{
    uint64_t whole;

    assert(bytes > 0);
    if (bytes > pages->free_bytes)
        return NULL;
    whole = to_pages(bytes);
    for (struct list *at = pages->blocks.next; at != &pages->blocks; at = at->next) {
        struct page_block *block = block_at(at);

        if (block->taken || block->bytes < whole)
            continue;
        cut(block, whole);
        block->taken = true;
        pages->free_bytes -= whole;
        return block;
    }
    return NULL;
}

/* Makes a free block part of the free one before it. */
static void join(struct page_block *first, struct page_block *second)
{
    assert(!first->taken && !second->taken &&
           first->offset + first->bytes == second->offset);
    first->bytes += second->bytes;
    list_remove(&second->link);
    mem_free(second);
}

void page_allocator_give_back(struct page_allocator *pages, struct page_block **block)
{
    struct page_block *b = *block;
    struct list *before, *after;

    *block = NULL;
    if (b == NULL)
        return;
    assert(b->taken);
    b->taken = false;
    pages->free_bytes += b->bytes;
    before = b->link.prev;
    after = b->link.next;
    if (after != &pages->blocks && !block_at(after)->taken)
        join(b, block_at(after));
    if (before != &pages->blocks && !block_at(before)->taken)
        join(block_at(before), b);
}

void page_allocator_trim(struct page_allocator *pages, struct page_block *block,
                         uint64_t bytes)
{
    uint64_t whole = to_pages(bytes);
    struct page_block *rest;

    assert(block->taken && bytes > 0 && whole <= block->bytes);
    if (whole == block->bytes)
        return;
    rest = block_create(block->offset + whole, block->bytes - whole);
    rest->taken = true;
    list_append(block->link.next, &rest->link);
    block->bytes = whole;
    page_allocator_give_back(pages, &rest);
}

uint64_t page_block_offset(const struct page_block *block)
{
    return block->offset;
}

uint64_t page_block_bytes(const struct page_block *block)
{
    return block->bytes;
}

uint64_t page_allocator_free_bytes(const struct page_allocator *pages)
{
    return pages->free_bytes;
}
