/*
 * URLs at which workers and server meet (--rpc, --connect), as far as options
 * check them: numeric addresses only, so that nothing resolves names later.
 *
 *     ipc:///run/offloop/rpc.sock   tcp://127.0.0.1:9000   tls+tcp://192.0.2.1:9000
 *
 * Plain tcp is for one host; off loopback it has to be asked for.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_RPC_URL_H
#define OFFLOOP_COMMON_ADDRESS_RPC_URL_H

#include <stdbool.h>

/* Longest path of an ipc URL, in bytes: the seats' paths are made from it and must fit
   the 107 of a Unix socket's address too. */
#define RPC_URL_PATH_MAX 64

/* Checks a URL; -1 with what is expected (static text). */
int rpc_url_check(const char *url, const char **expected_r);

/* What protects connections, by the other options. */
struct rpc_url_guard {
    bool has_tls;         /* certificate, key and CA */
    bool has_secret;      /* --worker-secret */
    bool may_leave_plain; /* --allow-plain-tcp */
};

/* Checks that a URL (a good one) is protected as it must be: TLS has what it takes, and
   nothing goes over a network for everybody to take part. -1 with why not (static text).
 */
int rpc_url_check_guard(const char *url, const struct rpc_url_guard *guard,
                        const char **why_r);

/* True for tls+tcp://. */
bool rpc_url_is_tls(const char *url);

#endif
