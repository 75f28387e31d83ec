/*
 * The results of jobs that ran on the loop in this turn of the loop. An equal job
 * of the same turn gets the kept result instead of running: their requests came
 * together, so this is like jobs_share.h for jobs that are with a worker. Results
 * are dropped at the end of the turn; this is no cache. Equal jobs have the same
 * key, options and bytes, as in jobs_share.h.
 *
 * Only mode auto uses it: mode inline is for comparison with other servers, and
 * runs every job. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_TURN_RESULTS_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_TURN_RESULTS_H

#include "server/jobs/jobs.h"

#define JOBS_TURN_RESULTS_SLOTS 8

struct jobs_turn_result {
    uint64_t key[2];
    struct codec_call call; /* its bytes live in `in` */
    struct blob *in;
    struct blob *result; /* NULL for a slot that is free */
};

struct jobs_turn_results {
    struct jobs_turn_result slots[JOBS_TURN_RESULTS_SLOTS]; /* by the key */
    bool any;
};

/* Nothing is kept. */
void jobs_turn_results_init(struct jobs_turn_results *turn);

/* Keeps job->result, which the job has just come to. A job without a key, or whose input
   is in no blob, is not kept, nor is one with further inputs. */
void jobs_turn_results_keep(struct jobs_turn_results *turn, const struct job *job);

/* The result of an equal job of this turn, with a reference for the caller; NULL for
   none. */
struct blob *jobs_turn_results_find(const struct jobs_turn_results *turn,
                                    const struct job *job);

/* The turn is over (or the jobs are): lets go of all that is kept. */
void jobs_turn_results_end(struct jobs_turn_results *turn);

#endif
