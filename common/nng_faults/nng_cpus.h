/*
 * How many processors the libraries in this process are told of. nng starts
 * threads by that number (two for callbacks and one for timers per processor,
 * and no option changes it), and each message wakes several of them: a front
 * whose nng knows of one processor carries up to half as many jobs again.
 *
 * This file defines sysconf(), which programs linked with it therefore share
 * with all their libraries. It answers as the C library's does, except for the
 * number of processors online while nng_cpus_limit() holds. OFFLOOP_NNG_CPUS=all in
 * the environment has it always tell the truth.
 */
#ifndef OFFLOOP_COMMON_NNG_FAULTS_NNG_CPUS_H
#define OFFLOOP_COMMON_NNG_FAULTS_NNG_CPUS_H

/* No more than `most` processors are told of from now on; 0 ends that. For the moment
   in which a library starts; one thread at a time. */
void nng_cpus_limit(long most);

#endif
