/*
 * What of a worker's jobs lies in its arena: for each job a block with its
 * payload, and one where its result may be put. Both are the worker's until
 * its result has come; then they are free again. A payload that lies in the
 * front's pool stays there, and is kept for as long: whether or not anybody
 * still waits for the job, the worker may be reading it; even where it is lost
 * (remains.h).
 *
 * What the worker says of the arena is checked here, against what it was told.
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_RPC_CARGO_H
#define OFFLOOP_SERVER_RPC_CARGO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/wire.h"

struct arena;
struct blob;
struct cargo;
struct pool;
struct remains;

/* Less is cheaper in the message. */
#define CARGO_MIN_BYTES 4096

/* Nothing in the arena. That and the pool (NULL where the worker has none mapped) stay
   the caller's and must live longer. The caller ends it with cargo_destroy(). */
struct cargo *cargo_create(struct arena *arena, struct pool *pool);

/* Frees all blocks; NULL inside is allowed. */
void cargo_destroy(struct cargo **cargo);

/* For a worker that was lost, and may be reading yet: the payloads that lie in the pool
   become the remains of that process (0 where it cannot be seen from here). cargo may be
   NULL. */
void cargo_leave_inputs(struct cargo *cargo, struct remains *remains, pid_t process);

/* Finds room for the job's payload, where it is large enough, and for a result of the
   length that such jobs usually have, where there is so much; the envelope says what was
   found. `input` is the blob that all of the payload lies in, NULL where there is none
   such: if that is in the pool, a reference is kept. Returns where the payload is to be
   copied to; NULL where it is in the pool (the envelope says so too), or must be in the
   message. cargo may be NULL, which has no room. */
uint8_t *cargo_place(struct cargo *cargo, struct wire_job *job, struct blob *input);

/* Frees the job's blocks; no-op where it has none, or cargo is NULL. */
void cargo_free(struct cargo *cargo, uint64_t id);

/* Where the result is that a worker says is in the arena: the bytes may change at any
   time. Returns NULL where they cannot be the job's result: it has no room there, they
   lie outside of it, or they were asked for before. */
const uint8_t *cargo_find_result(struct cargo *cargo, const struct wire_result *result);

/* Has the result, which was found, stay where it is: as a blob that may only be sent, see
   loan.h; one reference, the caller's. Returns NULL where it has to be copied. */
struct blob *cargo_lend_result(struct cargo *cargo, const struct wire_result *result);

/* True where no job has a block. */
bool cargo_is_empty(const struct cargo *cargo);

#endif
