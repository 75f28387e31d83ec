/*
 * A thread that closes nng sockets: nng_close() waits for nng's own threads, and can hang
 * (nng issues 1543 and 1813, seen up to nng 1.7.3), but a loop must not wait. It closes
 * one socket after another. The thread starts with the first one.
 *
 * It can go when the oldest supported nng has closed issue 1813 and its nng_close() does
 * not wait: then the program in that issue never hangs, and a front that closes sockets
 * in its loop shows no turn of more than a millisecond in /debug/loop.
 */
#ifndef OFFLOOP_SERVER_WORKERS_NNG_FAULTS_SOCKET_CLOSER_H
#define OFFLOOP_SERVER_WORKERS_NNG_FAULTS_SOCKET_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

struct socket_closer;

/* Makes a socket closer. The caller ends it with socket_closer_destroy(). */
struct socket_closer *socket_closer_create(void);

/* Calls `close` with the object later, on the socket closer's thread. The socket closer
   owns the object from now on. Any thread may call. */
void socket_closer_add(struct socket_closer *socket_closer, void (*close)(void *object),
                       void *object);

/* How long the current close has taken; 0 for none. One that takes seconds hangs, and all
   sockets after it wait. Any thread may call. */
uint64_t socket_closer_busy_ns(struct socket_closer *socket_closer);

/* Waits until all sockets are closed, but at most wait_ms. Returns true then, and frees
   the socket closer. Else returns false, and the thread and its objects stay until the
   process ends. *socket_closer is NULL in both cases. */
bool socket_closer_destroy(struct socket_closer **socket_closer, unsigned wait_ms)
    __attribute__((warn_unused_result));

#endif
