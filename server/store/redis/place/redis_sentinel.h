/*
 * The Sentinels of a Redis URL: they know which server is the master. A search
 * asks all of them at once, each over a connection that is kept.
 *
 * The master is what at least half of the answers say. If a master was just lost
 * and the answers differ, the other server is preferred, because the news of a
 * failover reaches the Sentinels one by one. One Sentinel that lies is not
 * believed if two others answer.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SENTINEL_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SENTINEL_H

#include "server/store/redis/link/redis_conn.h"

/* How long a search waits for Sentinels that are slow or not connected yet. */
#define REDIS_SENTINEL_WAIT_S 0.3

struct redis_sentinels;

/* Connects to all of them; the URL and tls are the caller's and must stay. */
struct redis_sentinels *redis_sentinels_create(struct ev_loop *loop,
                                               const struct redis_url *url,
                                               const struct redis_tls *tls);

/* Closes; no search may be under way. NULL inside is allowed. */
void redis_sentinels_destroy(struct redis_sentinels **sentinels);

/* What asks them; theirs. */
struct redis_locator *redis_sentinels_locator(struct redis_sentinels *sentinels);

#endif
