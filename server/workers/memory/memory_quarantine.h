/*
 * Memory that lost workers may still read: parts of the pool that belong to jobs of
 * a connection that has ended. Usually the worker's process has ended, too. But it
 * may be stopped or cut off, and continue later in the middle of such a job. Its
 * document must not change meanwhile: nobody takes the result, but the worker may
 * crash, and the crash would be counted against the wrong document.
 *
 * So each part is kept until the worker's process has ended. That may never happen,
 * and not all processes can be seen from here: so a part is kept for
 * MEMORY_QUARANTINE_NS at most, and the oldest parts are freed where all of them
 * together are too many bytes. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_MEMORY_QUARANTINE_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_MEMORY_QUARANTINE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/clock.h"

struct blob;
struct memory_quarantine;

/* Longer than a worker works on a job, or is stopped by accident. */
#define MEMORY_QUARANTINE_NS (300 * NS_PER_S)

/* Nothing is kept yet; later so many bytes at most. The caller ends it with
   memory_quarantine_destroy(). */
struct memory_quarantine *memory_quarantine_create(uint64_t max_bytes);

/* Gives up all of it; NULL inside is allowed. */
void memory_quarantine_destroy(struct memory_quarantine **quarantine);

/* Takes over the reference at *blob and clears that. `process` is the worker's id as this
   process sees it, 0 where it does not. */
void memory_quarantine_add(struct memory_quarantine *quarantine, struct blob **blob,
                           pid_t process, uint64_t now_ns);

/* Gives up what need not be kept any more; to be called about every second. */
void memory_quarantine_tick(struct memory_quarantine *quarantine, uint64_t now_ns);

/* Bytes that are kept. */
uint64_t memory_quarantine_bytes(const struct memory_quarantine *quarantine);

#endif
