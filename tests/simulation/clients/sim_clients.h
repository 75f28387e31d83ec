/*
 * The clients: each has a connection, asks a few things one after another or several at
 * once, and reads the replies at its own pace. Well-behaved ones must get every reply, in
 * order and once; what others did to lose theirs is noted as their excuse.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_CLIENTS_H
#define OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_CLIENTS_H

/* Begins an execution. */
void sim_clients_begin(void);

/* Reads what is left, when the front has gone, and checks that nothing is missing. */
void sim_clients_end(void);

/* To be called after each turn of the loop: lets the front drain when all clients are
   done, and checks that none waits for ever. */
void sim_clients_check(void);

/* Requests that were answered in this execution. */
unsigned sim_clients_answered(void);

#endif
