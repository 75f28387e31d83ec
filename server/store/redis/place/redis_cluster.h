/*
 * A Redis Cluster as a client sees it: which node has which slot, and one
 * connection to each node. If a node is down, only requests for its slots fail.
 *
 * The map of slots is asked for (CLUSTER SLOTS) at the start, after a MOVED, and
 * repeatedly while a node is not connected. Any connected node is asked, the
 * nodes in the URL among them. A map that makes no sense is ignored. A map is
 * read in steps (redis_cluster_map.h) and is used once it is read completely.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_H

#include "server/store/redis/link/redis_conn.h"
#include "server/store/redis/place/redis_slot.h"

/* The most nodes that are known at a time. */
#define REDIS_CLUSTER_NODES 256

struct redis_cluster;

/* Connects to the URL's nodes; the URL and tls are the caller's and must stay. */
struct redis_cluster *redis_cluster_create(struct ev_loop *loop,
                                           const struct redis_url *url,
                                           const struct redis_tls *tls);

/* Closes; commands under way get a NULL reply. NULL inside is allowed. */
void redis_cluster_destroy(struct redis_cluster **cluster);

/* True once there is a map and the first attempt to connect to each of its nodes has
   ended, well or not. */
bool redis_cluster_is_settled(const struct redis_cluster *cluster);

/* True if there is a map and at least one of its nodes is up; else *why_r is a static
 * text.
 */
bool redis_cluster_is_ready(const struct redis_cluster *cluster, const char **why_r);

/* The connection, up or not, to the node that has a slot; NULL if no node has it. It
   stays while commands wait on it, and for some seconds more. */
struct redis_conn *redis_cluster_conn(const struct redis_cluster *cluster, unsigned slot);

/* The connection to which a reply ("MOVED …", "ASK …") on `from` redirects; made if the
   node is new. NULL if the reply makes no sense. A MOVED changes the map. */
struct redis_conn *redis_cluster_redirect(struct redis_cluster *cluster,
                                          const struct redis_conn *from, const char *text,
                                          size_t len);

/* Asks for the map soon. */
void redis_cluster_ask_map(struct redis_cluster *cluster);

/* The i-th connection of the nodes that have slots; NULL after the last. */
struct redis_conn *redis_cluster_node(const struct redis_cluster *cluster, unsigned i);

/* How often the nodes that redis_cluster_node() counts have become others. */
uint64_t redis_cluster_changes(const struct redis_cluster *cluster);

/* Connections made, beyond the first of each node. */
uint64_t redis_cluster_reconnects(const struct redis_cluster *cluster);

#endif
