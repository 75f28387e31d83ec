/*
 * Memory that a client shares with the daemon (PROTOCOL.md, APP_ARENA): large payloads
 * are copied into it instead of through the socket. It belongs to one connection and is
 * made by the first job that is large enough; what memory it has come to stays with it,
 * 32 MiB at most.
 *
 * A job's part of it is the daemon's until its answer has come, whether or not anybody
 * still waits for that. One thread.
 */
#ifndef OFFLOOP_CLIENTS_C_ARENA_H
#define OFFLOOP_CLIENTS_C_ARENA_H

#include <stdbool.h>

#include "proto/wire.h"

struct page_allocator;
struct page_block;

/* Jobs that may be in it; who has a number that is equal but for multiples of this waits
   for the other's end. */
#define ARENA_PARTS 1024u

struct arena {
    uint8_t *data;   /* NULL where there is none */
    bool is_refused; /* it cannot be made */
    struct page_allocator *pages;
    struct {
        uint64_t number;
        struct page_block *block; /* NULL for none */
    } parts[ARENA_PARTS];
};

/* None. */
void arena_init(struct arena *arena);

/* True for a payload of that length that may lie in an arena. */
bool arena_suits(size_t bytes);

/* Makes it, where there is none: its descriptor, which the caller passes and closes, or
   -1 where it cannot be made. */
int arena_open(struct arena *arena);

/* Unmaps it: the connection is gone. */
void arena_close(struct arena *arena);

/* Copies a payload, in two parts, to where the daemon finds it, and writes into the job
   where that is. Returns false where it does not fit now. */
bool arena_put(struct arena *arena, struct wire_job *job, struct slice first,
               struct slice second);

/* The job is answered: what it has had is free. No-op for one that has none. */
void arena_end(struct arena *arena, uint64_t number);

#endif
