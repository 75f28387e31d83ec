/*
 * The blocks of a bulk request on their way through the codec: several are with
 * workers at once, and their records come out in the order of the lines.
 *
 * A queue that is full and workers that are lost are waited for; what cannot be
 * decoded in the end fails line by line. Loop thread only; after moved() there
 * may be something to do.
 */
#ifndef OFFLOOP_SERVER_API_BULK_BULK_JOBS_H
#define OFFLOOP_SERVER_API_BULK_BULK_JOBS_H

#include "common/codec/operations/bulk.h"
#include "common/base/list.h"
#include "server/api/exchange.h"

/* Blocks with the codec at once, and bytes of text in them where it is more than one. */
#define BULK_JOBS_FLYING       4
#define BULK_JOBS_FLYING_BYTES ((size_t)1 << 20)

/* Blocks held, from which on no more of the body is wanted. */
#define BULK_JOBS_HELD 6

/* When a job that found no room or no worker is tried again, and how often. */
#define BULK_JOBS_RETRY_MS 50
#define BULK_JOBS_RETRIES  200 /* while the queue is full: 10 s */
#define BULK_JOBS_LOST_MAX 3   /* other failures of one block */

struct bulk_jobs {
    struct exchange *e;
    void (*moved)(void *ctx);
    void *ctx;
    struct list blocks; /* in the order of their lines */
    unsigned held;
    unsigned flying;
    size_t flying_bytes;
    uint64_t lines;       /* added so far */
    uint64_t retry_at_ns; /* after a failure nothing is tried before */
};

/* One line that has come through. */
struct bulk_line {
    uint64_t number;           /* from 1 */
    const char *why;           /* NULL, or why it failed where no record says it */
    struct bulk_record record; /* where why is NULL */
    struct blob *records;      /* what the record's slices point into */
};

/* Makes an empty one; moved is called from the loop when jobs have ended. */
void bulk_jobs_init(struct bulk_jobs *jobs, struct exchange *e, void (*moved)(void *ctx),
                    void *ctx);

/* Cancels and frees all. */
void bulk_jobs_free(struct bulk_jobs *jobs);

/* Adds a block of lines; its text is taken over. */
void bulk_jobs_add(struct bulk_jobs *jobs, struct buf *text, uint64_t lines);

/* Adds a line that was too long to be kept. */
void bulk_jobs_add_too_long(struct bulk_jobs *jobs);

/* Gives the codec one more block, where there is one and it may have more. Returns
   whether it did. */
bool bulk_jobs_submit_one(struct bulk_jobs *jobs);

/* True where a block waits until it may be tried again: submit_one does nothing now. */
bool bulk_jobs_wait(const struct bulk_jobs *jobs);

/* The next line in order; false where it has not come through yet. *line_r is valid until
   the next call. */
bool bulk_jobs_next(struct bulk_jobs *jobs, struct bulk_line *line_r);

#endif
