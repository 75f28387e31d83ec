/*
 * libev as far as a front uses it, over the simulated clock and sockets: the order in
 * which watchers of one turn are called is libev's (priorities, the last one fed first),
 * the order in which descriptors are found ready is random, and a wait ends when the next
 * thing happens, however far away that is. It defines the functions of ev.h.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_LOOP_H
#define OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_LOOP_H

struct ev_loop;

/* The loop of this execution. The caller ends it with sim_loop_destroy(), when no watcher
   is active any more. */
struct ev_loop *sim_loop_create(void (*after_turn)(void));
void sim_loop_destroy(struct ev_loop **loop);

#endif
