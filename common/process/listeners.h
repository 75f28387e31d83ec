/*
 * The listening sockets of a master, by the address that the
 * configuration gives them: a reload keeps those that it still names.
 *
 * Several plans may hold one listener; it closes when the last lets go. Sockets
 * that a service manager opened (LISTEN_FDS) serve for the addresses they are
 * bound to; their files are the manager's.
 * Master only.
 */
#ifndef OFFLOOP_COMMON_PROCESS_LISTENERS_H
#define OFFLOOP_COMMON_PROCESS_LISTENERS_H

#include <stddef.h>

#include "common/process/handover.h"

struct listeners;

/* An empty set, but for inherited sockets; ended with listeners_destroy(). */
struct listeners *listeners_create(void);

/* Records all for the next binary, which listeners_take() makes the same set of again:
   held by nobody yet. */
void listeners_leave(struct listeners *listeners, struct handover *handover);

/* The set that the master before left. */
struct listeners *listeners_take(const struct handover *handover);

/* Closes those that nobody holds. */
void listeners_sweep(struct listeners *listeners);

/* Logs each inherited socket that no address has asked for. */
void listeners_warn_unused(const struct listeners *listeners);

/* Closes all; NULL inside is allowed. */
void listeners_destroy(struct listeners **listeners);

/* Opens the listener of that address, or takes the one that is there; `nth` tells apart
   several of one text (port 0), from 0. Returns its descriptor, which stays the set's, or
   -1 with errno. */
int listeners_hold(struct listeners *listeners, const char *text, size_t nth)
    __attribute__((warn_unused_result));

/* Lets go of a listener that was held. */
void listeners_release(struct listeners *listeners, const char *text, size_t nth);

/* Stops taking part: unlinks the files of Unix sockets, so that a successor may listen,
   and closes the descriptors. The children's stay open. */
void listeners_close(struct listeners *listeners);

/* Prints "PROGRAM: WHAT ADDRESS" for a listener that has not been named yet, with the
   port it really has, and flushes stdout. */
void listeners_name(struct listeners *listeners, const char *program, const char *what,
                    const char *text, size_t nth);

#endif
