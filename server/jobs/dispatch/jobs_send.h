/*
 * Which job goes to which worker next: batches are made up of what waits, light
 * and heavy by turns, for the worker with the least to do. The dispatcher owns
 * what stands here and puts jobs in; it calls jobs_send() once in each turn of
 * the loop. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_SEND_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_SEND_H

#include "server/jobs/dispatch/jobs_queue.h"
#include "server/jobs/dispatch/jobs_waiting.h"
#include "server/jobs/dispatch/jobs_worker.h"

/* News of how a worker ended takes so long at most: what a job that lost one does next
   may depend on it. */
#define JOBS_NEWS_NS UINT64_C(750000000)

struct jobs_send {
    struct jobs_waiting waiting; /* for any worker */
    struct jobs_queue
        retried;              /* given back; each goes alone to a worker that has nothing,
                                 so that one which kills workers takes no other along */
    struct jobs_queue ending; /* job->status says how; done is yet to be called */
    struct list workers;      /* see jobs_send_worker() */
};

/* Walks over the workers, `at` being the link. */
#define FOR_EACH_WORKER(send, at) \
    for (struct list *at = (send)->workers.next; at != &(send)->workers; at = at->next)

/* No jobs and no workers. */
void jobs_send_init(struct jobs_send *send);

/* The worker of a link in the list. */
struct jobs_worker *jobs_send_worker(struct list *link);

/* The job, which nobody owns, ends with that status when the dispatcher next ends jobs:
   what is being walked over must not change under the walker, as done may do. */
void jobs_send_end_later(struct jobs_send *send, struct job *job, enum job_status status);

/* Sends what can be sent: jobs that were given back first, and nothing else while there
   are any. Those that are late end instead. */
void jobs_send(struct jobs_send *send, uint64_t now_ns);

/* How long until a worker that has enough to do will take more of what waits; 0 where
   nothing waits, or none is held back so. */
uint64_t jobs_send_held_us(struct jobs_send *send, uint64_t now_ns);

#endif
