/*
 * A Redis Cluster as a client sees it: which node has which slot, and one
 * connection to each node, which has its own breaker: where a node is down, what
 * lies on the others goes on.
 *
 * The map is asked for (CLUSTER SLOTS) at the start, after a MOVED, and again and
 * again while a node is not there; of any node that answers, the URL's first
 * ones among them. A map that makes no sense leaves the last one as it is. One of
 * thousands of ranges is read in steps (redis_cluster_map.h) and counts when it is
 * read whole.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_H

#include "server/store/redis/link/redis_conn.h"
#include "server/store/redis/place/redis_slot.h"

/* Nodes that are known at a time. */
#define REDIS_CLUSTER_NODES 256

struct redis_cluster;

/* Connects to the URL's nodes; the URL and tls are the caller's and must stay. */
struct redis_cluster *redis_cluster_create(struct ev_loop *loop,
                                           const struct redis_url *url,
                                           const struct redis_tls *tls);

/* Closes: commands under way end with NULL. NULL inside is allowed. */
void redis_cluster_destroy(struct redis_cluster **cluster);

/* True once the map is there and the first attempt to connect to each of its nodes has
   ended, well or not. */
bool redis_cluster_is_settled(const struct redis_cluster *cluster);

/* True where there is a map and at least one of its nodes is up; else *why_r is a static
   text. */
bool redis_cluster_is_ready(const struct redis_cluster *cluster, const char **why_r);

/* The connection to the node that has a slot, up or not; NULL where none has it. It stays
   as long as commands wait on it, and for some seconds. */
struct redis_conn *redis_cluster_conn(const struct redis_cluster *cluster, unsigned slot);

/* The connection that a reply ("MOVED …", "ASK …") on `from` points to, made where it is
   not known yet; NULL where it makes no sense. A move is remembered. */
struct redis_conn *redis_cluster_redirect(struct redis_cluster *cluster,
                                          const struct redis_conn *from, const char *text,
                                          size_t len);

/* Has the map asked for soon. */
void redis_cluster_doubt(struct redis_cluster *cluster);

/* The i-th connection among the nodes that have slots; NULL behind the last. */
struct redis_conn *redis_cluster_node(const struct redis_cluster *cluster, unsigned i);

/* Connections made, beyond the first of each node. */
uint64_t redis_cluster_reconnects(const struct redis_cluster *cluster);

#endif
