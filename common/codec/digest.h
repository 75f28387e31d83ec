/*
 * The digest of a document's bytes, for a store whose documents have no version of their
 * own: the digest stands in its place. It is the first 8 bytes, big-endian, of SHA-1
 * (RFC 3174), because that is the one digest that a script inside Redis can make, too.
 * It tells contents apart; it is no protection against somebody who makes two documents
 * with one digest on purpose. Pure functions; any thread may call; nothing fails.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIGEST_H
#define OFFLOOP_COMMON_CODEC_DIGEST_H

#include "common/base/buf.h"

/* Length of a digest behind a job's result. */
#define DIGEST_BYTES 8

/* The digest of the bytes; never 0, which stands for "no version" elsewhere. */
uint64_t digest_of(struct slice bytes);

/* Appends a digest, big-endian. */
void digest_put(struct buf *out, uint64_t digest);

/* Takes a digest off the end of the bytes, which must have that many. */
uint64_t digest_take(struct slice *bytes);

#endif
