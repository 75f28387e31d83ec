/*
 * Mode `auto`: where a job shall run. On the loop, where that costs the front
 * less than sending it away would, and no more than the inline budget; else
 * with a worker, or, without one, on a thread.
 *
 * A job that is sent costs its worker as much again as the front, for taking
 * messages apart and making them. With many processors that is theirs; with two,
 * which the loop, the workers and perhaps the clients share, it is as if the
 * front paid it.
 *
 * What sending costs depends on how many jobs share a message. While jobs run
 * on the loop none are under way, so that the demand is also read from how many
 * came in one turn of the loop: they could have shared one.
 *
 * No clock, no loop; one thread at a time. Inside the jobs room.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_AUTO_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_AUTO_H

#include "server/jobs/jobs.h"
#include "server/jobs/place/jobs_cost.h"

/* Jobs of one turn of the loop may take so many times the budget of one together. */
#define JOBS_AUTO_TURN_BUDGETS 5

struct jobs_auto {
    const struct jobs_cost *cost;
    double budget_us;
    double away_factor; /* how much cheaper away has to be */
    double turn_us;     /* on the loop in this turn, by estimate */
    unsigned turn_jobs; /* chosen for in this turn */
    double demand;      /* jobs in a turn, lately */
};

/* Begins with no demand; one job may take `budget_us` on the loop of a machine with so
   many processors. */
void jobs_auto_init(struct jobs_auto *chooser, const struct jobs_cost *cost,
                    double budget_us, unsigned cpus);

/* Chooses for one job: INLINE, RPC or THREADS. `workers` are usable now, and `under_way`
   jobs are with them or wait for them. */
enum jobs_mode jobs_auto_choose(struct jobs_auto *chooser, const struct codec_call *call,
                                unsigned workers, unsigned under_way);

/* A job came whose result was there already: it tells of the demand too. */
void jobs_auto_count(struct jobs_auto *chooser);

/* A turn of the loop is over. */
void jobs_auto_end_turn(struct jobs_auto *chooser);

#endif
