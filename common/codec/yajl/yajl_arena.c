#include "common/codec/yajl/yajl_arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16

/* The header before the bytes that yajl gets, in both kinds of memory. */
struct yajl_arena_block {
    struct yajl_arena_block *next; /* of the arena's blocks; unused in the fixed one */
    struct yajl_arena_block *prev;
    size_t size;        /* bytes behind this header */
    bool own;           /* a block of its own, not in the fixed one */
    uint8_t padding[7]; /* keeps the bytes after it aligned */
};

_Static_assert(sizeof(struct yajl_arena_block) % ALIGNMENT == 0, "keeps alignment");

static struct yajl_arena_block *block_of(void *bytes)
{
    return (struct yajl_arena_block *)bytes - 1;
}

static void block_unlink(struct yajl_arena *arena, struct yajl_arena_block *block)
{
    if (block->prev != NULL)
        block->prev->next = block->next;
    else
        arena->blocks = block->next;
    if (block->next != NULL)
        block->next->prev = block->prev;
}

static void block_link(struct yajl_arena *arena, struct yajl_arena_block *block)
{
    block->prev = NULL;
    block->next = arena->blocks;
    if (block->next != NULL)
        block->next->prev = block;
    arena->blocks = block;
}

/* Makes a block outside the fixed one, or resizes it. Does not return where the memory
   limit is reached or allocation fails. */
static void *block_resize(struct yajl_arena *arena, struct yajl_arena_block *old,
                          size_t size)
{
    size_t old_bytes = old == NULL ? 0 : sizeof *old + old->size;
    size_t bytes = sizeof *old + size;
    struct yajl_arena_block *block;

    if (bytes < size || bytes < old_bytes ||
        engine_charge(arena->job, bytes - old_bytes) != CODEC_OK)
        longjmp(arena->out_of_memory, 1);
    if (old != NULL)
        block_unlink(arena, old);
    block = realloc(old, bytes);
    if (block == NULL) {
        engine_discharge(arena->job, bytes - old_bytes);
        if (old != NULL)
            block_link(arena, old);
        longjmp(arena->out_of_memory, 1);
    }
    block->size = size;
    block->own = true;
    block_link(arena, block);
    return block + 1;
}

static void block_free(struct yajl_arena *arena, struct yajl_arena_block *block)
{
    block_unlink(arena, block);
    engine_discharge(arena->job, sizeof *block + block->size);
    free(block);
}

static void *hook_malloc(void *ctx, size_t size)
{
    struct yajl_arena *arena = ctx;
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct yajl_arena_block *block;

    if (rounded < size || rounded + sizeof *block > YAJL_ARENA_FIXED_BYTES - arena->used)
        return block_resize(arena, NULL, size);
    block = (struct yajl_arena_block *)(void *)(arena->fixed + arena->used);
    block->size = size;
    block->own = false;
    arena->used += sizeof *block + rounded;
    assert(arena->used <= YAJL_ARENA_FIXED_BYTES);
    return block + 1;
}

static void *hook_realloc(void *ctx, void *bytes, size_t size)
{
    struct yajl_arena_block *block;
    void *copy;

    if (bytes == NULL)
        return hook_malloc(ctx, size);
    block = block_of(bytes);
    if (size <= block->size)
        return bytes;
    if (block->own)
        return block_resize(ctx, block, size);
    copy = hook_malloc(ctx, size);
    memcpy(copy, bytes, block->size);
    return copy;
}

static void hook_free(void *ctx, void *bytes)
{
    if (bytes != NULL && block_of(bytes)->own)
        block_free(ctx, block_of(bytes));
}

void yajl_arena_begin(struct yajl_arena *arena, struct engine_job *job)
{
    assert(arena->blocks == NULL);
    arena->job = job;
    arena->used = 0;
}

void yajl_arena_end(struct yajl_arena *arena)
{
    while (arena->blocks != NULL)
        block_free(arena, arena->blocks);
    arena->job = NULL;
}

yajl_alloc_funcs yajl_arena_hooks(struct yajl_arena *arena)
{
    return (yajl_alloc_funcs){hook_malloc, hook_realloc, hook_free, arena};
}
