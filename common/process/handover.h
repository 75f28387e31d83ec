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

/* Makes an empty handover; the caller ends it with handover_destroy(). */
struct handover *handover_create(void);

/* Appends a record: a key of one word and a formatted text. */
void handover_put(struct handover *handover, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the descriptor open across the exec; the caller still owns it. */
void handover_keep_fd(struct handover *handover, int fd);

/* Executes the program at `path` in place of this one. Returns only where that fails: -1
   with errno, and nothing has changed. The exec closes close-on-exec descriptors that
   were not kept; blocked and pending signals stay as they are. */
int handover_exec(struct handover *handover, const char *path, char *const argv[]);

/* The successor calls this first. *handover_r is the state that the master before left,
   or NULL where this process was started in the ordinary way. Removes the variable from
   the environment, and those of the service manager's sockets, which are part of the
   state. -1 with a log line where the state cannot be read or is of another version. */
int handover_take(struct handover **handover_r) __attribute__((warn_unused_result));

/* The text of record n (from 0) with that key; NULL if there is none. */
const char *handover_get(const struct handover *handover, const char *key, size_t n);

/* For readers of records: makes a kept descriptor close-on-exec again and returns it. A
   number that is no open descriptor ends the process. */
int handover_fd(int fd);

/* Frees the handover; *handover may be NULL. Descriptors stay as they are. */
void handover_destroy(struct handover **handover);

#endif
