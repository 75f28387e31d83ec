/*
 * The slot of a key, of a cluster's 16384 slots, and the reading of redirections
 * (MOVED, ASK). Pure functions over bytes; any thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SLOT_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SLOT_H

#include "common/base/buf.h"

#define REDIS_SLOTS 16384

/* The longest host that is accepted in a reply, in bytes. */
#define REDIS_HOST_MAX 255

/* The part of a key that is hashed: the bytes between its first { and the next }, if
   there are any, else the whole key. */
struct slice redis_slot_tag(struct slice key);

/* The slot of a key. */
unsigned redis_slot_of(struct slice key);

/* "MOVED 3999 127.0.0.1:6381" or "ASK …", taken apart. */
struct redis_redirect {
    unsigned slot;
    unsigned port;
    char host[REDIS_HOST_MAX + 1]; /* "": the host of the server that redirects */
};

/* Returns -1 if the text is no redirection. */
int redis_redirect_read(const char *text, size_t len, struct redis_redirect *redirect_r)
    __attribute__((warn_unused_result));

#endif
