/*
 * Encoded replies of documents that are asked for again. One cache per front, bounded in
 * bytes; an entry is one reply: its key names the document and all that shapes the reply,
 * and it holds for one version of the document. Whoever asks reads the version from the
 * store first, so that no reply is stale; an entry of another version is dropped then.
 *
 * What stays is decided by S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are
 * all you need for cache eviction", SOSP 2023): what is new goes into a small queue, a
 * tenth of the bytes, and from its end to the main queue only if it was asked for again
 * meanwhile; of what did not make it a ghost, its hash, is kept, and what comes back
 * while it has one goes to the main queue at once. The main queue gives what was asked
 * for another round. So one scan over many documents passes through the small queue and
 * leaves the others in place. (The ghosts are a table in which a newer one may take the
 * place of an older one, which comes near the paper's queue.)
 *
 * Blobs are shared with their replies, none is copied here. Loop thread only; nothing
 * fails.
 */
#ifndef OFFLOOP_SERVER_API_REPLY_CACHE_H
#define OFFLOOP_SERVER_API_REPLY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/blob.h"

struct reply_cache;
struct stats_front;

/* A cache of that many bytes (at least 64 KiB), in which keys, tables and what holds an
   entry are counted too; `seed` is random, so that nobody can make hashes collide. Counts
   go to `stats`. The caller ends it with reply_cache_destroy(). */
struct reply_cache *reply_cache_create(uint64_t bytes, uint64_t seed,
                                       struct stats_front *stats);

/* Frees the cache; NULL inside is allowed. */
void reply_cache_destroy(struct reply_cache **cache);

/* Looks a reply up. Returns it with one reference, and its document's version in
 *version_r; NULL for none. Whether it is of use shows when the store is asked: tell it
   with reply_cache_hit() or reply_cache_miss(). */
struct blob *reply_cache_find(const struct reply_cache *cache, struct slice key,
                              uint64_t *version_r);

/* A reply that was found was sent. */
void reply_cache_hit(struct reply_cache *cache, struct slice key);

/* A reply was not found, or is of another version than the document now has: then it is
   dropped. */
void reply_cache_miss(struct reply_cache *cache, struct slice key);

/* True where a reply of that key has lately been made: this one will be kept. */
bool reply_cache_expects(const struct reply_cache *cache, struct slice key);

/* A reply was made that cannot be kept, or need not: the next of that key is expected. */
void reply_cache_note(struct reply_cache *cache, struct slice key);

/* Keeps a reply, if it is no larger than an eighth of the cache; takes a reference of its
   own. One of that key and another version is replaced. */
void reply_cache_put(struct reply_cache *cache, struct slice key, uint64_t version,
                     struct blob *reply);

/* The largest reply that is kept, in bytes. */
uint64_t reply_cache_max_bytes(const struct reply_cache *cache);

#endif
