/*
 * The server's part of --sandbox on: system calls that no child of the server
 * has a use for and that whoever takes one over would want first. A front, the
 * gate and the writer open files, grow them and resolve names, so they are not
 * sandboxed as workers are (worker/sandbox/sandbox.h); what is refused here fails with
 * EPERM.
 */
#ifndef OFFLOOP_SERVER_PROCESS_SERVER_SANDBOX_H
#define OFFLOOP_SERVER_PROCESS_SERVER_SANDBOX_H

/* Children, before their first thread: refuses programs, debugging, mounts, modules,
   other users' rights and the like from now on, for all threads to come. Where the kernel
   cannot, that is logged and the process goes on without. The master must not call it: it
   executes binaries. No-op in a build with sanitizers, which debug themselves. */
void server_sandbox_close(void);

#endif
