/*
 * The gate: the small child process that owns the --rpc address and hands out
 * seats. A worker says hello there; the gate passes the hello to every front,
 * each answers with the address of the seat it has for that worker, and the
 * worker is told them all. It keeps nothing that outlives it: when it is killed
 * and started again, fronts repeat their offers, workers their hellos, and
 * jobs under way (which never pass through here) notice nothing.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_H

#include <stdint.h>

struct credentials;

struct rpc_gate_config {
    const char *rpc_url;
    uint64_t generation; /* spawn_self.generation, told to the workers */
    const struct credentials *credentials; /* for TLS, and a secret that workers have to
                                              know; NULL for neither */
    int listen_fd;  /* AF_UNIX SOCK_SEQPACKET, listening: the fronts connect here */
    int control_fd; /* to the master; end of file ends the gate; -1 for none */
    void (*on_ready)(void *ctx); /* listening at both; once; NULL for none */
    void (*on_did)(
        void *ctx); /* a worker has been given its seats; once; NULL for none */
    void (*on_alive)(void *ctx); /* every SPAWN_ALIVE_EVERY_MS; NULL for none */
    void *ctx;
};

/* The gate process: runs until TERM, INT or the end of control_fd, and returns the exit
   status: 0, or EXIT_FATAL where the address could not be had within five seconds. The
   address is free for the next gate then. The caller ends the process at once with
   _exit(): nng's threads are still running, and waiting for them may take for ever.
   Must be called in a process that has not used nng before it forked. */
int rpc_gate_main(const struct rpc_gate_config *config);

#endif
