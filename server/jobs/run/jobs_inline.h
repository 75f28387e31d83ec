/*
 * Jobs that run at once, on the front's loop: mode `inline`. Inside the jobs
 * room only; the front's loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_RUN_JOBS_INLINE_H
#define OFFLOOP_SERVER_JOBS_RUN_JOBS_INLINE_H

#include "server/jobs/jobs.h"

struct jobs_context;

struct jobs_inline;

/* A runner with the engine of that name; no codec exists before the first job, so that a
   front that offloads everything never has one. The caller ends it with
   jobs_inline_destroy(). */
struct jobs_inline *jobs_inline_create(const char *engine, struct jobs_context *context);

/* Frees the runner and its codec; NULL inside is allowed. */
void jobs_inline_destroy(struct jobs_inline **runner);

/* Runs the job and finishes it before returning. The loop's time is booked on the encode
   or decode phase. */
void jobs_inline_run(struct jobs_inline *runner, struct job *job);

#endif
