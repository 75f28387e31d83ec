/*
 * Where a front hands out the descriptors of its arenas, and those of its pool
 * and of the fast path with them: a plain AF_UNIX socket, as nng passes none. Where
 * workers come by a path, it lies beside theirs, and its name has the form of a seat's: a
 * worker that reaches a seat reaches this too, from any network namespace, and the file
 * of a killed front is removed as seats' files are. Else it has an abstract name, which
 * the kernel picks and forgets with the process.
 *
 *     front   16 bytes, WIRE_ARENA_GREETING: by them a worker knows this socket
 *     worker  16 bytes: the arena's token, from its SEAT_WELCOME
 *     front   1 byte, with the descriptors: arena, pool, fast path, as far as
 *             they are there
 *     worker  1 byte: 01, it has mapped the arena; 02, the pool too; and 4 more where
 *             it has the fast path: from now on they are used
 *
 * A peer must be of our user, our group or root; one that does something else,
 * or is not done within five seconds, is hung up on. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_DESCRIPTOR_SERVER_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_DESCRIPTOR_SERVER_H

#include <sys/types.h>

#include "proto/wire.h"

struct descriptor_server;
struct ev_loop;

/* The longest name, with its NUL. */
#define DESCRIPTOR_SERVER_NAME_BYTES 110

/* What a worker is handed at most: the arena, the pool, its end of the fast path. */
#define DESCRIPTOR_SERVER_MAX_FILES 3

struct descriptor_server_events {
    /* The descriptors for this token, which stay the owner's: fills in how many it
       returns, 0 where it knows no such token. */
    unsigned (*asked)(void *ctx, const struct wire_id *token,
                      int files_r[DESCRIPTOR_SERVER_MAX_FILES]);
    /* The worker has taken these of them (enum wire_taken), if the owner has offered
       them. `process` is its id as this process sees it, 0 where it does not: in a
       container it says another one itself. */
    void (*mapped)(void *ctx, const struct wire_id *token, unsigned taken, pid_t process);
};

/* Listens at the path, or at an abstract name where that is NULL. Returns NULL with errno
   where that cannot be. The caller ends it with descriptor_server_destroy(). */
struct descriptor_server *
descriptor_server_create(struct ev_loop *loop, const char *path,
                         const struct descriptor_server_events *events, void *ctx);

/* Hangs up on everybody and unlinks the path; NULL inside is allowed. */
void descriptor_server_destroy(struct descriptor_server **descriptor_server);

/* Where it listens, in the form of SEAT_WELCOME: a path, or '@' for the NUL that an
   abstract name begins with, and the rest of that. Valid as long as the server. */
const char *descriptor_server_name(const struct descriptor_server *descriptor_server);

#endif
