/*
 * The jobs of one application's connection, from the JOBS message to the answer:
 * accepted within the application's limits, waiting for their turn, with server/jobs,
 * and answered. Each is answered exactly once, for as long as the connection lives.
 * A payload in the application's arena stays there until its turn has come.
 *
 * One loop thread. News travels up through shared->dirty: a connection that has answers
 * to send joins that list, and shared->wake is called.
 */
#ifndef OFFLOOP_WORKER_BROKER_APP_JOBS_H
#define OFFLOOP_WORKER_BROKER_APP_JOBS_H

#include "proto/wire.h"
#include "worker/broker/app_arena.h"
#include "worker/broker/app_rows.h"
#include "worker/broker/output.h"
#include "worker/broker/turns.h"

struct jobs;

/* What one application may have unanswered. One job alone may be larger. */
#define APP_MAX_JOBS  1024u
#define APP_MAX_BYTES (UINT64_C(128) << 20)
/* Payloads of all applications that may be held at once. */
#define APP_TOTAL_BYTES (UINT64_C(1) << 30)
/* Jobs that may be answered "overloaded" one after another before nothing more is read
   until some are answered otherwise. */
#define APP_MAX_OVERLOADED 256u

/* What all connections share. */
struct app_shared {
    struct jobs *jobs;
    struct turns turns;
    struct app_rows rows;
    struct list given_up;        /* jobs that nobody waits for, with a worker */
    struct list dirty;           /* app_jobs that have answers to send */
    uint64_t held_bytes;         /* of payloads that are unanswered */
    void (*wake)(void *context); /* dirty is not empty any more, or a turn may be free */
    void *context;
};

#define APP_JOB_BUCKETS 128

struct app_jobs {
    struct app_shared *shared;
    struct app_row *row; /* NULL until app_jobs_start() */
    struct turns_member member;
    struct app_arena arena;
    struct list buckets[APP_JOB_BUCKETS]; /* unanswered ones, by id */
    struct list finished;                 /* to be answered */
    unsigned finished_count;
    struct list dirty; /* in shared->dirty */
    unsigned unanswered;
    unsigned overloaded; /* in a row */
    uint64_t unanswered_bytes;
    uint64_t expire_ns; /* no job that waits ends before */
};

/* Nobody is connected. wake and context are the caller's to set. Ended with
   app_shared_end(), after the last connection. */
void app_shared_init(struct app_shared *shared, struct jobs *jobs);
void app_shared_end(struct app_shared *shared);

/* A connection without jobs; ended with app_jobs_drop(). */
void app_jobs_init(struct app_jobs *jobs, struct app_shared *shared);

/* The application's name is known: jobs may come. */
void app_jobs_start(struct app_jobs *jobs, struct app_row *row);

/* Takes the jobs of a message. `message` is NULL, or a blob that holds the payloads, and
   then those that are long stay in there. Returns NULL, or a static text of what rule a
   job breaks: the connection is to be closed. */
const char *app_jobs_take(struct app_jobs *jobs, const struct wire_jobs *batch,
                          struct blob *message) __attribute__((warn_unused_result));

/* Takes a job back; one that is unknown or finished is not affected. */
void app_jobs_cancel(struct app_jobs *jobs, uint64_t id);

/* Ends those that have waited for too long. */
void app_jobs_expire(struct app_jobs *jobs, uint64_t now_ns);

/* Appends the answers that are there, as messages in their frames. */
void app_jobs_answer(struct app_jobs *jobs, struct output *output);

/* The connection is gone: forgets all jobs. */
void app_jobs_drop(struct app_jobs *jobs);

/* Gives server/jobs what is next, as much as it shall have. */
void app_jobs_pump(struct app_shared *shared);

#endif
