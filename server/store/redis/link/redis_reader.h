/*
 * Bounds on what a server may make us keep while it answers: hiredis takes the
 * counts and lengths of a reply as they come. A reply beyond them ends its
 * connection. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_READER_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_READER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

struct ev_loop;
struct redisAsyncContext;

/* Elements of one array: a cluster's map has at most 16384, a run of documents 2049. */
#define REDIS_READER_ELEMENTS (1 << 17)

/* Bytes of one reply, with what its parts cost us: the largest document and its head. */
#define REDIS_READER_BYTES ((512 << 20) + (1 << 20))

/* The longest line of a reply; beyond the errors that Redis words. */
#define REDIS_READER_LINE_BYTES (64 << 10)

/* Of one connection; must stay as long as its context. */
struct redis_reader {
    redisReplyObjectFunctions functions; /* ours, around hiredis' */
    redisReplyObjectFunctions *defaults;
    size_t bytes; /* of the reply that is being read */
};

/* Bounds the replies of a fresh context. */
void redis_reader_bound(struct redis_reader *reader, struct redisAsyncContext *ac);

/* Within a call for a reply: the reply is not freed afterwards, but by the caller in its
   own time, with freeReplyObject(). */
void redis_reader_keep(const struct redisReply *reply);

/* True where what has come without being a whole reply is too much, or its line too long.
 */
bool redis_reader_is_full(const struct redisAsyncContext *ac);

/* Makes the loop carry a context that needs no TLS. */
void redis_reader_attach(struct ev_loop *loop, struct redisAsyncContext *ac);

#endif
