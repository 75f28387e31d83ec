/*
 * Limits on the replies of Redis, because hiredis itself accepts any count and
 * length. A reply over a limit ends its connection. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_READER_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_READER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

struct ev_loop;
struct redisAsyncContext;

/* The most elements of one array: a cluster's map has at most 16384, a run of documents
   2049. */
#define REDIS_READER_ELEMENTS (1 << 17)

/* The most bytes of one reply, with our memory for its parts: the largest document and
   its head fit. */
#define REDIS_READER_BYTES ((512 << 20) + (1 << 20))

/* The longest line of a reply; errors of Redis are shorter. */
#define REDIS_READER_LINE_BYTES (64 << 10)

/* The limits of one connection; must stay as long as its context. */
struct redis_reader {
    redisReplyObjectFunctions functions; /* ours, around hiredis' */
    redisReplyObjectFunctions *defaults;
    size_t bytes; /* of the reply that is being read */
};

/* Sets the limits for a new context. */
void redis_reader_bound(struct redis_reader *reader, struct redisAsyncContext *ac);

/* Called while a reply is handled: hiredis will not free the reply; the caller frees it
   later with freeReplyObject(). */
void redis_reader_keep(const struct redisReply *reply);

/* True if the unfinished reply has too many bytes, or too long a line. */
bool redis_reader_is_full(const struct redisAsyncContext *ac);

/* Attaches a context without TLS to the loop. */
void redis_reader_attach(struct ev_loop *loop, struct redisAsyncContext *ac);

#endif
