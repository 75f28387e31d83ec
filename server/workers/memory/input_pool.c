#include "server/workers/memory/input_pool.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/base/list.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "common/base/shared_file.h"
#include "common/base/page_allocator.h"

struct input_pool {
    uint64_t bytes;
    uint8_t *data;
    int fd;
    struct page_allocator *pages;
    unsigned blobs; /* that are not gone... */
    bool is_ended;  /* ...and are waited for before it is unmapped */
};

struct pool_blob {
    struct blob blob;
    struct input_pool *pool;
    struct page_block *block;
};

struct input_pool *input_pool_create(uint64_t bytes)
{
    struct input_pool *pool = mem_zalloc(sizeof *pool);

    assert(bytes > 0);
    pool->bytes = shared_file_round(bytes);
    pool->fd =
        shared_file_create("offloop-pool", pool->bytes, F_SEAL_FUTURE_WRITE, &pool->data);
    if (pool->fd < 0) {
        mem_free(pool); /* free() keeps errno */
        return NULL;
    }
    pool->pages = page_allocator_create(pool->bytes);
    return pool;
}

/* Any thread. */
static void unmap(void *object)
{
    struct input_pool *pool = object;

    munmap(pool->data, pool->bytes);
    mem_free(pool);
}

void input_pool_destroy(struct input_pool **pool, struct socket_closer *socket_closer)
{
    struct input_pool *p = *pool;

    if (p == NULL)
        return;
    *pool = NULL;
    close(p->fd);
    p->fd = -1;
    p->is_ended = true;
    if (p->blobs > 0)
        return;
    page_allocator_destroy(&p->pages);
    socket_closer_add(socket_closer, unmap, p);
}

uint64_t input_pool_bytes(const struct input_pool *pool)
{
    return pool->bytes;
}

int input_pool_fd(const struct input_pool *pool)
{
    return pool->fd;
}

/* The socket closer may be gone by now. */
static void pool_blob_release(struct blob *blob)
{
    struct pool_blob *part = container_of(blob, struct pool_blob, blob);
    struct input_pool *pool = part->pool;

    page_allocator_give_back(pool->pages, &part->block);
    mem_free(part);
    assert(pool->blobs > 0);
    pool->blobs--;
    if (!pool->is_ended || pool->blobs > 0)
        return;
    page_allocator_destroy(&pool->pages);
    background_free_object(unmap, pool, pool->bytes);
}

struct blob *input_pool_take(struct input_pool *pool, size_t len, uint8_t **bytes_r)
{
    struct page_block *block;
    struct pool_blob *part;

    assert(len > 0 && !pool->is_ended);
    block = page_allocator_take(pool->pages, len);
    if (block == NULL)
        return NULL;
    *bytes_r = pool->data + page_block_offset(block);
    part = mem_alloc(sizeof *part);
    *part = (struct pool_blob){
        .blob = {{*bytes_r, len}, 1, pool_blob_release}, .pool = pool, .block = block};
    pool->blobs++;
    return &part->blob;
}

bool input_pool_find(const struct input_pool *pool, struct slice bytes,
                     uint64_t *offset_r)
{
    uintptr_t start = (uintptr_t)pool->data, at = (uintptr_t)bytes.data;

    if (at < start || at - start >= pool->bytes)
        return false;
    *offset_r = at - start;
    assert(bytes.len <= pool->bytes - *offset_r);
    return true;
}
