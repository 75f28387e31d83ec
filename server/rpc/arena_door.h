/*
 * Where a front hands out the descriptors of its arenas: a plain AF_UNIX
 * socket, as nng passes none. Where workers come by a path, it stands beside
 * theirs, named as a seat is: who reaches that reaches this too, out of any
 * network namespace, and what a killed front leaves behind goes as seats' files
 * do. Else it has an abstract name, which the kernel picks and forgets with the
 * process.
 *
 *     worker  16 bytes: the arena's token, from its SEAT_WELCOME
 *     front   1 byte, with the descriptor
 *     worker  1 byte, 01: it has mapped the arena; from now on it is used
 *
 * A peer must be of our user, our group or root; one that does something else,
 * or is not done within five seconds, is hung up on. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_RPC_ARENA_DOOR_H
#define OFFLOOP_SERVER_RPC_ARENA_DOOR_H

#include "proto/wire.h"

struct arena_door;
struct ev_loop;

/* The longest name, with its NUL. */
#define ARENA_DOOR_NAME_BYTES 110

struct arena_door_events {
    /* The descriptor of the arena with this token, which stays the owner's; -1 where
       there is none. */
    int (*asked)(void *ctx, const struct wire_id *token);
    /* Its worker has mapped it. */
    void (*mapped)(void *ctx, const struct wire_id *token);
};

/* Listens at the path, or at an abstract name where that is NULL. Returns NULL with errno
   where that cannot be. The caller ends it with arena_door_destroy(). */
struct arena_door *arena_door_create(struct ev_loop *loop, const char *path,
                                     const struct arena_door_events *events, void *ctx);

/* Hangs up on everybody and unlinks the path; NULL inside is allowed. */
void arena_door_destroy(struct arena_door **door);

/* Where it listens, in the form of SEAT_WELCOME: a path, or '@' for the NUL that an
   abstract name begins with, and the rest of that. Valid as long as the door. */
const char *arena_door_name(const struct arena_door *door);

#endif
