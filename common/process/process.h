/*
 * What every process of both daemons does at its start, and how the end of a
 * child is told. Main thread.
 */
#ifndef OFFLOOP_COMMON_PROCESS_PROCESS_H
#define OFFLOOP_COMMON_PROCESS_PROCESS_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Opens /dev/null for standard descriptors that are closed, so that no socket takes
   their numbers; ignores SIGPIPE (a peer that left is an error of write()). */
void process_start(void);

/* Raises the limit on open descriptors to what the system allows this process: shells and
   service managers give 1024 for the sake of select(), which nobody here uses. */
void process_raise_fd_limit(void);

/* From now on no crash of this process, or of one that it starts, writes its memory to a
   core file: it holds keys or secrets. Only the soft limit is lowered: prlimit(1) may
   raise it again while the process runs. */
void process_dump_no_core(void);

/* Appends how a child ended, from waitpid()'s status: "exit status 1", "SIGSEGV". */
void process_print_end(int status, struct buf *out);

/* True in a build with sanitizers, which need calls and memory that a sandbox refuses. */
bool process_is_sanitized(void);

#endif
