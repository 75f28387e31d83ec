#include "server/jobs/jobs_state.h"

#include <assert.h>

#include "server/jobs/jobs.h"

#define BIT(state) (1U << (state))

/* The states that may come after each: a bit each. */
static const unsigned next_states[JOB_STATES] = {
    [JOB_NEW] = BIT(JOB_MOVING),
    [JOB_MOVING] = BIT(JOB_FOLLOWING) | BIT(JOB_WAITING) | BIT(JOB_SENT) |
                   BIT(JOB_RETRIED) | BIT(JOB_ENDING) | BIT(JOB_ON_THREAD) |
                   BIT(JOB_DONE),
    [JOB_FOLLOWING] = BIT(JOB_MOVING),
    [JOB_WAITING] = BIT(JOB_MOVING),
    [JOB_SENT] = BIT(JOB_MOVING),
    [JOB_RETRIED] = BIT(JOB_MOVING),
    [JOB_ENDING] = BIT(JOB_MOVING),
    [JOB_ON_THREAD] = BIT(JOB_MOVING),
    [JOB_DONE] = BIT(JOB_MOVING), /* submitted once more */
};

bool jobs_state_may_change(enum jobs_state from, enum jobs_state to)
{
    return from < JOB_STATES && to < JOB_STATES && (next_states[from] & BIT(to)) != 0;
}

void jobs_state_set(struct job *job, enum jobs_state state)
{
    assert(jobs_state_may_change(job->state, state));
    job->state = state;
}
