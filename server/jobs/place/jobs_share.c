#include "server/jobs/place/jobs_share.h"

#include <assert.h>
#include <string.h>

void jobs_share_init(struct jobs_share *share)
{
    for (unsigned i = 0; i < SHARE_BUCKETS; i++)
        list_init(&share->leaders[i]);
}

static struct job *job_at(struct list *link)
{
    return container_of(link, struct job, share);
}

static bool is_same_text(struct slice a, struct slice b)
{
    return a.len == b.len &&
           (a.len == 0 || a.data == b.data || memcmp(a.data, b.data, a.len) == 0);
}

/* Patches and lists of names are never the same: nobody asks twice for them at once. */
static bool is_same_argument(const struct codec_call *a, const struct codec_call *b)
{
    if (a->transform && b->transform)
        return is_same_text(a->argument, b->argument);
    return a->argument.len == 0 && b->argument.len == 0;
}

bool jobs_share_is_same(const struct codec_call *a, const struct codec_call *b)
{
    return a->op == b->op && a->pretty == b->pretty && a->coding == b->coding &&
           a->part == b->part && a->gunzip == b->gunzip && a->separator == b->separator &&
           a->keep_numbers == b->keep_numbers && a->format == b->format &&
           a->in.len == b->in.len && a->transform == b->transform && a->one == b->one &&
           a->ids == b->ids && a->digests == b->digests && is_same_argument(a, b) &&
           a->max_output == b->max_output && is_same_text(a->fields, b->fields) &&
           is_same_text(a->in, b->in);
}

static bool may_follow(const struct job *job, const struct job *leader)
{
    return job->share_key[0] == leader->share_key[0] &&
           job->share_key[1] == leader->share_key[1] &&
           job->deadline_ns >= leader->deadline_ns &&
           job->sends_result == leader->sends_result &&
           jobs_share_is_same(&job->call, &leader->call);
}

/* Where equal jobs are; NULL for a job that is not shared. */
static struct list *bucket_of(struct jobs_share *share, const struct job *job)
{
    if ((job->share_key[0] | job->share_key[1]) == 0 ||
        job->call.in.len > SHARE_MAX_BYTES)
        return NULL;
    return &share->leaders[job->share_key[0] % SHARE_BUCKETS];
}

bool jobs_share_follow(struct jobs_share *share, struct job *job)
{
    struct list *bucket = bucket_of(share, job);

    assert(job->state == JOB_MOVING && list_is_empty(&job->share));
    if (bucket == NULL)
        return false;
    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        if (!may_follow(job, job_at(at)))
            continue;
        list_append(&job_at(at)->followers, &job->share);
        jobs_state_set(job, JOB_FOLLOWING);
        return true;
    }
    return false;
}

void jobs_share_lead(struct jobs_share *share, struct job *job)
{
    struct list *bucket = bucket_of(share, job);

    assert(job->state == JOB_MOVING && list_is_empty(&job->share));
    if (bucket != NULL)
        list_append(bucket, &job->share);
}

void jobs_share_leave(struct job *job)
{
    assert(job->state == JOB_FOLLOWING);
    list_remove(&job->share);
    jobs_state_set(job, JOB_MOVING);
}

void jobs_share_end(struct job *job, struct list *followers_r)
{
    struct list *link;

    list_remove(&job->share);
    list_init(followers_r);
    while ((link = list_shift(&job->followers)) != NULL)
        list_append(followers_r, link);
}

struct job *jobs_share_shift(struct list *followers)
{
    struct job *job;

    if (list_is_empty(followers))
        return NULL;
    job = job_at(followers->next);
    jobs_share_leave(job);
    return job;
}
