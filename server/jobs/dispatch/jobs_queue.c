#include "server/jobs/dispatch/jobs_queue.h"

#include <assert.h>

static struct job *job_of(const struct jobs_queue *queue, struct list *link)
{
    return link == &queue->jobs ? NULL : container_of(link, struct job, link);
}

void jobs_queue_init(struct jobs_queue *queue, enum jobs_state state)
{
    list_init(&queue->jobs);
    queue->state = state;
    queue->depth = 0;
}

static void insert(struct jobs_queue *queue, struct list *before, struct job *job)
{
    assert(list_is_empty(&job->link));
    list_insert_before(before, &job->link);
    jobs_state_set(job, queue->state);
    queue->depth++;
}

void jobs_queue_push(struct jobs_queue *queue, struct job *job)
{
    insert(queue, &queue->jobs, job);
}

void jobs_queue_push_front(struct jobs_queue *queue, struct job *job)
{
    insert(queue, queue->jobs.next, job);
}

struct job *jobs_queue_first(const struct jobs_queue *queue)
{
    return job_of(queue, queue->jobs.next);
}

struct job *jobs_queue_next(const struct jobs_queue *queue, const struct job *job)
{
    assert(job->state == queue->state);
    return job_of(queue, job->link.next);
}

void jobs_queue_remove(struct jobs_queue *queue, struct job *job)
{
    assert(job->state == queue->state && queue->depth > 0);
    list_remove(&job->link);
    jobs_state_set(job, JOB_MOVING);
    queue->depth--;
}
