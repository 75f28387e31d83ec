/*
 * What a master leaves to its successor when it executes another binary in its own place
 * (an upgrade): the pid, the children and the sockets stay the same; the code changes.
 *
 * The state is a list of records, each a key and a text, in a sealed memory file. Its
 * descriptor's number is in OFFLOOP_HANDOVER="<SPAWN_VERSION> <fd>". Descriptors that
 * records name stay open across the exec, under the same numbers. The owner of a thing
 * writes its records and reads them again: the master owns the children
 * (common/master/master_change.c), the daemon owns listeners and services.
 *
 * Masters only; one thread.
 */
#ifndef OFFLOOP_COMMON_PROCESS_HANDOVER_H
#define OFFLOOP_COMMON_PROCESS_HANDOVER_H

#include <stddef.h>

struct handover;

/* An empty one, to be filled; ended with handover_destroy(). */
struct handover *handover_create(void);

/* Appends a record: a key of one word and a formatted text. */
void handover_put(struct handover *handover, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The descriptor stays open across the exec; it is the caller's still. */
void handover_keep_fd(struct handover *handover, int fd);

/* Executes the program at `path` in place of this one. Returns only where that fails: -1
   with errno, and everything as it was. Close-on-exec descriptors that were not kept are
   gone afterwards; blocked and pending signals stay as they are. */
int handover_exec(struct handover *handover, const char *path, char *const argv[]);

/* Successor, first thing: *handover_r is what was left, NULL where this process was
   started in the ordinary way. Clears the environment of it, and of the service manager's
   sockets, which are among what was left. -1 with a line on stderr where it cannot be
   read or is of another version. */
int handover_take(struct handover **handover_r) __attribute__((warn_unused_result));

/* The text of the n'th record (from 0) with that key; NULL for none. */
const char *handover_get(const struct handover *handover, const char *key, size_t n);

/* The number of a descriptor that was kept, now close-on-exec again; a number that is no
   descriptor ends the process. For readers of records. */
int handover_fd(int fd);

/* Frees; NULL inside is allowed. Descriptors stay as they are. */
void handover_destroy(struct handover **handover);

#endif
