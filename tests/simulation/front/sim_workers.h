/*
 * Workers that are only their behaviour: it defines the functions of
 * server/workers/rpc_client.h, runs jobs by the worker's own code (worker/job.h), and
 * answers them when and how the seed says: in parts, late, never, twice, and dies.
 *
 * Checked here: a worker is never given more messages than it takes, nor jobs that nobody
 * waits for; the bytes of a job's input stay as they are for as long as a worker may read
 * them; an answer that is owed is taken, and one that is not owed is refused.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_WORKERS_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_WORKERS_H

/* Begins an execution. */
void sim_workers_begin(void);

/* Ends it, after the front. */
void sim_workers_end(void);

#endif
