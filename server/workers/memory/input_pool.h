/*
 * A pool: memory of a front that all of its workers on this host can read, and
 * none can write. What a job works on is read from the store straight into it
 * and needs no further copy, whichever worker gets the job, and whichever gets
 * it after that one was lost.
 *
 * It is a memory file like an arena's (shared_file.h), sealed besides against
 * new mappings that can be written: the front's own is the only one. Unlike an
 * arena's bytes these may so be looked at: nobody else can change them.
 *
 * Its parts are blobs. A part that is given up will hold another document soon,
 * while a worker that was told of it may still be reading: who tells a worker
 * keeps a reference until that has answered (job_memory.h), or, where it is lost, for
 * a while longer (memory_quarantine.h).
 *
 * Loop thread only; the bytes of a new blob may be filled in by another thread.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_INPUT_POOL_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_INPUT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"

struct input_pool;
struct socket_closer;

/* Makes a pool of at least `bytes` (rounded up to pages), of which none takes memory
   before it is used. Returns NULL with errno. The caller ends it with
   input_pool_destroy(). */
struct input_pool *input_pool_create(uint64_t bytes);

/* Gives the memory back, on the socket closer's thread as it may take milliseconds; where
   there are blobs of it, only when the last one is gone. NULL inside is allowed. */
void input_pool_destroy(struct input_pool **pool, struct socket_closer *socket_closer);

/* How large it is. */
uint64_t input_pool_bytes(const struct input_pool *pool);

/* Its descriptor, to be handed to workers; the pool's. */
int input_pool_fd(const struct input_pool *pool);

/* A blob of `len` bytes (not 0) in the pool, which the caller fills in at *bytes_r before
   anybody else has it; one reference. Returns NULL where no gap is that large. */
struct blob *input_pool_take(struct input_pool *pool, size_t len, uint8_t **bytes_r);

/* Where in the pool these bytes are; false where they are not in it. */
bool input_pool_find(const struct input_pool *pool, struct slice bytes,
                     uint64_t *offset_r);

#endif
