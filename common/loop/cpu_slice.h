/*
 * How long a thread runs at a time where others want the processor too. Who asks
 * for less gets it sooner when it wakes up: right for an event loop, which has
 * little to do and wants to do it at once, beside workers that compute.
 *
 * Linux 6.12 and later listen to it (sched_setattr(2), sched_runtime of normal
 * threads); earlier ones, and policies other than the normal ones, are left as
 * they are. Needs no rights. Threads inherit it from who starts them.
 */
#ifndef OFFLOOP_COMMON_LOOP_CPU_SLICE_H
#define OFFLOOP_COMMON_LOOP_CPU_SLICE_H

/* Has the calling thread run for half a millisecond at a time: shorter than the kernel's
   own choice, which is what counts when it wakes up, and long enough for one that turns
   out to have much to do. */
void cpu_slice_shorten(void);

/* Has the calling thread, which computes and offers the processor (cpu_yield.h), run for
   150 us at a time, about what is between two offers: one that somebody takes costs it
   the rest of its slice. */
void cpu_slice_suit_offers(void);

/* The calling thread runs as long as the kernel finds right. */
void cpu_slice_reset(void);

#endif
