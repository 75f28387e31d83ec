/*
 * System calls that a long-lived child of a daemon gives up (--sandbox on): those that
 * it never makes and that an attacker would want first. Fronts, the gates, the writer
 * and the broker open files, grow them or resolve names, so this sandbox is wider than
 * that of workers (worker/sandbox/sandbox.h), which has a list of allowed calls. A
 * refused call fails with EPERM.
 */
#ifndef OFFLOOP_COMMON_SANDBOX_DENIED_CALLS_H
#define OFFLOOP_COMMON_SANDBOX_DENIED_CALLS_H

/* Which sockets the process may still make; those that it has stay as they are. */
enum denied_sockets {
    DENIED_SOCKETS_NONE,    /* any */
    DENIED_SOCKETS_NETWORK, /* AF_UNIX alone; others fail with EAFNOSUPPORT */
};

/* Refuses from now on, for all threads to come, to execute programs, to debug, to mount,
   to load modules, to take other users' rights and the like. Where the kernel cannot do
   that, it logs so and returns. For children, before their first thread; not for the
   master, which executes binaries. Does nothing in a build with sanitizers, which debug
   themselves. */
void denied_calls_load(enum denied_sockets sockets);

#endif
