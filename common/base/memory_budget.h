/*
 * What a process holds for its clients, counted in one place, so that many of
 * them together cannot take more than they may.
 *
 * Bytes are counted where they are held: blobs count themselves (blob.h), so
 * that one held by several counts once; other owners of large memory call hold
 * and release. Memory that is about to be needed and whose owner does not exist
 * yet (a job's result) is promised. Memory shared with other processes is told
 * as a whole.
 *
 * Large things are refused first: up to MEMORY_BUDGET_SMALL bytes always fit, up
 * to MEMORY_BUDGET_MEDIUM while the limit is not reached, and more while a
 * quarter of the limit is left.
 *
 * One budget for a process; without a limit everything fits. Any thread may
 * call; the numbers are exact one by one, and a refusal may come a moment late.
 */
#ifndef OFFLOOP_COMMON_BASE_MEMORY_BUDGET_H
#define OFFLOOP_COMMON_BASE_MEMORY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* What always fits: a request of this size is served however short memory is. */
#define MEMORY_BUDGET_SMALL (UINT64_C(64) << 10)

/* What fits until the limit is reached. */
#define MEMORY_BUDGET_MEDIUM (UINT64_C(1) << 20)

/* Sets the limit; 0 for none. */
void memory_budget_set_limit(uint64_t bytes);

/* Counts memory that is held from now on, and that is not held any more. */
void memory_budget_hold(uint64_t bytes);
void memory_budget_release(uint64_t bytes);

/* Counts memory that is about to be held, and that is not expected any more. */
void memory_budget_promise(uint64_t bytes);
void memory_budget_end_promise(uint64_t bytes);

/* Tells how much memory the process shares with others. */
void memory_budget_set_shared(uint64_t bytes);

/* True where a thing that will be `size` bytes in all may take `more` of them now. A
   refusal is counted. */
bool memory_budget_fits(uint64_t size, uint64_t more);

/* The most that one large thing may take now; UINT64_MAX without a limit. */
uint64_t memory_budget_room(void);

/* True where large things do not fit any more. */
bool memory_budget_is_short(void);

/* The bytes by which large things are over what they may take together, or that were
   refused since this was last asked, where these are more; 0 for enough memory. */
uint64_t memory_budget_missing(void);

/* True where there is a limit. */
bool memory_budget_is_limited(void);

/* For metrics: bytes held and promised now, and how often something did not fit. */
uint64_t memory_budget_used(void);
uint64_t memory_budget_refusals(void);

#endif
