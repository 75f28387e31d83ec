/*
 * All children of a master. Private to common/master*.c.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_SET_H
#define OFFLOOP_COMMON_MASTER_MASTER_SET_H

#include "common/master/master_child.h"

struct master_set {
    struct master_child **items;
    unsigned count;
};

/* Adds the children of a plan: all, or only those of roles that are renewed. Each gets
   the lowest index that no child of its role has. */
void master_set_add(struct master_set *set, const char *program,
                    const struct master_plan *plan, bool only_renewed,
                    uint64_t generation);

/* The child with that process; NULL where there is none. */
struct master_child *master_set_find(const struct master_set *set, pid_t pid);

/* Adds, for each role of a plan that is `alone`, a child where none is wanted there. */
void master_set_fill_alone(struct master_set *set, const char *program,
                           const struct master_plan *plan, uint64_t generation);

/* True where every wanted child of that plan is ready. */
bool master_set_is_ready(const struct master_set *set, const struct master_plan *plan);

/* True where every wanted child of its plan in the stages before is ready, but for one
   that is alone and waits for its room: that comes last. */
bool master_set_may_start(const struct master_set *set, const struct master_child *child);

/* True where a child that serves (one that is old does not) is hung. */
bool master_set_is_silent(const struct master_set *set);

/* Appends a child that was made elsewhere. */
void master_set_append(struct master_set *set, struct master_child *child);

/* True where a child at that stage or above is not gone yet. */
bool master_set_lives(const struct master_set *set, unsigned stage);

/* The highest stage of any child. */
unsigned master_set_last_stage(const struct master_set *set);

/* Frees the children that are gone. */
void master_set_sweep(struct master_set *set);

/* Frees everything; no child may have a process. */
void master_set_free(struct master_set *set);

#endif
