/*
 * URLs at which workers and server meet (--rpc, --connect), as far as options
 * check them: numeric addresses only, so that nothing resolves names later.
 *
 *     ipc:///run/offloop/rpc.sock   tcp://127.0.0.1:9000
 *
 * Plain tcp is for one host: off loopback it is refused.
 */
#ifndef OFFLOOP_COMMON_RPC_URL_H
#define OFFLOOP_COMMON_RPC_URL_H

/* Longest path of an ipc URL, in bytes: the seats' paths are made from it and must fit
   the 107 of a Unix socket's address too. */
#define RPC_URL_PATH_MAX 64

/* Checks a URL; -1 with what is expected (static text). */
int rpc_url_check(const char *url, const char **expected_r);

#endif
