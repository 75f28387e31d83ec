/*
 * A running master's state, and how it changes from one plan to the next.
 * Private to common/master*.c.
 */
#ifndef OFFLOOP_COMMON_MASTER_MASTER_RUN_H
#define OFFLOOP_COMMON_MASTER_MASTER_RUN_H

#include "common/master/master_set.h"

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
    bool announced;            /* all have been ready at some time */
    bool reload_wanted;
    bool upgrade_wanted;
    bool upgrading; /* `coming` is of another binary */
    bool draining;
    bool interrupted; /* INT has come */
    bool killed;      /* and come again */
    int exit_status;
};

/* Begins the change that is wanted, where none is under way; goes on with the one that
   is; stops old children whose turn has come. To be called at every turn. */
void master_change_advance(struct master *master);

/* True where that child of the coming plan may start: of a role that is alone it comes
   last, and the one before it is stopped for it. True for other children. */
bool master_change_makes_room(struct master *master, const struct master_child *child);

/* True where the end of that child, with waitpid()'s status, undoes the change. */
bool master_change_is_undone(const struct master *master,
                             const struct master_child *child, int status);

/* Back to the plan in use. */
void master_change_undo(struct master *master);

/* Records the children for the next binary. */
void master_adopt_leave(const struct master *master, struct handover *handover);

/* Takes over what was recorded: the coming plan's children are master->plan's now, all
   others are old. What does not fit the plan ends the process. */
void master_adopt_take(struct master *master, const struct handover *handover);

#endif
