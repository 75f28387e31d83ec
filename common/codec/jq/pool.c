#include <stdlib.h>

#include "common/codec/jq/run.h"

#ifdef __SANITIZE_ADDRESS__
#define POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define FIRST_CHUNK_BYTES (32u << 10)
#define LAST_CHUNK_BYTES  (1u << 20)

/* The header of a chunk, kept to the alignment of its blocks. */
#define HEADER_BYTES ((sizeof(struct pool_chunk) + 15) & ~(size_t)15)

void pool_init(struct input_pool *pool, size_t max_bytes)
{
    memset(pool, 0, sizeof *pool);
    pool->chunks.prev = pool->chunks.next = &pool->chunks;
    pool->next_bytes = FIRST_CHUNK_BYTES;
    pool->max = max_bytes;
}

void pool_destroy(struct input_pool *pool)
{
    struct pool_chunk *chunk = pool->chunks.next, *next;

    for (; chunk != &pool->chunks; chunk = next) {
        next = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk, chunk->bytes);
        free(chunk);
    }
}

void pool_charge(struct jq_run *run, size_t bytes)
{
    struct input_pool *pool = &run->pool;

    if (bytes > pool->max - pool->used)
        run_end(run, JQ_MEMORY, NULL);
    pool->used += bytes;
    if (pool->used > pool->peak)
        pool->peak = pool->used;
}

static void link_chunk(struct input_pool *pool, struct pool_chunk *chunk, size_t bytes)
{
    chunk->bytes = bytes;
    chunk->next = pool->chunks.next;
    chunk->prev = &pool->chunks;
    chunk->next->prev = chunk;
    pool->chunks.next = chunk;
}

static struct pool_chunk *new_chunk(struct jq_run *run, size_t bytes)
{
    struct pool_chunk *chunk;

    pool_charge(run, bytes);
    chunk = malloc(bytes);
    if (chunk == NULL)
        run_end(run, JQ_MEMORY, NULL);
    link_chunk(&run->pool, chunk, bytes);
    return chunk;
}

static void *cut(struct jq_run *run, size_t bytes)
{
    struct input_pool *pool = &run->pool;
    void *block;

    if ((size_t)(pool->end - pool->at) < bytes) {
        size_t chunk_bytes = pool->next_bytes;
        uint8_t *chunk;

        if (chunk_bytes > pool->max - pool->used)
            chunk_bytes = HEADER_BYTES + POOL_SMALL_BYTES;
        chunk = (uint8_t *)new_chunk(run, chunk_bytes);
        pool->at = chunk + HEADER_BYTES;
        pool->end = chunk + chunk_bytes;
        ASAN_POISON_MEMORY_REGION(pool->at, (size_t)(pool->end - pool->at));
        if (pool->next_bytes < LAST_CHUNK_BYTES)
            pool->next_bytes *= 2;
    }
    block = pool->at;
    pool->at += bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    return block;
}

void *pool_alloc(struct jq_run *run, size_t bytes)
{
    size_t steps = (bytes + POOL_STEP_BYTES - 1) / POOL_STEP_BYTES;
    void *block;

    if (bytes > POOL_SMALL_BYTES)
        return (uint8_t *)new_chunk(run, HEADER_BYTES + bytes) + HEADER_BYTES;
    block = run->pool.free[steps];
    if (block == NULL)
        return cut(run, steps * POOL_STEP_BYTES);
    ASAN_UNPOISON_MEMORY_REGION(block, steps * POOL_STEP_BYTES);
    memcpy(&run->pool.free[steps], block, sizeof(void *));
    return block;
}

void pool_free(struct jq_run *run, void *block, size_t bytes)
{
    size_t steps = (bytes + POOL_STEP_BYTES - 1) / POOL_STEP_BYTES;

    if (bytes > POOL_SMALL_BYTES) {
        struct pool_chunk *chunk = (void *)((uint8_t *)block - HEADER_BYTES);

        chunk->prev->next = chunk->next;
        chunk->next->prev = chunk->prev;
        run->pool.used -= chunk->bytes;
        free(chunk);
        return;
    }
    memcpy(block, &run->pool.free[steps], sizeof(void *));
    run->pool.free[steps] = block;
    ASAN_POISON_MEMORY_REGION(block, steps * POOL_STEP_BYTES);
}

void *pool_resize(struct jq_run *run, void *block, size_t bytes, size_t new_bytes)
{
    void *moved = pool_alloc(run, new_bytes);

    memcpy(moved, block, bytes < new_bytes ? bytes : new_bytes);
    pool_free(run, block, bytes);
    return moved;
}
