/*
 * What tests of worker processes start from: a server played by the test and
 * one bare-worker that says hello to it.
 */
#ifndef OFFLOOP_TESTS_WORKER_FIXTURE_H
#define OFFLOOP_TESTS_WORKER_FIXTURE_H

#include <sys/types.h>

#include "tests/process/support/fake_front.h"

struct worker_fixture {
    struct fake_front *server;
    pid_t pid;   /* 0 once it was waited for */
    int control; /* our end of its control socket; -1 for none */
};

/* cmocka's setup and teardown: a server with nothing open, no worker yet. */
int worker_fixture_setup(void **state);
int worker_fixture_teardown(void **state);

/* Starts the worker; with a control socket where asked for. */
void worker_fixture_start(struct worker_fixture *fixture, const char *max_jobs,
                          const char *drain_ms, int with_control);

/* Opens gate and seat 0 and a worker on it, past the hellos. */
void worker_fixture_seat(struct worker_fixture *fixture, const char *max_jobs);

/* The worker's exit status (or minus its signal); it must end soon. */
int worker_fixture_wait(struct worker_fixture *fixture);

/* Sends a job and checks that its answer comes: the seat works. */
void worker_fixture_check_job(struct worker_fixture *fixture, unsigned seat);

#endif
