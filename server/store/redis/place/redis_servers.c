#include "server/store/redis/place/redis_servers.h"

#include <assert.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "server/store/redis/place/redis_sentinel.h"

/* Bad certificates are an error now, not at the first connection. */
static int open_tls(struct redis_servers *servers, const struct store_tls *given)
{
    struct buf why = BUF_INIT;

    if (!servers->url.tls)
        return 0;
    servers->tls = redis_tls_create(given, &why);
    if (servers->tls == NULL)
        log_warn("store: TLS: %.*s", (int)why.len, (const char *)why.data);
    buf_free(&why);
    return servers->tls == NULL ? -1 : 0;
}

static void begin_connecting(struct redis_servers *servers)
{
    if (servers->url.kind == REDIS_CLUSTER) {
        servers->cluster =
            redis_cluster_create(servers->loop, &servers->url, servers->tls);
        return;
    }
    if (servers->url.kind == REDIS_SENTINEL)
        servers->sentinels =
            redis_sentinels_create(servers->loop, &servers->url, servers->tls);
    servers->conn = redis_conn_create(
        servers->loop, &(struct redis_conn_config){
                           .url = &servers->url,
                           .tls = servers->tls,
                           .locator = servers->sentinels != NULL
                                          ? redis_sentinels_locator(servers->sentinels)
                                          : NULL});
}

int redis_servers_open(struct redis_servers *servers, struct ev_loop *loop,
                       const struct store_config *config)
{
    *servers = (struct redis_servers){0};
    if (redis_url_parse(config->url, &servers->url) < 0) {
        log_warn("no store is known for that URL: expected %s",
                 redis_url_expected(config->url));
        return -1;
    }
    if (open_tls(servers, &config->tls) < 0) {
        redis_url_free(&servers->url);
        return -1;
    }
    /* uploads of different fronts need different names */
    if (getrandom(&servers->uploads, sizeof servers->uploads, 0) !=
            (ssize_t)sizeof servers->uploads ||
        getrandom(&servers->random, sizeof servers->random, 0) !=
            (ssize_t)sizeof servers->random)
        log_fatal("store: no random numbers: %m");
    servers->loop = loop;
    servers->max_value_bytes = config->max_value_bytes;
    begin_connecting(servers);
    return 0;
}

void redis_servers_close(struct redis_servers *servers)
{
    redis_conn_destroy(&servers->conn);
    redis_cluster_destroy(&servers->cluster);
    assert(servers->writes_waiting == 0);
    redis_sentinels_destroy(&servers->sentinels);
    redis_tls_destroy(&servers->tls);
    redis_url_free(&servers->url);
}

static bool is_settled(const struct redis_servers *servers)
{
    return servers->cluster != NULL ? redis_cluster_is_settled(servers->cluster)
                                    : redis_conn_is_settled(servers->conn);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
}

void redis_servers_settle(struct redis_servers *servers, double seconds)
{
    struct ev_timer timeout;

    ev_timer_init(&timeout, on_timeout, seconds, 0.);
    ev_timer_start(servers->loop, &timeout);
    while (!is_settled(servers) && ev_is_active(&timeout))
        ev_run(servers->loop, EVRUN_ONCE);
    ev_timer_stop(servers->loop, &timeout);
}

bool redis_servers_is_ready(const struct redis_servers *servers, const char **why_r)
{
    if (servers->cluster != NULL)
        return redis_cluster_is_ready(servers->cluster, why_r);
    *why_r = NULL;
    if (redis_conn_is_renewing(servers->conn))
        return true;
    if (!redis_conn_is_up(servers->conn, why_r))
        return false;
    if (!redis_conn_is_writable(servers->conn))
        *why_r = "Redis is a replica and takes no writes";
    return *why_r == NULL;
}

struct redis_conn *redis_servers_conn(const struct redis_servers *servers,
                                      struct slice key)
{
    return servers->cluster != NULL
               ? redis_cluster_conn(servers->cluster, redis_slot_of(key))
               : servers->conn;
}

struct redis_conn *redis_servers_node(const struct redis_servers *servers, unsigned i)
{
    if (servers->cluster != NULL)
        return redis_cluster_node(servers->cluster, i);
    return i == 0 ? servers->conn : NULL;
}

uint64_t redis_servers_changes(const struct redis_servers *servers)
{
    return servers->cluster != NULL ? redis_cluster_changes(servers->cluster) : 0;
}

uint64_t redis_servers_reconnects(const struct redis_servers *servers)
{
    return servers->cluster != NULL ? redis_cluster_reconnects(servers->cluster)
                                    : redis_conn_reconnects(servers->conn);
}
