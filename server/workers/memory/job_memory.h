/*
 * What of a worker's jobs lies in its arena: for each job a block with its
 * payload, and one where its result may be put. Both are the worker's until
 * its result has come; then they are free again. A payload that lies in the
 * front's pool stays there, and is kept for as long: whether or not anybody
 * still waits for the job, the worker may be reading it; even where it is lost
 * (memory_quarantine.h).
 *
 * What the worker says of the arena is checked here, against what it was told.
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_JOB_MEMORY_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_JOB_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/wire.h"

struct arena;
struct blob;
struct job_memory;
struct input_pool;
struct memory_quarantine;

/* Less is cheaper in the message. */
#define JOB_MEMORY_MIN_BYTES 4096

/* Nothing in the arena. That and the pool (NULL where the worker has none mapped) stay
   the caller's and must live longer. The caller ends it with job_memory_destroy(). */
struct job_memory *job_memory_create(struct arena *arena, struct input_pool *pool);

/* Frees all blocks; NULL inside is allowed. */
void job_memory_destroy(struct job_memory **job_memory);

/* For a worker that was lost and may still be reading: moves the payloads that lie in the
   pool to the quarantine, under the id of that process (0 where it cannot be seen from
   here). job_memory may be NULL. */
void job_memory_leave_inputs(struct job_memory *job_memory,
                             struct memory_quarantine *quarantine, pid_t process);

/* Finds room for the job's payload, where it is large enough, and for a result of the
   length that such jobs usually have, where there is so much; the envelope says what was
   found. `input` is the blob that all of the payload lies in, NULL where there is none
   such: if that is in the pool, a reference is kept. Returns where the payload is to be
   copied to; NULL where it is in the pool (the envelope says so too), or must be in the
   message. job memory may be NULL, which has no room. */
uint8_t *job_memory_place(struct job_memory *job_memory, struct wire_job *job,
                          struct blob *input);

/* Frees the job's blocks; no-op where it has none, or job memory is NULL. */
void job_memory_free(struct job_memory *job_memory, uint64_t id);

/* Where the result is that a worker says is in the arena: the bytes may change at any
   time. Returns NULL where they cannot be the job's result: it has no room there, they
   lie outside of it, or they were asked for before. */
const uint8_t *job_memory_find_result(struct job_memory *job_memory,
                                      const struct wire_result *result);

/* Has the result, which was found, stay where it is: as a blob that may only be sent, see
   lent_result.h; one reference, the caller's. Returns NULL where it has to be copied. */
struct blob *job_memory_lend_result(struct job_memory *job_memory,
                                    const struct wire_result *result);

/* True where no job has a block. */
bool job_memory_is_empty(const struct job_memory *job_memory);

#endif
