#include "server/store/redis_hub.h"

#include <assert.h>
#include <sys/random.h>

#include "common/log.h"
#include "server/store/redis_flight.h"
#include "server/store/redis_sentinel.h"

/* What is wrong with the certificates shows when they are needed: now. */
static int open_tls(struct redis_hub *hub, const struct store_tls *given)
{
    struct buf why = BUF_INIT;

    if (!hub->url.tls)
        return 0;
    hub->tls = redis_tls_create(given, &why);
    if (hub->tls == NULL)
        log_warn("store: TLS: %.*s", (int)why.len, (const char *)why.data);
    buf_free(&why);
    return hub->tls == NULL ? -1 : 0;
}

static void on_nothing(struct redis_call *call, const struct redisReply *reply)
{
    (void)call;
    (void)reply;
}

static void connect_hub(struct redis_hub *hub)
{
    if (hub->url.kind == REDIS_CLUSTER) {
        hub->cluster = redis_cluster_create(hub->loop, &hub->url, hub->tls);
        return;
    }
    if (hub->url.kind == REDIS_SENTINEL)
        hub->sentinels = redis_sentinels_create(hub->loop, &hub->url, hub->tls);
    hub->conn = redis_conn_create(
        hub->loop, &(struct redis_conn_config){
                       .url = &hub->url, .tls = hub->tls, .sentinels = hub->sentinels});
}

int redis_hub_open(struct redis_hub *hub, struct ev_loop *loop,
                   const struct store_config *config)
{
    *hub = (struct redis_hub){0};
    if (redis_url_parse(config->url, &hub->url) < 0) {
        log_warn("no store is known for that URL: expected %s", REDIS_URL_EXPECTED);
        return -1;
    }
    if (open_tls(hub, &config->tls) < 0) {
        redis_url_free(&hub->url);
        return -1;
    }
    /* Uploads of different fronts must not meet. */
    if (getrandom(&hub->uploads, sizeof hub->uploads, 0) != (ssize_t)sizeof hub->uploads)
        log_fatal("store: no random numbers: %m");
    hub->loop = loop;
    hub->asked.on_reply = on_nothing;
    redis_flight_init_delays(hub);
    connect_hub(hub);
    return 0;
}

void redis_hub_close(struct redis_hub *hub)
{
    redis_flight_end_delays(hub);
    redis_conn_destroy(&hub->conn);
    redis_cluster_destroy(&hub->cluster);
    assert(hub->writes_waiting == 0);
    redis_sentinels_destroy(&hub->sentinels);
    redis_tls_destroy(&hub->tls);
    redis_url_free(&hub->url);
}

static bool is_settled(const struct redis_hub *hub)
{
    return hub->cluster != NULL ? redis_cluster_is_settled(hub->cluster)
                                : redis_conn_is_settled(hub->conn);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
}

void redis_hub_settle(struct redis_hub *hub, double seconds)
{
    struct ev_timer patience;

    ev_timer_init(&patience, on_patience, seconds, 0.);
    ev_timer_start(hub->loop, &patience);
    while (!is_settled(hub) && ev_is_active(&patience))
        ev_run(hub->loop, EVRUN_ONCE);
    ev_timer_stop(hub->loop, &patience);
}

bool redis_hub_is_ready(const struct redis_hub *hub, const char **why_r)
{
    if (hub->cluster != NULL)
        return redis_cluster_is_ready(hub->cluster, why_r);
    if (!redis_conn_is_up(hub->conn, why_r))
        return false;
    if (!redis_conn_is_writable(hub->conn))
        *why_r = "Redis is a replica and takes no writes";
    return *why_r == NULL;
}

struct redis_conn *redis_hub_conn(const struct redis_hub *hub, struct slice key)
{
    return hub->cluster != NULL ? redis_cluster_conn(hub->cluster, redis_slot_of(key))
                                : hub->conn;
}

struct redis_conn *redis_hub_node(const struct redis_hub *hub, unsigned i)
{
    if (hub->cluster != NULL)
        return redis_cluster_node(hub->cluster, i);
    return i == 0 ? hub->conn : NULL;
}

uint64_t redis_hub_reconnects(const struct redis_hub *hub)
{
    return hub->cluster != NULL ? redis_cluster_reconnects(hub->cluster)
                                : redis_conn_reconnects(hub->conn);
}
