/*
 * A queue of jobs: first in, first out. A job that comes back is put in at the
 * front. All jobs of a queue have the same state. Inside the jobs room; loop
 * thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_QUEUE_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_QUEUE_H

#include "server/jobs/jobs.h"

struct jobs_queue {
    struct list jobs;
    enum jobs_state state; /* of the jobs in it */
    unsigned depth;
};

/* Makes an empty queue, whose jobs will have that state. */
void jobs_queue_init(struct jobs_queue *queue, enum jobs_state state);

/* Puts a MOVING job behind the others; it has the queue's state then. */
void jobs_queue_push(struct jobs_queue *queue, struct job *job);

/* Puts a MOVING job before the others; the last one put so leaves first. */
void jobs_queue_push_front(struct jobs_queue *queue, struct job *job);

/* The job that is to leave next, NULL where there is none. */
struct job *jobs_queue_first(const struct jobs_queue *queue);

/* The job behind this one, NULL at the end; for walking over all. */
struct job *jobs_queue_next(const struct jobs_queue *queue, const struct job *job);

/* Takes a job out, wherever it stands; it is MOVING then. */
void jobs_queue_remove(struct jobs_queue *queue, struct job *job);

#endif
