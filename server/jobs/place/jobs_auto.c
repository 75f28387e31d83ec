#include "server/jobs/place/jobs_auto.h"

#include <assert.h>

/* Weight of a turn that had jobs, in the demand. */
#define TURN_WEIGHT 0.125

/* A thread's job costs the loop about this much: a lock, two wake-ups. */
#define THREADS_US 20.0

/* Off the loop has to be this much cheaper: it takes the other processors' time as well,
   and what it saves here must be worth that. With one processor nothing but the budget
   sends a job away. */
#define AWAY_FACTOR         1.5
#define AWAY_FACTOR_TWO_CPU 1.6
#define AWAY_FACTOR_ONE_CPU 1000.0
#define AWAY_US             3.0

/* A longer program is not compiled on a loop. */
#define PROGRAM_STAYS_BYTES 4096

void jobs_auto_init(struct jobs_auto *chooser, const struct jobs_cost *cost,
                    double budget_us, unsigned cpus)
{
    assert(cost != NULL && budget_us >= 0 && cpus > 0);
    *chooser = (struct jobs_auto){.cost = cost,
                                  .budget_us = budget_us,
                                  .away_factor = cpus == 1   ? AWAY_FACTOR_ONE_CPU
                                                 : cpus == 2 ? AWAY_FACTOR_TWO_CPU
                                                             : AWAY_FACTOR,
                                  .demand = 1};
}

static unsigned max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

enum jobs_mode jobs_auto_choose(struct jobs_auto *chooser, const struct codec_call *call,
                                unsigned workers, unsigned under_way)
{
    double codec_us = jobs_cost_codec_us(chooser->cost, call);
    /* What little input expands to, nobody knows; and nothing is compressed on a loop. */
    bool may_stay = !call->gunzip && call->coding == CODING_NONE &&
                    (!call->transform || call->argument.len <= PROGRAM_STAYS_BYTES) &&
                    (double)(call->in.len + call->argument.len) <=
                        chooser->budget_us * JOBS_AUTO_BYTES_PER_US;
    unsigned together;
    double away_us;

    chooser->turn_jobs++;
    together = max(max(under_way + 1, chooser->turn_jobs), (unsigned)chooser->demand);
    away_us = workers == 0 ? THREADS_US : jobs_cost_rpc_us(chooser->cost, call, together);
    if (may_stay && codec_us <= chooser->budget_us * JOBS_AUTO_STAY_SHARE &&
        codec_us <= away_us * chooser->away_factor + AWAY_US &&
        chooser->turn_us + codec_us <= chooser->budget_us * JOBS_AUTO_TURN_BUDGETS) {
        chooser->turn_us += codec_us;
        return JOBS_INLINE;
    }
    return workers > 0 ? JOBS_RPC : JOBS_THREADS;
}

void jobs_auto_book(struct jobs_auto *chooser, double estimated_us, double us)
{
    if (us > estimated_us)
        chooser->turn_us += us - estimated_us;
}

void jobs_auto_count(struct jobs_auto *chooser)
{
    chooser->turn_jobs++;
}

void jobs_auto_end_turn(struct jobs_auto *chooser)
{
    if (chooser->turn_jobs > 0)
        chooser->demand += (chooser->turn_jobs - chooser->demand) * TURN_WEIGHT;
    assert(chooser->demand >= 1);
    chooser->turn_jobs = 0;
    chooser->turn_us = 0;
}
