#include "common/credentials/tls_visitor.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "common/alloc.h"

#define NAME "CN=offloop gate, looking at itself"

/* Clocks may be wrong, and the certificate ends with the process anyway. */
#define VALID_FROM "20000101000000"
#define VALID_TO   "20991231235959"

/* One certificate with a key of 256 bits takes about 600. */
#define PEM_MAX_BYTES 2048

struct tls_visitor {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key;
    mbedtls_x509_crt certificate;
    mbedtls_ssl_config config;
    mbedtls_ssl_context session; /* of the visit under way, or the last one */
    int fd;
    char pem[PEM_MAX_BYTES];
};

static int make_key(struct tls_visitor *visitor)
{
    int error = mbedtls_ctr_drbg_seed(&visitor->random, mbedtls_entropy_func,
                                      &visitor->entropy, NULL, 0);

    if (error == 0)
        error =
            mbedtls_pk_setup(&visitor->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (error == 0)
        error = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(visitor->key),
                                    mbedtls_ctr_drbg_random, &visitor->random);
    return error;
}

/* Signed by itself: in a list of trusted ones it stands for nobody else. */
static int fill_in(struct tls_visitor *visitor, mbedtls_x509write_cert *form,
                   mbedtls_mpi *serial)
{
    int error = mbedtls_mpi_lset(serial, 1);

    mbedtls_x509write_crt_set_version(form, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(form, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(form, &visitor->key);
    mbedtls_x509write_crt_set_issuer_key(form, &visitor->key);
    if (error == 0)
        error = mbedtls_x509write_crt_set_subject_name(form, NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_issuer_name(form, NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_serial(form, serial);
    if (error == 0)
        error = mbedtls_x509write_crt_set_validity(form, VALID_FROM, VALID_TO);
    if (error == 0)
        error = mbedtls_x509write_crt_set_basic_constraints(form, 0, -1);
    if (error == 0)
        error =
            mbedtls_x509write_crt_set_key_usage(form, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return error;
}

static int make_certificate(struct tls_visitor *visitor)
{
    unsigned char *pem = (unsigned char *)visitor->pem;
    mbedtls_x509write_cert form;
    mbedtls_mpi serial;
    int error;

    mbedtls_x509write_crt_init(&form);
    mbedtls_mpi_init(&serial);
    error = fill_in(visitor, &form, &serial);
    if (error == 0)
        error = mbedtls_x509write_crt_pem(&form, pem, sizeof visitor->pem,
                                          mbedtls_ctr_drbg_random, &visitor->random);
    mbedtls_mpi_free(&serial);
    mbedtls_x509write_crt_free(&form);
    if (error == 0)
        error =
            mbedtls_x509_crt_parse(&visitor->certificate, pem, strlen(visitor->pem) + 1);
    return error;
}

/* TLS 1.2, as server/rpc/tls.c and worker/tls.c ask for. */
static int configure(struct tls_visitor *visitor)
{
    mbedtls_ssl_config *config = &visitor->config;
    int error = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
                                            MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);

    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &visitor->random);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    if (error == 0)
        error = mbedtls_ssl_conf_own_cert(config, &visitor->certificate, &visitor->key);
    if (error == 0)
        error = mbedtls_ssl_setup(&visitor->session, config);
    return error;
}

struct tls_visitor *tls_visitor_create(void)
{
    struct tls_visitor *visitor = mem_zalloc(sizeof *visitor);

    visitor->fd = -1;
    mbedtls_entropy_init(&visitor->entropy);
    mbedtls_ctr_drbg_init(&visitor->random);
    mbedtls_pk_init(&visitor->key);
    mbedtls_x509_crt_init(&visitor->certificate);
    mbedtls_ssl_config_init(&visitor->config);
    mbedtls_ssl_init(&visitor->session);
    if (make_key(visitor) != 0 || make_certificate(visitor) != 0 ||
        configure(visitor) != 0)
        tls_visitor_destroy(&visitor);
    return visitor;
}

const char *tls_visitor_certificate(const struct tls_visitor *visitor)
{
    assert(visitor->pem[0] != '\0');
    return visitor->pem;
}

static bool is_to_be_continued(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static int write_socket(void *ctx, const unsigned char *bytes, size_t len)
{
    const struct tls_visitor *visitor = ctx;
    ssize_t sent = send(visitor->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        return (int)sent;
    return is_to_be_continued() ? MBEDTLS_ERR_SSL_WANT_WRITE
                                : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int read_socket(void *ctx, unsigned char *bytes, size_t room)
{
    const struct tls_visitor *visitor = ctx;
    ssize_t got = recv(visitor->fd, bytes, room, MSG_DONTWAIT);

    if (got >= 0)
        return (int)got;
    return is_to_be_continued() ? MBEDTLS_ERR_SSL_WANT_READ
                                : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

void tls_visitor_begin(struct tls_visitor *visitor, int fd)
{
    int error = mbedtls_ssl_session_reset(&visitor->session);

    assert(fd >= 0);
    visitor->fd = error == 0 ? fd : -1; /* without a socket the next step fails */
    mbedtls_ssl_set_bio(&visitor->session, visitor, write_socket, read_socket, NULL);
}

static enum tls_visitor_step step_of(int result)
{
    if (result == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_VISITOR_WANTS_READ;
    if (result == MBEDTLS_ERR_SSL_WANT_WRITE)
        return TLS_VISITOR_WANTS_WRITE;
    return result > 0 ? TLS_VISITOR_DONE : TLS_VISITOR_FAILED;
}

enum tls_visitor_step tls_visitor_send(struct tls_visitor *visitor, struct slice bytes)
{
    int sent;

    assert(bytes.len > 0);
    sent = mbedtls_ssl_write(&visitor->session, bytes.data, bytes.len);
    if (sent > 0 && (size_t)sent < bytes.len)
        return TLS_VISITOR_FAILED; /* what is sent here fits into one record */
    return step_of(sent);
}

enum tls_visitor_step tls_visitor_receive(struct tls_visitor *visitor, uint8_t *bytes,
                                          size_t room, size_t *got_r)
{
    int got = mbedtls_ssl_read(&visitor->session, bytes, room);

    assert(room > 0 && (got < 0 || (size_t)got <= room));
    *got_r = got > 0 ? (size_t)got : 0;
    return step_of(got);
}

void tls_visitor_destroy(struct tls_visitor **visitor)
{
    struct tls_visitor *v = *visitor;

    *visitor = NULL;
    if (v == NULL)
        return;
    mbedtls_ssl_free(&v->session);
    mbedtls_ssl_config_free(&v->config);
    mbedtls_x509_crt_free(&v->certificate);
    mbedtls_pk_free(&v->key);
    mbedtls_ctr_drbg_free(&v->random);
    mbedtls_entropy_free(&v->entropy);
    mem_free(v);
}
