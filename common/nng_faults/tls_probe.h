/*
 * A visitor who looks whether somebody answers at an address with TLS: a client
 * that brings a certificate of its own making. Whoever listens in the same
 * process trusts that one certificate beside the CA, so a look at ourselves
 * needs nothing of the operator: a server's certificate is often not good for a
 * client. Its key is made at the start, lives in this process alone and is
 * written nowhere; the certificate may sign no other.
 *
 * The visitor checks nobody's certificate: it tells nothing and believes
 * nothing, it only sees whether there is an answer. One visit at a time. No call
 * waits; each step of a handshake takes a few milliseconds of CPU. One thread.
 */
#ifndef OFFLOOP_COMMON_NNG_FAULTS_TLS_PROBE_H
#define OFFLOOP_COMMON_NNG_FAULTS_TLS_PROBE_H

#include "common/base/buf.h"

struct tls_probe;

/* How far a step got. */
enum tls_probe_step {
    TLS_PROBE_DONE,
    TLS_PROBE_WANTS_READ,  /* again when the socket is readable */
    TLS_PROBE_WANTS_WRITE, /* again when it is writable */
    TLS_PROBE_FAILED       /* the visit is over */
};

/* Makes key and certificate; NULL where the library cannot. The caller ends it with
   tls_probe_destroy(). */
struct tls_probe *tls_probe_create(void);

/* Its certificate, for those who shall let it in: PEM, valid as long as the visitor. */
const char *tls_probe_certificate(const struct tls_probe *tls_probe);

/* A new visit over a connected socket that does not block, which stays the caller's; any
   earlier visit is forgotten. */
void tls_probe_begin(struct tls_probe *tls_probe, int fd);

/* Shakes hands where that is still to be done, then sends the bytes: call with the same
   ones until it is done. */
enum tls_probe_step tls_probe_send(struct tls_probe *tls_probe, struct slice bytes)
    __attribute__((warn_unused_result));

/* Receives 1 to `room` bytes, *got_r of them where it is done. The other side's end is a
   failure. */
enum tls_probe_step tls_probe_receive(struct tls_probe *tls_probe, uint8_t *bytes,
                                      size_t room, size_t *got_r)
    __attribute__((warn_unused_result));

/* Wipes the key; NULL inside is allowed. */
void tls_probe_destroy(struct tls_probe **tls_probe);

#endif
