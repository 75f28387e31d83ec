/*
 * A dialer that cannot get stuck. nng redials by itself. But in 1.5.2 a dialer can stop
 * for ever when the peer drops the connection in the middle of the handshake (nng issue
 * 1518). So a dialer without a connection for DIAL_STUCK_MS is replaced.
 *
 * It can go when the oldest supported nng contains the fix (nng pull request 1519, after
 * 1.5.2): then tests/process/worker_faults_test.c, in which handshakes are broken off,
 * passes without dial_check().
 *
 * Only the worker's main thread may call, except where a comment says otherwise.
 */
#ifndef OFFLOOP_WORKER_NNG_FAULTS_DIALER_H
#define OFFLOOP_WORKER_NNG_FAULTS_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

/* A dialer that works tries many times in this time. */
#define DIAL_STUCK_MS 2000

struct nng_tls_config;

struct dial {
    nng_socket socket;
    nng_dialer dialer;
    struct nng_tls_config *tls; /* NULL without */
    char *url;                  /* NULL: nothing is dialled */
    uint64_t down_since_ns;
};

/* Dials the URL (copied) from the socket until dial_stop(). `tls` is for tls+tcp:// URLs
   (NULL for others) and must outlive the dial. Returns -1 where the URL is not valid. */
int dial_start(struct dial *dial, nng_socket socket, const char *url,
               struct nng_tls_config *tls) __attribute__((warn_unused_result));

/* Replaces a dialer that is stuck. Call it about every second. */
void dial_check(struct dial *dial, bool is_connected);

/* True for a TCP connection whose ends have the same address: the peer is on this host,
   even if it says otherwise. False for others. Any thread may call. */
bool dial_is_here(nng_pipe pipe);

/* Stops dialling. The socket may then dial another URL. */
void dial_stop(struct dial *dial);

#endif
