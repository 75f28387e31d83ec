/*
 * A worker process, from start to end: says hello to every server, takes the
 * seats it is given, runs jobs, drains and returns.
 *
 * The main thread watches signals and the master, keeps the connections and
 * tells everyone every second that the process lives; the jobs run on nng's
 * threads (runner.h says which). Other rooms include only this header.
 */
#ifndef OFFLOOP_WORKER_SERVE_H
#define OFFLOOP_WORKER_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credentials;

struct worker_serve_config {
    const char *const *connect_urls;       /* of the servers' gates */
    unsigned connect_count;                /* at least 1 */
    const struct credentials *credentials; /* TLS and secret; NULL for neither */
    const char *engine;                    /* "yajl" */
    uint64_t max_jobs;                     /* then it drains and returns; 0 for never */
    size_t memory_bytes;                   /* what one job may use */
    uint64_t drain_timeout_ms;             /* the longest that draining may take */
    int crash_fd;                          /* the master's board (crash.h); -1 for none */
    unsigned index;                        /* this process's place there */
    int control_fd;         /* end of file there means drain; -1 for none */
    bool sandbox;           /* enter the sandbox (sandbox.h), where that is possible */
    void (*on_ready)(void); /* once, when it dials; may be NULL; main thread */
    void (*on_did)(void);   /* once, after the first job; may be NULL; main thread */
    void (*on_alive)(void); /* every SPAWN_ALIVE_EVERY_MS; may be NULL; main thread */
};

/* Serves until TERM, INT, the end of control_fd or max_jobs, then drains. Returns the
   exit status: 0, or EXIT_FATAL where it could not start. Call from main before there
   are other threads, and leave with _exit() (nng's own end can hang). Takes over TERM,
   INT, HUP, USR2 and PIPE, and sets malloc's knobs. */
int worker_serve_main(const struct worker_serve_config *config);

#endif
