/*
 * The bytes that a connection still has to send: a queue of parts of blobs, each
 * with a few bytes of framing before it. One system call sends many of them. Only
 * the thread of the loop uses it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_OUTPUT_H
#define OFFLOOP_SERVER_HTTP_HTTP_OUTPUT_H

#include <stdbool.h>

#include "common/base/blob.h"
#include "common/base/list.h"

/* At most so much is sent at once, because the kernel copies it and one connection must
   not keep the loop busy. */
#define HTTP_OUTPUT_STEP_BYTES (256 * 1024)

struct http_output {
    struct list pieces;
    size_t bytes;       /* queued, not sent */
    uint64_t sent_body; /* payload bytes sent since http_output_take_sent() */
};

/* Makes an empty queue. */
void http_output_init(struct http_output *out);

/* Drops what is queued. */
void http_output_clear(struct http_output *out);

/* Queues `part` of the blob (which gets a reference more) as payload, `prefix` before it:
   a chunk's size line, under 32 bytes, copied, not counted as payload. */
void http_output_append(struct http_output *out, struct blob *blob, struct slice part,
                        struct slice prefix);

/* Queues bytes that are no payload: heads, framing. Takes over the memory of the buffer,
   which is empty then. */
void http_output_append_head(struct http_output *out, struct buf *head);

/* Sends once, at most `most` bytes. Returns the bytes sent; 0 where the socket
   takes none now; -1 where the connection is lost. Never raises SIGPIPE. */
ssize_t http_output_send(struct http_output *out, int fd, size_t most);

/* True where nothing waits. */
static inline bool http_output_is_empty(const struct http_output *out)
{
    return out->bytes == 0;
}

/* The payload bytes sent since this was last asked. */
uint64_t http_output_take_sent(struct http_output *out);

#endif
