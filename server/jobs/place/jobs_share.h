/*
 * Equal jobs in flight: the first is run (it leads), those that come while it
 * is under way follow it and get the same result. Equal are jobs of the same
 * share_key, the same options and the same bytes: a key is a hint where to look,
 * never a reason to give one reader what another asked for.
 * Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_SHARE_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_SHARE_H

#include "server/jobs/jobs.h"

#define SHARE_BUCKETS 256

/* Larger inputs are not compared: that takes a loop 0.1 ms for each MiB, and more where
   they are in no processor's cache. */
#define SHARE_MAX_BYTES ((size_t)2 << 20)

struct jobs_share {
    struct list leaders[SHARE_BUCKETS]; /* job.share */
};

/* True where two calls have the same options and the same bytes, and so the same result;
   those with another argument than a program never are. */
bool jobs_share_is_same(const struct codec_call *a, const struct codec_call *b);

/* Nothing is under way. */
void jobs_share_init(struct jobs_share *share);

/* Returns true where the job, which nobody owns, follows another from now on: the table
   owns it. A job whose deadline is before the leader's does not follow it. */
bool jobs_share_follow(struct jobs_share *share, struct job *job);

/* The job, which follows no other, leads from now on, where it has a key, until
   jobs_share_end(). */
void jobs_share_lead(struct jobs_share *share, struct job *job);

/* True where the job follows another. */
bool jobs_share_has(const struct jobs_share *share, const struct job *job);

/* Takes a follower out; nobody owns it then. */
void jobs_share_leave(struct jobs_share *share, struct job *job);

/* The job leads no more; its followers move to the list *followers_r, which is made
   empty first. They stay owned by the table. */
void jobs_share_end(struct job *job, struct list *followers_r);

/* Takes the first out of such a list, as jobs_share_leave(); NULL at its end. */
struct job *jobs_share_shift(struct jobs_share *share, struct list *followers);

#endif
