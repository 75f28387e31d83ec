/*
 * Checks certificates and keys in PEM before a daemon uses them. Uses mbedtls, as nng's
 * TLS does, so that both accept the same files. No state; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_PEM_H
#define OFFLOOP_COMMON_CREDENTIALS_PEM_H

#include <stdbool.h>

#include "common/base/buf.h"

enum pem_kind {
    PEM_CERTIFICATES, /* one or more */
    PEM_PRIVATE_KEY   /* one, not encrypted */
};

/* Appends the file's blocks of that kind, without the text around them, and checks that
   each can be read. -1 where one cannot; then what is wrong is set (static text). */
int pem_extract(struct slice file, enum pem_kind kind, struct buf *out,
                const char **what_r) __attribute__((warn_unused_result));

/* True where the private key belongs to the first certificate. Both are texts of
   pem_extract(), with a NUL. */
bool pem_is_pair(const char *certificates, const char *key)
    __attribute__((warn_unused_result));

#endif
