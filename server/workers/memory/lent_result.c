#include "server/workers/memory/lent_result.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "server/workers/memory/arena.h"

/* A shorter result would hold more of the arena than it is long. */
#define LENT_RESULT_MIN_BYTES PAGE_ALLOCATOR_PAGE_BYTES

struct lent_result {
    struct blob blob;
    struct arena *arena;
    struct page_block *block;
};

static void lent_result_release(struct blob *blob)
{
    struct lent_result *lent_result = container_of(blob, struct lent_result, blob);

    arena_take_back(lent_result->arena, &lent_result->block);
    mem_free(lent_result);
}

struct blob *lent_result_create(struct arena *arena, struct page_block **block,
                                uint64_t offset, size_t len)
{
    struct lent_result *lent_result;

    assert(offset >= page_block_offset(*block));
    assert(len <= page_block_bytes(*block) - (offset - page_block_offset(*block)));
    if (len < LENT_RESULT_MIN_BYTES || !arena_may_lend(arena, len))
        return NULL;
    page_allocator_trim(arena->pages, *block, offset - page_block_offset(*block) + len);
    lent_result = mem_alloc(sizeof *lent_result);
    *lent_result = (struct lent_result){
        .blob = {{arena->data + offset, len}, 1, lent_result_release},
        .arena = arena,
        .block = *block};
    *block = NULL;
    arena_note_lent_result(arena, lent_result->block);
    return &lent_result->blob;
}
