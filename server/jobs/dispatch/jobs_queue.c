#include "server/jobs/dispatch/jobs_queue.h"

#include <assert.h>

static struct job *job_of(const struct jobs_queue *queue, struct list *link)
{
    return link == &queue->jobs ? NULL : container_of(link, struct job, link);
}

void jobs_queue_init(struct jobs_queue *queue)
{
    list_init(&queue->jobs);
    queue->depth = 0;
}

static void insert(struct jobs_queue *queue, struct list *before, struct job *job)
{
    assert(job->owner == NULL && list_is_empty(&job->link));
    list_insert_before(before, &job->link);
    job->owner = queue;
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
    assert(job->owner == queue);
    return job_of(queue, job->link.next);
}

void jobs_queue_remove(struct jobs_queue *queue, struct job *job)
{
    assert(job->owner == queue && queue->depth > 0);
    list_remove(&job->link);
    job->owner = NULL;
    queue->depth--;
}
