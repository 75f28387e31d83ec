/*
 * Offers the processor to other threads while this one computes.
 *
 * The kernel checks only at its ticks, milliseconds apart, whether a thread has run long
 * enough. So an event loop can wait that long for a thread that computes, even if the
 * loop's share is much larger. Code that computes for long therefore calls cpu_yield()
 * every few hundred microseconds: sched_yield(2), which is cheap while no other thread
 * waits. With equally short slices (cpu_slice.h), the thread keeps its share.
 *
 * (A timer's signal would work without such calls. But where a hypervisor serves the
 * timer, one signal costs over 20 us.)
 */
#ifndef OFFLOOP_COMMON_LOOP_CPU_YIELD_H
#define OFFLOOP_COMMON_LOOP_CPU_YIELD_H

/* Enables cpu_yield() in the calling thread, which computes for others. */
void cpu_yield_enable(void);

/* Gives the processor to a thread that waits for it. Does nothing in a thread that has
   not enabled it, such as a loop's own. */
void cpu_yield(void);

#endif
