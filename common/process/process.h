/*
 * What every process of both daemons does at its start, and the text for a child's end.
 * Main thread.
 */
#ifndef OFFLOOP_COMMON_PROCESS_PROCESS_H
#define OFFLOOP_COMMON_PROCESS_PROCESS_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Opens /dev/null for standard descriptors that are closed, so that no socket gets their
   numbers. Ignores SIGPIPE: write() returns an error where the peer has left. */
void process_start(void);

/* Raises the limit on open descriptors to the hard limit. Shells and service managers set
   1024 because of select(), which is not used here. */
void process_raise_fd_limit(void);

/* From now on this process and its children write no core files, because their memory
   contains keys or secrets. Lowers only the soft limit: prlimit(1) can raise it again
   while the process runs. */
void process_dump_no_core(void);

/* Appends the text for waitpid()'s status: "exit status 1", "SIGSEGV". */
void process_print_end(int status, struct buf *out);

/* True in a build with sanitizers, which need system calls and memory that a sandbox
   refuses. */
bool process_is_sanitized(void);

#endif
