/*
 * Offering the processor to others while computing.
 *
 * The kernel looks only at its ticks, milliseconds apart, whether a thread has
 * run for long enough. An event loop that has something to do beside a thread
 * that computes can wait that long, however much larger its share is. So code
 * that computes for long comes by cpu_yield() every few hundred microseconds:
 * sched_yield(2), which costs less than one where nobody waits. With slices as
 * short as that (cpu_slice.h) the thread keeps its share.
 *
 * (A timer's signal would need no help of such code; where a hypervisor serves
 * the timer, one costs over 20 us.)
 */
#ifndef OFFLOOP_COMMON_LOOP_CPU_YIELD_H
#define OFFLOOP_COMMON_LOOP_CPU_YIELD_H

/* The calling thread is one that computes for others: from now on cpu_yield() does
   something in it. */
void cpu_yield_enable(void);

/* Lets who waits for the processor have it. Any thread; nothing in one that has not
   enabled it, such as a loop's own. */
void cpu_yield(void);

#endif
