/*
 * The server's side of the RPC for process tests: a front's jobs on a loop in
 * the test itself, a gate and workers as children. Everything lives in a fresh
 * directory under /tmp. Nothing is waited for longer than
 * RPC_FIXTURE_PATIENCE_S; what does not come by then fails the test. The end
 * checks that no descriptor, no child and no file is left.
 *
 * A test program runs as its own gate: its main() starts with
 *
 *     if (argc > 1)
 *         return rpc_fixture_gate(argv, rpc_gate_main);
 */
#ifndef OFFLOOP_TESTS_RPC_FIXTURE_H
#define OFFLOOP_TESTS_RPC_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/jobs/jobs.h"
#include "server/workers/gate/gate.h"
#include "server/stats/stats.h"

#define RPC_FIXTURE_PATIENCE_S 60
#define RPC_FIXTURE_WORKERS    8

struct rpc_fixture {
    char directory[64];
    char url[96]; /* --rpc */
    int gate_fd;  /* the gate's internal socket, as the master has it */
    pid_t gate;   /* 0 for none */
    pid_t workers[RPC_FIXTURE_WORKERS]; /* 0 for none */
    struct ev_loop *loop;
    struct jobs *jobs; /* NULL for none */
    struct jobs_config config;
    struct stats_front stats;
    int fds; /* open before the front */
};

/* How many mappings of this process are of a file of that name, as /proc has it. */
unsigned rpc_fixture_count_maps(const char *name);

/* Waits until there is none: memory is given back on a thread, for which a front that
   ends waits for a second only. */
void rpc_fixture_expect_no_maps(const char *name);

/* JSON with as much white space behind it as makes so many bytes; freed with free(). */
char *rpc_fixture_pad(const char *text, size_t bytes);

/* A job of a test: its input, and what became of it. */
struct rpc_fixture_job {
    struct job job;
    struct buf input;
    struct blob *result;
    unsigned done; /* calls of done */
};

/* The whole program when it is run as a gate. */
int rpc_fixture_gate(char **argv, int (*gate_main)(const struct rpc_gate_config *));

/* True where the tests are to go without fast paths: $OFFLOOP_FASTPATH is "off". */
bool rpc_fixture_is_slow(void);

/* A directory and sockets; nothing runs yet. `config` gives the front's numbers; what
   tells it where things are is filled in. */
struct rpc_fixture *rpc_fixture_create(const struct jobs_config *config);

/* Ends what runs, checks that nothing is left behind, and frees. */
void rpc_fixture_destroy(struct rpc_fixture **fixture);

/* For cmocka, after each test: ends what a test that failed has left running. */
int rpc_fixture_teardown(void **state);

/* Has workers say hello elsewhere than in the directory. */
void rpc_fixture_set_url(struct rpc_fixture *fixture, const char *url);

/* Starts and stops (by TERM, or by KILL) the gate; starting waits until it listens. */
void rpc_fixture_start_gate(struct rpc_fixture *fixture);
void rpc_fixture_stop_gate(struct rpc_fixture *fixture, int signal);

/* Starts and stops the front's jobs. */
void rpc_fixture_start_front(struct rpc_fixture *fixture);
void rpc_fixture_stop_front(struct rpc_fixture *fixture);

/* Starts a worker in a free place, which it returns: of fake-worker's mode with its
   number, or the real serve loop where mode is NULL. */
unsigned rpc_fixture_start_worker(struct rpc_fixture *fixture, const char *mode,
                                  unsigned n);

/* Kills a worker. */
void rpc_fixture_kill_worker(struct rpc_fixture *fixture, unsigned place);

/* All of it: gate, front and `count` workers of that mode, seated. */
struct rpc_fixture *rpc_fixture_create_running(const struct jobs_config *config,
                                               unsigned count, const char *mode);

/* Runs the loop until is_true(ctx); fails the test where that never happens. */
void rpc_fixture_run_until(struct rpc_fixture *fixture, bool (*is_true)(void *ctx),
                           void *ctx);

/* Runs the loop until the front has exactly `count` usable workers. */
void rpc_fixture_run_until_workers(struct rpc_fixture *fixture, unsigned count);

/* Runs the loop for so long; only to show that something does not happen. */
void rpc_fixture_run_for(struct rpc_fixture *fixture, double seconds);

/* Submits a decoding of the text, in mode rpc. */
void rpc_fixture_submit(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                        const char *text);

/* The same in another mode. */
void rpc_fixture_submit_in(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                           const char *text, enum jobs_mode mode);

/* The first with the input that the job has already. */
void rpc_fixture_submit_again(struct rpc_fixture *fixture, struct rpc_fixture_job *job);

/* Runs the loop until the jobs are done. */
void rpc_fixture_run_jobs(struct rpc_fixture *fixture, struct rpc_fixture_job *jobs,
                          unsigned count);

/* Checks that the job went well and gave what the codec gives in this process. */
void rpc_fixture_check_result(struct rpc_fixture *fixture, struct rpc_fixture_job *job);

/* Frees what the job holds. */
void rpc_fixture_job_free(struct rpc_fixture_job *job);

#endif
