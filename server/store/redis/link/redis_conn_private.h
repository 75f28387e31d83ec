/*
 * A connection to Redis from the inside: for redis_conn.c, which makes and loses
 * it, and redis_conn_watch.c, which asks it something now and then. Loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_PRIVATE_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_PRIVATE_H

#include <ev.h>
#include <hiredis/async.h>

#include "common/base/log_limited.h"
#include "server/store/redis/link/redis_conn.h"
#include "server/store/redis/link/redis_greeting.h"
#include "server/store/redis/link/redis_reader.h"
#include "server/store/redis/link/redis_resolve.h"
#include "server/store/redis/place/redis_sentinel.h"

enum conn_state {
    CONN_PAUSED,     /* the timer ends the pause */
    CONN_SEARCHING,  /* Sentinels are asked, who give up by themselves */
    CONN_RESOLVING,  /* a thread looks the name up; the timer gives up */
    CONN_CONNECTING, /* connect() and greeting; the timer gives up */
    CONN_UP          /* while commands wait the timer guards against silence */
};

struct redis_conn {
    struct ev_loop *loop;
    const struct redis_url *url;
    const struct redis_tls *tls;
    struct redis_sentinels *sentinels; /* NULL where the URL says where the server is */
    struct redis_found server;         /* host and port of this attempt; not for a path */
    char *where;                       /* for the log */
    enum redis_purpose purpose;
    enum conn_state state;
    struct ev_timer timer;
    struct ev_timer replica; /* runs while the server takes no writes; with Sentinels
                                always: is it still the one? */
    struct redis_call probe; /* ROLE, which it sends */
    bool probing;            /* its reply is to come */
    struct ev_timer keep;    /* runs while UP where Redis closes idle connections */
    struct redis_call kept;  /* ROLE, which it sends */
    struct ev_prepare flush; /* runs while commands are unsent */
    redisAsyncContext *ac;   /* NULL for none */
    struct redis_pump *pump; /* of that, by TLS */
    struct redis_reader reader;
    struct redis_resolve *resolve;
    struct redis_addresses addresses;
    size_t next_address;
    struct redis_greeting greeting;
    double pause_s;
    uint64_t waiting;
    uint64_t connects;
    uint64_t up_since_ns;
    bool renewing;
    bool settled;   /* the first attempt has had its end, good or bad */
    bool told_down; /* that it is down has been logged */
    const char *why;
    struct log_limited errors_log;
};

/* redis_conn.c: the attempt or the connection is over; why is static text. */
void redis_conn_fail(struct redis_conn *conn, const char *why, const char *detail);

/* redis_conn_watch.c: makes the timers, which do not run yet. */
void redis_conn_watch_init(struct redis_conn *conn);

/* The connection has greeted: begins to ask what has to be asked. */
void redis_conn_watch_start(struct redis_conn *conn);

/* The connection is over. */
void redis_conn_watch_stop(struct redis_conn *conn);

/* The server has said that it is a replica: asks from now on whether it still is one. */
void redis_conn_watch_replica(struct redis_conn *conn);

#endif
