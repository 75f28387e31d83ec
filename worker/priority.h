/*
 * The processor is the loops' first: a worker's share of it is what they leave
 * over. Main thread, before there are others (they inherit it).
 */
#ifndef OFFLOOP_WORKER_PRIORITY_H
#define OFFLOOP_WORKER_PRIORITY_H

/* How much less than a front a worker wants the processor, as nice() counts. */
#define PRIORITY_NICE 10

/* Lowers this process below the fronts, and has it run for short at a time. Where that is
 * not allowed all goes on. */
void priority_lower(void);

#endif
