/*
 * Freeing large memory somewhere else: giving 16 MiB back to the kernel takes
 * more than a millisecond, which a loop does not have.
 *
 * A process that wants that starts the one thread of it; before that, and for
 * what is small, memory is freed at once. Any thread may free.
 */
#ifndef OFFLOOP_COMMON_LOOP_BACKGROUND_FREE_H
#define OFFLOOP_COMMON_LOOP_BACKGROUND_FREE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Less is freed at once: it takes less than a tenth of a millisecond. */
#define BACKGROUND_FREE_MIN_BYTES ((size_t)1 << 20)

/* Starts the thread (all signals blocked) unless it runs. Where there can be none, memory
   is freed at once as before. The process's first thread calls. */
void background_free_start(void);

/* Frees what is left and ends the thread, if there is one; for a process that ends. */
void background_free_stop(void);

/* Frees a block of mem_alloc()'s that holds about so many bytes; NULL is allowed. */
void background_free_bytes(void *block, size_t bytes);

/* The same for what a buffer holds, which is empty afterwards. */
void background_free_buf(struct buf *buf);

/* The same for what has a way of its own to be freed, which must be one that any thread
   may go: calls release(object). */
void background_free_object(void (*release)(void *object), void *object, size_t bytes);

/* How many blocks the thread has freed since the process began. */
uint64_t background_free_count(void);

#endif
