/*
 * The listening sockets of a master, by their addresses in the configuration. A
 * reload keeps the sockets whose addresses it still has.
 *
 * Several plans may use one listener; it closes when the last of them releases
 * it. A socket that a service manager opened (LISTEN_FDS) serves the address that
 * it is bound to; the file of such a Unix socket belongs to the manager.
 * Master only.
 */
#ifndef OFFLOOP_COMMON_PROCESS_LISTENERS_H
#define OFFLOOP_COMMON_PROCESS_LISTENERS_H

#include <stddef.h>

#include "common/process/handover.h"

struct listeners;

/* Makes a set that has only the inherited sockets. The caller ends it with
   listeners_destroy(). */
struct listeners *listeners_create(void);

/* Records all listeners for the next binary. listeners_take() makes the same set there,
   which no plan uses yet. */
void listeners_leave(struct listeners *listeners, struct handover *handover);

/* Makes the set that the master before recorded. */
struct listeners *listeners_take(const struct handover *handover);

/* Closes the listeners that no plan uses. */
void listeners_close_unused(struct listeners *listeners);

/* Logs each inherited socket that no option names. */
void listeners_warn_unused(const struct listeners *listeners);

/* Closes all; NULL inside is allowed. */
void listeners_destroy(struct listeners **listeners);

/* Opens the listener of that address, or takes the open one, for one more plan. `nth`,
   from 0, tells listeners of the same text apart (port 0). Returns the descriptor, which
   the set owns, or -1 with errno. */
int listeners_use(struct listeners *listeners, const char *text, size_t nth)
    __attribute__((warn_unused_result));

/* Ends one use of a listener. */
void listeners_release(struct listeners *listeners, const char *text, size_t nth);

/* Unlinks the files of Unix sockets, so that a successor may listen there, and closes the
   descriptors. Those of the children stay open. */
void listeners_close(struct listeners *listeners);

/* Prints "PROGRAM: WHAT ADDRESS" once for a listener, with the port that it really has,
   and flushes stdout. */
void listeners_name(struct listeners *listeners, const char *program, const char *what,
                    const char *text, size_t nth);

#endif
