/*
 * The system calls of the front's code: sim_system.c defines them.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_SYSTEM_H
#define OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_SYSTEM_H

/* Begins an execution. */
void sim_system_begin(void);

#endif
