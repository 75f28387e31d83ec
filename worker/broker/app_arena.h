/*
 * The arena of one application: a memory file of its own, which it passes to the broker
 * once, so that large payloads need not travel through the socket (PROTOCOL.md,
 * APP_ARENA).
 *
 * The application can write to it and punch holes into it at any time. So the broker
 * never maps it: it copies by pread(), which no change of the file can make end by a
 * signal, and looks at the copy alone. What is taken must be a memory file of fixed size,
 * since other files' reads can hang. Nothing is written there: a write waits for the
 * file's lock, which the application can hold for as long as it likes. Loop thread only.
 */
#ifndef OFFLOOP_WORKER_BROKER_APP_ARENA_H
#define OFFLOOP_WORKER_BROKER_APP_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/wire.h"

struct app_arena {
    bool is_offered; /* the application was told that it may have one */
    int fd;          /* the descriptor that has come, perhaps not in use yet; -1 */
    uint64_t bytes;  /* 0 until it is in use */
};

/* None. */
void app_arena_init(struct app_arena *arena);

/* Closes the descriptor: in a thread where it was not accepted. */
void app_arena_close(struct app_arena *arena);

/* How many threads are closing descriptors that were not accepted. */
unsigned app_arena_closing(void);

/* recv() that does not wait, and that takes a descriptor which comes with the bytes where
   one is awaited. */
ssize_t app_arena_receive(struct app_arena *arena, int socket, void *room, size_t bytes);

/* The application says that it has passed its arena. Returns NULL, or a static text of
   what is wrong with that. */
const char *app_arena_begin(struct app_arena *arena, uint64_t bytes)
    __attribute__((warn_unused_result));

/* True where a job's payload, if it is in the arena, may lie there. */
bool app_arena_fits(const struct app_arena *arena, const struct wire_job *job);

/* Copies out of the arena; -1 where that fails. */
int app_arena_read(const struct app_arena *arena, uint64_t offset, uint8_t *to,
                   size_t bytes) __attribute__((warn_unused_result));

#endif
