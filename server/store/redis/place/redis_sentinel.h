/*
 * Where is the master? The Sentinels of a URL are asked, each over a connection
 * that is kept, all at once. What at least half of those who answer say is it; but
 * where a master was just lost and they are divided, it is the other one: the news
 * of a failover reaches them one by one. A single one that lies is not believed
 * where two others answer.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SENTINEL_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SENTINEL_H

#include "server/store/redis/link/redis_conn.h"

/* How long a search waits for Sentinels that are slow or not connected yet. */
#define REDIS_SENTINEL_PATIENCE_S 0.3

#define REDIS_SENTINEL_HOST_MAX 255

struct redis_sentinels;

/* What a search gave. */
struct redis_found {
    char host[REDIS_SENTINEL_HOST_MAX + 1]; /* an address, or a name; "" for none */
    unsigned port;
    unsigned votes;  /* Sentinels that say so */
    const char *why; /* where there is none, static */
};

/* Called once, never before the search's call returns. */
typedef void redis_sentinel_done(void *ctx, const struct redis_found *found);

/* Connects to all of them; the URL and tls are the caller's and must stay. */
struct redis_sentinels *redis_sentinels_create(struct ev_loop *loop,
                                               const struct redis_url *url,
                                               const struct redis_tls *tls);

/* Closes; no search may be under way. NULL inside is allowed. */
void redis_sentinels_destroy(struct redis_sentinels **sentinels);

/* How many they are. */
unsigned redis_sentinels_count(const struct redis_sentinels *sentinels);

/* Begins a search, of which there is one at a time. Where lost is not NULL it is the
   master that was lost: another that as many name is preferred. */
void redis_sentinels_search(struct redis_sentinels *sentinels,
                            const struct redis_found *lost, redis_sentinel_done *done,
                            void *ctx);

/* True while a search is under way. */
bool redis_sentinels_is_searching(const struct redis_sentinels *sentinels);

/* Forgets the search: done will not be called. No-op where there is none. */
void redis_sentinels_drop(struct redis_sentinels *sentinels);

/* True for the same host and port. */
bool redis_found_equals(const struct redis_found *one, const struct redis_found *other);

#endif
