/*
 * Jobs that run at once, on the front's loop: mode `inline`, and what `auto`
 * keeps there. Inside the jobs room only; the front's loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_RUN_JOBS_INLINE_H
#define OFFLOOP_SERVER_JOBS_RUN_JOBS_INLINE_H

#include "server/jobs/place/jobs_auto.h"

struct jobs_context;

struct jobs_inline;

/* A runner with the engine of that name; no codec exists before the first job, so that a
   front that offloads everything never has one. The caller ends it with
   jobs_inline_destroy(). */
struct jobs_inline *jobs_inline_create(const char *engine, struct jobs_context *context);

/* Frees the runner and its codec; NULL inside is allowed. */
void jobs_inline_destroy(struct jobs_inline **runner);

/* Runs the job and finishes it before returning. The loop's time counts as the encode or
   decode phase. */
void jobs_inline_run(struct jobs_inline *runner, struct job *job);

/* The same for a job that the chooser let stay, within the chooser's budget; the chooser
   is told how long it took. Returns false where the job would take longer: it was
   stopped, is not finished, and may be placed elsewhere. */
bool jobs_inline_try(struct jobs_inline *runner, struct job *job,
                     struct jobs_auto *chooser) __attribute__((warn_unused_result));

#endif
