/*
 * The master of a daemon: starts its children, keeps them alive, stops them in
 * order. One implementation for both daemons; what the children are for, it
 * does not know.
 *
 * - Start: stage by stage, the next when every child of those before has told
 *   SPAWN_READY. A child that cannot start for a reason of the environment
 *   (EXIT_FATAL, EXIT_USAGE) before the daemon has ever been ready ends it.
 * - Death: a child that had finished something (SPAWN_DID) is started again at
 *   once; else after a pause that doubles from MASTER_PAUSE_MIN_MS to
 *   MASTER_PAUSE_MAX_MS, and begins anew once a child has lived that long.
 * - TERM, INT: drain. TERM to the children of the last stage; when they are
 *   gone, to those of the stage before. Those that are left after the drain
 *   timeout and a grace are killed. TERM again changes nothing; INT again kills
 *   at once (the user's second Ctrl-C).
 * - HUP: asks the daemon for its next plan. A new generation of the children
 *   that are `renewed` starts beside the old one; when all of it is ready, the
 *   old one drains, and the others go on under the new plan. Where one of the
 *   new dies before all are ready, all of the new are stopped and the old stay.
 * - USR2: the same with another binary and children of every role. When all of
 *   the new are ready, the master executes that binary in its own place (same
 *   pid, same sockets; common/process/handover.h), and that drains the old ones, fronts
 *   before services. Of a role that is `alone` the old child ends before the new
 *   one starts, last of all; on the way back it is started again.
 * - Silence: a child that has told SPAWN_ALIVE once and does not for
 *   MASTER_SILENT_MS, or what its role says, is hung. It is killed where its role
 *   says so.
 * - The service manager is told of all this (common/process/notify.h); of its watchdog,
 *   at half the interval, only while no child that serves is hung.
 *
 * The master has one thread and blocks in poll() only. It never touches nng,
 * LMDB or a client.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_H
#define OFFLOOP_COMMON_MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process/handover.h"
#include "common/process/spawn.h"

/* Pauses before a child that dies early is started again. */
#define MASTER_PAUSE_MIN_MS 100
#define MASTER_PAUSE_MAX_MS 10000

/* The longest that a child may take to become ready; then it is killed. */
#define MASTER_START_MS 60000

/* What children get beyond the drain timeout before they are killed: more than any of
   them gives itself. */
#define MASTER_GRACE_MS 12000

/* A child that tells SPAWN_ALIVE may be silent that long where its role says nothing. */
#define MASTER_SILENT_MS 5000

/* Children of one role. */
struct master_role {
    enum spawn_role role;
    unsigned count;
    unsigned stage;     /* 0 starts first and stops last */
    bool renewed;       /* a reload starts new ones; else the old ones stay */
    bool alone;         /* never runs beside another of its role; count is 1 */
    bool kill_silent;   /* a hung one is killed, and so started again */
    uint64_t silent_ms; /* how long one may be silent; 0 for MASTER_SILENT_MS */
    const int *fds;     /* from SPAWN_FD_FIRST on; -1 is /dev/null to the child */
    size_t fd_count;
};

/* What to run. Belongs to the daemon and stays in place until on_retire. */
struct master_plan {
    const struct master_role *roles;
    size_t role_count;
    const char *path; /* of the children's binary; NULL for the master's own */
    int config_fd;
    int shared_fd; /* -1 for none */
    uint64_t drain_timeout_ns;
    uint64_t grace_ns;
};

/* What the daemon does; `context` is its own. */
struct master_hooks {
    const char *program; /* "offloop-server" */
    /* Every child of the plan is ready (again after each reload). */
    void (*on_ready)(void *context, const struct master_plan *plan);
    /* A drain begins: the listeners may be closed here. May be NULL. */
    void (*on_drain)(void *context, const struct master_plan *plan);
    /* HUP: the next plan, or NULL (with a line in the log) to go on as before. */
    const struct master_plan *(*on_reload)(void *context);
    /* USR2: a plan whose `path` is that of the next binary, or NULL as above. The hook
       itself may be NULL: then USR2 is ignored. */
    const struct master_plan *(*on_upgrade)(void *context);
    /* All of on_upgrade's plan is ready: records what the next binary needs for going on
       with it. */
    void (*on_leave)(void *context, const struct master_plan *plan,
                     struct handover *handover);
    /* A child's process has ended with waitpid()'s status, and no other has its index
       yet. May be NULL. */
    void (*on_end)(void *context, const struct spawn_self *child, int status);
    /* A plan of on_reload's or on_upgrade's, or the one before it, is not used any more.
     */
    void (*on_retire)(void *context, const struct master_plan *plan);
    char *const *argv; /* for the next binary; NULL where on_upgrade is */
    void *context;
};

/* Runs until everything has stopped: starts the plan's children or, where `left` is not
   NULL, goes on with those that the master before left. Returns the exit status: 0 after
   a drain, EXIT_FATAL where the daemon could not start. The plan in use at the end is not
   retired. SIGTERM, SIGINT, SIGHUP, SIGUSR2 and SIGCHLD stay blocked afterwards. */
int master_run(const struct master_hooks *hooks, const struct master_plan *plan,
               const struct handover *left) __attribute__((warn_unused_result));

#endif
