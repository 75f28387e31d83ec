/*
 * One child of a master, and the set of all of them. A child is a place for a process:
 * when the process dies, another one is started in the same place. Private to
 * common/master/; the master's thread only.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_CHILD_H
#define OFFLOOP_COMMON_MASTER_MASTER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/master/master.h"

/* Never, as a time. */
#define MASTER_NEVER UINT64_MAX

/* What the child waits for, and what happens at wake_ns. One function sets the state. */
enum master_child_state {
    MASTER_CHILD_WAITING,  /* no process yet: earlier stages must be ready first */
    MASTER_CHILD_PAUSED,   /* no process: the next one starts at wake_ns */
    MASTER_CHILD_STARTING, /* waits for SPAWN_READY; is killed at wake_ns */
    MASTER_CHILD_READY,    /* works; counts as silent at wake_ns */
    MASTER_CHILD_STOPPING, /* got TERM and has not ended yet; is killed at wake_ns */
    MASTER_CHILD_GONE      /* no process, and none is wanted */
};

struct master_child {
    /* What the next process is started from. Not valid for a child that is old, stopping
       or gone: its plan may have been retired. */
    const struct master_plan *plan;
    const struct master_role *plan_role;

    const char *program;
    struct spawn_self self;
    unsigned stage;

    enum master_child_state state;
    uint64_t wake_ns;       /* clock_now_ns() terms; MASTER_NEVER for none */
    pid_t pid;              /* 0 for no process */
    int control_fd;         /* -1 for none */
    bool did;               /* this process has sent SPAWN_DID */
    bool tells_alive;       /* this process has sent SPAWN_ALIVE */
    bool silent;            /* it has sent SPAWN_ALIVE before, but not in time now */
    bool old;               /* is stopped when its turn comes, and never starts again */
    uint64_t kill_after_ns; /* for an old child: from TERM to KILL */
    uint64_t started_ns;
    unsigned failures; /* processes in a row that died early */
};

/* Makes a child in MASTER_CHILD_WAITING with that index in its role. `program`, `plan`
   and `role` must outlive it. The caller frees it with master_child_destroy(). */
struct master_child *master_child_create(const char *program,
                                         const struct master_plan *plan,
                                         const struct master_role *role, unsigned index,
                                         uint64_t generation);

/* Frees a child that has no process. */
void master_child_destroy(struct master_child **child);

/* From now on its processes are started from that plan. */
void master_child_move(struct master_child *child, const struct master_plan *plan,
                       const struct master_role *role);

/* Its plan is over: the child becomes old, and is stopped when the old children of later
   stages are gone. A child without a process is gone at once. Does nothing to a child
   that is stopping or gone. */
void master_child_retire(struct master_child *child, uint64_t kill_after_ns);

/* True where the child has, or will have, a process that is not stopping. */
bool master_child_is_wanted(const struct master_child *child);

/* Puts a running process of an earlier master into a child that waits. `state` is
   MASTER_CHILD_READY or MASTER_CHILD_STOPPING. The child owns control_fd (-1 for none).
 */
void master_child_adopt(struct master_child *child, pid_t pid, int control_fd,
                        enum master_child_state state, uint64_t wake_ns);

/* Starts a process. Where that fails, it tries again after a pause. */
void master_child_start(struct master_child *child);

/* Reads the messages that the process has sent so far. */
void master_child_read_messages(struct master_child *child);

/* Sends TERM, and KILL after kill_after_ns. A child without a process is gone at once.
   Does nothing to a child that is stopping or gone. */
void master_child_stop(struct master_child *child, uint64_t kill_after_ns);

/* Kills the process, if there is one. */
void master_child_kill(struct master_child *child);

/* Its process has ended with waitpid()'s status. Starts another one, at once or after a
   pause, where the child was neither stopping nor old and `again` is true. Else the child
   is gone. */
void master_child_ended(struct master_child *child, int status, bool again);

/* Does what its state says for wake_ns. */
void master_child_wake(struct master_child *child);

/* All children of a master. */
struct master_set {
    struct master_child **items;
    unsigned count;
};

/* Adds the children of a plan: all of them, or only those of renewed roles. Each gets the
   lowest index that no other child of its role has. */
void master_set_add(struct master_set *set, const char *program,
                    const struct master_plan *plan, bool only_renewed,
                    uint64_t generation);

/* The child with that process; NULL if there is none. */
struct master_child *master_set_find(const struct master_set *set, pid_t pid);

/* Adds a child for each role of the plan that is `alone` and has no wanted child. */
void master_set_fill_alone(struct master_set *set, const char *program,
                           const struct master_plan *plan, uint64_t generation);

/* True where every wanted child of that plan is ready. */
bool master_set_is_ready(const struct master_set *set, const struct master_plan *plan);

/* True where every wanted child of its plan in earlier stages is ready. A waiting child
   whose role is `alone` does not count, because it starts last. */
bool master_set_may_start(const struct master_set *set, const struct master_child *child);

/* True where a child is silent. Old children do not count. */
bool master_set_is_silent(const struct master_set *set);

/* Appends a child; the set owns it from now on. */
void master_set_append(struct master_set *set, struct master_child *child);

/* True where a child of that stage or a later one is not gone yet. */
bool master_set_lives(const struct master_set *set, unsigned stage);

/* The highest stage of any child. */
unsigned master_set_last_stage(const struct master_set *set);

/* Frees the children that are gone. */
void master_set_sweep(struct master_set *set);

/* Frees the set and its children. No child may have a process. */
void master_set_free(struct master_set *set);

#endif
