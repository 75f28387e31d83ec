/*
 * Whose job is next: fair queueing of the applications' jobs in front of
 * server/jobs, which knows nothing of applications and orders what it has by cost.
 *
 * At most so much work is with server/jobs at a time, by estimate, as keeps the workers
 * busy; what comes next is of the application that has been served least. So one that
 * floods waits behind itself, and a job of another waits for what the workers have just
 * begun and for no more. Light, medium and heavy jobs have room of their own there: a few
 * heavy ones do not keep light ones from server/jobs, which lets those pass. While light
 * ones are about, medium and heavy ones leave a worker free: of each there are fewer
 * under way than there are workers.
 *
 * An application that was idle begins where those that are served stand, so that nobody
 * saves turns up. A job that is given up while a worker is at it stays under way, and its
 * member's, until the worker is done: who submits and cancels gains nothing. No socket;
 * the caller brings the time; the loop's thread only.
 */
#ifndef OFFLOOP_WORKER_BROKER_TURNS_H
#define OFFLOOP_WORKER_BROKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

/* A job of more is medium; and of more than that heavy, as server/jobs has it. */
#define TURNS_MEDIUM_US 100
#define TURNS_HEAVY_US  5000

/* A worker is left to light jobs for so long after the last one came. */
#define TURNS_LIGHT_NS UINT64_C(100000000)

enum turns_lane { TURNS_LIGHT, TURNS_MEDIUM, TURNS_HEAVY, TURNS_LANES };

/* An application. */
struct turns_member {
    struct list link; /* in turns.active */
    struct list waiting[TURNS_LANES];
    unsigned waiting_count;
    unsigned taken_count;
    uint64_t served_us;
    bool is_held; /* it gets no turns for now */
};

struct turns {
    struct list active;       /* members that have jobs waiting */
    struct turns_member gone; /* has what is under way of those that have left */
    uint64_t clock_us;    /* how much the member that was served last had been served */
    uint64_t next_number; /* of items, in the order in which they come */
    uint64_t light_ns;    /* when the last light one came; 0 for never */
    unsigned workers;
    struct {
        unsigned count;
        uint64_t cost_us;
    } taken[TURNS_LANES]; /* with server/jobs now */
};

/* A job. */
struct turns_item {
    struct list link;
    struct turns_member *member; /* NULL where it neither waits nor is taken */
    uint64_t number;
    uint32_t cost_us;
    bool is_taken;
};

/* Nobody waits; as for one worker. */
void turns_init(struct turns *turns);

/* So many workers are there; 0 counts as 1. */
void turns_set_workers(struct turns *turns, unsigned workers);

/* A member without jobs. */
void turns_member_init(struct turns_member *member);

/* A job of the member's, which takes so long by estimate, waits from now on. */
void turns_push(struct turns *turns, struct turns_member *member, struct turns_item *item,
                uint32_t cost_us, uint64_t now_ns);

/* The job that is next, taken from now on; NULL where none waits or there is enough
   under way. */
struct turns_item *turns_next(struct turns *turns, uint64_t now_ns);

/* A job is over, waiting or taken. Its member has been served `us` where it was taken:
   the estimate is put right by that. */
void turns_end(struct turns *turns, struct turns_item *item, uint32_t us);

/* A taken job goes on as `to`, which is not in use. */
void turns_move(struct turns_item *from, struct turns_item *to);

/* The member of a taken job leaves before it is over. */
void turns_leave(struct turns *turns, struct turns_item *item);

/* The member has cost so much more than its jobs took. */
void turns_charge(struct turns_member *member, uint64_t us);

#endif
