#include "server/rpc/space.h"

#include <assert.h>
#include <stdbool.h>

#include "common/alloc.h"
#include "common/list.h"

/* A run of pages; all of them together are the space, in the order of their offsets, and
   no two free ones lie side by side. */
struct space_block {
    struct list link;
    uint64_t offset;
    uint64_t bytes;
    bool taken;
};

struct space {
    struct list blocks;
    uint64_t free_bytes;
};

static struct space_block *block_create(uint64_t offset, uint64_t bytes)
{
    struct space_block *block = mem_zalloc(sizeof *block);

    list_init(&block->link);
    block->offset = offset;
    block->bytes = bytes;
    return block;
}

static struct space_block *block_at(struct list *link)
{
    return container_of(link, struct space_block, link);
}

struct space *space_create(uint64_t bytes)
{
    struct space *space = mem_zalloc(sizeof *space);

    assert(bytes > 0 && bytes % SPACE_PAGE_BYTES == 0);
    list_init(&space->blocks);
    list_append(&space->blocks, &block_create(0, bytes)->link);
    space->free_bytes = bytes;
    return space;
}

void space_destroy(struct space **space)
{
    struct list *link;

    if (*space == NULL)
        return;
    while ((link = list_shift(&(*space)->blocks)) != NULL)
        mem_free(block_at(link));
    mem_free(*space);
    *space = NULL;
}

/* Makes what is too much of a free block a block of its own, behind it. */
static void cut(struct space_block *block, uint64_t bytes)
{
    struct space_block *rest;

    assert(!block->taken && block->bytes >= bytes);
    if (block->bytes == bytes)
        return;
    rest = block_create(block->offset + bytes, block->bytes - bytes);
    list_append(block->link.next, &rest->link);
    block->bytes = bytes;
}

static uint64_t to_pages(uint64_t bytes)
{
    return (bytes + SPACE_PAGE_BYTES - 1) / SPACE_PAGE_BYTES * SPACE_PAGE_BYTES;
}

struct space_block *space_take(struct space *space, uint64_t bytes)
{
    uint64_t whole;

    assert(bytes > 0);
    if (bytes > space->free_bytes)
        return NULL;
    whole = to_pages(bytes);
    for (struct list *at = space->blocks.next; at != &space->blocks; at = at->next) {
        struct space_block *block = block_at(at);

        if (block->taken || block->bytes < whole)
            continue;
        cut(block, whole);
        block->taken = true;
        space->free_bytes -= whole;
        return block;
    }
    return NULL;
}

/* Makes a free block part of the free one before it. */
static void join(struct space_block *first, struct space_block *second)
{
    assert(!first->taken && !second->taken &&
           first->offset + first->bytes == second->offset);
    first->bytes += second->bytes;
    list_remove(&second->link);
    mem_free(second);
}

void space_give_back(struct space *space, struct space_block **block)
{
    struct space_block *b = *block;
    struct list *before, *after;

    *block = NULL;
    if (b == NULL)
        return;
    assert(b->taken);
    b->taken = false;
    space->free_bytes += b->bytes;
    before = b->link.prev;
    after = b->link.next;
    if (after != &space->blocks && !block_at(after)->taken)
        join(b, block_at(after));
    if (before != &space->blocks && !block_at(before)->taken)
        join(block_at(before), b);
}

void space_trim(struct space *space, struct space_block *block, uint64_t bytes)
{
    uint64_t whole = to_pages(bytes);
    struct space_block *rest;

    assert(block->taken && bytes > 0 && whole <= block->bytes);
    if (whole == block->bytes)
        return;
    rest = block_create(block->offset + whole, block->bytes - whole);
    rest->taken = true;
    list_append(block->link.next, &rest->link);
    block->bytes = whole;
    space_give_back(space, &rest);
}

uint64_t space_block_offset(const struct space_block *block)
{
    return block->offset;
}

uint64_t space_block_bytes(const struct space_block *block)
{
    return block->bytes;
}

uint64_t space_free_bytes(const struct space *space)
{
    return space->free_bytes;
}
