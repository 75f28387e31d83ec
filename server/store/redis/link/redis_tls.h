/*
 * TLS to Redis, because hiredis 0.14 has none: the certificates that all
 * connections of a store share, and a stream for each connection, which moves
 * bytes between its socket and hiredis' buffers through OpenSSL. TLS 1.2 or later.
 * The server must show a certificate that a known CA has signed and that names
 * the host we asked for.
 *
 * OpenSSL's headers appear only in redis_tls.c. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_TLS_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_TLS_H

#include "server/store/store.h"

struct redisAsyncContext;
struct redis_tls;
struct redis_tls_stream;

/* Reads the given certificates, or the system's CAs (which may take milliseconds).
   Returns NULL if one cannot be used, with the reason appended to *why. */
struct redis_tls *redis_tls_create(const struct store_tls *given, struct buf *why);

/* Frees; streams that use it stay valid. NULL inside is allowed. */
void redis_tls_destroy(struct redis_tls **tls);

/* The callbacks of a stream. Both may end the connection (redisAsyncFree). */
struct redis_tls_calls {
    /* The server has proved its identity: commands may be sent. */
    void (*opened)(void *ctx);
    /* The connection is lost; why is static. The callee frees it. */
    void (*lost)(void *ctx, const char *why, const char *detail);
    void *ctx;
};

/* Attaches a new stream to a context that connects, in place of hiredis' event library.
   hiredis frees it with the context. host is the name or address that the certificate
   must have. */
struct redis_tls_stream *redis_tls_attach(struct ev_loop *loop,
                                          struct redisAsyncContext *ac,
                                          const struct redis_tls *tls, const char *host,
                                          const struct redis_tls_calls *calls);

/* Begins the handshake, once hiredis says that it is connected. */
void redis_tls_start(struct redis_tls_stream *stream);

/* Sends the bytes in hiredis' buffer, as far as the socket takes them; the rest follows
   by itself. May call lost. */
void redis_tls_flush(struct redis_tls_stream *stream);

#endif
