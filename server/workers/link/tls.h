/*
 * TLS for what listens at tls+tcp:// URLs: the server shows its certificate,
 * and takes only peers that show one of the CA's. One configuration is shared
 * by all listeners of a process. Loop thread.
 */
#ifndef OFFLOOP_SERVER_WORKERS_LINK_TLS_H
#define OFFLOOP_SERVER_WORKERS_LINK_TLS_H

struct credentials;
struct nng_tls_config;

/* The configuration for a URL; NULL for URLs without TLS. Ends the process where nng does
   not take credentials that were checked when the server started. The caller ends it with
   rpc_tls_destroy(). */
struct nng_tls_config *rpc_tls_create(const char *url,
                                      const struct credentials *credentials);

/* Lets go of it; listeners that use it keep it. NULL inside is allowed. */
void rpc_tls_destroy(struct nng_tls_config **tls);

#endif
