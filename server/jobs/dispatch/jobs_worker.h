/*
 * A worker process as the dispatcher sees it: what it has in flight, and
 * whether it may be given more. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_WORKER_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_WORKER_H

#include "server/jobs/dispatch/jobs_flight.h"
#include "server/jobs/jobs_limits.h"

struct rpc_worker;
struct stats_worker;

/* Inputs that one message carries, those in shared memory not counted: as many small
   documents as there may be jobs. A larger job goes alone. */
#define JOBS_BATCH_BYTES (160U << 10)

struct jobs_worker {
    struct jobs_flight flight; /* its jobs */
    struct list link;          /* the dispatcher's */
    struct rpc_worker *rpc;
    const struct jobs_limits *limits; /* of the way that its jobs travel */
    struct stats_worker *row;         /* its counters; NULL for none */
    bool leaving;                     /* it asked for no new jobs */
    bool alone;          /* it has a retried job, and shall have nothing else */
    uint64_t quiet_ns;   /* since when it has been without a sign of life (or not taken a
                            message), so that it gets no jobs; 0 where it is well */
    uint64_t pinged_ns;  /* the last ping */
    struct buf options;  /* of the jobs of the message being made */
    unsigned cancelling; /* ids below that are yet to be sent */
    uint64_t cancels[FLIGHT_MAX_BATCH];
};

/* A worker that is up and has nothing; known as the owner of rpc from now on. The caller
   ends it with jobs_worker_destroy() when it has no live jobs. */
struct jobs_worker *jobs_worker_create(struct rpc_worker *rpc);

/* Frees the worker. */
void jobs_worker_destroy(struct jobs_worker **worker);

/* The worker that has this job in flight. */
struct jobs_worker *jobs_worker_of(const struct job *job);

/* True where it could do jobs now, credits aside. */
bool jobs_worker_is_usable(struct jobs_worker *worker);

/* How many batches may be sent to it now. */
unsigned jobs_worker_free(struct jobs_worker *worker);

/* How many jobs the next batch should have: what waits, spread over all free batches of
   all workers (so that workers do not march in step), within a message's limits. */
unsigned jobs_worker_share(unsigned waiting, unsigned free_batches);

/* How many bytes the job would add to a message to the worker. */
uint64_t jobs_worker_message_bytes(const struct jobs_worker *worker,
                                   const struct job *job);

/* Sends jobs, which are MOVING and not late, as one message: they are SENT then. Returns
   -1 where the worker did not take it: the jobs are MOVING still, and the worker is
   quiet. */
int jobs_worker_send(struct jobs_worker *worker, struct job *const *jobs, unsigned count,
                     uint64_t now_ns) __attribute__((warn_unused_result));

/* Gives a job of the worker's up and notes that it is to be told; see send_cancels, and
   for `given_up` jobs_flight.h. */
void jobs_worker_give_up(struct jobs_worker *worker, struct job *job, void *given_up);

/* Tells the worker which jobs nobody waits for; no-op for none. */
void jobs_worker_send_cancels(struct jobs_worker *worker);

/* Looks after signs of life of a worker that has jobs: pings after a quarter of the job
   timeout without any; returns true, once, when half of it has passed: its jobs shall go
   to others, and it is quiet until it is heard again. */
bool jobs_worker_fell_silent(struct jobs_worker *worker, uint64_t now_ns,
                             uint64_t job_timeout_ns);

#endif
