/*
 * Allocation that never returns NULL: running out of memory ends the process,
 * and its master starts another. Any size a peer chooses is checked against a
 * limit before it comes here. Every process and thread may call.
 *
 * Codec jobs do not use these: their memory is budgeted and may run out
 * (see codec/codec.h).
 */
#ifndef OFFLOOP_COMMON_BASE_ALLOC_H
#define OFFLOOP_COMMON_BASE_ALLOC_H

#include <stddef.h>

/* Has freed memory used again: blocks of less than `block_bytes` do not come fresh from
   the kernel each, page fault by page fault, and up to `spare_bytes` are kept at the end
   of the heap. For a process to call at its start. */
void mem_reuse(size_t block_bytes, size_t spare_bytes);

/* Bytes of any content; the caller frees with mem_free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* `size` zeroed bytes; the caller frees with mem_free(). */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));

/* Resizes a block of mem_alloc's; old may be NULL. */
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));

/* Frees a block; NULL is allowed. */
void mem_free(void *block);

/* A copy of a NUL-terminated string, freed with mem_free(). */
char *str_dup(const char *text) __attribute__((malloc, returns_nonnull));

/* A formatted string, freed with mem_free(). */
char *str_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
