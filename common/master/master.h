/*
 * The master of a daemon: it starts the daemon's children, keeps them alive, and stops
 * them in order. Both daemons use it. It does not know what the children do.
 *
 * - Start: stage by stage. A stage starts when every child of the stages before has sent
 *   SPAWN_READY. Where a child exits with EXIT_FATAL or EXIT_USAGE before all children
 *   have been ready once, the daemon ends.
 * - Death: a child that had done some work (SPAWN_DID) is started again at once. Else it
 *   is started after a pause, which doubles from MASTER_PAUSE_MIN_MS to
 *   MASTER_PAUSE_MAX_MS. The pauses begin anew when a child has lived that long.
 * - TERM, INT: drain. The children of the last stage get TERM; when they are gone, those
 *   of the stage before get it, and so on. A child that is left after the drain timeout
 *   and a grace is killed. A second TERM changes nothing; a second INT (the user presses
 *   Ctrl-C twice) kills all children at once.
 * - HUP: asks the daemon for its next plan. New children of the roles that are `renewed`
 *   start beside the old ones. When all of them are ready, the old ones drain, and the
 *   other roles' children go on under the new plan. Where a new child dies before that,
 *   all new ones are stopped and the old ones stay.
 * - USR2: the same with another binary, and with new children of every role. When all of
 *   them are ready, the master executes that binary in its own place: the pid and the
 *   sockets stay (common/process/handover.h). The new binary then drains the old
 * children, fronts before services. For a role that is `alone`, the old child ends before
 * the new one starts, as the last step; where the change fails after that, the old one is
 *   started again.
 * - Silence: a child has sent SPAWN_ALIVE once, and then sends none for MASTER_SILENT_MS
 *   or for the time that its role names: it hangs. It is killed where its role says so.
 * - The service manager is told of all this (common/process/notify.h). Its watchdog gets
 * a sign at half its interval, but only while no serving child hangs.
 *
 * The master has one thread and blocks in poll() only. It never touches nng, LMDB or a
 * client's connection.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_H
#define OFFLOOP_COMMON_MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process/handover.h"
#include "common/process/spawn.h"

/* The pause before a child that died early is started again. */
#define MASTER_PAUSE_MIN_MS 100
#define MASTER_PAUSE_MAX_MS 10000

/* A child that is not ready after this time is killed. */
#define MASTER_START_MS 60000

/* After the drain timeout, children have this time before they are killed. It is longer
   than the time that any of them gives itself. */
#define MASTER_GRACE_MS 12000

/* How long a child that sends SPAWN_ALIVE may be silent, unless its role says else. */
#define MASTER_SILENT_MS 5000

/* Children of one role. */
struct master_role {
    enum spawn_role role;
    unsigned count;
    unsigned stage;     /* 0 starts first and stops last */
    bool renewed;       /* a reload starts new ones; otherwise the old ones stay */
    bool alone;         /* never runs beside another of its role; count is 1 */
    bool kill_silent;   /* a child that hangs is killed, and so started again */
    uint64_t silent_ms; /* how long a child may be silent; 0: MASTER_SILENT_MS */
    const int *fds;     /* from SPAWN_FD_FIRST on; -1 is /dev/null to the child */
    size_t fd_count;
};

/* What to run. The daemon owns it, and keeps it unchanged until on_retire. */
struct master_plan {
    const struct master_role *roles;
    size_t role_count;
    const char *path; /* of the children's binary; NULL for the master's own */
    int config_fd;
    int shared_fd; /* -1 for none */
    uint64_t drain_timeout_ns;
    uint64_t grace_ns;
};

/* What the master calls in the daemon. `context` is passed to each call. */
struct master_hooks {
    const char *program; /* "offloop-server" */
    /* Every child of the plan is ready (again after each reload). */
    void (*on_ready)(void *context, const struct master_plan *plan);
    /* A drain begins: the listeners may be closed here. May be NULL. */
    void (*on_drain)(void *context, const struct master_plan *plan);
    /* HUP: returns the next plan, or NULL (after a log line) to go on as before. */
    const struct master_plan *(*on_reload)(void *context);
    /* USR2: returns a plan whose `path` is the next binary, or NULL as above. The hook
       itself may be NULL: then USR2 is ignored. */
    const struct master_plan *(*on_upgrade)(void *context);
    /* All children of on_upgrade's plan are ready: records what the next binary needs to
       go on with them. */
    void (*on_leave)(void *context, const struct master_plan *plan,
                     struct handover *handover);
    /* A child's process has ended with waitpid()'s status; no other child has its index
       yet. May be NULL. */
    void (*on_end)(void *context, const struct spawn_self *child, int status);
    /* The plan is not used any more: one that on_reload or on_upgrade returned, or the
       one before it. */
    void (*on_retire)(void *context, const struct master_plan *plan);
    char *const *argv; /* for the next binary; NULL where on_upgrade is NULL */
    void *context;
};

/* Makes SIGTERM, SIGINT, SIGHUP, SIGUSR2 and SIGCHLD wait until master_run() reads them.
   A daemon calls it before it makes its first directory or socket: a signal that comes
   while it starts then does what it does later, and does not just kill it. */
void master_hold_signals(void);

/* Runs until all children have stopped. Starts the plan's children; where `left` is not
   NULL, goes on with the children of the master before instead. Returns the exit status:
   0 after a drain, EXIT_FATAL where the daemon could not start. The last plan in use is
   not retired. SIGTERM, SIGINT, SIGHUP, SIGUSR2 and SIGCHLD stay blocked afterwards. */
int master_run(const struct master_hooks *hooks, const struct master_plan *plan,
               const struct handover *left) __attribute__((warn_unused_result));

#endif
