/*
 * A front made of its real parts (server/http, server/api, server/jobs) as
 * server/process/front.c makes it, with a configuration that follows from the seed. One
 * in an execution.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_FRONT_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_FRONT_H

#include <stdbool.h>
#include <stdint.h>

/* How long a request may take, whatever happens: the jobs and tries that it consists of
   each end by then. */
#define SIM_ANSWER_NS UINT64_C(200000000000)

/* Makes the front. */
void sim_front_begin(void);

/* Serves until it has drained: serves on while clients are there. */
void sim_front_run(void);

/* Ends it, and checks that nothing is left. */
void sim_front_end(void);

/* Lets it drain, when the loop has its turn. */
void sim_front_drain(void);

/* True from then on. */
bool sim_front_drains(void);

/* The time that clients have, in milliseconds. */
unsigned sim_front_idle_ms(void);

/* True where the store holds JSON, and not MessagePack. */
bool sim_front_stores_json(void);

#endif
