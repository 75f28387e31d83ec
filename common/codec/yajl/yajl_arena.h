/*
 * Memory for yajl's parser, which does not check its allocations. An allocation that
 * fails or would exceed the job's limit leaves the parser by longjmp. Most jobs need only
 * a fixed block, which is never cleared. Long strings with escapes, and tokens at the
 * input's end, get blocks of their own until the job ends.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_ARENA_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_ARENA_H

#include <setjmp.h>

#include <yajl/yajl_common.h>

#include "common/codec/engine.h"

#define YAJL_ARENA_FIXED_BYTES 16384

/* A block outside the fixed one: see yajl_arena.c. */
struct yajl_arena_block;

struct yajl_arena {
    struct engine_job *job;
    struct yajl_arena_block *blocks; /* the job's own, doubly linked */
    size_t used;                     /* bytes of `fixed` */
    jmp_buf out_of_memory; /* the target of a failed allocation; set before each job */
    _Alignas(16) uint8_t fixed[YAJL_ARENA_FIXED_BYTES];
};

/* Starts a job with an empty arena. */
void yajl_arena_begin(struct yajl_arena *arena, struct engine_job *job);

/* Frees all memory of the job. */
void yajl_arena_end(struct yajl_arena *arena);

/* yajl's allocation functions for this arena; valid as long as the arena. */
yajl_alloc_funcs yajl_arena_hooks(struct yajl_arena *arena);

#endif
