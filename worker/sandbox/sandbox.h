/*
 * The sandbox of a worker process: JSON comes from anyone, so the code that reads
 * it gets no file, no program and no new kind of socket, whatever it is talked
 * into. Two halves, as nng must start in between:
 *
 * 1. sandbox_close_files(), before nng starts its threads: no_new_privs, limits (no
 *    core, no file to grow, few descriptors), Landlock with no right to any
 *    file. Landlock binds the calling thread and threads it starts later.
 * 2. sandbox_close_calls(), once nng runs: a limit on the address space (under a
 *    tight one nng crashes at its start), then seccomp for all threads: what is
 *    not on the list kills the process with SIGSYS, which its master sees and
 *    counts as a crash.
 *
 * What the kernel lacks is logged once and done without. Main thread.
 */
#ifndef OFFLOOP_WORKER_SANDBOX_SANDBOX_H
#define OFFLOOP_WORKER_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* What the second half needs of the first. */
struct sandbox {
    int statm_fd; /* how large the process is; -1 for unknown */
};

/* False where the sandbox cannot be had: a build with sanitizers calls what it forbids.
 */
bool sandbox_is_possible(void);

/* The first half, for a process that will have at most so many sockets. Files that are
   needed must be open. Returns -1, with a line in the log, where a limit cannot be set.
 */
int sandbox_close_files(struct sandbox *sandbox, unsigned max_sockets)
    __attribute__((warn_unused_result));

/* The second half; memory_bytes is what one job may use. Returns -1, with a line in the
   log, where the filter cannot be loaded. */
int sandbox_close_calls(struct sandbox *sandbox, size_t memory_bytes)
    __attribute__((warn_unused_result));

#endif
