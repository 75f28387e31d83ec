/*
 * Frees large memory in a thread, because giving 16 MiB back to the kernel takes more
 * than a millisecond, which a loop does not have.
 *
 * A process that wants this starts the thread. Without the thread, and for small blocks,
 * memory is freed at once. Any thread may free.
 */
#ifndef OFFLOOP_COMMON_LOOP_BACKGROUND_FREE_H
#define OFFLOOP_COMMON_LOOP_BACKGROUND_FREE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Smaller blocks are freed at once, which takes less than a tenth of a millisecond. */
#define BACKGROUND_FREE_MIN_BYTES ((size_t)1 << 20)

/* Starts the thread, with all signals blocked, unless it runs. Where that fails, memory
   is freed at once as before. The process's first thread calls. */
void background_free_start(void);

/* Frees all blocks that wait, and ends the thread if there is one. A process that ends
   calls this. */
void background_free_stop(void);

/* Frees a block of mem_alloc() of about so many bytes; NULL is allowed. */
void background_free_bytes(void *block, size_t bytes);

/* The same for the bytes of a buffer; the buffer is empty afterwards. */
void background_free_buf(struct buf *buf);

/* The same for an object of another kind: calls release(object), in any thread. */
void background_free_object(void (*release)(void *object), void *object, size_t bytes);

/* How many blocks the thread has freed since the process began. */
uint64_t background_free_count(void);

#endif
