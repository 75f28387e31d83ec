/*
 * The cage of a worker process: JSON comes from anyone, so the code that reads
 * it gets no file, no program and no new kind of socket, whatever it is talked
 * into. Two halves, as nng must start in between:
 *
 * 1. cage_close_files(), before nng starts its threads: no_new_privs, limits (no
 *    core, no file to grow, few descriptors), Landlock with no right to any
 *    file. Landlock binds the calling thread and threads it starts later.
 * 2. cage_close_calls(), once nng runs: a limit on the address space (under a
 *    tight one nng crashes at its start), then seccomp for all threads: what is
 *    not on the list kills the process with SIGSYS, which its master sees and
 *    counts as a crash.
 *
 * What the kernel lacks is logged once and done without. Main thread.
 */
#ifndef OFFLOOP_WORKER_CAGE_H
#define OFFLOOP_WORKER_CAGE_H

#include <stdbool.h>
#include <stddef.h>

/* What the second half needs of the first. */
struct cage {
    int statm_fd; /* how large the process is; -1 for unknown */
};

/* False where the cage cannot be had: a build with sanitizers calls what it forbids. */
bool cage_is_possible(void);

/* The first half, for a process that will have at most so many sockets. Files that are
   needed must be open. Returns -1, with a line in the log, where a limit cannot be set.
 */
int cage_close_files(struct cage *cage, unsigned max_sockets)
    __attribute__((warn_unused_result));

/* The second half; memory_bytes is what one job may use. Returns -1, with a line in the
   log, where the filter cannot be loaded. */
int cage_close_calls(struct cage *cage, size_t memory_bytes)
    __attribute__((warn_unused_result));

#endif
