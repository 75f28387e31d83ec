/*
 * The system calls that a worker may make once it is sandboxed, and the filter
 * that sees to it. Private to worker/sandbox*.c. Main thread.
 */
#ifndef OFFLOOP_WORKER_SANDBOX_SANDBOX_CALLS_H
#define OFFLOOP_WORKER_SANDBOX_SANDBOX_CALLS_H

/* Loads the filter into every thread of the process (seccomp with TSYNC): another call
   than these kills the process with SIGSYS. Where the kernel has no seccomp that is
   logged and 0. Returns -1, with a line in the log, where it fails otherwise. */
int sandbox_calls_load(void) __attribute__((warn_unused_result));

#endif
