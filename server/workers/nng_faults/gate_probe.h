/*
 * The gate checks its own listener: it connects to the --rpc address, asks as a worker
 * does, and expects an answer. In nng 1.5.2 a listener can stop working when a peer
 * leaves in the middle of its handshake (nng issue 1518): it still accepts connections
 * and shakes hands, but passes nothing on, without an error. (A second server that finds
 * the address in use causes it.) Without the probe, a new worker would wait for ever.
 *
 * It can go when the oldest supported nng contains the fix (nng pull request 1519, after
 * 1.5.2): then tests/process/rpc_gate_test.c, in which peers leave early, passes with the
 * probe removed.
 *
 * Loop thread only; no call waits.
 */
#ifndef OFFLOOP_SERVER_WORKERS_NNG_FAULTS_GATE_PROBE_H
#define OFFLOOP_SERVER_WORKERS_NNG_FAULTS_GATE_PROBE_H

#include <stdbool.h>

#include "common/base/buf.h"

struct ev_loop;
struct gate_probe;
struct tls_probe;

/* Probes the URL every second from now on. Calls on_deaf when there was no answer within
   a second, twice in a row. A tls+tcp:// URL needs a tls_probe (NULL for other URLs),
   which the caller owns and which outlives the probe. Then both times are four seconds,
   and a missing answer counts only after one has come. Does nothing where the URL has a
   name instead of a numeric address. The caller ends it with gate_probe_destroy(). */
struct gate_probe *gate_probe_create(struct ev_loop *loop, const char *url,
                                     struct tls_probe *tls_probe,
                                     void (*on_deaf)(void *ctx), void *ctx);

/* True where a missing answer counts: over TLS, after the first answer. */
bool gate_probe_works(const struct gate_probe *probe);

/* True for the bytes that a probe sends. */
bool gate_probe_is_question(struct slice bytes);

/* Ends the probe; *probe may be NULL. */
void gate_probe_destroy(struct gate_probe **probe);

#endif
