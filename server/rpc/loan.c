#include "server/rpc/loan.h"

#include <assert.h>

#include "common/alloc.h"
#include "common/list.h"
#include "server/rpc/arena.h"

/* A shorter result would hold more of the arena than it is long. */
#define LOAN_MIN_BYTES SPACE_PAGE_BYTES

struct loan {
    struct blob blob;
    struct arena *arena;
    struct space_block *block;
};

static void loan_release(struct blob *blob)
{
    struct loan *loan = container_of(blob, struct loan, blob);

    arena_take_back(loan->arena, &loan->block);
    mem_free(loan);
}

struct blob *loan_create(struct arena *arena, struct space_block **block, uint64_t offset,
                         size_t len)
{
    struct loan *loan;

    assert(offset >= space_block_offset(*block));
    assert(len <= space_block_bytes(*block) - (offset - space_block_offset(*block)));
    if (len < LOAN_MIN_BYTES || !arena_may_lend(arena, len))
        return NULL;
    space_trim(arena->space, *block, offset - space_block_offset(*block) + len);
    loan = mem_alloc(sizeof *loan);
    *loan = (struct loan){.blob = {{arena->data + offset, len}, 1, loan_release},
                          .arena = arena,
                          .block = *block};
    *block = NULL;
    arena_note_loan(arena, loan->block);
    return &loan->blob;
}
