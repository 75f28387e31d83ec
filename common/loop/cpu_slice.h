/*
 * How long a thread runs at a time while others want the processor too. A thread that
 * asks for a shorter time gets the processor sooner when it wakes up. That suits an event
 * loop, which has little to do but wants to do it at once, beside workers that compute.
 *
 * Linux 6.12 and later do this (sched_setattr(2), sched_runtime of normal threads).
 * Earlier kernels, and threads of other policies, ignore it. Needs no rights. New threads
 * inherit it from their creator.
 */
#ifndef OFFLOOP_COMMON_LOOP_CPU_SLICE_H
#define OFFLOOP_COMMON_LOOP_CPU_SLICE_H

/* The calling thread runs for half a millisecond at a time. That is shorter than the
   kernel's own choice, so that it gets the processor soon when it wakes up; and long
   enough for a turn with much to do. */
void cpu_slice_shorten(void);

/* The calling thread, which computes and calls cpu_yield(), runs for 150 us at a time.
   That is about the time between two calls: a thread that yields loses the rest of its
   slice. */
void cpu_slice_suit_offers(void);

#endif
