/*
 * The work of one worker process: batches of jobs from any number of seats, in
 * the order they came, one job at a time.
 *
 * There is no thread of its own. A thread that delivers a batch calls
 * runner_run() afterwards: if nobody runs, it does the work itself (no wake-up
 * of another thread on the way of an idle worker), else it leaves its batch to
 * the thread that does and is free to read on, so that a CANCEL or a PING gets
 * through while a long job runs.
 *
 * Knows no sockets: results leave through the sink the batch came with. All
 * functions but create and destroy may be called by any thread.
 */
#ifndef OFFLOOP_WORKER_RUNNER_H
#define OFFLOOP_WORKER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec/codec.h"
#include "proto/wire.h"

struct runner;

/* Where a batch's results go. Called by the thread that runs jobs, without locks held;
   peer is the batch's. */
struct runner_sink {
    /* Finished results; `payloads` are their bytes back to back, valid for this call. */
    void (*results)(struct runner_sink *sink, uint32_t peer,
                    const struct wire_result *results, unsigned count,
                    struct slice payloads);
    /* Frees what the batch's payloads lived in. */
    void (*release)(struct runner_sink *sink, void *message);
};

struct runner_config {
    const char *engine;   /* the codec's name */
    size_t memory_bytes;  /* what one job may use */
    void (*wake)(void *); /* after the first job, after the max_jobs'th, and when work
                             runs out after runner_announce_idle(); any thread */
    void *wake_arg;
    uint64_t max_jobs; /* 0 for no limit; only counted, see runner_is_worn() */
};

/* What the runner is at, for ALIVE messages. */
struct runner_state {
    uint64_t running_id; /* 0 where nothing runs, or another sink's job does */
    uint32_t running_ms; /* how long some job has been running */
};

/* A runner with a codec of its own; NULL where there is no such engine. The caller ends
   it with runner_destroy(). */
struct runner *runner_create(const struct runner_config *config);

/* Frees; nobody may be inside. NULL inside is allowed. */
void runner_destroy(struct runner **runner);

/* Queues a batch; `message` is released through the sink when the jobs' payloads, and the
   arena that some may be in (whose bytes begin at `arena`, NULL for none; offsets are
   right), are no longer needed. `peer` names the connection it came by: what is answered
   to a peer that is gone meanwhile is the sink's to drop. Returns -1, having taken
   nothing, where that peer has WIRE_MAX_CREDITS batches here already. */
int runner_submit(struct runner *runner, struct runner_sink *sink, uint32_t peer,
                  const struct wire_jobs *jobs, uint8_t *arena, void *message)
    __attribute__((warn_unused_result));

/* Works until nothing is queued, or returns at once where another thread does. */
void runner_run(struct runner *runner);

/* Does the next batch alone. Returns true where others wait, which are the caller's to
   run; false where there is none, or another thread works, which goes on. */
bool runner_run_batch(struct runner *runner);

/* Marks jobs that wait: they are answered as cancelled. Unknown ids are ignored. */
void runner_cancel(struct runner *runner, const struct runner_sink *sink, uint32_t peer,
                   const struct wire_cancel *cancel);

/* Forgets the waiting jobs of a peer that is gone. */
void runner_forget(struct runner *runner, const struct runner_sink *sink, uint32_t peer);

/* What the runner is at, as that sink may know it. */
struct runner_state runner_state_of(struct runner *runner,
                                    const struct runner_sink *sink);

/* Jobs answered so far, of whatever verdict. */
uint64_t runner_jobs_done(struct runner *runner);

/* True once max_jobs jobs were answered. */
bool runner_is_worn(struct runner *runner);

/* True while nothing is queued or running. */
bool runner_is_idle(struct runner *runner);

/* From now on config.wake is called whenever work runs out. */
void runner_announce_idle(struct runner *runner);

/* Gives scratch memory back, where nothing runs. */
void runner_trim(struct runner *runner);

#endif
