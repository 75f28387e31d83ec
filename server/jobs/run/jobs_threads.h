/*
 * Jobs that run on threads of the front: mode `threads`, and what `auto` falls
 * back to where no worker is there. Jobs wait in a queue on the loop and go to
 * the pool a few at a time, so that the order is decided late and a job that
 * waits is cancelled for nothing.
 *
 * A job that a thread has may be cancelled, and its input freed, at once: the
 * pool works on bytes of its own, a reference to the job's in_blob or, where it
 * has none, a copy. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_RUN_JOBS_THREADS_H
#define OFFLOOP_SERVER_JOBS_RUN_JOBS_THREADS_H

#include "server/jobs/jobs.h"

struct jobs_context;
struct jobs_threads;

/* A runner; no thread exists before the first job. The configuration, whose defaults are
   filled in, must stay. The caller ends it with jobs_threads_destroy(). */
struct jobs_threads *jobs_threads_create(struct ev_loop *loop,
                                         const struct jobs_config *config,
                                         struct jobs_context *context);

/* Ends the threads, after what they run; every job must be done or cancelled. NULL inside
   is allowed. */
void jobs_threads_destroy(struct jobs_threads **threads);

/* Takes a prepared job; where the queue is full it is finished before this returns. */
void jobs_threads_submit(struct jobs_threads *threads, struct job *job);

/* Codec calls that threads have made so far. */
uint64_t jobs_threads_runs(const struct jobs_threads *threads);

/* Forgets a job that was submitted here and is not done. */
void jobs_threads_cancel(struct jobs_threads *threads, struct job *job);

#endif
