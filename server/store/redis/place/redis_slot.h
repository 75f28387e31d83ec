/*
 * Which of a cluster's 16384 slots a key lies in, and what a redirection says.
 * Pure functions over bytes; any thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SLOT_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SLOT_H

#include "common/base/buf.h"

#define REDIS_SLOTS 16384

/* Longest host that is taken from a reply, in bytes. */
#define REDIS_HOST_MAX 255

/* The slot of a key: of what stands between its first { and the next }, where that is
   anything, else of all of it. */
unsigned redis_slot_of(struct slice key);

/* "MOVED 3999 127.0.0.1:6381" or "ASK …", taken apart. */
struct redis_redirect {
    unsigned slot;
    unsigned port;
    char host[REDIS_HOST_MAX + 1]; /* "": that of the server which said it */
};

/* -1 where the text is none. */
int redis_redirect_read(const char *text, size_t len, struct redis_redirect *redirect_r)
    __attribute__((warn_unused_result));

#endif
