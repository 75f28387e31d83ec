/*
 * What all requests to one Redis have in common: its URL taken apart, TLS, the
 * connection, and counters. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_HUB_H
#define OFFLOOP_SERVER_STORE_REDIS_HUB_H

#include "server/store/redis_conn.h"
#include "server/store/store.h"

/* What the verbs share; the counters are theirs. */
struct redis_hub {
    struct redis_url url;
    struct redis_tls *tls;             /* NULL where the URL asks for none */
    struct redis_sentinels *sentinels; /* NULL where the URL has none */
    struct redis_conn *conn;
    uint64_t uploads; /* names the next one */
    uint64_t writes_sent;
    uint64_t writes_unsure;
    uint64_t writes_waiting;
};

/* Begins to connect; -1 with a line in the log where the URL or the certificates are of
   no use: then there is nothing to close. */
int redis_hub_open(struct redis_hub *hub, struct ev_loop *loop,
                   const struct store_config *config) __attribute__((warn_unused_result));

/* Closes: what is under way ends as DOWN. */
void redis_hub_close(struct redis_hub *hub);

#endif
