/*
 * The end of a job, whatever ran it: the one place that counts it and calls
 * job->done. Inside the jobs room only; the front's loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_FINISH_H
#define OFFLOOP_SERVER_JOBS_JOBS_FINISH_H

#include "server/jobs/jobs.h"
#include "server/jobs/jobs_context.h"

/* Ends a job that is in no list any more: counts it, calls done, and releases job->result
   after it; then does the same for those that share its result. The job may be gone when
   this returns, and the jobs' state may have changed under the caller (done may submit
   and cancel). */
void jobs_finish(struct jobs_context *context, struct job *job, enum job_status status);

/* The same for a job that a codec has run: OK with the blob (whose reference is taken
   over), or REFUSED with the fault. Costs are learned from it. */
void jobs_finish_run(struct jobs_context *context, struct job *job,
                     const struct codec_fault *fault, struct blob *result);

#endif
