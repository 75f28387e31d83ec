#include "server/store/redis/link/redis_tls.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "server/store/redis/link/redis_reader.h"
#include "server/store/redis/link/redis_resolve.h"

/* Calls the callbacks of complete replies. hiredis exports it for its own TLS library
   (since 1.0); older headers have no prototype. */
void redisProcessCallbacks(redisAsyncContext *ac);

/* The most that one turn of the loop decrypts and encrypts: about 0.2 ms each. */
#define READ_BYTES  16384 /* one record */
#define READS       8
#define WRITE_BYTES 65536
#define WRITES      4

/* ---- shared by all connections ---- */

struct redis_tls {
    SSL_CTX *context;
};

/* The oldest error in OpenSSL's list; empties the list. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());

    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

static BIO *open_text(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    if (bio == NULL)
        log_fatal("store: out of memory");
    return bio;
}

/* Keeps OpenSSL from asking a terminal for the password of a key. */
static int no_password(char *password, int size, int writing, void *data)
{
    (void)password, (void)size, (void)writing, (void)data;
    return 0;
}

/* Calls take() for every certificate in a text; returns how many, -1 if one is bad. */
static int each_certificate(const char *pem, int (*take)(SSL_CTX *, X509 *, int),
                            SSL_CTX *context)
{
    BIO *bio = open_text(pem);
    X509 *certificate;
    int count = 0;

    while (count >= 0 &&
           (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        count = take(context, certificate, count) == 1 ? count + 1 : -1;
        X509_free(certificate);
    }
    BIO_free(bio);
    return count;
}

static int add_ca(SSL_CTX *context, X509 *certificate, int number)
{
    (void)number;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
}

static int add_own(SSL_CTX *context, X509 *certificate, int number)
{
    return number == 0 ? SSL_CTX_use_certificate(context, certificate)
                       : (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static int use_ca(SSL_CTX *context, const char *pem, struct buf *why)
{
    if (pem == NULL ? SSL_CTX_set_default_verify_paths(context) == 1
                    : each_certificate(pem, add_ca, context) > 0)
        return 0;
    buf_printf(why, "%s: %s", pem == NULL ? "the system's CAs" : "the CA's certificates",
               openssl_reason());
    return -1;
}

static int use_own(SSL_CTX *context, const struct store_tls *given, struct buf *why)
{
    EVP_PKEY *key = NULL;
    BIO *bio;
    bool fits = false;

    if (given->cert == NULL || given->key == NULL)
        return 0;
    bio = open_text(given->key);
    if (each_certificate(given->cert, add_own, context) > 0 &&
        (key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)) != NULL)
        fits = SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!fits)
        buf_printf(why, "our certificate and key: %s", openssl_reason());
    return fits ? 0 : -1;
}

struct redis_tls *redis_tls_create(const struct store_tls *given, struct buf *why)
{
    struct redis_tls *tls = mem_zalloc(sizeof *tls);

    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL ||
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
        buf_printf(why, "OpenSSL: %s", openssl_reason());
    else if (use_ca(tls->context, given->ca, why) == 0 &&
             use_own(tls->context, given, why) == 0) {
        SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
        ERR_clear_error();
        SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                           SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        return tls;
    }
    redis_tls_destroy(&tls);
    return NULL;
}

void redis_tls_destroy(struct redis_tls **tls)
{
    if (*tls == NULL)
        return;
    SSL_CTX_free((*tls)->context);
    mem_free(*tls);
    *tls = NULL;
}

/* ---- a connection's stream ---- */

enum stream_state {
    STREAM_CONNECTING, /* awaits connect() and redis_tls_start() */
    STREAM_HANDSHAKE,  /* awaits the end of TLS' handshake */
    STREAM_OPEN,       /* carries commands and replies */
    STREAM_BROKEN      /* nothing may be sent any more, no close_notify either */
};

struct redis_tls_stream {
    struct ev_loop *loop;
    redisAsyncContext *ac;
    struct redis_tls_calls calls;
    SSL *ssl;
    struct ev_io io;
    enum stream_state state;
    bool busy; /* hiredis' callbacks run; then move_on() frees the stream */
    bool gone; /* hiredis has freed its context */
};

static void watch(struct redis_tls_stream *stream, int events)
{
    if (ev_is_active(&stream->io) && (stream->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(stream->loop, &stream->io);
    ev_io_set(&stream->io, stream->ac->c.fd, events);
    ev_io_start(stream->loop, &stream->io);
}

/* Sets the state, which only goes forward. */
static void enter(struct redis_tls_stream *stream, enum stream_state state)
{
    assert(state > stream->state);
    stream->state = state;
}

static void lose(struct redis_tls_stream *stream, const char *why, const char *detail)
{
    enter(stream, STREAM_BROKEN);
    stream->calls.lost(stream->calls.ctx, why, detail);
}

/* Ends a connection, with the reason from OpenSSL. */
static void lose_by(struct redis_tls_stream *stream, const char *why, int error)
{
    long verdict = SSL_get_verify_result(stream->ssl);

    if (stream->state < STREAM_OPEN && verdict != X509_V_OK)
        lose(stream, why, X509_verify_cert_error_string(verdict));
    else if (error == SSL_ERROR_SSL)
        lose(stream, why, openssl_reason());
    else
        lose(stream, why, "it was closed");
}

/* True if an operation must only be tried again; *events_r: after these events. */
static bool must_wait(int error, int *events_r)
{
    *events_r = error == SSL_ERROR_WANT_WRITE ? EV_READ | EV_WRITE : EV_READ;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void shake_hands(struct redis_tls_stream *stream)
{
    int rc, error, events;

    ERR_clear_error();
    rc = SSL_do_handshake(stream->ssl);
    error = SSL_get_error(stream->ssl, rc);
    if (rc == 1) {
        enter(stream, STREAM_OPEN);
        watch(stream, EV_READ);
        stream->calls.opened(stream->calls.ctx);
    } else if (must_wait(error, &events)) {
        watch(stream, events);
    } else {
        lose_by(stream, "no connection by TLS", error);
    }
}

/* Decrypts into hiredis' reader; 0, or the error that ends the connection. *fed_r: there
   are new bytes; *events_r: the events to wait for. */
static int feed(struct redis_tls_stream *stream, bool *fed_r, int *events_r)
{
    char bytes[READ_BYTES];

    *fed_r = false;
    for (int i = 0; i < READS; i++) {
        int got, error;

        ERR_clear_error();
        got = SSL_read(stream->ssl, bytes, sizeof bytes);
        if (got <= 0) {
            error = SSL_get_error(stream->ssl, got);
            return must_wait(error, events_r) ? 0 : error;
        }
        *fed_r = true;
        if (redisReaderFeed(stream->ac->c.reader, bytes, (size_t)got) != REDIS_OK ||
            redis_reader_take_bytes(stream->ac) < 0)
            return SSL_ERROR_SYSCALL;
    }
    /* bytes that OpenSSL has read already make no event */
    if (SSL_has_pending(stream->ssl))
        ev_feed_event(stream->loop, &stream->io, EV_READ);
    return 0;
}

/* Removes the first `count` bytes, which are sent, from hiredis' buffer. */
static void take_off(redisContext *context, size_t count)
{
    sds rest = context->obuf;

    if (count < sdslen(rest)) {
        sdsrange(rest, (int)count, -1);
    } else if (count > 0) {
        sdsfree(rest);
        context->obuf = sdsempty();
    }
}

/* Encrypts from hiredis' buffer; 0, or the error that ends the connection. */
static int drain(struct redis_tls_stream *stream, int *events_r)
{
    redisContext *context = &stream->ac->c;
    size_t total = sdslen(context->obuf), sent = 0;
    int error = 0;

    for (int i = 0; i < WRITES && sent < total; i++) {
        size_t len = total - sent < WRITE_BYTES ? total - sent : WRITE_BYTES;
        int took;

        ERR_clear_error();
        took = SSL_write(stream->ssl, context->obuf + sent, (int)len);
        if (took <= 0) {
            error = SSL_get_error(stream->ssl, took);
            if (must_wait(error, events_r))
                error = 0;
            break;
        }
        sent += (size_t)took;
        *events_r = sent < total ? EV_READ | EV_WRITE : EV_READ;
    }
    take_off(context, sent);
    return error;
}

void redis_tls_flush(struct redis_tls_stream *stream)
{
    int events = EV_READ, error;

    if (stream->state != STREAM_OPEN)
        return;
    error = drain(stream, &events);
    if (error != 0)
        lose_by(stream, "the connection was lost", error);
    else
        watch(stream, events);
}

static void free_stream(struct redis_tls_stream *stream)
{
    SSL_free(stream->ssl);
    mem_free(stream);
}

static void move_on(struct redis_tls_stream *stream)
{
    int events = EV_READ, error;
    bool fed;

    error = feed(stream, &fed, &events);
    stream->busy = true;
    if (fed)
        redisProcessCallbacks(stream->ac); /* a callback may end the connection */
    stream->busy = false;
    if (stream->gone)
        free_stream(stream);
    else if (error != 0)
        lose_by(stream, "the connection was lost", error);
    else
        redis_tls_flush(stream);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct redis_tls_stream *stream = io->data;

    (void)loop;
    (void)events;
    if ((stream->ac->c.flags & REDIS_CONNECTED) == 0)
        redisAsyncHandleWrite(stream->ac); /* it only finishes connect() */
    else if (stream->state == STREAM_OPEN)
        move_on(stream);
    else if (stream->state == STREAM_HANDSHAKE)
        shake_hands(stream);
}

/* ---- as hiredis' event library ---- */

static void want_write(void *data)
{
    struct redis_tls_stream *stream = data;

    if ((stream->ac->c.flags & REDIS_CONNECTED) == 0)
        watch(stream, EV_WRITE); /* for connect(); later redis_tls_flush() sends */
}

static void want_nothing(void *data)
{
    (void)data;
}

static void clean_up(void *data)
{
    struct redis_tls_stream *stream = data;

    ev_io_stop(stream->loop, &stream->io);
    if (stream->state == STREAM_OPEN)
        SSL_shutdown(stream->ssl);
    ERR_clear_error();
    stream->gone = true;
    if (!stream->busy)
        free_stream(stream);
}

/* The same as SSL_set_tlsext_host_name(), whose macro casts const away. */
static bool set_server_name(SSL *ssl, const char *host)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

static void expect_host(SSL *ssl, const char *host)
{
    bool done = redis_resolve_is_numeric(host)
                    ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                    : SSL_set1_host(ssl, host) == 1 && set_server_name(ssl, host);

    if (!done)
        log_fatal("store: OpenSSL: %s", openssl_reason());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

struct redis_tls_stream *redis_tls_attach(struct ev_loop *loop, redisAsyncContext *ac,
                                          const struct redis_tls *tls, const char *host,
                                          const struct redis_tls_calls *calls)
{
    struct redis_tls_stream *stream = mem_zalloc(sizeof *stream);

    assert(ac->ev.data == NULL);
    stream->loop = loop;
    stream->ac = ac;
    stream->calls = *calls;
    stream->ssl = SSL_new(tls->context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, ac->c.fd) != 1)
        log_fatal("store: OpenSSL: %s", openssl_reason());
    SSL_set_connect_state(stream->ssl);
    expect_host(stream->ssl, host);
    ev_init(&stream->io, on_io);
    stream->io.data = stream;
    ac->ev.data = stream;
    ac->ev.addRead = ac->ev.delRead = ac->ev.delWrite = want_nothing;
    ac->ev.addWrite = want_write;
    ac->ev.cleanup = clean_up;
    return stream;
}

void redis_tls_start(struct redis_tls_stream *stream)
{
    enter(stream, STREAM_HANDSHAKE);
    ev_feed_event(stream->loop, &stream->io,
                  EV_WRITE); /* later, not in hiredis' callback */
}
