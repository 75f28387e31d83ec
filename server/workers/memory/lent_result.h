/*
 * A result that stays in the arena while it is sent to a client: a blob whose
 * bytes the worker that made them could still change. That harms nobody but the
 * receiver of this very reply, to whom a worker that is hostile could have sent
 * anything to begin with: the length is fixed, and nothing of ours looks at the
 * bytes (but once at the first, for the coding they are in), or keeps them.
 * Whoever does either needs a copy.
 *
 * What slow clients hold back is bounded: beyond half of an arena, results are
 * copied. An arena that ends while something of it is lent is unmapped when
 * that comes back; while several wait so, all results are copied. Loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_LENT_RESULT_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_LENT_RESULT_H

#include "common/base/blob.h"

struct arena;
struct page_block;

/* Lends `len` bytes of a block, from `offset` of the arena on, which must be in it; what
   is behind them in the block is given back now. Takes the block over and clears the
   pointer. Returns NULL, having taken nothing, where too much is lent, or it is too short
   to be worth it. */
struct blob *lent_result_create(struct arena *arena, struct page_block **block,
                                uint64_t offset, size_t len);

#endif
