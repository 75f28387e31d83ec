/*
 * A daemon made of common/master/master.h, and children that behave as a scenario says.
 * The test program is all three. Started as "master SCENARIO [NEXT]" it is the master.
 * Started by the master it is a child, and plays the scenario that its configuration
 * names. Else it is the test. Children and log print lines: "started front 0 of 1" (the
 * last number is the generation), "ready", "term", "orphan".
 *
 * There are one writer and, a stage later, two fronts. A reload renews the fronts.
 */
#ifndef OFFLOOP_TESTS_MASTER_ACTORS_H
#define OFFLOOP_TESTS_MASTER_ACTORS_H

#include "tests/process/support/daemon.h"

/* What main() of such a test returns; `tests` runs the tests. */
int master_actors_main(int argc, char **argv, int (*tests)(void));

/* Starts the daemon. Its fronts play `scenario`, and `next` after a reload (NULL: the
   reload is refused). With MASTER_TEST_PATIENT in the environment, a drain may take an
   hour. */
struct daemon *master_actors_start(const char *scenario, const char *next);

/* As master_actors_start(), and waits until all children are ready. */
struct daemon *master_actors_ready(const char *scenario, const char *next);

/* Starts a daemon of scenario "serve" with a gate, which is alone; waits until all are
   ready, and sends USR2. The next binary is `binary` (NULL: this one), its scenario
   `next`. */
struct daemon *master_actors_upgrade(const char *binary, const char *next);

/* Sends TERM, and checks that the daemon drains and exits with 0. */
void master_actors_drain(struct daemon *d);

/* As master_actors_drain(), and frees the daemon. */
void master_actors_end(struct daemon *d);

#endif
