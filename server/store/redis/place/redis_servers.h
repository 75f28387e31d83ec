/*
 * The Redis servers behind one URL: a single server, the master that Sentinels
 * name, or a cluster. Knows which connection leads to which key, and holds what
 * all requests share (TLS, counters). Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SERVERS_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SERVERS_H

#include <ev.h>

#include "common/base/list.h"
#include "server/store/redis/place/redis_cluster.h"
#include "server/store/store.h"

/* Collections for which it is remembered that their last version was asked for. */
#define REDIS_LEARNED 64

/* What all requests share; they write the counters. */
struct redis_servers {
    struct ev_loop *loop;
    struct redis_url url;
    struct redis_tls *tls;             /* NULL if the URL does not ask for TLS */
    struct redis_sentinels *sentinels; /* NULL if the URL names none */
    struct redis_conn *conn;           /* NULL for a cluster */
    struct redis_cluster *cluster;     /* NULL for anything else */
    struct redis_call ignored;         /* of commands whose reply is not needed */
    struct list delayed;               /* commands of flights that wait a moment */
    struct ev_timer delay;             /* runs while there are any */
    uint64_t max_value_bytes;          /* of an application's values, read or written */
    uint64_t uploads;                  /* the name of the next one */
    uint64_t newest_version;           /* of all replies */
    uint64_t learned[REDIS_LEARNED];   /* hashes of collections; 0 for none */
    uint64_t learned_after;            /* the number of reconnects before they were */
    uint64_t random;                   /* the generator of steps between versions */
    uint64_t writes_sent;
    uint64_t writes_unsure;
    uint64_t writes_waiting;
};

/* Begins to connect. Returns -1, with a line in the log, if the URL or the certificates
   cannot be used: then there is nothing to close. */
int redis_servers_open(struct redis_servers *servers, struct ev_loop *loop,
                       const struct store_config *config)
    __attribute__((warn_unused_result));

/* Runs the loop until the first attempt to connect has ended, well or not, for at most
   `seconds`. A front does this before it serves, because it would refuse its first
   requests otherwise. Nothing else may be on the loop. */
void redis_servers_settle(struct redis_servers *servers, double seconds);

/* Closes: requests in flight end as DOWN. */
void redis_servers_close(struct redis_servers *servers);

/* True if requests can be answered (in a cluster: some of them); else *why_r is a static
   text. */
bool redis_servers_is_ready(const struct redis_servers *servers, const char **why_r);

/* The connection to the server of a key; a collection's name will do, because it is the
   part that is hashed. NULL if no node of the cluster has it. */
struct redis_conn *redis_servers_conn(const struct redis_servers *servers,
                                      struct slice key);

/* The i-th connection to a server that holds keys; NULL after the last. */
struct redis_conn *redis_servers_node(const struct redis_servers *servers, unsigned i);

/* How often the servers that redis_servers_node() counts have become others: since then
   the same number may be another server's. */
uint64_t redis_servers_changes(const struct redis_servers *servers);

/* Connections made, beyond the first to each server. */
uint64_t redis_servers_reconnects(const struct redis_servers *servers);

#endif
