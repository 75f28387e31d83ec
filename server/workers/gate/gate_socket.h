/*
 * The gate's REP0 socket: workers' hellos in, answers out. Several requests
 * may be open at once, each in a context of its own; the rest waits in nng.
 *
 * Loop thread only; no call waits.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_SOCKET_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_SOCKET_H

#include "common/base/buf.h"
#include "common/base/list.h"

struct ev_loop;
struct gate_socket;
struct gate_request;
struct nng_tls_config;

/* A socket that does not listen yet. `tls` is for tls+tcp:// URLs, NULL without, and must
   outlive it. on_request gets every request, which must be ended
   with gate_request_answer() or gate_request_drop(). */
struct gate_socket *gate_socket_create(struct ev_loop *loop, struct nng_tls_config *tls,
                                       void (*on_request)(void *ctx,
                                                          struct gate_request *request),
                                       void *ctx);

/* Starts to listen at the URL. Where a server that was killed left its ipc socket, it is
   replaced; one where somebody answers is not. Returns -1 with *why_r (static text). */
int gate_socket_listen(struct gate_socket *rep, const char *url, const char **why_r)
    __attribute__((warn_unused_result));

/* Closes the listener and listens again: the cure for a listener that a peer killed by
   leaving in the middle of its handshake (nng 1518). Returns as gate_socket_listen(). */
int gate_socket_listen_again(struct gate_socket *rep, const char *url, const char **why_r)
    __attribute__((warn_unused_result));

/* The request's bytes, valid until it is ended. */
struct slice gate_request_bytes(const struct gate_request *request);

/* nng's number of the connection that the request came on; no two have the same. */
uint32_t gate_request_pipe(const struct gate_request *request);

/* The numeric address of ours that the other side connected to ("192.0.2.1", "[::1]"),
   for URLs; -1 where there is none. */
int gate_request_local_host(const struct gate_request *request, char *host_r, size_t room)
    __attribute__((warn_unused_result));

/* Sends the answer (copied) and ends the request. */
void gate_request_answer(struct gate_request *request, struct slice answer);

/* Ends the request without an answer. */
void gate_request_drop(struct gate_request *request);

/* Closes the listener, so that another gate can have the address. What else nng holds is
   left to the end of the process, which should come soon, by _exit(). */
void gate_socket_close(struct gate_socket **rep);

#endif
