#include "clients/c/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "common/base/page_allocator.h"
#include "common/base/shared_file.h"

/* Below it the socket is as cheap. */
#define MIN_BYTES ((size_t)32 << 10)
#define BYTES     WIRE_MAX_APP_ARENA_BYTES

void arena_init(struct arena *arena)
{
    memset(arena, 0, sizeof *arena);
}

bool arena_suits(size_t bytes)
{
    return bytes >= MIN_BYTES && bytes <= WIRE_MAX_APP_SHARED_BYTES;
}

int arena_open(struct arena *arena)
{
    int fd = shared_file_create("offloop-client", BYTES, 0, &arena->data);

    if (fd < 0) {
        arena->is_refused = true;
        return -1;
    }
    arena->pages = page_allocator_create(BYTES);
    return fd;
}

void arena_close(struct arena *arena)
{
    if (arena->data != NULL)
        munmap(arena->data, BYTES);
    page_allocator_destroy(&arena->pages);
    arena_init(arena);
}

static void copy_to(uint8_t *to, struct slice from)
{
    if (from.len > 0)
        memcpy(to, from.data, from.len);
}

bool arena_put(struct arena *arena, struct wire_job *job, struct slice first,
               struct slice second)
{
    unsigned part = job->id % ARENA_PARTS;
    struct page_block *block;

    if (arena->data == NULL || arena->parts[part].block != NULL ||
        !arena_suits(first.len + second.len))
        return false;
    block = page_allocator_take(arena->pages, first.len + second.len);
    if (block == NULL)
        return false;
    arena->parts[part].number = job->id;
    arena->parts[part].block = block;
    job->payload = (struct wire_payload){.bytes = {NULL, first.len + second.len},
                                         .in_arena = true,
                                         .offset = page_block_offset(block)};
    copy_to(arena->data + job->payload.offset, first);
    copy_to(arena->data + job->payload.offset + first.len, second);
    return true;
}

void arena_end(struct arena *arena, uint64_t number)
{
    unsigned part = number % ARENA_PARTS;

    if (arena->parts[part].number == number && arena->parts[part].block != NULL)
        page_allocator_give_back(arena->pages, &arena->parts[part].block);
}
