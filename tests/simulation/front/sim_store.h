/*
 * A store that keeps its documents in memory, in the place of the backend for LMDB
 * (server/store/store_backend.h): a request ends at once or later, well or badly, as the
 * seed says. What the documents are and were is in sim_history.h.
 *
 * It promises what LMDB promises: each request takes effect at one moment between its
 * call and its end, and writes take effect in the order in which they were given.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_STORE_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_STORE_H

/* Begins an execution. The store itself is opened and closed as any. */
void sim_store_begin(void);

#endif
