/*
 * Jobs in a row: first in, first out, with a front door for jobs that come
 * back. Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_QUEUE_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_QUEUE_H

#include "server/jobs/jobs.h"

struct jobs_queue {
    struct list jobs;
    unsigned depth;
};

/* Makes an empty queue. */
void jobs_queue_init(struct jobs_queue *queue);

/* Puts a job behind the others, and makes the queue its owner. */
void jobs_queue_push(struct jobs_queue *queue, struct job *job);

/* Puts a job back before the others; of several, the last one first. */
void jobs_queue_push_front(struct jobs_queue *queue, struct job *job);

/* The job that is to leave next, NULL where there is none. */
struct job *jobs_queue_first(const struct jobs_queue *queue);

/* The job behind this one, NULL at the end; for walking over all. */
struct job *jobs_queue_next(const struct jobs_queue *queue, const struct job *job);

/* Takes a job out, wherever it stands; nobody owns it then. */
void jobs_queue_remove(struct jobs_queue *queue, struct job *job);

#endif
