/*
 * Profiles of this process's loop thread, by gperftools: a sample of its stack
 * every 10 ms, either of CPU time that the thread used (time in which it waits
 * gives no samples), or of wall time (where it waits, there it is sampled).
 *
 * gperftools samples a whole process, and where the thread that used the CPU has
 * its signals blocked, as nng's have, it samples another one instead. So the
 * process's timer is replaced by one whose signal goes to the loop thread alone.
 *
 * One profile at a time in a process. All functions: loop thread, which must be
 * the process's main thread.
 */
#ifndef OFFLOOP_SERVER_OPS_PROFILER_H
#define OFFLOOP_SERVER_OPS_PROFILER_H

#include <stdbool.h>

#include "common/base/blob.h"

struct ev_loop;
struct profiler;

#define PROFILER_MAX_SECONDS 60

enum profiler_clock { PROFILER_CPU, PROFILER_WALL };

/* Called from the loop when a profile is over: its bytes, a reference for the call only;
   NULL where there is none. */
typedef void profiler_done(void *ctx, struct blob *profile);

/* Makes the profiler of a loop. The caller ends it with profiler_destroy(). */
struct profiler *profiler_create(struct ev_loop *loop);

/* Ends, waiting for the end of a profile under way (milliseconds), whose done is not
   called any more; NULL inside is allowed. */
void profiler_destroy(struct profiler **profiler);

/* Profiles for 1 to PROFILER_MAX_SECONDS, then calls done. A thread of its own starts and
   ends it, since that writes and reads files. Returns -1 where a profile is running. */
int profiler_start(struct profiler *profiler, unsigned seconds, enum profiler_clock clock,
                   profiler_done *done, void *ctx) __attribute__((warn_unused_result));

/* True where a profile is running: profiler_start() would fail. */
bool profiler_is_busy(const struct profiler *profiler);

/* Ends a profile now; done is called as if the time were over. */
void profiler_finish(struct profiler *profiler);

/* Ends a profile now; done is not called any more. */
void profiler_cancel(struct profiler *profiler);

/* --profile: samples CPU time into a file from now to profiler_close_file(). Returns -1
   with errno where the file cannot be written. */
int profiler_open_file(const char *path) __attribute__((warn_unused_result));

/* Writes the file's end; no-op where none is open. */
void profiler_close_file(void);

#endif
