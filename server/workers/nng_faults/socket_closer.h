/*
 * A thread that closes what may take its time: nng_close() waits for nng's own
 * threads and has been seen to hang (nng 1543, 1813), and nothing on a loop may
 * wait. Closings run one after another; the thread starts with the first.
 */
#ifndef OFFLOOP_SERVER_WORKERS_NNG_FAULTS_SOCKET_CLOSER_H
#define OFFLOOP_SERVER_WORKERS_NNG_FAULTS_SOCKET_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

struct socket_closer;

/* A socket closer without work; the caller ends it with socket_closer_destroy(). */
struct socket_closer *socket_closer_create(void);

/* Has `close` called with the object on the socket closer's thread, later; the object is
   the socket closer's from now on. Any thread may call. */
void socket_closer_add(struct socket_closer *socket_closer, void (*close)(void *object),
                       void *object);

/* For how long the closing under way has been, 0 for none: one that takes seconds hangs,
   and all behind it do. Any thread may call. */
uint64_t socket_closer_busy_ns(struct socket_closer *socket_closer);

/* Waits until all closings are done, but at most wait_ms. Returns true and frees the
   socket closer where they are; else the thread and what it holds are left to the end of
   the process, and *socket closer is NULL just so. */
bool socket_closer_destroy(struct socket_closer **socket_closer, unsigned wait_ms)
    __attribute__((warn_unused_result));

#endif
