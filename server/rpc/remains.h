/*
 * What lost workers may still read: parts of the pool that belong to jobs of a
 * connection that has ended. Mostly the worker's process has ended, too; but it
 * may as well be stopped, or cut off, and go on later in the middle of such a
 * job. A document must not turn into another one under its eyes: what it makes
 * of that nobody takes, but it may die of it, and the blame would be put on a
 * document that has nothing to do with it.
 *
 * So each part is kept until the worker's process has ended. As that may never
 * be, and not all processes can be seen from here, it is kept for REMAINS_NS
 * at most, and the oldest ones go where they become too many bytes. Loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_RPC_REMAINS_H
#define OFFLOOP_SERVER_RPC_REMAINS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"

struct blob;
struct remains;

/* Longer than a worker works on a job, or is stopped by accident. */
#define REMAINS_NS (300 * NS_PER_S)

/* Nothing is kept yet; later so many bytes at most. The caller ends it with
   remains_destroy(). */
struct remains *remains_create(uint64_t max_bytes);

/* Gives up all of it; NULL inside is allowed. */
void remains_destroy(struct remains **remains);

/* Takes over the reference at *blob and clears that. `process` is the worker's id as this
   process sees it, 0 where it does not. */
void remains_add(struct remains *remains, struct blob **blob, pid_t process,
                 uint64_t now_ns);

/* Gives up what need not be kept any more; to be called about every second. */
void remains_tick(struct remains *remains, uint64_t now_ns);

/* Bytes that are kept. */
uint64_t remains_bytes(const struct remains *remains);

#endif
