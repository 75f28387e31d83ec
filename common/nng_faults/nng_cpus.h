/*
 * Limits the number of processors that libraries see, because nng 1.5.2 starts threads by
 * that number (two for callbacks and one for timers per processor), and no option changes
 * it (nng issue 1572). Each message wakes several of them: a front whose nng sees one
 * processor does up to half as many jobs again.
 *
 * This file defines sysconf() for the program and all of its libraries. It answers as the
 * C library's does, except for the number of online processors while nng_cpus_limit() is
 * in effect. With OFFLOOP_NNG_CPUS=all in the environment it never limits.
 *
 * It can go when the oldest supported nng has nng_init_set_parameter() (nng 1.7): the
 * numbers of threads are set with that, and a front must then have no more threads than
 * now (ls /proc/PID/task).
 */
#ifndef OFFLOOP_COMMON_NNG_FAULTS_NNG_CPUS_H
#define OFFLOOP_COMMON_NNG_FAULTS_NNG_CPUS_H

/* From now on libraries see at most `most` processors; 0 ends the limit. Call it around
   the start of a library; one thread at a time. */
void nng_cpus_limit(long most);

#endif
