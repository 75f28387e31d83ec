/*
 * A daemon under test: a master with its children, in a process group of its
 * own, whose standard output and error arrive here line by line. As all of its
 * processes hold the writing end, its end of file means that all have ended.
 */
#ifndef OFFLOOP_TESTS_DAEMON_H
#define OFFLOOP_TESTS_DAEMON_H

#include <sys/types.h>

struct daemon;

/* Starts a program (argv[0] is its path). Fails the test where it cannot. */
struct daemon *daemon_start(const char *const argv[]);

/* The pid of the master. */
pid_t daemon_pid(const struct daemon *daemon);

/* Sends the master a signal. */
void daemon_signal(struct daemon *daemon, int number);

/* Reads on until a line has `part` in it and returns the line, which stays valid until
   the next call. Fails the test at the end of file, or where nothing comes for long. */
const char *daemon_expect(struct daemon *daemon, const char *part);

/* Reads on until so many of all lines have had `part` in them. Fails as above. */
void daemon_await(struct daemon *daemon, const char *part, unsigned count);

/* How many of the lines read so far have `part` in them. */
unsigned daemon_count(const struct daemon *daemon, const char *part);

/* True where the first line with `one` was read before the first with `other`. */
int daemon_is_order(const struct daemon *daemon, const char *one, const char *other);

/* Reads to the end of file (so every process has ended), then returns the master's exit
   status, or minus the signal that ended it. */
int daemon_wait(struct daemon *daemon);

/* The master's newest child that is listed with `name` in its name; 0 for none. */
pid_t daemon_find_child(const struct daemon *daemon, const char *name);

/* For the whole test program: orphans of daemons become its own children. */
void daemon_adopt_orphans(void);

/* daemon_destroy(), and fails the test where any process was left behind. */
void daemon_end(struct daemon *daemon);

/* Kills what is left of it and frees; NULL inside is allowed. */
void daemon_destroy(struct daemon **daemon);

#endif
