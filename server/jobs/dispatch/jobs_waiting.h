/*
 * Jobs that wait to be run, in the order in which they leave: the job with the
 * lowest cost first. Waiting lowers a job's score, so that expensive jobs have
 * their turn too. Jobs of about the same cost leave in the order they came.
 *
 * Light and heavy jobs are kept apart, since they never share a message or a
 * lane. Inside the jobs room; loop thread only; the caller brings the time.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_WAITING_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_WAITING_H

#include "server/jobs/place/jobs_cost.h"
#include "server/jobs/dispatch/jobs_queue.h"

/* Light ones are those that take JOBS_HEAVY_US at most. */
enum jobs_weight { JOBS_LIGHT, JOBS_HEAVY };

/* Classes of cost: powers of two, the one with JOBS_HEAVY_US in it parted in two. */
#define WAITING_CLASSES 33

/* A lane is kept free for light jobs for so long after the last was seen. */
#define WAITING_LIGHT_NS UINT64_C(1000000000)

struct jobs_waiting {
    struct jobs_queue classes[WAITING_CLASSES];
    uint64_t filled; /* bit per class that is not empty */
    unsigned depth;
    uint64_t light_ns; /* when the last light one came; 0 for never */
};

/* Nothing waits. */
void jobs_waiting_init(struct jobs_waiting *waiting);

/* The weight of a job, by its cost_us. */
enum jobs_weight jobs_waiting_weight(const struct job *job);

/* A job that was just submitted waits from now on. */
void jobs_waiting_push(struct jobs_waiting *waiting, struct job *job);

/* Puts back what jobs_waiting_first() gave, before its like. */
void jobs_waiting_put_back(struct jobs_waiting *waiting, struct job *job);

/* The job of that weight that is to leave next, NULL where there is none. */
struct job *jobs_waiting_first(const struct jobs_waiting *waiting,
                               enum jobs_weight weight, uint64_t now_ns);

/* What a job is chosen by: the lowest leaves first. Its cost in microseconds less a
   quarter of its waiting time. */
int64_t jobs_waiting_score(const struct job *job, uint64_t now_ns);

/* How many of the light ones wait. */
unsigned jobs_waiting_light(const struct jobs_waiting *waiting);

/* True where light ones have come lately. */
bool jobs_waiting_saw_light(const struct jobs_waiting *waiting, uint64_t now_ns);

/* Takes a job out, wherever it stands; it is MOVING then. */
void jobs_waiting_remove(struct jobs_waiting *waiting, struct job *job);

/* Any job and the one behind it, NULL at the end: for walking over all, in no order. */
struct job *jobs_waiting_any(const struct jobs_waiting *waiting);
struct job *jobs_waiting_next(const struct jobs_waiting *waiting, const struct job *job);

#endif
