/*
 * The jobs that one worker has: batches sent and not yet answered in full. A
 * batch takes one of the worker's credits. The id of a job is
 *
 *     batch number (from 1, never reused on a connection) * 64 + place in the batch
 *
 * so the job of an answer is found without a search. The table tells an answer for
 * a job that was given up meanwhile (cancelled, too late) from an answer for a job
 * that the worker never had, and notices a second answer. Inside the jobs room;
 * loop thread only; knows nothing of messages.
 */
#ifndef OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_FLIGHT_H
#define OFFLOOP_SERVER_JOBS_DISPATCH_JOBS_FLIGHT_H

#include "proto/wire.h"
#include "server/jobs/place/jobs_cost.h"
#include "server/jobs/jobs.h"

/* Jobs in a batch, at most. */
#define FLIGHT_MAX_BATCH 64

/* Batches with one worker, at most: how many a worker is given says jobs_limits.h. */
#define FLIGHT_WINDOW 16

struct flight_batch {
    uint64_t number; /* 0 for a batch that is free */
    unsigned count;
    bool heavy;                                 /* its one job is */
    uint64_t unanswered;                        /* bit per job */
    uint32_t cost_us[FLIGHT_MAX_BATCH];         /* of the jobs, given up or not */
    struct job *jobs[FLIGHT_MAX_BATCH];         /* NULL for those given up or answered */
    struct wire_id documents[FLIGHT_MAX_BATCH]; /* of those given up */
    void *given_up[FLIGHT_MAX_BATCH]; /* whom their end is told; NULL for nobody */
};

/* Documents that one worker can have. */
#define FLIGHT_MAX_DOCUMENTS (FLIGHT_WINDOW * FLIGHT_MAX_BATCH)

/* Bytes that are hashed of them when the worker is lost, about: a third of a millisecond
   of the loop. */
#define FLIGHT_HASHED_BYTES ((size_t)512 << 10)

struct jobs_flight {
    unsigned window; /* batches at once: 1 to FLIGHT_WINDOW */
    unsigned batches_open;
    unsigned live;    /* jobs not given up */
    unsigned heavy;   /* batches of a heavy job */
    uint64_t cost_us; /* of what is unanswered, also of jobs given up: the worker may be
                         at them */
    uint64_t
        progress_ns; /* when the worker last answered, or got the first that it has */
    uint64_t last_number;
    struct flight_batch batches[FLIGHT_WINDOW];
};

/* Makes an empty table for a worker that takes so many batches. */
void jobs_flight_init(struct jobs_flight *flight, unsigned window);

/* It takes so many from now on, no fewer than are open. */
void jobs_flight_set_window(struct jobs_flight *flight, unsigned window);

/* How many batches it would still take. */
unsigned jobs_flight_free(const struct jobs_flight *flight);

/* Opens a batch, to be filled at once; there must be a free one. */
struct flight_batch *jobs_flight_open(struct jobs_flight *flight, uint64_t now_ns);

/* How long the worker will yet be busy, by estimate. */
uint64_t jobs_flight_left_us(const struct jobs_flight *flight, uint64_t now_ns);

/* Adds a MOVING job to a batch with room and sets its id; it is SENT then. A job of more
   than JOBS_HEAVY_US goes alone. */
void jobs_flight_add(struct jobs_flight *flight, struct flight_batch *batch,
                     struct job *job);

/* What an id stands for. */
enum flight_answer {
    FLIGHT_UNKNOWN,  /* no such job, or it was answered already */
    FLIGHT_GIVEN_UP, /* nobody waits for it any more */
    FLIGHT_LIVE
};

/* Looks an id up; *job_r is the job where it is LIVE. */
enum flight_answer jobs_flight_find(const struct jobs_flight *flight, uint64_t id,
                                    struct job **job_r);

/* Notes that the id, which is not UNKNOWN, has been answered: a LIVE job is MOVING then,
   and the last answer of a batch gives the credit back. */
void jobs_flight_answer(struct jobs_flight *flight, uint64_t id, uint64_t now_ns);

/* Gives a job up: it is MOVING then, and the worker still owes an answer. The id of its
   document is kept, since the worker may be at it: the document's bytes must still be
   there. `given_up` is for the two calls below; NULL for nothing. */
void jobs_flight_give_up(struct jobs_flight *flight, struct job *job, void *given_up);

/* What was given with the job of an id that is GIVEN_UP. */
void *jobs_flight_given_up(const struct jobs_flight *flight, uint64_t id);

/* Takes out what was given with one of the unanswered jobs; NULL when there is none left.
 */
void *jobs_flight_take_given_up(struct jobs_flight *flight);

/* The worker is lost: takes out the first live job (in the order sent), which is MOVING
   then. Returns it, NULL when there is none left. */
struct job *jobs_flight_take_back(struct jobs_flight *flight);

/* The ids of the documents that the worker may have been at: of its unanswered jobs,
   given up or not, those sent first first, until FLIGHT_HASHED_BYTES have been hashed.
   Returns how many. */
unsigned jobs_flight_documents(const struct jobs_flight *flight,
                               struct wire_id documents_r[FLIGHT_MAX_DOCUMENTS]);

/* The first live job (in the order sent) whose deadline is not after now_ns, NULL for
   none. UINT64_MAX finds any. */
struct job *jobs_flight_first_due(const struct jobs_flight *flight, uint64_t now_ns);

#endif
