/*
 * Bytes on their way to a socket that takes them when it can: short runs of bytes are
 * collected, long ones stay in the blobs that they are in. One loop thread.
 */
#ifndef OFFLOOP_WORKER_BROKER_OUTPUT_H
#define OFFLOOP_WORKER_BROKER_OUTPUT_H

#include "common/base/blob.h"
#include "common/base/list.h"

struct output {
    struct list chunks;
    size_t bytes; /* not sent yet */
};

/* Bytes of a blob up to this are copied: it costs less than a piece of its own. */
#define OUTPUT_COPY_BYTES ((size_t)16 << 10)

/* Nothing to send. */
void output_init(struct output *output);

/* Frees what has not been sent. */
void output_free(struct output *output);

/* Appends a copy of the bytes. */
void output_put(struct output *output, const void *bytes, size_t len);

/* Appends a blob's bytes; a reference is taken where they are many. */
void output_put_blob(struct output *output, struct blob *blob);

/* Sends as much as the socket takes now: how much that was, or -1 with errno where the
   connection has failed. A full socket is no failure: output.bytes says what is left. */
ssize_t output_send(struct output *output, int fd);

#endif
