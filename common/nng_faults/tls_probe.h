/*
 * A TLS client that only checks whether a listener answers: the part for tls+tcp:// of
 * server/workers/nng_faults/gate_probe.h, which is about nng issue 1518 and says when
 * both can go.
 *
 * The client makes its own certificate. The listener is in the same process and accepts
 * this one certificate beside those of the CA. So the probe needs no certificate of the
 * operator; a server's certificate is often not valid for a client. The key is made at
 * the start and exists only in this process; the certificate cannot sign others.
 *
 * The client does not check the listener's certificate, because it neither sends a secret
 * nor uses the answer. One connection at a time. No call waits; each step of a handshake
 * takes a few milliseconds of CPU. One thread.
 */
#ifndef OFFLOOP_COMMON_NNG_FAULTS_TLS_PROBE_H
#define OFFLOOP_COMMON_NNG_FAULTS_TLS_PROBE_H

#include "common/base/buf.h"

struct tls_probe;

/* The result of a step. */
enum tls_probe_step {
    TLS_PROBE_DONE,
    TLS_PROBE_WANTS_READ,  /* call again when the socket is readable */
    TLS_PROBE_WANTS_WRITE, /* call again when the socket is writable */
    TLS_PROBE_FAILED       /* the connection is over */
};

/* Makes key and certificate. NULL where the library fails. The caller ends it with
   tls_probe_destroy(). */
struct tls_probe *tls_probe_create(void);

/* Its certificate, which the listener must accept: PEM, valid as long as the probe. */
const char *tls_probe_certificate(const struct tls_probe *tls_probe);

/* Starts over with a connected non-blocking socket, which the caller still owns. An
   earlier connection is forgotten. */
void tls_probe_begin(struct tls_probe *tls_probe, int fd);

/* Shakes hands, if that is not done yet, and then sends the bytes. Call it with the same
   bytes until it is done. */
enum tls_probe_step tls_probe_send(struct tls_probe *tls_probe, struct slice bytes)
    __attribute__((warn_unused_result));

/* Receives 1 to `size` bytes; when it is done, *got_r is their number. The end of the
   connection is a failure. */
enum tls_probe_step tls_probe_receive(struct tls_probe *tls_probe, uint8_t *bytes,
                                      size_t size, size_t *got_r)
    __attribute__((warn_unused_result));

/* Overwrites the key and frees the probe; *tls_probe may be NULL. */
void tls_probe_destroy(struct tls_probe **tls_probe);

#endif
