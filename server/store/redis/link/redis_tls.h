/*
 * TLS to Redis, as hiredis 0.14 has none: what the connections of a store share
 * (certificates), and a stream that moves bytes between one connection's socket
 * and hiredis' buffers through OpenSSL. TLS 1.2 or later; the server must show a
 * certificate that the CA vouches for and that names the host we asked for.
 *
 * OpenSSL's headers appear in redis_tls.c alone. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_TLS_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_TLS_H

#include "server/store/store.h"

struct redisAsyncContext;
struct redis_tls;
struct redis_tls_stream;

/* Reads what is given, or the system's CAs, which may take milliseconds; NULL where
   something cannot be used, with why in a line. */
struct redis_tls *redis_tls_create(const struct store_tls *given, struct buf *why);

/* Frees; connections that have it stay as they are. NULL inside is allowed. */
void redis_tls_destroy(struct redis_tls **tls);

/* Whom a stream tells. Both may end the connection (redisAsyncFree). */
struct redis_tls_calls {
    /* The server has proved who it is: commands may be sent. */
    void (*opened)(void *ctx);
    /* The connection is of no more use; why is static. The callee frees it. */
    void (*lost)(void *ctx, const char *why, const char *detail);
    void *ctx;
};

/* Makes a stream the event library of a context that connects; hiredis frees it with the
   context. host is the name or address that the certificate must have. */
struct redis_tls_stream *redis_tls_attach(struct ev_loop *loop,
                                          struct redisAsyncContext *ac,
                                          const struct redis_tls *tls, const char *host,
                                          const struct redis_tls_calls *calls);

/* Begins the handshake, once hiredis says that it is connected. */
void redis_tls_start(struct redis_tls_stream *stream);

/* Sends what waits in hiredis' buffer, as far as the socket takes it; the rest follows by
   itself. May call lost. */
void redis_tls_flush(struct redis_tls_stream *stream);

#endif
