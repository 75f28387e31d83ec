/*
 * The state of a job: where it is, what it waits for, and which timer watches it.
 * jobs_state_set() is the only function that changes the state, and it refuses
 * every change that is not in the table of jobs_state.c. A job of zeros is NEW.
 *
 *     NEW ---> MOVING <---> FOLLOWING, WAITING, SENT, RETRIED, ENDING, ON_THREAD
 *                 |
 *                 v
 *               DONE
 *
 * MOVING lies between any two others, and only within one call on the loop.
 * Everything but jobs_state_is_active() is inside the jobs room. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_STATE_H
#define OFFLOOP_SERVER_JOBS_JOBS_STATE_H

#include <stdbool.h>

struct job;

enum jobs_state {
    /* Not submitted yet. Nothing is awaited. */
    JOB_NEW,
    /* The running code decides where the job goes next, or runs it on the loop. It is in
       no list. Nothing is awaited, no timer runs. */
    JOB_MOVING,
    /* In the followers of an equal job (jobs_share.h). Awaits the end of that job, whose
       deadline is not after its own: no timer of its own. */
    JOB_FOLLOWING,
    /* In a jobs_waiting. Awaits a worker or a thread with room for it. The tick of the
       dispatcher or of the threads watches its deadline. */
    JOB_WAITING,
    /* In job->flight, with a worker. Awaits the worker's result. The dispatcher's tick
       watches its deadline and the worker's signs of life. */
    JOB_SENT,
    /* In jobs_send.retried: its worker was lost. Awaits an idle worker, or the news that
       its document has crashed workers. The dispatcher's tick watches its deadline. */
    JOB_RETRIED,
    /* In jobs_send.ending: job->status says how it ends. Awaits the end of the walk over
       jobs or workers, in the same turn of the loop. No timer. */
    JOB_ENDING,
    /* A thread of the front has job->task. Awaits its result. The threads' tick watches
       the deadline. */
    JOB_ON_THREAD,
    /* Its done is or was called, or it was cancelled. Nothing is awaited. */
    JOB_DONE,
    JOB_STATES
};

/* True where a job may go from one state to the other. */
bool jobs_state_may_change(enum jobs_state from, enum jobs_state to);

/* Changes the state of a job; asserts that the change is allowed. */
void jobs_state_set(struct job *job, enum jobs_state state);

/* True for a job that is submitted, not done and not cancelled. */
static inline bool jobs_state_is_active(enum jobs_state state)
{
    return state != JOB_NEW && state != JOB_DONE;
}

#endif
