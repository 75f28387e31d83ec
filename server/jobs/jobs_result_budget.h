/*
 * The memory that a job's result will take (common/loop/memory_budget.h): promised
 * while the job is under way, so that results of many jobs together stay within
 * the budget.
 *
 * How large a result becomes is not known before: one with ?pretty can be 500
 * times its input. So a job may make a few times its input at first; where it
 * makes more, it is run again and may make eight times as much, as often as
 * needed, while the budget has room. On the loop's thread.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_RESULT_BUDGET_H
#define OFFLOOP_SERVER_JOBS_JOBS_RESULT_BUDGET_H

#include "server/jobs/jobs.h"

/* Notes what the job may make in the end, and sets call.max_output to what it may at
   first. For a job that is being submitted. */
void jobs_result_budget_init(struct job *job);

/* Lowers what the job may make now and in the end: no more fits where it goes. */
void jobs_result_budget_limit(struct job *job, size_t bytes);

/* Promises the result's memory. Returns false where it does not fit. */
bool jobs_result_budget_take(struct job *job);

/* Ends the promise, if there is one. */
void jobs_result_budget_give_back(struct job *job);

/* What becomes of a job whose result was too large. */
enum jobs_result_budget_end {
    JOBS_MEMORY_AGAIN,    /* call.max_output has been raised: it is to be run again */
    JOBS_MEMORY_NONE,     /* it could be, with memory that is not there now */
    JOBS_MEMORY_TOO_LARGE /* it is too large for good */
};

/* Raises call.max_output, where that can be. */
enum jobs_result_budget_end jobs_result_budget_raise(struct job *job);

#endif
