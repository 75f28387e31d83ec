/*
 * The gate's look at itself: a plain connection to the --rpc address that asks
 * as a worker would, and must be answered. nng 1.5.2 can lose a listener for
 * good to a peer that leaves in the middle of its handshake (nng 1518): it goes
 * on accepting and shaking hands, hands nothing on, and says nothing of it. (A
 * second server that finds the address in use does just that.) Without a probe
 * the next worker would wait for ever.
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

/* Probes the URL every second from now on, and calls on_deaf when there was no answer
   within a second, twice in a row. A tls+tcp:// URL takes a visitor, which stays the
   caller's and outlives the probe (NULL for other URLs): then it is four seconds for
   both, and a miss counts only after an answer has come once. Probes nothing where the
   URL is none that it can connect to itself (a name instead of a number). The caller ends
   it with gate_probe_destroy(). */
struct gate_probe *gate_probe_create(struct ev_loop *loop, const char *url,
                                     struct tls_probe *tls_probe,
                                     void (*on_deaf)(void *ctx), void *ctx);

/* True where on_deaf would be called: over TLS, after the first answer. */
bool gate_probe_works(const struct gate_probe *probe);

/* True for what a probe asks, which is no stranger's doing. */
bool gate_probe_is_question(struct slice bytes);

/* Ends the probing; NULL inside is allowed. */
void gate_probe_destroy(struct gate_probe **probe);

#endif
