/*
 * Counts the memory that a process uses for its clients, so that many clients together
 * stay within one limit.
 *
 * The owner of memory counts it: a blob counts itself (blob.h), once for all references;
 * other owners of large memory call hold and release. Memory that is needed soon, and has
 * no owner yet (a job's result), is promised. Memory that is shared with other processes
 * is one total.
 *
 * Large things are refused first. Up to MEMORY_BUDGET_SMALL bytes always fit. Up to
 * MEMORY_BUDGET_MEDIUM fit while the limit is not reached. More fits while a quarter of
 * the limit is left.
 *
 * A process has one budget; without a limit everything fits. Any thread may call. Each
 * number is exact, but a refusal may come a moment late.
 */
#ifndef OFFLOOP_COMMON_LOOP_MEMORY_BUDGET_H
#define OFFLOOP_COMMON_LOOP_MEMORY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* So many bytes always fit: a small request is served however short memory is. */
#define MEMORY_BUDGET_SMALL (UINT64_C(64) << 10)

/* So many bytes fit until the limit is reached. */
#define MEMORY_BUDGET_MEDIUM (UINT64_C(1) << 20)

/* Sets the limit; 0 for none. */
void memory_budget_set_limit(uint64_t bytes);

/* Counts memory that is in use from now on, and memory that is not any more. */
void memory_budget_hold(uint64_t bytes);
void memory_budget_release(uint64_t bytes);

/* Counts memory that is needed soon, and memory that is not needed any more. */
void memory_budget_promise(uint64_t bytes);
void memory_budget_end_promise(uint64_t bytes);

/* Sets how much memory the process shares with others. */
void memory_budget_set_shared(uint64_t bytes);

/* True where a thing of `size` bytes in all may take `more` of them now. Counts a
 * refusal.
 */
bool memory_budget_fits(uint64_t size, uint64_t more);

/* The most bytes that one large thing may take now; UINT64_MAX without a limit. */
uint64_t memory_budget_room(void);

/* True where large things do not fit any more. */
bool memory_budget_is_short(void);

/* How much memory is missing; 0 for none. It is the larger of two numbers: the bytes that
   large things take beyond their common limit, and the bytes that were refused since the
   last call. */
uint64_t memory_budget_missing(void);

/* True where there is a limit. */
bool memory_budget_is_limited(void);

/* For metrics: the bytes in use and promised now, and the number of refusals. */
uint64_t memory_budget_used(void);
uint64_t memory_budget_refusals(void);

#endif
