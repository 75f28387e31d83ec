#include "common/nng_faults/tls_probe.h"

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
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "common/base/alloc.h"

#define NAME "CN=offloop gate probe"

/* Valid for long, because clocks may be wrong. The certificate ends with the process. */
#define VALID_FROM "20000101000000"
#define VALID_TO   "20991231235959"

/* A certificate with a key of 256 bits takes about 600 bytes. */
#define PEM_MAX_BYTES 2048

struct tls_probe {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key;
    mbedtls_x509_crt certificate;
    mbedtls_ssl_config config;
    mbedtls_ssl_context session; /* of the current connection, or the last one */
    int fd;
    char pem[PEM_MAX_BYTES];
};

static int make_key(struct tls_probe *tls_probe)
{
    int error = mbedtls_ctr_drbg_seed(&tls_probe->random, mbedtls_entropy_func,
                                      &tls_probe->entropy, NULL, 0);

    if (error == 0)
        error = mbedtls_pk_setup(&tls_probe->key,
                                 mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (error == 0)
        error =
            mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(tls_probe->key),
                                mbedtls_ctr_drbg_random, &tls_probe->random);
    return error;
}

static int set_serial(mbedtls_x509write_cert *form, unsigned char number)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_x509write_crt_set_serial_raw(form, &number, 1);
#else
    mbedtls_mpi serial;
    int error;

    mbedtls_mpi_init(&serial);
    error = mbedtls_mpi_lset(&serial, number);
    if (error == 0)
        error = mbedtls_x509write_crt_set_serial(form, &serial);
    mbedtls_mpi_free(&serial);
    return error;
#endif
}

/* The certificate is self-signed: a listener that accepts it accepts no other one. */
static int fill_in(struct tls_probe *tls_probe, mbedtls_x509write_cert *form)
{
    int error = set_serial(form, 1);

    mbedtls_x509write_crt_set_version(form, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(form, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(form, &tls_probe->key);
    mbedtls_x509write_crt_set_issuer_key(form, &tls_probe->key);
    if (error == 0)
        error = mbedtls_x509write_crt_set_subject_name(form, NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_issuer_name(form, NAME);
    if (error == 0)
        error = mbedtls_x509write_crt_set_validity(form, VALID_FROM, VALID_TO);
    if (error == 0)
        error = mbedtls_x509write_crt_set_basic_constraints(form, 0, -1);
    if (error == 0)
        error =
            mbedtls_x509write_crt_set_key_usage(form, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return error;
}

static int make_certificate(struct tls_probe *tls_probe)
{
    unsigned char *pem = (unsigned char *)tls_probe->pem;
    mbedtls_x509write_cert form;
    int error;

    mbedtls_x509write_crt_init(&form);
    error = fill_in(tls_probe, &form);
    if (error == 0)
        error = mbedtls_x509write_crt_pem(&form, pem, sizeof tls_probe->pem,
                                          mbedtls_ctr_drbg_random, &tls_probe->random);
    mbedtls_x509write_crt_free(&form);
    if (error == 0)
        error = mbedtls_x509_crt_parse(&tls_probe->certificate, pem,
                                       strlen(tls_probe->pem) + 1);
    return error;
}

/* TLS 1.2, as server/workers/link/tls.c and worker/link/tls.c ask for. */
static int configure(struct tls_probe *tls_probe)
{
    mbedtls_ssl_config *config = &tls_probe->config;
    int error = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
                                            MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);

    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &tls_probe->random);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_NONE);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
#endif
    if (error == 0)
        error =
            mbedtls_ssl_conf_own_cert(config, &tls_probe->certificate, &tls_probe->key);
    if (error == 0)
        error = mbedtls_ssl_setup(&tls_probe->session, config);
    return error;
}

struct tls_probe *tls_probe_create(void)
{
    struct tls_probe *tls_probe = mem_zalloc(sizeof *tls_probe);

    tls_probe->fd = -1;
    mbedtls_entropy_init(&tls_probe->entropy);
    mbedtls_ctr_drbg_init(&tls_probe->random);
    mbedtls_pk_init(&tls_probe->key);
    mbedtls_x509_crt_init(&tls_probe->certificate);
    mbedtls_ssl_config_init(&tls_probe->config);
    mbedtls_ssl_init(&tls_probe->session);
    if (make_key(tls_probe) != 0 || make_certificate(tls_probe) != 0 ||
        configure(tls_probe) != 0)
        tls_probe_destroy(&tls_probe);
    return tls_probe;
}

const char *tls_probe_certificate(const struct tls_probe *tls_probe)
{
    assert(tls_probe->pem[0] != '\0');
    return tls_probe->pem;
}

static bool is_to_be_continued(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static int write_socket(void *ctx, const unsigned char *bytes, size_t len)
{
    const struct tls_probe *tls_probe = ctx;
    ssize_t sent = send(tls_probe->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        return (int)sent;
    return is_to_be_continued() ? MBEDTLS_ERR_SSL_WANT_WRITE
                                : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int read_socket(void *ctx, unsigned char *bytes, size_t size)
{
    const struct tls_probe *tls_probe = ctx;
    ssize_t got = recv(tls_probe->fd, bytes, size, MSG_DONTWAIT);

    if (got >= 0)
        return (int)got;
    return is_to_be_continued() ? MBEDTLS_ERR_SSL_WANT_READ
                                : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

void tls_probe_begin(struct tls_probe *tls_probe, int fd)
{
    int error = mbedtls_ssl_session_reset(&tls_probe->session);

    assert(fd >= 0);
    tls_probe->fd = error == 0 ? fd : -1; /* -1: the next step fails */
    mbedtls_ssl_set_bio(&tls_probe->session, tls_probe, write_socket, read_socket, NULL);
}

static enum tls_probe_step step_of(int result)
{
    if (result == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_PROBE_WANTS_READ;
    if (result == MBEDTLS_ERR_SSL_WANT_WRITE)
        return TLS_PROBE_WANTS_WRITE;
    return result > 0 ? TLS_PROBE_DONE : TLS_PROBE_FAILED;
}

enum tls_probe_step tls_probe_send(struct tls_probe *tls_probe, struct slice bytes)
{
    int sent;

    assert(bytes.len > 0);
    sent = mbedtls_ssl_write(&tls_probe->session, bytes.data, bytes.len);
    if (sent > 0 && (size_t)sent < bytes.len)
        return TLS_PROBE_FAILED; /* the probe sends less than one record */
    return step_of(sent);
}

enum tls_probe_step tls_probe_receive(struct tls_probe *tls_probe, uint8_t *bytes,
                                      size_t size, size_t *got_r)
{
    int got = mbedtls_ssl_read(&tls_probe->session, bytes, size);

    assert(size > 0 && (got < 0 || (size_t)got <= size));
    *got_r = got > 0 ? (size_t)got : 0;
    return step_of(got);
}

void tls_probe_destroy(struct tls_probe **tls_probe)
{
    struct tls_probe *v = *tls_probe;

    *tls_probe = NULL;
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
