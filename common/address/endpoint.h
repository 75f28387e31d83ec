/*
 * Addresses of listeners, as flags give them and as the log prints them:
 *
 *     127.0.0.1:8080   [::1]:8080   unix:/run/offloop/http.sock
 *
 * Numeric only: nothing here resolves a name, so nothing blocks. Main thread.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_ENDPOINT_H
#define OFFLOOP_COMMON_ADDRESS_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/buf.h"

/* A parsed address: a value, copied freely. */
struct endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } socket;
    socklen_t len;
};

/* Reads an endpoint; -1 with what is expected in *expected_r (static text). */
int endpoint_parse(const char *text, struct endpoint *endpoint_r, const char **expected_r)
    __attribute__((warn_unused_result));

/* endpoint_parse() for option tables: only says whether the text is one. */
int endpoint_check(const char *text, const char **expected_r);

/* True for a unix: endpoint. */
bool endpoint_is_unix(const struct endpoint *endpoint);

/* True for an address that only this host reaches: a loopback address, or a unix: path,
   whose file has permissions. */
bool endpoint_is_local(const struct endpoint *endpoint);

/* Opens a listening socket: close-on-exec, non-blocking, SO_REUSEADDR, the longest
   backlog the system allows. A unix socket's file that nobody listens at any more is
   replaced. -1 with errno; EADDRINUSE where someone listens there. */
int endpoint_listen(const struct endpoint *endpoint) __attribute__((warn_unused_result));

/* A listening AF_UNIX socket of that type (SOCK_STREAM, SOCK_SEQPACKET) with an abstract
   name that the kernel chooses; close-on-exec, non-blocking. -1 with errno. */
int endpoint_listen_abstract(int type) __attribute__((warn_unused_result));

/* The address a socket is bound to (the port that 0 became). -1 with errno. */
int endpoint_of_socket(int fd, struct endpoint *endpoint_r)
    __attribute__((warn_unused_result));

/* Appends an address in the form that endpoint_parse() reads. */
void endpoint_print(const struct endpoint *endpoint, struct buf *out);

#endif
