/*
 * What a connection to Redis that is up asks its server now and then:
 * - a replica, whether it is the master by now: reads go on meanwhile;
 * - the Sentinels, whether another server is the master by now;
 * - a server that closes idle connections, anything, so that it does not.
 *
 * A watch is embedded in its connection (redis_conn.c), which starts it when it
 * is up and stops it when it is not. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_WATCH_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_WATCH_H

#include <ev.h>

#include "server/store/redis/link/redis_locator.h"
#include "server/store/redis/redis_command.h"

/* What a watch uses of its connection. */
struct redis_watch_calls {
    /* Sends a command; -1 if that is not possible now. */
    int (*send)(void *ctx, const struct redis_command *args, struct redis_call *call);
    /* True while no command waits for its reply. */
    bool (*is_idle)(void *ctx);
    /* Another server is the master: the connection must end. */
    void (*on_moved)(void *ctx);
    void *ctx;
};

/* The owner sets the first four; `where` is the server, for the log. */
struct redis_watch {
    struct ev_loop *loop;
    struct redis_watch_calls calls;
    struct redis_locator *locator; /* NULL if the URL says where the server is */
    const char *where;
    struct redis_found server; /* that the connection goes to; used with a locator */
    bool is_running;
    bool is_replica;              /* the server takes no writes */
    bool is_asking;               /* the reply to role_call is to come */
    struct ev_timer role_timer;   /* runs for a replica, and always with a locator */
    struct redis_call role_call;  /* ROLE */
    struct ev_timer alive_timer;  /* runs if Redis closes idle connections */
    struct redis_call alive_call; /* ROLE */
};

/* Prepares the timers; none runs yet. */
void redis_watch_init(struct redis_watch *watch);

/* The connection is up. idle_s: after how many seconds the server closes an idle
   connection; 0 for never, or not known. */
void redis_watch_start(struct redis_watch *watch, bool is_replica, double idle_s);

/* The connection is not up any more. No-op if it was not. */
void redis_watch_stop(struct redis_watch *watch);

/* The server has said that it is a replica. */
void redis_watch_replica(struct redis_watch *watch);

#endif
