/*
 * A running master's state, and how it changes from one plan to the next: by a reload, or
 * by an upgrade that hands the children over to another binary. Private to
 * common/master/; the master's thread only.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_CHANGE_H
#define OFFLOOP_COMMON_MASTER_MASTER_CHANGE_H

#include "common/master/master_child.h"

struct master {
    const struct master_hooks *hooks;
    const struct master_plan *plan;   /* in use */
    const struct master_plan *coming; /* its children are starting; NULL for none */
    uint64_t generation;              /* the latest that was started */
    struct master_set children;
    struct pollfd *polled; /* the signals first, then one for each child, in order */
    int signal_fd;
    uint64_t watchdog_ns;      /* between two signs of life; 0 for none */
    uint64_t watchdog_next_ns; /* when the next is due; MASTER_NEVER for none */
    bool announced;            /* all children of a plan have been ready once */
    bool reload_wanted;
    bool upgrade_wanted;
    bool upgrading; /* `coming` is for another binary */
    bool draining;
    bool interrupted; /* one INT has come */
    bool killed;      /* a second INT has come */
    int exit_status;
};

/* Continues the change that is under way. Else begins the one that is wanted. Also stops
   old children whose turn has come. Called in every turn of the master's loop. */
void master_change_advance(struct master *master);

/* True where that child may start. A child whose role is `alone` starts last: this stops
   the child before it, and returns true when that one has ended. True for others. */
bool master_change_may_start(struct master *master, const struct master_child *child);

/* True where this child's end, with waitpid()'s status, makes the change fail. */
bool master_change_is_undone(const struct master *master,
                             const struct master_child *child, int status);

/* The change has failed: stops the coming plan's children and keeps the plan in use. */
void master_change_undo(struct master *master);

/* Takes over the children that the master before recorded. Those of its coming plan
   belong to master->plan now; all others are old. A record that does not fit the plan
   ends the process. */
void master_change_adopt(struct master *master, const struct handover *handover);

#endif
