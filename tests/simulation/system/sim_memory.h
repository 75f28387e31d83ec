/*
 * Every block that the front's code takes from the heap and gives back: the linker wraps
 * malloc() and its kin. New and freed memory is filled, so that what reads either does
 * the same in every execution, and goes wrong.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_MEMORY_H
#define OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_MEMORY_H

/* What is taken from now on must be given back... */
void sim_memory_begin(void);

/* ...by now. */
void sim_memory_end(void);

#endif
