/*
 * The server's part of --sandbox on: it refuses system calls that no child of the
 * server uses and that an attacker would want first. A front, the gate and the
 * writer open files, grow them and resolve names, so their sandbox is wider than
 * that of workers (worker/sandbox/sandbox.h). A refused call fails with EPERM.
 */
#ifndef OFFLOOP_SERVER_PROCESS_SERVER_SANDBOX_H
#define OFFLOOP_SERVER_PROCESS_SERVER_SANDBOX_H

/* Refuses from now on, for all threads to come, to execute programs, to debug, to mount,
   to load modules, to take other users' rights and the like. Where the kernel cannot do
   that, it logs so and returns. For children, before their first thread; not for the
   master, which executes binaries. Does nothing in a build with sanitizers, which debug
   themselves. */
void server_sandbox_close(void);

#endif
