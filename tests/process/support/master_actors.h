/*
 * A daemon made of common/master/master.h and children that behave as told. The test
 * program is all three: the test; started with "master SCENARIO [NEXT]", the
 * master; started by that, a child, which does what its configuration (the
 * scenario's name) says. What happens is told in lines on stdout, and by the
 * log: "started front 0 of 1" (the generation), "ready", "term", "orphan".
 *
 * There are one writer and, a stage later, two fronts; a reload renews those.
 */
#ifndef OFFLOOP_TESTS_MASTER_ACTORS_H
#define OFFLOOP_TESTS_MASTER_ACTORS_H

#include "tests/process/support/daemon.h"

/* What main() of such a test returns; `tests` runs the tests. */
int master_actors_main(int argc, char **argv, int (*tests)(void));

/* Starts the daemon: its fronts play `scenario`, and after a reload `next` (NULL: the
   reload is refused). With MASTER_TEST_PATIENT in the environment a drain has an hour. */
struct daemon *master_actors_start(const char *scenario, const char *next);

/* The same for a master that USR2 makes another binary (NULL: this one) of, whose
   scenario is `next`. It has a gate too, which is alone. */
struct daemon *master_actors_upgrade(const char *binary, const char *next);

#endif
