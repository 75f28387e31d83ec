/*
 * One child of a master: a place that a process fills, and fills again when it
 * dies. Private to common/master*.c.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_CHILD_H
#define OFFLOOP_COMMON_MASTER_MASTER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/master/master.h"

/* Never, as a time. */
#define MASTER_NEVER UINT64_MAX

/* What is awaited, and what wake_ns is for. */
enum master_child_state {
    MASTER_CHILD_WAITING,  /* no process yet: earlier stages must be ready */
    MASTER_CHILD_PAUSED,   /* no process: started again at wake_ns */
    MASTER_CHILD_STARTING, /* SPAWN_READY awaited, killed at wake_ns */
    MASTER_CHILD_READY,    /* does its work; told of as silent at wake_ns */
    MASTER_CHILD_STOPPING, /* TERM was sent: its end awaited, killed at wake_ns */
    MASTER_CHILD_GONE      /* no process, and none wanted */
};

struct master_child {
    /* where the next process comes from; not for one that is old, stopping or gone, whose
       plan may have been retired */
    const struct master_plan *plan;
    const struct master_role *plan_role;

    const char *program;
    struct spawn_self self;
    unsigned stage;

    enum master_child_state state;
    uint64_t wake_ns; /* clock_now_ns() terms; MASTER_NEVER for none */
    pid_t pid;        /* 0 for no process */
    int control_fd;   /* -1 for none */
    bool did;         /* SPAWN_DID has come from this process */
    bool tells_alive; /* SPAWN_ALIVE has come from this process */
    bool silent;      /* SPAWN_ALIVE came once, but then not in time */
    bool old;         /* to be stopped when its turn comes, and never started again... */
    uint64_t kill_after_ns; /* ...with so much time */
    uint64_t started_ns;
    unsigned failures; /* processes in a row that died early */
};

/* Makes a child in MASTER_CHILD_WAITING, `index` of its role, for a program's name that
   stays; ended with master_child_destroy(). */
struct master_child *master_child_create(const char *program,
                                         const struct master_plan *plan,
                                         const struct master_role *role, unsigned index,
                                         uint64_t generation);

/* Frees a child that has no process. */
void master_child_destroy(struct master_child **child);

/* From now on its processes are of that plan's. */
void master_child_move(struct master_child *child, const struct master_plan *plan,
                       const struct master_role *role);

/* Its plan is over: it is to be stopped when the old ones of later stages are gone. One
   without a process is gone at once; no-op for one that is stopping or gone. */
void master_child_retire(struct master_child *child, uint64_t kill_after_ns);

/* True where it has, or is to have, a process that is not stopping. */
bool master_child_is_wanted(const struct master_child *child);

/* Starts a process; one that cannot be started is tried again after a pause. */
void master_child_start(struct master_child *child);

/* Reads the notes that are there. */
void master_child_read_notes(struct master_child *child);

/* Stops: TERM, and KILL after kill_after_ns; a child without a process is gone at once.
   No-op for one that is stopping or gone. */
void master_child_stop(struct master_child *child, uint64_t kill_after_ns);

/* Kills the process, where there is one. */
void master_child_kill(struct master_child *child);

/* Its process ended with waitpid()'s status. Where it was not stopping and is wanted
   `again`, another is started, at once or after a pause; else it is gone. */
void master_child_ended(struct master_child *child, int status, bool again);

/* Does what is due at wake_ns. */
void master_child_wake(struct master_child *child);

#endif
