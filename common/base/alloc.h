/*
 * Allocation that never returns NULL: a process that runs out of memory ends, and its
 * master starts another one. A size that a peer chooses is checked against a limit before
 * it comes here. Every process and thread may call.
 *
 * Codec jobs do not use these functions, because each job has a memory limit of its own,
 * and reaching it is an error (common/codec/codec.h).
 */
#ifndef OFFLOOP_COMMON_BASE_ALLOC_H
#define OFFLOOP_COMMON_BASE_ALLOC_H

#include <stddef.h>

/* Makes the heap reuse freed memory, because new pages cost a page fault each. Blocks of
   less than `block_bytes` come from the heap, and up to `spare_bytes` stay at its end. A
   process calls this at its start. */
void mem_reuse(size_t block_bytes, size_t spare_bytes);

/* A block of undefined content; the caller frees it with mem_free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* A block of zeros; the caller frees it with mem_free(). */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));

/* Resizes a block of mem_alloc's; old may be NULL. */
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));

/* Frees a block; NULL is allowed. */
void mem_free(void *block);

/* A copy of a NUL-terminated string; the caller frees it with mem_free(). */
char *str_dup(const char *text) __attribute__((malloc, returns_nonnull));

/* A formatted string; the caller frees it with mem_free(). */
char *str_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
