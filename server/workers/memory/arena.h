/*
 * An arena: memory that a front shares with one worker on the same host, so
 * that large payloads need not travel through sockets; a file as shared_file.h
 * says.
 *
 * The front alone decides what lies where (page_allocator.h). The worker can write
 * anywhere at any time: nothing in an arena may be looked at, only copied out,
 * or sent as it is (lent_result.h).
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_ARENA_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "common/base/page_allocator.h"

struct socket_closer;

struct arena {
    uint64_t bytes;
    uint8_t *data;        /* bytes of them, mapped */
    int fd;               /* -1 once the worker has it */
    struct wire_id token; /* random; who shows it gets the descriptor */
    struct page_allocator *pages;
    unsigned lent_results; /* blocks that are lent... */
    uint64_t lent_bytes;
    bool is_ended; /* ...and are waited for before it is unmapped */
};

/* Makes an arena of at least `bytes` (rounded up to pages). Returns NULL with errno. The
   caller ends it with arena_destroy(). */
struct arena *arena_create(uint64_t bytes);

/* Gives the memory back, on the socket closer's thread as it may take milliseconds; where
   something is lent, only when that has come back. NULL inside is allowed. */
void arena_destroy(struct arena **arena, struct socket_closer *socket_closer);

/* Closes the descriptor, when the worker has mapped the arena. */
void arena_close_fd(struct arena *arena);

/* True where so many bytes more may be lent: of half of the arena, and not while several
   that have ended are kept for what is lent of them (each wholly, for the slowest of the
   clients that it was lent to). */
bool arena_may_lend(const struct arena *arena, uint64_t bytes);

/* Counts a block as lent. */
void arena_note_lent_result(struct arena *arena, const struct page_block *block);

/* A lent block has come back: clears the pointer, and unmaps the arena where it was the
   last one and the arena has ended. */
void arena_take_back(struct arena *arena, struct page_block **block);

#endif
