#include "server/workers/memory/arena.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "common/base/shared_file.h"

/* Of an arena's bytes, one in so many may be lent. */
#define LENT_PART 2

/* While so many arenas that have ended wait for what is lent of them, nothing is. */
#define ENDED_MAX 8

/* The process's arenas that have ended and are not unmapped; the loop thread's. */
static unsigned ended;

struct arena *arena_create(uint64_t bytes)
{
    struct arena *arena = mem_zalloc(sizeof *arena);

    assert(bytes > 0);
    arena->bytes = shared_file_round(bytes);
    arena->fd = -1;
    if (getrandom(&arena->token, sizeof arena->token, 0) == sizeof arena->token)
        arena->fd = shared_file_create("offloop-arena", arena->bytes, 0, &arena->data);
    if (arena->fd < 0) {
        mem_free(arena); /* free() keeps errno */
        return NULL;
    }
    arena->pages = page_allocator_create(arena->bytes);
    return arena;
}

void arena_close_fd(struct arena *arena)
{
    if (arena->fd >= 0)
        close(arena->fd);
    arena->fd = -1;
}

/* Any thread. */
static void unmap(void *object)
{
    struct arena *arena = object;

    munmap(arena->data, arena->bytes);
    mem_free(arena);
}

void arena_destroy(struct arena **arena, struct socket_closer *socket_closer)
{
    struct arena *a = *arena;

    if (a == NULL)
        return;
    *arena = NULL;
    arena_close_fd(a);
    a->is_ended = true;
    if (a->lent_results > 0) {
        ended++;
        return;
    }
    page_allocator_destroy(&a->pages);
    socket_closer_add(socket_closer, unmap, a);
}

bool arena_may_lend(const struct arena *arena, uint64_t bytes)
{
    uint64_t most = arena->bytes / LENT_PART;

    return ended < ENDED_MAX && arena->lent_bytes < most &&
           bytes <= most - arena->lent_bytes;
}

void arena_note_lent_result(struct arena *arena, const struct page_block *block)
{
    arena->lent_results++;
    arena->lent_bytes += page_block_bytes(block);
}

/* The socket closer may be gone by now. */
void arena_take_back(struct arena *arena, struct page_block **block)
{
    uint64_t bytes = page_block_bytes(*block);

    assert(arena->lent_results > 0 && arena->lent_bytes >= bytes);
    arena->lent_results--;
    arena->lent_bytes -= bytes;
    page_allocator_give_back(arena->pages, block);
    if (!arena->is_ended || arena->lent_results > 0)
        return;
    assert(ended > 0);
    ended--;
    page_allocator_destroy(&arena->pages);
    background_free_object(unmap, arena, arena->bytes);
}
