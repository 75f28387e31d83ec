/*
 * What one front shares with this worker, see PROTOCOL.md section 4: an arena,
 * which both write to, and behind it, where the front has one, its pool, which
 * the worker can only read. The front says where inputs lie (in either) and
 * where results may go (in the arena); both were checked against the sizes
 * before anything here is asked.
 *
 * Counted: the seat has a reference while its front is connected, and so has
 * every batch of jobs that came from there. Any thread may call.
 */
#ifndef OFFLOOP_WORKER_MEMORY_ARENA_H
#define OFFLOOP_WORKER_MEMORY_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"

struct arena;

/* Who offers an arena. */
struct arena_front {
    const char *url; /* where it is connected to */
    bool is_here;    /* over a network: it is on this host */
};

/* What is mapped at most, of all fronts: the rest of what the sandbox leaves (sandbox.c)
   is for messages. Of a front with which it would be more the arena is mapped without the
   pool, or neither. */
#define ARENA_MAPPED_MAX_BYTES (UINT64_C(6) << 30)

/* Fetches and maps the arena that a front's SEAT_WELCOME names, with the pool where it
   names one that can be mapped too, and tells the front so; and where it names a fast
   path, its socket: *fast_fd_r is the caller's then, else -1, and NULL where none is
   wanted. Connects only where that front may send a worker (front_address.h), and sends
   nothing before the other side has sent the greeting. Waits for each of its steps
   at most a second. Returns NULL with *why_r (static text) where there is no arena: then
   the front goes on without. One reference, the caller's. Needs of the sandbox: socket,
   setsockopt, connect, send, recvmsg, fcntl, fstat, mmap, munmap and close. */
struct arena *arena_fetch(const struct arena_front *front,
                          const struct wire_seat_welcome *welcome, int *fast_fd_r,
                          const char **why_r);

/* One more reference to the same arena; NULL is allowed. */
struct arena *arena_ref(struct arena *arena);

/* Gives up *arena's reference (NULL is allowed) and clears the pointer. */
void arena_unref(struct arena **arena);

/* Where its bytes are; those of the pool follow them. */
uint8_t *arena_data(struct arena *arena);

/* Bytes of the pool; 0 where there is none. */
uint64_t arena_pool_bytes(const struct arena *arena);

/* True where all that the jobs say of an arena lies inside this one: payloads wholly in
   the arena or wholly in the pool, room for results in the arena. NULL stands for none,
   in which nothing lies. */
bool arena_fits(const struct arena *arena, const struct wire_jobs *jobs);

#endif
