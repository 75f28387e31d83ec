/*
 * Profiles of this process's loop thread, by gperftools: a sample of the stack
 * every 10 ms, either of CPU time (a thread that waits gives no samples) or of
 * wall time (a thread that waits is sampled where it waits).
 *
 * gperftools samples a whole process. Where the thread that used the CPU blocks
 * its signals, as nng's threads do, gperftools samples another thread instead. So
 * the timer of the process is replaced by a timer that signals the loop thread.
 *
 * There is one profile at a time in a process. Only the loop thread may call,
 * which must be the main thread of the process.
 */
#ifndef OFFLOOP_SERVER_OPS_PROFILER_H
#define OFFLOOP_SERVER_OPS_PROFILER_H

#include <stdbool.h>

#include "common/base/blob.h"

struct ev_loop;
struct profiler;

#define PROFILER_MAX_SECONDS 60

enum profiler_clock { PROFILER_CPU, PROFILER_WALL };

/* Called from the loop when a profile is over. profile is valid during the call; it is
   NULL where the profile failed. */
typedef void profiler_done(void *ctx, struct blob *profile);

/* Makes the profiler of a loop. The caller ends it with profiler_destroy(). */
struct profiler *profiler_create(struct ev_loop *loop);

/* Ends a profile under way without calling its done, waits for that (milliseconds), and
   frees; NULL inside is allowed. */
void profiler_destroy(struct profiler **profiler);

/* Profiles for 1 to PROFILER_MAX_SECONDS, then calls done. A thread of its own starts and
   ends it, because that writes and reads files. Returns -1 where a profile is running. */
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
