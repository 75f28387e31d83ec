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
 * An estimate can be wrong, so what stays is run with a budget of work (codec.h)
 * and given away when that is spent.
 *
 * No clock, no loop; one thread at a time. Inside the jobs room.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_AUTO_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_AUTO_H

#include "server/jobs/jobs.h"
#include "server/jobs/place/jobs_cost.h"

/* Jobs of one turn of the loop may take so many times the budget of one together. */
#define JOBS_AUTO_TURN_BUDGETS 3

/* A job whose estimate is above this share of the budget is sent away: one that is
   stopped when its budget is over has to be run again. */
#define JOBS_AUTO_STAY_SHARE 0.8

/* No job of more bytes for a microsecond of budget stays, however cheap its like was:
   what cannot be stopped, such as a long plain string in yajl, takes about 4 ns a byte.
 */
#define JOBS_AUTO_BYTES_PER_US 250.0

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

/* A job that stayed took so long, and not `estimated_us`: jobs of the same turn have so
   much less left. */
void jobs_auto_book(struct jobs_auto *chooser, double estimated_us, double us);

/* A job came whose result was there already: it tells of the demand too. */
void jobs_auto_count(struct jobs_auto *chooser);

/* A turn of the loop is over. */
void jobs_auto_end_turn(struct jobs_auto *chooser);

#endif
