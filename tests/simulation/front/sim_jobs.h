/*
 * Watches the boundary of the jobs room: every job that is submitted is done once, unless
 * it is cancelled first; nothing is sent to a worker for which nobody waits; a job goes
 * to no more workers than it may, and to one at a time. The linker brings the calls here.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_JOBS_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_JOBS_H

#include <stdint.h>

#include "common/base/buf.h"

/* Begins and ends an execution. */
void sim_jobs_begin(unsigned queue_max);
void sim_jobs_end(void);

/* To be called after each turn of the loop. */
void sim_jobs_check(void);

/* A job whose payload begins there is sent to a worker; its id. */
void sim_jobs_sent(uint64_t id, struct slice payload);

#endif
