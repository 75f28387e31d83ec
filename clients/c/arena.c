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

/* A result is often somewhat longer than what it is made of. A longer one comes in the
   message. */
static uint64_t room_for(uint64_t bytes)
{
    uint64_t room = bytes + bytes / 2;

    return room < WIRE_MAX_APP_SHARED_BYTES ? room : WIRE_MAX_APP_SHARED_BYTES;
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
    block = page_allocator_take(arena->pages, room_for(first.len + second.len));
    if (block == NULL)
        return false;
    arena->parts[part].number = job->id;
    arena->parts[part].block = block;
    job->payload = (struct wire_payload){.bytes = {NULL, first.len + second.len},
                                         .in_arena = true,
                                         .offset = page_block_offset(block)};
    /* The daemon has read the payload when it writes the result. */
    job->has_reply_space = true;
    job->reply_offset = page_block_offset(block);
    job->reply_bytes = page_block_bytes(block) < WIRE_MAX_APP_SHARED_BYTES
                           ? page_block_bytes(block)
                           : WIRE_MAX_APP_SHARED_BYTES;
    copy_to(arena->data + job->payload.offset, first);
    copy_to(arena->data + job->payload.offset + first.len, second);
    return true;
}

static const struct page_block *block_of(const struct arena *arena, uint64_t number)
{
    unsigned part = number % ARENA_PARTS;

    return arena->parts[part].number == number ? arena->parts[part].block : NULL;
}

const uint8_t *arena_find(const struct arena *arena, const struct wire_result *result)
{
    const struct page_block *block = block_of(arena, result->id);

    if (block == NULL || result->payload.offset != page_block_offset(block) ||
        result->payload.bytes.len > page_block_bytes(block))
        return NULL;
    return arena->data + result->payload.offset;
}

void arena_end(struct arena *arena, uint64_t number)
{
    if (block_of(arena, number) != NULL)
        page_allocator_give_back(arena->pages, &arena->parts[number % ARENA_PARTS].block);
}
