/*
 * Certificates and keys in PEM, as far as a daemon checks them before it uses
 * them: by mbedtls, which nng's TLS is made of, so that what is good here is
 * good there. No state; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CREDENTIALS_PEM_H
#define OFFLOOP_COMMON_CREDENTIALS_PEM_H

#include <stdbool.h>

#include "common/base/buf.h"

enum pem_kind {
    PEM_CERTIFICATES, /* one or more */
    PEM_PRIVATE_KEY   /* one, not encrypted */
};

/* Appends the blocks of that kind that a file has, without what stands around them, and
   checks that each can be read. Returns -1 with what is wrong (static text). */
int pem_extract(struct slice file, enum pem_kind kind, struct buf *out,
                const char **what_r) __attribute__((warn_unused_result));

/* True where the private key is the one of the first certificate. Both are texts that
   pem_extract() gave, with a NUL. */
bool pem_is_pair(const char *certificates, const char *key)
    __attribute__((warn_unused_result));

#endif
