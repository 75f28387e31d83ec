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

/* A parsed address: a plain value, which may be copied. */
struct endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } socket;
    socklen_t len;
};

/* Reads an endpoint. -1 where the text is none; then *expected_r says what is expected
   (static text). */
int endpoint_parse(const char *text, struct endpoint *endpoint_r, const char **expected_r)
    __attribute__((warn_unused_result));

/* As endpoint_parse(), for option tables: only checks the text. */
int endpoint_check(const char *text, const char **expected_r);

/* True for a unix: endpoint. */
bool endpoint_is_unix(const struct endpoint *endpoint);

/* True for an address that only this host can reach: a loopback address or a unix: path.
   A unix: path's file has permissions. */
bool endpoint_is_local(const struct endpoint *endpoint);

/* Opens a listening socket: close-on-exec, non-blocking, SO_REUSEADDR, with the longest
   backlog that the system allows. Replaces the file of a unix socket on which no process
   listens any more. -1 with errno: EADDRINUSE where a process listens there. */
int endpoint_listen(const struct endpoint *endpoint) __attribute__((warn_unused_result));

/* Opens a listening AF_UNIX socket of that type (SOCK_STREAM or SOCK_SEQPACKET). The
   kernel chooses its abstract name. Close-on-exec, non-blocking. -1 with errno. */
int endpoint_listen_abstract(int type) __attribute__((warn_unused_result));

/* The address that a socket is bound to; a port 0 has become a real one. -1 with errno.
 */
int endpoint_of_socket(int fd, struct endpoint *endpoint_r)
    __attribute__((warn_unused_result));

/* Appends an address in the form that endpoint_parse() reads. */
void endpoint_print(const struct endpoint *endpoint, struct buf *out);

#endif
