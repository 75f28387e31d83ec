#include "server/rpc/pool.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/discard.h"
#include "common/list.h"
#include "server/rpc/reaper.h"
#include "server/rpc/shared_file.h"
#include "server/rpc/space.h"

struct pool {
    uint64_t bytes;
    uint8_t *data;
    int fd;
    struct space *space;
    unsigned blobs; /* that are not gone... */
    bool is_ended;  /* ...and are waited for before it is unmapped */
};

struct pool_blob {
    struct blob blob;
    struct pool *pool;
    struct space_block *block;
};

struct pool *pool_create(uint64_t bytes)
{
    struct pool *pool = mem_zalloc(sizeof *pool);

    assert(bytes > 0);
    pool->bytes = shared_file_round(bytes);
    pool->fd =
        shared_file_create("offloop-pool", pool->bytes, F_SEAL_FUTURE_WRITE, &pool->data);
    if (pool->fd < 0) {
        mem_free(pool); /* free() keeps errno */
        return NULL;
    }
    pool->space = space_create(pool->bytes);
    return pool;
}

/* Any thread. */
static void unmap(void *object)
{
    struct pool *pool = object;

    munmap(pool->data, pool->bytes);
    mem_free(pool);
}

void pool_destroy(struct pool **pool, struct reaper *reaper)
{
    struct pool *p = *pool;

    if (p == NULL)
        return;
    *pool = NULL;
    close(p->fd);
    p->fd = -1;
    p->is_ended = true;
    if (p->blobs > 0)
        return;
    space_destroy(&p->space);
    reaper_add(reaper, unmap, p);
}

uint64_t pool_bytes(const struct pool *pool)
{
    return pool->bytes;
}

int pool_fd(const struct pool *pool)
{
    return pool->fd;
}

/* The reaper may be gone by now. */
static void pool_blob_release(struct blob *blob)
{
    struct pool_blob *part = container_of(blob, struct pool_blob, blob);
    struct pool *pool = part->pool;

    space_give_back(pool->space, &part->block);
    mem_free(part);
    assert(pool->blobs > 0);
    pool->blobs--;
    if (!pool->is_ended || pool->blobs > 0)
        return;
    space_destroy(&pool->space);
    discard_object(unmap, pool, pool->bytes);
}

struct blob *pool_take(struct pool *pool, size_t len, uint8_t **bytes_r)
{
    struct space_block *block;
    struct pool_blob *part;

    assert(len > 0 && !pool->is_ended);
    block = space_take(pool->space, len);
    if (block == NULL)
        return NULL;
    *bytes_r = pool->data + space_block_offset(block);
    part = mem_alloc(sizeof *part);
    *part = (struct pool_blob){
        .blob = {{*bytes_r, len}, 1, pool_blob_release}, .pool = pool, .block = block};
    pool->blobs++;
    return &part->blob;
}

bool pool_find(const struct pool *pool, struct slice bytes, uint64_t *offset_r)
{
    uintptr_t start = (uintptr_t)pool->data, at = (uintptr_t)bytes.data;

    if (at < start || at - start >= pool->bytes)
        return false;
    *offset_r = at - start;
    assert(bytes.len <= pool->bytes - *offset_r);
    return true;
}
