/*
 * TLS to servers: the worker shows its certificate, and talks only to a server
 * that shows one of the CA's in the name that stands in the --connect URL.
 * Main thread, before the sandbox closes; lives as long as the process.
 */
#ifndef OFFLOOP_WORKER_LINK_TLS_H
#define OFFLOOP_WORKER_LINK_TLS_H

struct credentials;
struct nng_tls_config;

/* The configuration for a server's URL, and for its seats. 0, with NULL for URLs without
   TLS; -1, with a line in the log, where nng does not take the credentials. */
int worker_tls_create(const char *url, const struct credentials *credentials,
                      struct nng_tls_config **tls_r) __attribute__((warn_unused_result));

#endif
