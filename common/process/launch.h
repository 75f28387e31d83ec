/*
 * Starts a child process as spawn.h describes it: the master's side of that contract.
 * Masters only (one thread, never nng).
 */
#ifndef OFFLOOP_COMMON_PROCESS_LAUNCH_H
#define OFFLOOP_COMMON_PROCESS_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

#include "common/process/spawn.h"

/* What to start. The caller still owns the descriptors; -1 gives the child /dev/null. */
struct launch {
    const char *program; /* for the process list */
    const char *path;    /* of the binary: "/proc/self/exe", or an upgrade's */
    struct spawn_self self;
    int config_fd;
    int shared_fd;
    const int *fds; /* from SPAWN_FD_FIRST on */
    size_t fd_count;
};

/* Forks and execs. Returns the child's pid. *control_r is the master's end of its control
   socket: close-on-exec, non-blocking; the caller closes it. -1 with errno where no
   process was made. A child whose exec fails exits with EXIT_FATAL. */
pid_t launch_child(const struct launch *launch, int *control_r)
    __attribute__((warn_unused_result));

#endif
