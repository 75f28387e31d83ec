/*
 * A dialer that cannot get stuck. nng redials by itself, but in 1.5.2 a peer
 * that drops the connection in the middle of the handshake can leave a dialer
 * that never tries again (nng issue 1518); so one that has had no connection
 * for DIAL_STUCK_MS is thrown away for a new one.
 *
 * Only the worker's main thread may call, but where told.
 */
#ifndef OFFLOOP_WORKER_NNG_FAULTS_DIALER_H
#define OFFLOOP_WORKER_NNG_FAULTS_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

/* A healthy dialer tries many times in this. */
#define DIAL_STUCK_MS 2000

struct nng_tls_config;

struct dial {
    nng_socket socket;
    nng_dialer dialer;
    struct nng_tls_config *tls; /* NULL without */
    char *url;                  /* NULL while nothing is dialled */
    uint64_t down_since_ns;
};

/* Starts to dial the URL (copied) from the socket, and keeps at it. `tls` is for
   tls+tcp:// URLs, NULL for others, and must outlive the dial. Returns -1 where the URL
   is not one. */
int dial_start(struct dial *dial, nng_socket socket, const char *url,
               struct nng_tls_config *tls) __attribute__((warn_unused_result));

/* To be called every second or so: replaces a dialer that seems stuck. */
void dial_check(struct dial *dial, bool is_connected);

/* True for a connection over TCP whose ends have the same address: the peer is on this
   host, whatever it says. False for others. Any thread may call. */
bool dial_is_here(nng_pipe pipe);

/* Stops dialling; the socket may be used for another URL then. */
void dial_stop(struct dial *dial);

#endif
