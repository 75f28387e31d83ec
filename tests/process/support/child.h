/*
 * Child processes of process tests: started by exec (a process that uses nng
 * must not go on after a fork), watched, and never left behind.
 */
#ifndef OFFLOOP_TESTS_CHILD_H
#define OFFLOOP_TESTS_CHILD_H

#include <sys/types.h>

/* Starts a program (argv[0] is its path) with descriptor `pass_fd` as its 3, or without
   where it is -1. Fails the test where it cannot. */
pid_t child_start(char *const argv[], int pass_fd);

/* Waits for its end, at most `patience_ms` (then it is killed and the test fails), and
   returns the exit status, or minus the signal that ended it. */
int child_wait(pid_t pid, unsigned patience_ms);

/* Stops it (STOP) and waits until it stands still: kill() alone returns earlier, and a
   thread that runs may go on for some milliseconds of a busy machine. */
void child_stop(pid_t pid);

/* Kills it (KILL) if it is still there, and waits. */
void child_end(pid_t pid);

#endif
