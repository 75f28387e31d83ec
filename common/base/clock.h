/*
 * Clocks, in nanoseconds. Every process and thread may call; none can fail.
 */
#ifndef OFFLOOP_COMMON_BASE_CLOCK_H
#define OFFLOOP_COMMON_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* CLOCK_MONOTONIC: the same for every process of one host. */
uint64_t clock_now_ns(void);

/* The time of day in microseconds since 1970. It may jump, also backwards. */
uint64_t clock_real_us(void);

/* The CPU time that this thread has used. A system call: too slow for every event. */
uint64_t clock_thread_cpu_ns(void);

#endif
