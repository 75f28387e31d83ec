/*
 * The dispatcher gives jobs to worker processes. A job waits here, goes to a worker
 * in a batch, and ends with the worker's result; it is taken back from a worker
 * that dies, falls silent or is too slow. The dispatcher sends at one point only,
 * just before the loop goes to poll, so that all jobs of one turn of the loop go
 * out together. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_DISPATCH_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_DISPATCH_H

#include "server/jobs/jobs.h"

struct jobs_context;
struct jobs_dispatch;

/* A job is sent to so many workers, one after another, before it is given up. */
#define JOBS_MAX_ATTEMPTS 3

/* A dispatcher; the configuration, whose defaults are filled in, must stay. Without
   rpc_url no worker will ever come. The caller ends it with jobs_dispatch_destroy(). */
struct jobs_dispatch *jobs_dispatch_create(struct ev_loop *loop,
                                           const struct jobs_config *config,
                                           struct jobs_context *context);

/* Leaves the workers; no job may be in flight. NULL inside is allowed. */
void jobs_dispatch_destroy(struct jobs_dispatch **dispatch);

/* Takes a prepared job; one that cannot wait (the queue is full, it is too large for a
   message) is finished before this returns. */
void jobs_dispatch_submit(struct jobs_dispatch *dispatch, struct job *job);

/* How many jobs wait for a worker or are with one. */
unsigned jobs_dispatch_under_way(const struct jobs_dispatch *dispatch);

/* Takes out a job of mode auto, where there is no worker to send it to: it is MOVING
   then. One that was with a worker that was lost waits a while first, for another worker
   or for news of how that one ended, and is never taken where workers have crashed on its
   document, since it might crash the front. NULL where there is none. */
struct job *jobs_dispatch_take_stranded(struct jobs_dispatch *dispatch);

/* Forgets a job that was submitted and is not done. */
void jobs_dispatch_cancel(struct jobs_dispatch *dispatch, struct job *job);

/* See jobs_watch_given_up(). */
void jobs_dispatch_watch_given_up(struct jobs_dispatch *dispatch,
                                  const struct jobs_given_up_events *events);

/* See jobs_make_input(). */
struct blob *jobs_dispatch_make_input(struct jobs_dispatch *dispatch, size_t len,
                                      uint8_t **bytes_r);

/* How many workers are connected and usable now. */
unsigned jobs_dispatch_workers(const struct jobs_dispatch *dispatch);

#endif
