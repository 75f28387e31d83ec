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

/* So many bytes are a sign of life, even if they are not a whole reply yet. */
#define REDIS_READER_PROGRESS_BYTES (1 << 20)

/* The limits of one connection; must stay as long as its context. */
struct redis_reader {
    redisReplyObjectFunctions functions; /* ours, around hiredis' */
    redisReplyObjectFunctions *defaults;
    size_t bytes;   /* of the reply that is being read */
    size_t unread;  /* in hiredis' buffer when bytes arrived last */
    size_t arrived; /* since on_progress() */
    /* the owner's: called when about REDIS_READER_PROGRESS_BYTES have arrived */
    void (*on_progress)(void *ctx);
    void *ctx;
};

/* Sets the limits for a new context; on_progress and ctx are set. */
void redis_reader_bound(struct redis_reader *reader, struct redisAsyncContext *ac);

/* Called while a reply is handled: hiredis will not free the reply; the caller frees it
   later with freeReplyObject(). */
void redis_reader_keep(const struct redisReply *reply);

/* Called when bytes have arrived, before replies are taken out of them. Returns -1 if the
   unfinished reply has too many bytes, or too long a line. */
int redis_reader_take_bytes(const struct redisAsyncContext *ac)
    __attribute__((warn_unused_result));

/* Attaches a context without TLS to the loop. */
void redis_reader_attach(struct ev_loop *loop, struct redisAsyncContext *ac);

#endif
