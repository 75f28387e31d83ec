/*
 * What a daemon proves its identity with over a network: certificate, private key, the CA
 * of the other side, and the secret that server and workers share.
 *
 * The master reads the files before it drops privileges, and checks them. It stores their
 * content as one-line texts in the configuration's internal options (options.tbl.h). So
 * the content reaches children with the rest of their configuration, and workers can use
 * it inside their sandbox. Main thread of a process that starts or reloads.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_CREDENTIALS_H
#define OFFLOOP_COMMON_CREDENTIALS_CREDENTIALS_H

#include <stdbool.h>

#include "common/base/buf.h"

/* The length of a shared secret: a shorter one can be guessed, a longer one is probably
   the wrong file. */
#define CREDENTIALS_SECRET_MIN_BYTES 16
#define CREDENTIALS_SECRET_MAX_BYTES 4096

/* Does not change after it was unpacked; any thread may read. */
struct credentials {
    char *cert; /* PEM texts; NULL where not given */
    char *key;
    char *ca;
    struct buf secret; /* empty where not given */
};

/* Members of a configuration that has the rows of options.tbl.h. */
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

/* The texts of the internal options, one line each; "" for none. */
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

/* A master reads and checks the named files and sets the internal options. Does nothing
   where they are set already, because the configuration came from another process. -1
   with a line appended to why. Logs a warning about a secret file that others than its
   owner can read. */
int credentials_load(const struct credentials_options *options, struct buf *why)
    __attribute__((warn_unused_result));

/* Checks that server and workers may use the URL with these texts. -1 with a line
   appended to why, which names the flag. */
int credentials_check_url(const struct credentials_texts *texts, bool allow_plain_tcp,
                          const char *flag, const char *url, struct buf *why)
    __attribute__((warn_unused_result));

/* True where the texts contain a private key or a secret. */
bool credentials_are_secret(const struct credentials_texts *texts);

/* Makes credentials from these texts. The caller ends them with credentials_free(). */
void credentials_unpack(const struct credentials_texts *texts,
                        struct credentials *credentials_r);

/* A child overwrites the private key and the secret in the internal options when it has
   unpacked them or does not need them. They are "" afterwards. */
void credentials_forget_texts(const struct credentials_options *options);

/* Overwrites the secrets and frees the credentials. */
void credentials_free(struct credentials *credentials);

#endif
