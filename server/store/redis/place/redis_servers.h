/*
 * What all requests to one Redis have in common, be it a server, one that
 * Sentinels name, or a cluster: its URL taken apart, TLS, which connection leads
 * to what, and counters. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SERVERS_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_SERVERS_H

#include <ev.h>

#include "common/base/list.h"
#include "server/store/redis/place/redis_cluster.h"
#include "server/store/store.h"

/* Collections whose last version a hub remembers to have asked for. */
#define REDIS_LEARNED 64

/* What the verbs share; the counters are theirs. */
struct redis_servers {
    struct ev_loop *loop;
    struct redis_url url;
    struct redis_tls *tls;             /* NULL where the URL asks for none */
    struct redis_sentinels *sentinels; /* NULL where the URL has none */
    struct redis_conn *conn;           /* NULL for a cluster */
    struct redis_cluster *cluster;     /* NULL for anything else */
    struct redis_call asked;           /* of commands whose answer nobody needs */
    struct list delayed;               /* commands of flights that wait a moment */
    struct ev_timer delay;             /* runs while there are any */
    uint64_t uploads;                  /* names the next one */
    uint64_t newest_version;           /* that a reply has told */
    uint64_t learned[REDIS_LEARNED];   /* hashes of collections; 0 for none */
    uint64_t learned_after;            /* so many reconnects */
    uint64_t random;                   /* the generator of steps between versions */
    uint64_t writes_sent;
    uint64_t writes_unsure;
    uint64_t writes_waiting;
};

/* Begins to connect; -1 with a line in the log where the URL or the certificates are of
   no use: then there is nothing to close. */
int redis_servers_open(struct redis_servers *servers, struct ev_loop *loop,
                       const struct store_config *config)
    __attribute__((warn_unused_result));

/* Runs the loop until the first attempt to connect has ended, well or not, but no longer
   than that: for a front that is about to serve, which would refuse its first requests
   otherwise. Nothing else may be on the loop. */
void redis_servers_settle(struct redis_servers *servers, double seconds);

/* Closes: what is under way ends as DOWN. */
void redis_servers_close(struct redis_servers *servers);

/* True where requests can be answered, or in a cluster some of them; else *why_r is a
   static text. */
bool redis_servers_is_ready(const struct redis_servers *servers, const char **why_r);

/* The connection to where a key lies, of which a collection's name will do (it is the
   part that is hashed); NULL where no node of the cluster has it. */
struct redis_conn *redis_servers_conn(const struct redis_servers *servers,
                                      struct slice key);

/* The i-th connection to a server that holds keys; NULL behind the last. */
struct redis_conn *redis_servers_node(const struct redis_servers *servers, unsigned i);

/* Connections made, beyond the first to each server. */
uint64_t redis_servers_reconnects(const struct redis_servers *servers);

#endif
