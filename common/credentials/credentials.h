/*
 * What a daemon proves itself with over a network: certificate, private key,
 * the CA of the other side, and the secret that server and workers share.
 *
 * The master reads the files while it still may (before it drops privileges),
 * checks them, and keeps what they hold as one-line texts in the
 * configuration's internal options (options.tbl.h); so it reaches children in
 * the sealed memory that carries all of their configuration, and workers can
 * use it inside their sandbox. Main thread of a process that starts or reloads.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_CREDENTIALS_H
#define OFFLOOP_COMMON_CREDENTIALS_CREDENTIALS_H

#include <stdbool.h>

#include "common/base/buf.h"

/* A shared secret: shorter ones can be guessed, longer ones are no secrets. */
#define CREDENTIALS_SECRET_MIN_BYTES 16
#define CREDENTIALS_SECRET_MAX_BYTES 4096

/* Read-only once unpacked; any thread may read. */
struct credentials {
    char *cert; /* PEM texts; NULL where not given */
    char *key;
    char *ca;
    struct buf secret; /* empty where not given */
};

/* The members of a configuration that has the rows of options.tbl.h. */
struct credentials_options {
    const char *cert, *key, *ca, *secret;                   /* paths; "" for none */
    char **cert_text, **key_text, **ca_text, **secret_text; /* the internal options */
};

/* The credentials_options of a struct server_config or worker_config. */
#define CREDENTIALS_OPTIONS(config)                                                     \
    (struct credentials_options)                                                        \
    {                                                                                   \
        (config)->tls_cert, (config)->tls_key, (config)->tls_ca,                        \
            (config)->worker_secret, &(config)->tls_cert_text, &(config)->tls_key_text, \
            &(config)->tls_ca_text, &(config)->worker_secret_text                       \
    }

/* What the internal options hold, one line each; "" for none. */
struct credentials_texts {
    const char *cert, *key, *ca, *secret;
};

/* The credentials_texts of a struct server_config or worker_config. */
#define CREDENTIALS_TEXTS(config)                                               \
    (struct credentials_texts)                                                  \
    {                                                                           \
        (config)->tls_cert_text, (config)->tls_key_text, (config)->tls_ca_text, \
            (config)->worker_secret_text                                        \
    }

/* Master: reads and checks the files that are named, and fills in the internal options,
   unless they are filled in already (a configuration that was passed on). -1 with a line
   appended to why. A file that others may read is warned about in the log. */
int credentials_load(const struct credentials_options *options, struct buf *why)
    __attribute__((warn_unused_result));

/* Whether server and workers may meet at the URL with these texts: 0, or -1 with a line
   appended to why that names the flag. */
int credentials_check_url(const struct credentials_texts *texts, bool allow_plain_tcp,
                          const char *flag, const char *url, struct buf *why)
    __attribute__((warn_unused_result));

/* True where the texts hold what nobody else may know: a private key or a secret. */
bool credentials_are_secret(const struct credentials_texts *texts);

/* Makes credentials of these texts. The caller ends them with
   credentials_free(). */
void credentials_unpack(const struct credentials_texts *texts,
                        struct credentials *credentials_r);

/* Child: wipes the private key and the secret in the internal options, which are "" from
   then on, once they are unpacked or not needed. */
void credentials_forget_texts(const struct credentials_options *options);

/* Wipes and frees. */
void credentials_free(struct credentials *credentials);

#endif
