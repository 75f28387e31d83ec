/*
 * A job at a simulated worker, from its arrival to its answer, and the memory that worker
 * and front share. It runs by the worker's own code (worker/job.h). The input of a job
 * may stay with the front until then, as when it is copied later or lies in shared
 * memory: that nobody changes it meanwhile is checked.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_TASK_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_TASK_H

#include "common/base/list.h"
#include "server/workers/rpc_client.h"
#include "tests/simulation/system/sim_world.h"

/* Memory that is shared takes only what is worth it. */
#define SIM_SHARED_MIN_BYTES 64

/* A JOBS message whose jobs are not all answered. */
struct sim_message {
    unsigned unanswered;
};

struct sim_task {
    struct list link; /* the worker's */
    struct sim_message *message;
    struct wire_job job;
    struct buf options;
    struct buf payload; /* a copy; empty where the bytes stay with the front */
    struct slice lent;  /* where they stay */
    struct slice lent_argument;
    uint64_t checksum;   /* of what is lent */
    struct blob *shared; /* memory that both read */
    bool is_forgotten, is_cancelled;
    uint64_t arrived_ns;
    /* the answer */
    struct wire_result result;
    struct buf out;
};

/* A job as it arrives. */
struct sim_task *sim_task_create(struct sim_message *message, const struct wire_job *job,
                                 const struct rpc_input *input,
                                 struct sim_random *random);
void sim_task_destroy(struct sim_task *task);

/* Copies the payload, where it is with the front still. */
void sim_task_fetch(struct sim_task *task);

/* The front gives the job up: what of its bytes is not in shared memory is not read any
   more. */
void sim_task_forget(struct sim_task *task);

/* True for one whose document crashes workers. */
bool sim_task_is_poison(const struct sim_task *task);

/* Runs it, or does not where it is too late. A worker that is old does not know all that
   a job can ask for. */
void sim_task_run(struct sim_task *task, bool is_old, struct sim_random *random);

/* A blob of memory that both read; *count is how many there are. */
struct blob *sim_shared_blob_new(size_t len, uint8_t **bytes_r, unsigned *count);

#endif
