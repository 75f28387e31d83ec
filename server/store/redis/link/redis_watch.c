#include "server/store/redis/link/redis_watch.h"

#include <hiredis/hiredis.h>

#include "common/base/list.h"
#include "common/base/log.h"
#include "server/store/redis/link/redis_greeting.h"

/* How often a server that takes no writes is asked whether it does by now. */
#define REPLICA_S 1.0

static int send_role(struct redis_watch *watch, struct redis_call *call)
{
    struct redis_command args = {0};

    redis_command_text(&args, "ROLE");
    return watch->calls.send(watch->calls.ctx, &args, call);
}

/* ---- is this server the master? ---- */

static void start_asking(struct redis_watch *watch)
{
    if (!ev_is_active(&watch->role_timer)) {
        ev_timer_set(&watch->role_timer, REPLICA_S, REPLICA_S);
        ev_timer_start(watch->loop, &watch->role_timer);
    }
}

static void on_role(struct redis_call *call, const struct redisReply *reply)
{
    struct redis_watch *watch = container_of(call, struct redis_watch, role_call);

    watch->is_asking = false;
    if (reply == NULL || !redis_greeting_is_master(reply) || !watch->is_running ||
        !watch->is_replica)
        return;
    watch->is_replica = false;
    if (watch->locator == NULL)
        ev_timer_stop(watch->loop, &watch->role_timer);
    log_info("store: %s takes writes again", watch->where);
}

/* Another server is the master if most say so, or if one does and this one is a replica.
 */
static void on_located(void *ctx, const struct redis_found *found)
{
    struct redis_watch *watch = ctx;

    if (!watch->is_running || found->host[0] == 0 ||
        redis_found_equals(found, &watch->server))
        return;
    if (watch->is_replica || 2 * found->votes > found->voters)
        watch->calls.on_moved(watch->calls.ctx);
}

/* A server that was a replica may be a master now. Its connection carries reads
   meanwhile, so ROLE goes the same way. */
static void on_role_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_watch *watch = timer->data;

    (void)loop, (void)events;
    if (watch->is_replica && !watch->is_asking &&
        send_role(watch, &watch->role_call) == 0)
        watch->is_asking = true;
    if (watch->locator != NULL && watch->is_running &&
        !watch->locator->is_searching(watch->locator))
        watch->locator->search(watch->locator, watch->is_replica ? &watch->server : NULL,
                               on_located, watch);
}

void redis_watch_replica(struct redis_watch *watch)
{
    watch->is_replica = true;
    start_asking(watch);
}

/* ---- a connection that must not be idle ---- */

static void on_alive(struct redis_call *call, const struct redisReply *reply)
{
    (void)call, (void)reply; /* any reply will do: the connection was not idle */
}

static void on_alive_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_watch *watch = timer->data;

    (void)loop, (void)events;
    if (watch->calls.is_idle(watch->calls.ctx))
        (void)!send_role(watch, &watch->alive_call);
}

/* ---- start and stop ---- */

void redis_watch_init(struct redis_watch *watch)
{
    ev_init(&watch->role_timer, on_role_timer);
    ev_init(&watch->alive_timer, on_alive_timer);
    watch->role_timer.data = watch->alive_timer.data = watch;
    watch->role_call.on_reply = on_role;
    watch->alive_call.on_reply = on_alive;
}

void redis_watch_start(struct redis_watch *watch, bool is_replica, double idle_s)
{
    watch->is_running = true;
    watch->is_replica = is_replica;
    watch->alive_timer.repeat = idle_s / 2; /* twice in the time that Redis allows */
    if (idle_s > 0.)
        ev_timer_again(watch->loop, &watch->alive_timer);
    if (is_replica || watch->locator != NULL)
        start_asking(watch);
}

void redis_watch_stop(struct redis_watch *watch)
{
    watch->is_running = false;
    ev_timer_stop(watch->loop, &watch->role_timer);
    ev_timer_stop(watch->loop, &watch->alive_timer);
}
