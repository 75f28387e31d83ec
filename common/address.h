/*
 * Addresses of listeners, as flags give them and as the log prints them:
 *
 *     127.0.0.1:8080   [::1]:8080   unix:/run/offloop/http.sock
 *
 * Numeric only: nothing here resolves a name, so nothing blocks. Main thread.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_H
#define OFFLOOP_COMMON_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/buf.h"

/* A parsed address: a value, copied freely. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } socket;
    socklen_t len;
};

/* Reads an address; -1 with what is expected in *expected_r (static text). */
int address_parse(const char *text, struct address *address_r, const char **expected_r)
    __attribute__((warn_unused_result));

/* address_parse() for option tables: only says whether the text is one. */
int address_check(const char *text, const char **expected_r);

/* True for a unix: address. */
bool address_is_unix(const struct address *address);

/* Opens a listening socket: close-on-exec, non-blocking, SO_REUSEADDR, the longest
   backlog the system allows. A unix socket's file that nobody listens at any more is
   replaced. -1 with errno; EADDRINUSE where someone listens there. */
int address_listen(const struct address *address) __attribute__((warn_unused_result));

/* A listening AF_UNIX socket of that type (SOCK_STREAM, SOCK_SEQPACKET) with an abstract
   name that the kernel chooses; close-on-exec, non-blocking. -1 with errno. */
int address_listen_abstract(int type) __attribute__((warn_unused_result));

/* The address a socket is bound to (the port that 0 became). -1 with errno. */
int address_of_socket(int fd, struct address *address_r)
    __attribute__((warn_unused_result));

/* Appends an address in the form that address_parse() reads. */
void address_print(const struct address *address, struct buf *out);

#endif
