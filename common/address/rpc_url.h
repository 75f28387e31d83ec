/*
 * The URLs of --rpc and --connect, at which workers connect to the server: what the
 * options check. Only numeric addresses are valid, so that no name is resolved later.
 *
 *     ipc:///run/offloop/rpc.sock   tcp://127.0.0.1:9000   tls+tcp://192.0.2.1:9000
 *
 * Plain tcp is for one host: other addresses than loopback need --allow-plain-tcp.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_RPC_URL_H
#define OFFLOOP_COMMON_ADDRESS_RPC_URL_H

#include <stdbool.h>

/* The longest path of an ipc URL, in bytes. The seats' paths are longer, and must fit
   into the 107 bytes of a Unix socket's address. */
#define RPC_URL_PATH_MAX 64

/* Checks a URL. -1 where it is not valid; then *expected_r says what is expected (static
   text). */
int rpc_url_check(const char *url, const char **expected_r);

/* What the other options say about the protection of connections. */
struct rpc_url_guard {
    bool has_tls;         /* certificate, key and CA */
    bool has_secret;      /* --worker-secret */
    bool may_leave_plain; /* --allow-plain-tcp */
};

/* Checks that a valid URL is protected: tls+tcp:// has its certificate, and plain tcp://
   leaves this host only with --allow-plain-tcp and a secret. -1 where it is not; then the
   reason is set (static text). */
int rpc_url_check_guard(const char *url, const struct rpc_url_guard *guard,
                        const char **why_r);

/* True for tls+tcp://. */
bool rpc_url_is_tls(const char *url);

#endif
