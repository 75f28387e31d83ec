#include "server/store/redis/link/redis_conn_private.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/log.h"

/* How often a server that takes no writes is asked again whether it does. */
#define REPLICA_S 1.0

static void start_asking(struct redis_conn *conn)
{
    if (!ev_is_active(&conn->replica)) {
        ev_timer_set(&conn->replica, REPLICA_S, REPLICA_S);
        ev_timer_start(conn->loop, &conn->replica);
    }
}

static void on_probed(struct redis_call *call, const struct redisReply *reply)
{
    struct redis_conn *conn = container_of(call, struct redis_conn, probe);

    conn->probing = false;
    if (reply == NULL || !redis_greeting_is_master(reply) || conn->state != CONN_UP ||
        !conn->greeting.is_replica)
        return;
    conn->greeting.is_replica = false;
    if (conn->sentinels == NULL)
        ev_timer_stop(conn->loop, &conn->replica);
    log_info("store: %s takes writes again", conn->where);
}

/* Another server is the master where most Sentinels say so, or where one does and ours is
   none. */
static void on_still(void *ctx, const struct redis_found *found)
{
    struct redis_conn *conn = ctx;

    if (conn->state != CONN_UP || found->host[0] == 0 ||
        redis_found_equals(found, &conn->server))
        return;
    if (conn->greeting.is_replica ||
        2 * found->votes > redis_sentinels_count(conn->sentinels))
        redis_conn_fail(conn, "another server is the master now", "");
}

/* A server that was a replica may be a master now. Its connection carries reads
   meanwhile, so it is asked on that. */
static void on_replica(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_conn *conn = timer->data;
    struct redis_command args = {0};

    (void)loop;
    (void)events;
    redis_command_text(&args, "ROLE");
    if (conn->greeting.is_replica && !conn->probing &&
        redis_conn_send(conn, &args, &conn->probe) == 0)
        conn->probing = true;
    if (conn->sentinels != NULL && conn->state == CONN_UP &&
        !redis_sentinels_is_searching(conn->sentinels))
        redis_sentinels_search(conn->sentinels,
                               conn->greeting.is_replica ? &conn->server : NULL, on_still,
                               conn);
}

static void on_kept(struct redis_call *call, const struct redisReply *reply)
{
    (void)call, (void)reply; /* whatever it says, we were not idle */
}

static void on_keep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_conn *conn = timer->data;
    struct redis_command args = {0};

    (void)loop, (void)events;
    redis_command_text(&args, "ROLE");
    if (conn->waiting == 0)
        (void)!redis_conn_send(conn, &args, &conn->kept);
}

/* Asks twice in the time that Redis gives an idle connection. */
static void start_keeping(struct redis_conn *conn)
{
    const char *text = conn->greeting.settings[REDIS_SETTING_TIMEOUT];

    conn->keep.repeat = (double)strtoul(text, NULL, 10) / 2;
    if (conn->keep.repeat > 0.)
        ev_timer_again(conn->loop, &conn->keep);
}

void redis_conn_watch_replica(struct redis_conn *conn)
{
    conn->greeting.is_replica = true;
    start_asking(conn);
}

void redis_conn_watch_init(struct redis_conn *conn)
{
    ev_init(&conn->replica, on_replica);
    ev_init(&conn->keep, on_keep);
    conn->probe.on_reply = on_probed;
    conn->kept.on_reply = on_kept;
    conn->replica.data = conn->keep.data = conn;
}

void redis_conn_watch_start(struct redis_conn *conn)
{
    start_keeping(conn);
    if (conn->greeting.is_replica || conn->sentinels != NULL)
        start_asking(conn);
}

void redis_conn_watch_stop(struct redis_conn *conn)
{
    ev_timer_stop(conn->loop, &conn->replica);
    ev_timer_stop(conn->loop, &conn->keep);
}
